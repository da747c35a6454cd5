"""The copy of what Clerk holds: schema `clerk`."""
