"""How dates and times are written: so that they sort, and to the second."""
