"""Which browser a request comes from.

Clerk's development instances give it in the query as `__clerk_db_jwt`, because their cookies would be third-party ones;
production instances in the HttpOnly cookie `__client`.
"""

import sqlite3
from http import HTTPStatus

from flask import Response, g, request

from clerk_emulator import clients, users
from clerk_emulator.errors import ClerkError

_QUERY = "__clerk_db_jwt"
_COOKIE = "__client"
_TEN_YEARS = 10 * 365 * 24 * 60 * 60


def find_client(db: sqlite3.Connection) -> sqlite3.Row | None:
    """Find the browser; None when it has not been here. Raises ClerkError for a `__clerk_db_jwt` nobody was given."""
    if token := request.args.get(_QUERY):
        client = clients.find_by_token(db, token)
        if client is None:
            # The SDK then asks for a new one, for example after `reset`.
            raise ClerkError(
                HTTPStatus.UNAUTHORIZED,
                "dev_browser_unauthenticated",
                "Browser unauthenticated",
                "Unable to authenticate the browser for your development instance. Check that your Clerk cookies "
                "are not being blocked by the browser.",
            )
        return client
    # A later transaction of this request must find the browser that an earlier one founded.
    cookie = g.get("new_client_token") or request.cookies.get(_COOKIE)
    return clients.find_by_token(db, cookie) if cookie else None


def require_client(db: sqlite3.Connection) -> sqlite3.Row:
    """Find the browser, or get to know it: the answer then sets its cookie."""
    client = find_client(db)
    if client is None:
        client = clients.create(db)
        g.new_client_token = client["token"]
    return client


def require_session(db: sqlite3.Connection) -> sqlite3.Row:
    """Find the session a request about the user is made in: the one it names, else the browser's active one."""
    client = find_client(db)
    active = clients.active_sessions(db, client) if client else []
    if client and (session := _choose_session(client, active)):
        return session
    raise ClerkError(HTTPStatus.UNAUTHORIZED, "signed_out", "Signed out", "You are signed out")


def require_user(db: sqlite3.Connection) -> sqlite3.Row:
    return users.find(db, require_session(db)["user_id"])


def _choose_session(client: sqlite3.Row, active: list[sqlite3.Row]) -> sqlite3.Row | None:
    wanted = request.args.get("_clerk_session_id")
    if wanted is None:
        return clients.last_active(client, active)
    return next((session for session in active if session["id"] == wanted), None)


def add_headers(response: Response) -> Response:
    # After a refusal there is mostly no such client: its transaction was undone.
    if (token := g.get("new_client_token")) and response.status_code < HTTPStatus.BAD_REQUEST:
        response.set_cookie(_COOKIE, token, max_age=_TEN_YEARS, httponly=True, samesite="Lax")
    response.headers.setdefault("Cache-Control", "no-store")
    return response
