"""The envelope of the Frontend API: what was asked for, and the browser's state along with it."""

from typing import Any

from flask import Response, jsonify

from clerk_emulator import clients
from clerk_emulator.context import Change
from clerk_emulator.frontend_api.identity import find_client
from clerk_emulator.frontend_api.payloads import client_payload


def answer(response: Any, *, client: dict[str, Any] | None = None) -> Response:  # noqa: ANN401 - anything JSON
    return jsonify(response=response, client=client)


def answer_change(change: Change, response: Any, client_id: str | None = None) -> Response:  # noqa: ANN401
    """Answer a request that may have changed the browser's state: the SDK takes it over from here."""
    client = clients.find(change.db, client_id) if client_id else find_client(change.db)
    return answer(response, client=client_payload(change, client) if client else None)
