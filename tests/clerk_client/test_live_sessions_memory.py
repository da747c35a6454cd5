"""LiveSessions: what is remembered of a session, and what is not."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from backend.errors import AppError, ErrorCode
from backend.services.clerk import sessions as live_sessions
from backend.services.clerk.sessions import NEGATIVE_SECONDS, OVER, LiveSessions
from tests.clerk_client.live import ENDED, NOT_FOUND, OUTAGES, SESSION, USER, Clock, refusal, session, told
from tests.support.clerk_api import ApiServer, Handler, open_api, refuse_with

NAMES = st.sampled_from(["sess_a", "sess_b"])


class TestMemory:
    @pytest.mark.parametrize("answer", [*map(session, sorted(OVER)), NOT_FOUND], ids=[*sorted(OVER), "404"])
    def test_over(self, server: ApiServer, live: LiveSessions, clock: Clock, answer: Any) -> None:
        """True for everybody, so nobody's question is asked again for a moment."""
        server.answer = answer
        refusal(live)
        clock.now += NEGATIVE_SECONDS - 1
        for user_id in (USER, "user_2"):
            assert told(refusal(live, user_id=user_id)) == ENDED
        assert len(server.asked) == 1
        clock.now += 1
        refusal(live)
        assert len(server.asked) == 2

    @pytest.mark.parametrize(
        "answer",
        [
            *(session("pending"), session("frozen"), session(user_id="user_2"), session(session_id="sess_2")),
            *(
                refuse_with("form_param_format_invalid", 422),
                OUTAGES["500"],
                OUTAGES["404 of another server"],
            ),
        ],
        ids=["pending", "frozen", "foreign", "other", "422", "500", "nginx"],
    )
    def test_nothing_else(self, server: ApiServer, live: LiveSessions, answer: Any) -> None:
        server.answer = answer
        refusal(live)
        server.answer = session()
        live.check(SESSION, USER)

    def test_bounded(self, server: ApiServer, live: LiveSessions, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(live_sessions, "MAX_NEGATIVE", 3)
        server.answer = NOT_FOUND
        for name in ("a", "b", "c", "d", "d"):
            refusal(live, f"sess_{name}")
        assert len(server.asked) == 4
        for name in ("b", "c", "d", "a"):
            refusal(live, f"sess_{name}")
        assert [asked.path[-1] for asked in server.asked] == ["a", "b", "c", "d", "a"]

    @given(
        steps=st.lists(
            st.one_of(
                st.tuples(st.just("check"), NAMES, st.sampled_from([USER, "user_2"])),
                st.tuples(st.just("revoke"), NAMES),
                st.tuples(
                    st.just("becomes"), NAMES, st.sampled_from(["active", "pending", "ended", "gone", "away"])
                ),
                st.tuples(st.just("wait"), st.sampled_from([1, 29, 30])),
            ),
            max_size=25,
        )
    )
    @hypothesis_settings(
        max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    def test_any_history(self, server: ApiServer, steps: list[tuple[Any, ...]]) -> None:
        """A check says what Clerk says, but for sessions that were seen to be over in the last 30 s."""
        clock = Clock()
        with open_api(server.url, clock=clock) as api:
            history = History(server, clock, LiveSessions(api, clock=clock))
            for name, *values in steps:
                getattr(history, name)(*values)


class History:
    """Two sessions at Clerk, the LiveSessions that is asked about them, and a plain model of what it should say."""

    def __init__(self, server: ApiServer, clock: Clock, live: LiveSessions) -> None:
        self.clock = clock
        self.live = live
        self.truth = {"sess_a": "active", "sess_b": "active"}
        self.over_until = {"sess_a": 0.0, "sess_b": 0.0}
        server.answer = self.answer

    def answer(self, handler: Handler) -> None:
        name = handler.path.split("/")[3]
        if handler.command == "POST" and self.truth[name] in {"active", "pending"}:
            self.truth[name] = "revoked"
        special = {"gone": NOT_FOUND, "away": OUTAGES["500"]}
        special.get(self.truth[name], session(self.truth[name], session_id=name))(handler)

    def check(self, name: str, user_id: str) -> None:
        expected = self.expect(name, user_id)
        outcome = None
        try:
            self.live.check(name, user_id)
        except AppError as error:
            outcome = error.code
        assert outcome == expected
        if self.truth[name] in {"ended", "revoked", "gone"} and not self.is_remembered(name):
            self.over_until[name] = self.clock.now + NEGATIVE_SECONDS

    def revoke(self, name: str) -> None:
        if self.truth[name] == "away":
            with pytest.raises(AppError, match="clerk-unavailable"):
                self.live.revoke(name)
        else:
            assert (self.live.revoke(name) is None) == (self.truth[name] == "gone")
            self.over_until[name] = self.clock.now + NEGATIVE_SECONDS

    def becomes(self, name: str, truth: str) -> None:
        self.truth[name] = truth

    def wait(self, seconds: int) -> None:
        self.clock.now += seconds

    def is_remembered(self, name: str) -> bool:
        return self.over_until[name] > self.clock.now

    def expect(self, name: str, user_id: str) -> ErrorCode | None:
        truth = self.truth[name]
        if self.is_remembered(name):
            return ErrorCode.SESSION_REVOKED
        if truth == "away":
            return ErrorCode.CLERK_UNAVAILABLE
        if truth not in {"active", "pending"} or user_id != USER:
            return ErrorCode.SESSION_REVOKED
        return None if truth == "active" else ErrorCode.SESSION_PENDING
