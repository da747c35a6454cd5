"""Counterfoil with rate limits that nobody here reaches, for gunicorn."""

from types import MappingProxyType

from backend.services.rate_limits import table

PLENTY = 1_000_000_000
table.LIMITS = MappingProxyType(dict.fromkeys(table.LIMITS, table.Row(PLENTY, PLENTY, PLENTY, PLENTY)))

from backend.app import create_app  # noqa: E402 - after the limits

app = create_app()
