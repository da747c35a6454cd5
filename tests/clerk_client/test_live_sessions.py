"""LiveSessions against servers that misbehave: a check never passes without a word from Clerk."""

import logging
from collections.abc import Callable
from typing import Any

import pytest

from backend.errors import AppError, ErrorCode
from backend.services.clerk import sessions as live_sessions
from backend.services.clerk.client import http
from backend.services.clerk.client.backend_api import ClerkApi
from backend.services.clerk.sessions import OVER, SESSION_ID, LiveSessions
from tests.clerk_client.live import ENDED, NOT_FOUND, OUTAGES, SESSION, USER, Clock, refusal, session, told
from tests.support.clerk import clerk_id
from tests.support.clerk_api import SECRET_KEY, ApiServer, hang_up, refuse_with


class TestCheck:
    def test_active(self, server: ApiServer, live: LiveSessions) -> None:
        """Asked each time: a good answer is true for no longer than it takes."""
        for _ in range(3):
            live.check(SESSION, USER)
        assert [asked.path for asked in server.asked] == [f"/v1/sessions/{SESSION}"] * 3
        server.answer = session("ended")
        assert told(refusal(live)) == ENDED

    @pytest.mark.parametrize("status", [*sorted(OVER), "frozen", "Active", "active ", ""])
    def test_other_status(self, server: ApiServer, live: LiveSessions, status: str) -> None:
        server.answer = session(status)
        assert told(refusal(live)) == ENDED

    def test_pending(self, server: ApiServer, live: LiveSessions) -> None:
        server.answer = session("pending")
        assert refusal(live).code == ErrorCode.SESSION_PENDING
        server.answer = session()
        live.check(SESSION, USER)

    @pytest.mark.parametrize("status", ["active", "pending", "ended", "frozen"])
    def test_of_another_user(self, server: ApiServer, live: LiveSessions, status: str) -> None:
        """Nothing tells it from a session that does not exist."""
        server.answer = session(status, user_id="user_2")
        assert told(refusal(live)) == ENDED

    def test_its_owner_is_not_kept_out(self, server: ApiServer, live: LiveSessions) -> None:
        assert told(refusal(live, user_id="user_2")) == ENDED
        live.check(SESSION, USER)
        assert len(server.asked) == 2

    def test_another_session(self, server: ApiServer, live: LiveSessions) -> None:
        server.answer = session(session_id="sess_2")
        assert told(refusal(live)) == ENDED

    @pytest.mark.parametrize(
        "answer",
        [NOT_FOUND, refuse_with("resource_gone", 410), refuse_with("form_param_format_invalid", 422)],
        ids=["404", "410", "422"],
    )
    def test_unknown(self, server: ApiServer, live: LiveSessions, answer: Any) -> None:
        server.answer = answer
        assert told(refusal(live)) == ENDED

    @pytest.mark.parametrize(
        "session_id",
        [
            *("", "sess_", "sess_1\n", "sess_1 ", " sess_1", "SESS_1", "user_1", "sess-1", "sess_1_2"),
            *(
                "sess_ä",
                "sess_\u0661",
                "sess_1/revoke",
                "sess_..",
                "../users/user_1",
                "sess_1\x00",
                "sess_" + "x" * 65,
            ),
        ],
        ids=ascii,
    )
    def test_no_session_id(self, server: ApiServer, live: LiveSessions, session_id: str) -> None:
        """Refused without asking."""
        assert told(refusal(live, session_id)) == ENDED
        assert live.revoke(session_id) is None
        assert server.asked == []

    def test_session_id(self) -> None:
        assert SESSION_ID.fullmatch(clerk_id("sess"))
        assert SESSION_ID.fullmatch("sess_" + "x" * 64)


class TestRevoke:
    def test_active(self, server: ApiServer, live: LiveSessions) -> None:
        server.answer = session("revoked")
        revoked = live.revoke(SESSION)
        assert revoked is not None
        assert (revoked["id"], revoked["status"]) == (SESSION, "revoked")
        assert (server.asked[0].method, server.asked[0].path) == ("POST", f"/v1/sessions/{SESSION}/revoke")

    @pytest.mark.parametrize(
        "answer",
        [NOT_FOUND, refuse_with("session_over", 400), refuse_with("x", 422)],
        ids=["404", "400", "422"],
    )
    def test_gone(self, server: ApiServer, live: LiveSessions, answer: Any) -> None:
        server.answer = answer
        assert live.revoke(SESSION) is None

    @pytest.mark.parametrize("answer", [session("revoked"), NOT_FOUND], ids=["200", "404"])
    def test_refused_from_now_on(self, server: ApiServer, live: LiveSessions, answer: Any) -> None:
        """Without another call, whatever Clerk's next answer would be."""
        server.answer = answer
        live.revoke(SESSION)
        server.answer = session()
        assert told(refusal(live)) == ENDED
        assert len(server.asked) == 1

    def test_another_session(self, server: ApiServer, live: LiveSessions) -> None:
        server.answer = session("revoked", session_id="sess_2")
        with pytest.raises(AppError, match="clerk-unavailable"):
            live.revoke(SESSION)
        server.answer = session()
        live.check(SESSION, USER)


class TestOutage:
    @pytest.mark.parametrize("outage", OUTAGES)
    def test_never_a_pass(
        self,
        server: ApiServer,
        live: LiveSessions,
        outage: str,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        monkeypatch.setattr(http, "DEADLINE_SECONDS", 0.5)
        server.answer = OUTAGES[outage]
        asking: list[Callable[[], object]] = [
            lambda: live.check(SESSION, USER),
            lambda: live.revoke(SESSION),
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
        server.answer = session()
        live.check(SESSION, USER)

    def test_nobody_there(self, server: ApiServer, live: LiveSessions) -> None:
        live.check(SESSION, USER)
        server.stop()
        server.answer = hang_up
        assert refusal(live).code == ErrorCode.CLERK_UNAVAILABLE

    def test_without_a_key(self, server: ApiServer, caplog: pytest.LogCaptureFixture) -> None:
        live = LiveSessions(ClerkApi(server.url, ""))
        error = refusal(live)
        assert (error.code, "CLERK_SECRET_KEY" in error.detail) == (ErrorCode.CLERK_UNAVAILABLE, True)
        assert "CLERK_SECRET_KEY" in caplog.text
        with pytest.raises(AppError, match="clerk-unavailable"):
            live.revoke(SESSION)
        assert server.asked == []

    def test_wrong_key_is_named(self, server: ApiServer, live: LiveSessions) -> None:
        server.answer = OUTAGES["401"]
        assert "CLERK_SECRET_KEY" in refusal(live).detail

    def test_retry_after(self, server: ApiServer, live: LiveSessions, clock: Clock) -> None:
        """Told to the client, and kept to: nothing is asked before."""
        server.answer = refuse_with("too_many_requests", 429, Retry_After="40")
        assert refusal(live).headers == {"Retry-After": "40"}
        clock.now += 15.5
        server.answer = session()
        assert refusal(live).headers == {"Retry-After": "25"}
        assert len(server.asked) == 1
        clock.now += 24.5
        live.check(SESSION, USER)
