"""Webhooks as Clerk sends them, signed."""

from typing import Any

import requests

from counterfoil_testing.application import Application
from counterfoil_testing.clerk import Instance, event


def post_event(server: Application, clerk: Instance, kind: str, data: object, **options: Any) -> requests.Response:
    """A signed delivery over a connection of its own: threads may call it. `event_id`: that of one to repeat."""
    return post_body(server, clerk, event(kind, data, instance_id=clerk.kid), **options)


def post_body(
    server: Application, clerk: Instance, body: bytes, *, event_id: str | None = None, timeout: float = 30
) -> requests.Response:
    """Any bytes with a good signature."""
    with server.connect() as session:
        return session.post(
            f"{server.url}/api/webhooks",
            data=body,
            headers=clerk.webhook_headers(body, event_id=event_id),
            timeout=timeout,
            allow_redirects=False,
        )
