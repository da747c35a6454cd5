"""Sessions: whether one is alive at this moment, asked of Clerk; and what Clerk tells of those that begin and end."""

import contextlib
import logging
import math
import re
import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

from sqlalchemy import Connection, func, or_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import InstrumentedAttribute

from backend.database.locks import lock_user
from backend.errors import AppError, ErrorCode
from backend.models import RevokedSession, User
from backend.services.clerk.client.backend_api import BackendApi
from backend.services.clerk.client.http import FetchError
from backend.services.clerk.mirror.apply import Mirror, Outcome
from backend.services.clerk.payloads import MAX_AHEAD, SessionEnd, SessionStart, read_payload, to_instant

SESSION_ID = re.compile(r"sess_[A-Za-z0-9]{1,64}")
NEGATIVE_SECONDS = 30.0  # a client that keeps asking about an ended session costs one call in this time
MAX_NEGATIVE = 10_000  # about 2 MB
OVER = frozenset({"ended", "removed", "revoked", "expired", "abandoned", "replaced"})
# When Clerk names no end of a session: its default lifetime.
SESSION_LIFETIME = timedelta(days=7)
# These say something about us: our key, our rate. Other statuses below 500 say something about the session.
OUR_OWN = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS)

log = logging.getLogger(__name__)


class LiveSessions:
    """Asks Clerk whether a session goes on, for routes that must not trust a token's minute. One a worker.

    A session that is over stays over, so that is remembered for a moment; nothing else is.
    """

    def __init__(self, api: BackendApi, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._api = api
        self._clock = clock
        self._over_until: OrderedDict[str, float] = OrderedDict()

    def check(self, session_id: str, clerk_user_id: str) -> None:
        """Return when this session of this user is active at Clerk now.

        Raises AppError: `session-pending`; `session-revoked` with one text for every other session, so that nobody
        learns which exist; `clerk-unavailable` (503) when Clerk could not say; `rate-limited` (429) when the user
        asks too often.
        """
        is_over = self._over_until.get(session_id, -math.inf) > self._clock()
        if is_over or not SESSION_ID.fullmatch(session_id):
            raise session_ended()
        try:
            session = _read_session(self._api.get_session(session_id, clerk_user_id))
        except FetchError as error:
            if not _is_about_session(error):
                raise self._unavailable(error) from None
            if error.status == HTTPStatus.NOT_FOUND:
                self._remember(session_id)
            raise session_ended() from None
        status = session["status"]
        if session["id"] == session_id and status in OVER:
            self._remember(session_id)
        is_theirs = (session["id"], session["user_id"]) == (session_id, clerk_user_id)
        if is_theirs and status == "pending":
            detail = "The session is not complete: a task is left at sign-in."
            raise AppError(ErrorCode.SESSION_PENDING, detail)
        if not is_theirs or status != "active":
            raise session_ended()

    def revoke(self, session_id: str, clerk_user_id: str) -> dict[str, object] | None:
        """End this session of this user at Clerk. Returns Clerk's Session; None when it was over already.

        Raises AppError: 503 when Clerk could not do it, 429 when the user asks too often.
        """
        if not SESSION_ID.fullmatch(session_id):
            return None
        session = None
        try:
            session = _read_session(self._api.revoke_session(session_id, clerk_user_id))
        except FetchError as error:
            if not _is_about_session(error):
                raise self._unavailable(error) from None
        if session is not None and session["id"] != session_id:
            raise self._unavailable(FetchError("answered with another session"))
        self._remember(session_id)
        return session

    def _remember(self, session_id: str) -> None:
        """Bounded: the oldest goes first."""
        self._over_until.pop(session_id, None)
        self._over_until[session_id] = self._clock() + NEGATIVE_SECONDS
        if len(self._over_until) > MAX_NEGATIVE:
            self._over_until.popitem(last=False)

    def _unavailable(self, error: FetchError) -> AppError:
        log.warning("Clerk could not be asked about a session: %s.", error)
        if not self._api.is_configured:
            detail = (
                "Sessions can only be checked and ended with Clerk's secret key. The operator: set CLERK_SECRET_KEY."
            )
        elif error.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            detail = "Clerk refused our secret key. The operator: check CLERK_SECRET_KEY and CLERK_API_URL."
        elif error.status == HTTPStatus.TOO_MANY_REQUESTS:
            detail = "Clerk's rate limit is reached. Try again later. The operator: check fewer routes live."
        else:
            detail = "Clerk cannot be asked at the moment. Try again. The operator: see the log and status.clerk.com."
        return AppError(ErrorCode.CLERK_UNAVAILABLE, detail, retry_after=error.retry_after)


def _read_session(response: object) -> dict[str, object]:
    """The response, when it has a session's form. Raises FetchError."""
    if isinstance(response, dict) and {str} == {type(response.get(name)) for name in ("id", "user_id", "status")}:
        return response
    raise FetchError("answered with something other than a session")


def _is_about_session(error: FetchError) -> bool:
    """Whether Clerk itself refused this one session. A 404 without Clerk's code comes from another server."""
    status = error.status or 0
    is_refusal = HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR
    return is_refusal and status not in OUR_OWN and error.code is not None


def session_ended() -> AppError:
    """One text for every session that is not the caller's and active: nobody learns which exist."""
    return AppError(ErrorCode.SESSION_REVOKED, "The session has ended. Sign in again.")


def start_session(mirror: Mirror, connection: Connection, data: dict[str, Any], as_of: int) -> Outcome:
    """Note the login. `data`: Clerk's Session."""
    session = read_payload(SessionStart, data, as_of)
    if session.actor is not None:
        return Outcome.IGNORED  # somebody else impersonates the user: that is not the user's login
    lock_user(connection, session.user_id)
    mirror.ensure_user(connection, session.user_id, session.user, as_of)
    return Outcome.of(_note_time(connection, session.user_id, User.last_login_at, session.created_at))


def end_session(mirror: Mirror, connection: Connection, data: dict[str, Any], as_of: int) -> Outcome:
    """Refuse the session's tokens from now on: they would be good for up to 60 s more. `data`: Clerk's Session."""
    session = read_payload(SessionEnd, data, as_of)
    expires_at = None
    with contextlib.suppress(ValueError):
        expires_at = to_instant(session.expire_at)
    lock_user(connection, session.user_id)
    is_news = revoke_session(connection, session.id, expires_at)
    if session.actor is None:
        mirror.ensure_user(connection, session.user_id, session.user, as_of)
        is_noted = _note_time(connection, session.user_id, User.last_logout_at, session.updated_at)
        is_news = is_news or is_noted
    return Outcome.of(is_news)


def revoke_session(connection: Connection, session_id: str, expires_at: datetime | None = None) -> bool:
    """Refuse the session's tokens from now on. False when that was so already.

    `expires_at`: from when on no token of it can be alive; without it, a session's whole lifetime from now.
    """
    values = {"session_id": session_id, "expires_at": expires_at or datetime.now(UTC) + SESSION_LIFETIME}
    inserted = insert(RevokedSession).values(values).on_conflict_do_nothing()
    return connection.execute(inserted).rowcount > 0


def _note_time(
    connection: Connection, clerk_user_id: str, column: InstrumentedAttribute[datetime | None], at: datetime
) -> bool:
    """Set the column of a live user, unless it has that time or a later one that can be."""
    live = (User.clerk_user_id == clerk_user_id) & User.deleted_at.is_(None)
    noted = update(User).where(live, or_(column.is_(None), column < at, column > func.now() + MAX_AHEAD))
    return connection.execute(noted.values({column: at, User.updated_at: func.now()})).rowcount > 0
