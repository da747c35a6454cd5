"""Whether a session is alive at this moment: asked of Clerk each time, for routes that must not trust a token's minute."""

import logging
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from http import HTTPStatus

from backend.errors import AppError, ErrorCode
from backend.services.clerk.client.backend_api import ClerkApi
from backend.services.clerk.client.http import FetchError

SESSION_ID = re.compile(r"sess_[A-Za-z0-9]{1,64}")
NEGATIVE_SECONDS = 30.0  # a client that keeps asking about an ended session costs one call in this time
MAX_NEGATIVE = 10_000  # about 2 MB
OVER = frozenset({"ended", "removed", "revoked", "expired", "abandoned", "replaced"})
# These say something about us: our key, our rate. Other statuses below 500 say something about the session.
OUR_OWN = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS)

log = logging.getLogger(__name__)


class LiveSessions:
    """One a worker. A session that is over stays over, so that is remembered for a moment; nothing else is."""

    def __init__(self, api: ClerkApi, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._api = api
        self._clock = clock
        self._lock = threading.Lock()
        self._over_until: OrderedDict[str, float] = OrderedDict()

    def check(self, session_id: str, clerk_user_id: str) -> None:
        """Return when this session of this user is active at Clerk now.

        Raises AppError: `session-pending`; `session-revoked` with one text for every other session, so that nobody
        learns which exist; `clerk-unavailable` (503) when Clerk could not say.
        """
        if not SESSION_ID.fullmatch(session_id) or self._is_over(session_id):
            raise _ended()
        try:
            session = _read_session(self._api.get_session(session_id))
        except FetchError as error:
            if not _is_about_session(error):
                raise self._unavailable(error) from None
            if error.status == HTTPStatus.NOT_FOUND:
                self._remember(session_id)
            raise _ended() from None
        if session["id"] != session_id:
            raise _ended()
        if session["status"] in OVER:
            self._remember(session_id)
        if session["user_id"] != clerk_user_id:
            raise _ended()
        if session["status"] == "pending":
            raise AppError(
                ErrorCode.SESSION_PENDING, "The session is not complete: a task is left at sign-in."
            )
        if session["status"] != "active":
            raise _ended()

    def revoke(self, session_id: str) -> dict[str, object] | None:
        """End the session at Clerk. Returns Clerk's Session; None when there is none, or it was over already.

        Raises AppError (503) when Clerk could not do it.
        """
        if not SESSION_ID.fullmatch(session_id):
            return None
        session = None
        try:
            session = _read_session(self._api.revoke_session(session_id))
        except FetchError as error:
            if not _is_about_session(error):
                raise self._unavailable(error) from None
        if session is not None and session["id"] != session_id:
            raise self._unavailable(FetchError("answered with another session"))
        self._remember(session_id)
        return session

    def _is_over(self, session_id: str) -> bool:
        with self._lock:
            return self._over_until.get(session_id, float("-inf")) > self._clock()

    def _remember(self, session_id: str) -> None:
        """Bounded: the oldest goes first."""
        with self._lock:
            self._over_until[session_id] = self._clock() + NEGATIVE_SECONDS
            self._over_until.move_to_end(session_id)
            if len(self._over_until) > MAX_NEGATIVE:
                self._over_until.popitem(last=False)

    def _unavailable(self, error: FetchError) -> AppError:
        log.warning("Clerk could not be asked about a session: %s.", error)
        if not self._api.is_configured:
            detail = "Sessions can only be checked and ended with Clerk's secret key. The operator: set CLERK_SECRET_KEY."
        elif error.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            detail = "Clerk refused our secret key. The operator: check CLERK_SECRET_KEY and CLERK_API_URL."
        elif error.status == HTTPStatus.TOO_MANY_REQUESTS:
            detail = "Clerk's rate limit is reached. Try again later. The operator: check fewer routes live."
        else:
            detail = "Clerk cannot be asked at the moment. Try again. The operator: see the log and status.clerk.com."
        return AppError(ErrorCode.CLERK_UNAVAILABLE, detail, retry_after=error.retry_after)


def _read_session(answer: object) -> dict[str, object]:
    """The answer, when it has a session's form. Raises FetchError."""
    if not isinstance(answer, dict) or not all(
        isinstance(answer.get(name), str) for name in ("id", "user_id", "status")
    ):
        raise FetchError("answered with something other than a session")
    return answer


def _is_about_session(error: FetchError) -> bool:
    """Whether Clerk itself refused this one session. A 404 without Clerk's code comes from another server."""
    return (
        error.status is not None
        and HTTPStatus.BAD_REQUEST <= error.status < HTTPStatus.INTERNAL_SERVER_ERROR
        and error.status not in OUR_OWN
        and error.code is not None
    )


def _ended() -> AppError:
    return AppError(ErrorCode.SESSION_REVOKED, "The session has ended. Sign in again.")
