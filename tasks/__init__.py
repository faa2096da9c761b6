"""The domain: what a batch task is, and what happens to it. Never hears of the site."""
