"""What can be wrong with an installation, and how to mend it: each check is a function in `checks.CHECKS`."""
