"""Counterfoil: a backend for applications whose frontend signs in with Clerk."""

from backend.app import create_app

__all__ = ["create_app"]
