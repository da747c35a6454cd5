"""Requests to Clerk."""
