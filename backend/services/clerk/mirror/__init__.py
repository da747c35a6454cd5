"""Our copy of what Clerk owns."""
