"""Clerk as a provider: asking it, being told by it, and our copy of what it owns."""
