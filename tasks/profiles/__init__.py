"""What a kind of device understands: read its profile, keep it in a normal form, check values against it."""
