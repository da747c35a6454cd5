"""Counterfoil: a backend for applications whose frontend signs in with Clerk."""
