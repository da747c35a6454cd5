"""Users: their accounts, own profile, administration and list."""
