"""LiveSessions: a check never passes without a word from Clerk, whatever its server does."""

import logging
from collections.abc import Callable
from typing import Any

import pytest

from backend.errors import AppError, ErrorCode
from backend.services.clerk import sessions as live_sessions
from backend.services.clerk.client import http
from backend.services.clerk.client.backend_api import BackendApi
from backend.services.clerk.sessions import OVER, SESSION_ID, LiveSessions
from tests.sessions.live import ENDED, NOT_FOUND, OUTAGES, SESSION, USER, Clock, refusal, session, told
from tests.support.clerk import clerk_id
from tests.support.clerk_api import SECRET_KEY, ApiServer, hang_up, refuse_with


class TestCheck:
    def test_active(self, clerk_server: ApiServer, sessions: LiveSessions) -> None:
        """Asked each time: a good answer is true for no longer than it takes."""
        for _ in range(3):
            sessions.check(SESSION, USER)
        assert [asked.path for asked in clerk_server.asked] == [f"/v1/sessions/{SESSION}"] * 3
        clerk_server.answer = session("ended")
        assert told(refusal(sessions)) == ENDED

    @pytest.mark.parametrize(
        "answer",
        [
            *[session(status) for status in (*sorted(OVER), "frozen", "Active", "active ", "")],
            *[session(status, user_id="user_2") for status in ("active", "pending", "ended", "frozen")],
            session(session_id="sess_2"),
            *[NOT_FOUND, refuse_with("resource_gone", 410), refuse_with("form_param_format_invalid", 422)],
        ],
    )
    def test_not_active(self, clerk_server: ApiServer, sessions: LiveSessions, answer: Any) -> None:
        """Nothing tells somebody else's session from one that is over or does not exist."""
        clerk_server.answer = answer
        assert told(refusal(sessions)) == ENDED

    def test_pending(self, clerk_server: ApiServer, sessions: LiveSessions) -> None:
        clerk_server.answer = session("pending")
        assert refusal(sessions).code == ErrorCode.SESSION_PENDING
        clerk_server.answer = session()
        sessions.check(SESSION, USER)

    def test_its_owner_is_not_kept_out(self, clerk_server: ApiServer, sessions: LiveSessions) -> None:
        assert told(refusal(sessions, user_id="user_2")) == ENDED
        sessions.check(SESSION, USER)
        assert len(clerk_server.asked) == 2

    @pytest.mark.parametrize(
        "session_id",
        [
            *["", "sess_", "sess_1\n", "sess_1 ", " sess_1", "SESS_1", "user_1", "sess-1", "sess_1_2"],
            *["sess_ä", "sess_\u0661", "sess_1/revoke", "sess_..", "../users/user_1", "sess_1\x00"],
            "sess_" + "x" * 65,
        ],
        ids=ascii,
    )
    def test_no_session_id(self, clerk_server: ApiServer, sessions: LiveSessions, session_id: str) -> None:
        """Refused without asking."""
        assert told(refusal(sessions, session_id)) == ENDED
        assert sessions.revoke(session_id, USER) is None
        assert clerk_server.asked == []

    def test_session_id(self) -> None:
        assert SESSION_ID.fullmatch(clerk_id("sess"))
        assert SESSION_ID.fullmatch("sess_" + "x" * 64)


class TestRevoke:
    def test_active(self, clerk_server: ApiServer, sessions: LiveSessions) -> None:
        """Refused from then on without another call, whatever Clerk's next answer would be."""
        clerk_server.answer = session("revoked")
        revoked = sessions.revoke(SESSION, USER)
        assert revoked is not None
        assert (revoked["id"], revoked["status"]) == (SESSION, "revoked")
        clerk_server.answer = session()
        assert told(refusal(sessions)) == ENDED
        (asked,) = clerk_server.asked
        assert (asked.method, asked.path) == ("POST", f"/v1/sessions/{SESSION}/revoke")

    @pytest.mark.parametrize(
        "answer", [NOT_FOUND, refuse_with("session_over", 400), refuse_with("x", 422)], ids=["404", "400", "422"]
    )
    def test_gone(self, clerk_server: ApiServer, sessions: LiveSessions, answer: Any) -> None:
        clerk_server.answer = answer
        assert sessions.revoke(SESSION, USER) is None
        clerk_server.answer = session()
        assert told(refusal(sessions)) == ENDED
        assert len(clerk_server.asked) == 1

    def test_another_session(self, clerk_server: ApiServer, sessions: LiveSessions) -> None:
        clerk_server.answer = session("revoked", session_id="sess_2")
        with pytest.raises(AppError, match="clerk-unavailable"):
            sessions.revoke(SESSION, USER)
        clerk_server.answer = session()
        sessions.check(SESSION, USER)


class TestOutage:
    @pytest.mark.parametrize("outage", OUTAGES)
    def test_never_a_pass(
        self,
        clerk_server: ApiServer,
        sessions: LiveSessions,
        outage: str,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        monkeypatch.setattr(http, "TIMEOUT_SECONDS", 0.3)
        clerk_server.answer = OUTAGES[outage]
        asking: list[Callable[[], object]] = [
            lambda: sessions.check(SESSION, USER),
            lambda: sessions.revoke(SESSION, USER),
        ]
        for ask in asking:
            caplog.clear()
            with pytest.raises(AppError) as caught:
                ask()
            assert (caught.value.code, caught.value.code.status) == (ErrorCode.CLERK_UNAVAILABLE, 503)
            (record,) = [record for record in caplog.records if record.name == live_sessions.__name__]
            assert record.levelno == logging.WARNING
            assert not any(word in caplog.text for word in (SESSION, USER, SECRET_KEY))
            assert not any(word in caught.value.detail for word in (SESSION, USER, SECRET_KEY))
            assert caught.value.__cause__ is None
            assert (outage in {"401", "403"}) == ("CLERK_SECRET_KEY" in caught.value.detail)
        clerk_server.answer = session()
        sessions.check(SESSION, USER)

    def test_nobody_there(self, clerk_server: ApiServer, sessions: LiveSessions) -> None:
        sessions.check(SESSION, USER)
        clerk_server.stop()
        clerk_server.answer = hang_up
        assert refusal(sessions).code == ErrorCode.CLERK_UNAVAILABLE

    def test_without_a_key(self, clerk_server: ApiServer, caplog: pytest.LogCaptureFixture) -> None:
        sessions = LiveSessions(BackendApi(clerk_server.url, ""))
        error = refusal(sessions)
        assert (error.code, "CLERK_SECRET_KEY" in error.detail) == (ErrorCode.CLERK_UNAVAILABLE, True)
        assert "CLERK_SECRET_KEY" in caplog.text
        with pytest.raises(AppError, match="clerk-unavailable"):
            sessions.revoke(SESSION, USER)
        assert clerk_server.asked == []

    def test_retry_after(self, clerk_server: ApiServer, sessions: LiveSessions, clock: Clock) -> None:
        """Told to the client, and kept to: nothing is asked before."""
        clerk_server.answer = refuse_with("too_many_requests", 429, Retry_After="40")
        assert refusal(sessions).headers == {"Retry-After": "40"}
        clock.now += 15.5
        clerk_server.answer = session()
        assert refusal(sessions).headers == {"Retry-After": "25"}
        assert len(clerk_server.asked) == 1
        clock.now += 24.5
        sessions.check(SESSION, USER)
