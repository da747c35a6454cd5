"""Asking Clerk."""
