"""LiveSessions: what is remembered of a session, and what is not."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from backend.errors import AppError, ErrorCode
from backend.services.clerk import sessions as live_sessions
from backend.services.clerk.client.backend_api import BackendApi
from backend.services.clerk.sessions import NEGATIVE_SECONDS, OVER, LiveSessions
from tests.sessions.live import ENDED, NOT_FOUND, OUTAGES, SESSION, USER, Clock, refusal, session, told
from tests.support.clerk_api import SECRET_KEY, ApiServer, Handler, refuse_with

NAMES = st.sampled_from(["sess_a", "sess_b"])
CHANGES = {  # what becomes of a session at Clerk, and what a check then says
    "active": "active",
    "pending": ErrorCode.SESSION_PENDING,
    "ended": ErrorCode.SESSION_REVOKED,
    "gone": ErrorCode.SESSION_REVOKED,
    "away": ErrorCode.CLERK_UNAVAILABLE,
}


class TestMemory:
    @pytest.mark.parametrize("answer", [*map(session, sorted(OVER)), NOT_FOUND], ids=[*sorted(OVER), "404"])
    def test_over(self, clerk_server: ApiServer, sessions: LiveSessions, clock: Clock, answer: Any) -> None:
        """True for everybody, so nobody's question is asked again for a moment."""
        clerk_server.answer = answer
        refusal(sessions)
        clock.now += NEGATIVE_SECONDS - 1
        for user_id in (USER, "user_2"):
            assert told(refusal(sessions, user_id=user_id)) == ENDED
        assert len(clerk_server.asked) == 1
        clock.now += 1
        refusal(sessions)
        assert len(clerk_server.asked) == 2

    @pytest.mark.parametrize(
        "answer",
        [
            *[session("pending"), session("frozen"), session(user_id="user_2"), session(session_id="sess_2")],
            *[refuse_with("form_param_format_invalid", 422), OUTAGES["500"], OUTAGES["404 of another server"]],
        ],
        ids=["pending", "frozen", "foreign", "other", "422", "500", "nginx"],
    )
    def test_nothing_else(self, clerk_server: ApiServer, sessions: LiveSessions, answer: Any) -> None:
        clerk_server.answer = answer
        refusal(sessions)
        clerk_server.answer = session()
        sessions.check(SESSION, USER)

    def test_bounded(self, clerk_server: ApiServer, sessions: LiveSessions, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(live_sessions, "MAX_NEGATIVE", 3)
        clerk_server.answer = NOT_FOUND
        for name in ("a", "b", "c", "d", "d"):
            refusal(sessions, f"sess_{name}")
        assert len(clerk_server.asked) == 4
        for name in ("b", "c", "d", "a"):
            refusal(sessions, f"sess_{name}")
        assert [asked.path[-1] for asked in clerk_server.asked] == ["a", "b", "c", "d", "a"]

    @given(st.lists(st.tuples(NAMES, st.sampled_from([*CHANGES, "check", "foreign check", "revoke", 1, 29, 30]))))
    @hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_any_history(self, clerk_server: ApiServer, steps: list[tuple[str, Any]]) -> None:
        """A check says what Clerk says, but for sessions that were seen to be over in the last 30 s."""
        clock = Clock()
        sessions = LiveSessions(BackendApi(clerk_server.url, SECRET_KEY, clock=clock), clock=clock)
        truth = {"sess_a": "active", "sess_b": "active"}
        over_until = {"sess_a": 0.0, "sess_b": 0.0}

        def answer(handler: Handler) -> None:
            name = handler.path.split("/")[3]
            if handler.command == "POST" and truth[name] in {"active", "pending"}:
                truth[name] = "revoked"
            special = {"gone": NOT_FOUND, "away": OUTAGES["500"]}
            special.get(truth[name], session(truth[name], session_id=name))(handler)

        clerk_server.answer = answer
        for name, step in steps:
            is_remembered = over_until[name] > clock.now
            if step in CHANGES:
                truth[name] = step
            elif isinstance(step, int):
                clock.now += step
            elif step == "revoke":
                with suppress(AppError):
                    sessions.revoke(name, USER)
                if truth[name] != "away":
                    over_until[name] = clock.now + NEGATIVE_SECONDS
            else:
                expected = CHANGES.get(truth[name], ErrorCode.SESSION_REVOKED)
                if is_remembered or (step == "foreign check" and truth[name] != "away"):
                    expected = ErrorCode.SESSION_REVOKED
                assert outcome(sessions, name, "user_2" if step == "foreign check" else USER) == expected
                if truth[name] in {"ended", "revoked", "gone"} and not is_remembered:
                    over_until[name] = clock.now + NEGATIVE_SECONDS


def outcome(sessions: LiveSessions, name: str, user_id: str) -> str:
    try:
        sessions.check(name, user_id)
    except AppError as error:
        return error.code
    return "active"
