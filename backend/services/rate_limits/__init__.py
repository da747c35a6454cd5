"""How many requests a minute are taken of whom, and counting them."""
