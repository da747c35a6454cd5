"""What the tests of LiveSessions share: responses, a clock that stands still, and how a refusal reads."""

from typing import Any

import pytest

from backend.errors import AppError, ErrorCode
from backend.services.clerk.sessions import LiveSessions
from tests.session_tokens.key_servers import FAILURES, hang
from tests.support.clerk import session_data
from tests.support.clerk_api import answer_with, hang_up, refuse_with

USER, SESSION = "user_1", "sess_1"
NOT_FOUND = refuse_with("resource_not_found", 404)
OUTAGES: dict[str, Any] = {
    "401": refuse_with("clerk_key_invalid", 401),
    "403": refuse_with("forbidden", 403),
    "429": refuse_with("too_many_requests", 429),
    "500": refuse_with("internal_clerk_error", 500),
    "503": answer_with(b"", 503),
    "301": answer_with({}, 301, Location="/elsewhere"),
    "404 of another server": answer_with(b"<h1>nginx</h1>", 404),
    "400 of another server": answer_with(b"<h1>nginx</h1>", 400),
    "list": answer_with([]),
    "null": answer_with(None),
    "empty": answer_with({}),
    "no status": answer_with({"id": SESSION, "user_id": USER}),
    "no user": answer_with({"id": SESSION, "user_id": None, "status": "active"}),
    "a number": answer_with({"id": 1, "user_id": USER, "status": "active"}),
    "no text": answer_with({"id": SESSION, "user_id": USER, "status": ["active"]}),
    "hang up": hang_up,
    "hang": hang,
    **{name: FAILURES[name] for name in ("garbage", "200 MB")},
}


def session(status: str = "active", *, user_id: str = USER, session_id: str = SESSION) -> Any:
    return answer_with(session_data(user_id, session_id, status=status))


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def refusal(sessions: LiveSessions, session_id: str = SESSION, user_id: str = USER) -> AppError:
    with pytest.raises(AppError) as caught:
        sessions.check(session_id, user_id)
    return caught.value


ENDED = (ErrorCode.SESSION_REVOKED, "The session has ended. Sign in again.")


def told(error: AppError) -> tuple[ErrorCode, str]:
    return error.code, error.detail
