"""What a developer's machine needs to run Counterfoil; never imported in production."""
