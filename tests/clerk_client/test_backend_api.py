"""BackendApi: what is sent, what comes back, and when nothing is sent."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from backend.errors import AppError, ErrorCode
from backend.services.clerk.client import call_budget
from backend.services.clerk.client.backend_api import BackendApi
from backend.services.clerk.client.call_budget import CALLS_AT_ONCE
from backend.services.clerk.client.http import FetchError
from tests.support.clerk_api import SECRET_KEY, ApiServer, Handler, answer_with, refuse_with

CALLS: dict[str, Callable[[BackendApi, str], object]] = {
    "GET /v1/users/{}": BackendApi.get_user,
    "POST /v1/users/{}/ban": lambda api, user: api.ban_user(user, 1),
    "POST /v1/users/{}/unban": lambda api, user: api.unban_user(user, 1),
    "GET /v1/sessions/{}": lambda api, session: api.get_session(session, "user_1"),
    "POST /v1/sessions/{}/revoke": lambda api, session: api.revoke_session(session, "user_1"),
}
PURPOSES = {call: "ban" if call.endswith("ban") else call for call in CALLS}


class TestCalls:
    def test_sent(self, clerk_server: ApiServer, api: BackendApi) -> None:
        for call in CALLS.values():
            assert call(api, "id_1") == {"id": "x"}
        assert [f"{asked.method} {asked.path}" for asked in clerk_server.asked] == [
            call.format("id_1") for call in CALLS
        ]
        for asked in clerk_server.asked:
            assert asked.headers["Authorization"] == f"Bearer {SECRET_KEY}"
            assert asked.headers["Clerk-API-Version"] == "2026-05-12"
            assert asked.headers["Accept-Encoding"] == "identity"
            assert asked.headers["User-Agent"].startswith("counterfoil/")

    @pytest.mark.parametrize("document", [{}, [], None, "x", 7, {"id": {"new": ["form"]}}], ids=repr)
    def test_any_json(self, clerk_server: ApiServer, api: BackendApi, document: object) -> None:
        clerk_server.answer = answer_with(document)
        assert api.get_user("user_1") == document

    def test_quoted(self, clerk_server: ApiServer, api: BackendApi) -> None:
        for identifier in ("a/b", "a?b=c#d", "../sessions", "a\r\nX: y", "ä", "%2e%2e"):
            api.get_user(identifier)
        paths = ["a%2Fb", "a%3Fb%3Dc%23d", "..%2Fsessions", "a%0D%0AX%3A%20y", "%C3%A4", "%252e%252e"]
        assert [asked.path for asked in clerk_server.asked] == [f"/v1/users/{path}" for path in paths]

    @pytest.mark.parametrize("identifier", ["", ".", ".."])
    def test_no_other_resource(self, clerk_server: ApiServer, api: BackendApi, identifier: str) -> None:
        with pytest.raises(FetchError) as caught:
            api.ban_user(identifier, 1)
        assert caught.value.status == 404
        assert clerk_server.asked == []

    @pytest.mark.parametrize(
        ("key", "reason"),
        [("", "CLERK_SECRET_KEY"), ("sk_test_ä€", "UnicodeEncodeError"), ("sk_test_a\nb", "InvalidHeader")],
    )
    def test_unfit_key(self, clerk_server: ApiServer, key: str, reason: str) -> None:
        api = BackendApi(clerk_server.url, key)
        assert api.is_configured == bool(key)
        with pytest.raises(FetchError, match=f"^[^_]*{reason}") as caught:
            api.get_user("user_1")
        assert "sk_" not in str(caught.value)
        assert clerk_server.asked == []

    def test_no_netrc(
        self, clerk_server: ApiServer, api: BackendApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        netrc = tmp_path / "netrc"
        netrc.write_text("machine 127.0.0.1 login eve password hunter2\n")
        monkeypatch.setenv("NETRC", str(netrc))
        api.get_user("user_1")
        assert clerk_server.asked[0].headers["Authorization"] == f"Bearer {SECRET_KEY}"

    def test_no_cookies(self, clerk_server: ApiServer, api: BackendApi) -> None:
        clerk_server.answer = answer_with({}, Set_Cookie="a=b; Path=/")
        for _ in range(2):
            api.get_user("user_1")
        assert all("Cookie" not in asked.headers for asked in clerk_server.asked)

    @pytest.mark.parametrize("call", CALLS)
    def test_redirect(self, clerk_server: ApiServer, api: BackendApi, call: str) -> None:
        with ApiServer() as elsewhere:
            clerk_server.answer = answer_with({}, 307, Location=elsewhere.url)
            with pytest.raises(FetchError) as caught:
                CALLS[call](api, "id_1")
            assert caught.value.status == 307
            assert elsewhere.asked == []


class TestRetryAfter:
    @pytest.mark.parametrize(("status", "told", "pause"), [(429, 7, 7), (503, 7, 7), (429, 3000, 60)])
    def test_pause(self, clerk_server: ApiServer, status: int, told: int, pause: int) -> None:
        """At most a minute."""
        now = [1000.0]
        api = BackendApi(clerk_server.url, SECRET_KEY, clock=lambda: now[0])
        clerk_server.answer = refuse_with("too_many_requests", status, Retry_After=str(told))
        for passed, user in enumerate(("user_1", "user_1", "user_2")):
            now[0] = 1000.0 + passed
            with pytest.raises(FetchError) as caught:
                api.get_user(user)
            expected = pause - passed if passed else told
            assert (caught.value.status, caught.value.retry_after) == (status, expected)
        assert len(clerk_server.asked) == 1
        clerk_server.answer = answer_with({})
        now[0] = 1000.0 + pause
        assert api.get_user("user_1") == {}

    @pytest.mark.parametrize("paused", CALLS)
    def test_stops_no_other_purpose(self, clerk_server: ApiServer, api: BackendApi, paused: str) -> None:
        clerk_server.answer = refuse_with("too_many_requests", 429, Retry_After="60")
        with pytest.raises(FetchError):
            CALLS[paused](api, "id_1")
        clerk_server.answer = answer_with({})
        for call, purpose in PURPOSES.items():
            if purpose != PURPOSES[paused]:
                assert CALLS[call](api, "id_1") == {}
            else:
                with pytest.raises(FetchError, match="asked us to wait"):
                    CALLS[call](api, "id_1")

    @pytest.mark.parametrize(
        "answer",
        [
            refuse_with("too_many_requests", 429),
            *[refuse_with("too_many_requests", 429, Retry_After=value) for value in ("soon", "0")],
            *[refuse_with("x", status, Retry_After="60") for status in (500, 404)],
        ],
    )
    def test_no_pause(self, clerk_server: ApiServer, api: BackendApi, answer: object) -> None:
        clerk_server.answer = answer
        for _ in range(2):
            with pytest.raises(FetchError):
                api.get_user("user_1")
        assert len(clerk_server.asked) == 2

    def test_a_shorter_one_does_not_end_a_longer_one(self, clerk_server: ApiServer) -> None:
        """Two calls at once, both refused: the longer time counts, whichever comes first."""
        now = [0.0]
        api = BackendApi(clerk_server.url, SECRET_KEY, clock=lambda: now[0])
        both = threading.Barrier(2, timeout=5)

        def refuse(handler: Handler) -> None:
            both.wait()
            is_long = handler.path.endswith("long")
            time.sleep(0 if is_long else 0.2)
            refuse_with("x", 429, Retry_After="60" if is_long else "1")(handler)

        clerk_server.answer = refuse
        with ThreadPoolExecutor(2) as pool:
            for future in [pool.submit(api.get_user, name) for name in ("long", "short")]:
                assert isinstance(future.exception(), FetchError)
        now[0] = 30.0
        with pytest.raises(FetchError) as caught:
            api.get_user("user_1")
        assert caught.value.retry_after == 30


class TestBudget:
    @pytest.fixture
    def now(self) -> list[float]:
        return [1000.0]

    @pytest.fixture
    def api(self, clerk_server: ApiServer, now: list[float]) -> BackendApi:
        return BackendApi(clerk_server.url, SECRET_KEY, clock=lambda: now[0])

    def _refused_after(self, call: Callable[[], object], most: int = 100) -> tuple[int, int]:
        """How many calls pass, and the seconds that the first one beyond is told to wait."""
        for passed in range(most):
            try:
                call()
            except AppError as error:
                refusal = error
            else:
                continue
            assert refusal.code is ErrorCode.RATE_LIMITED
            return passed, int(refusal.headers["Retry-After"])
        return most, 0

    @pytest.mark.parametrize("call", CALLS)
    def test_bounds_one_caller(self, clerk_server: ApiServer, api: BackendApi, now: list[float], call: str) -> None:
        spend = partial(CALLS[call], api, "user_1")
        assert self._refused_after(spend) == (CALLS_AT_ONCE, 1)
        assert len(clerk_server.asked) == CALLS_AT_ONCE
        now[0] += 1
        assert self._refused_after(spend) == (1, 1)
        now[0] += 3.5
        assert self._refused_after(spend) == (3, 1)
        now[0] += 3600
        assert self._refused_after(spend) == (CALLS_AT_ONCE, 1)

    def test_no_other_caller_and_no_other_purpose(self, api: BackendApi) -> None:
        assert self._refused_after(lambda: api.get_session("sess_1", "user_1")) == (CALLS_AT_ONCE, 1)
        assert [
            api.get_session("sess_1", "user_2"),
            api.revoke_session("sess_1", "user_1"),
            api.get_user("user_1"),
            api.ban_user("user_1", "user_1"),
        ] == [{"id": "x"}] * 4

    def test_an_operator_has_none(self, api: BackendApi) -> None:
        assert self._refused_after(lambda: api.ban_user("user_1", None), 30) == (30, 0)

    def test_bounded(self, api: BackendApi, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(call_budget, "MAX_CALLERS", 2)
        whole = (CALLS_AT_ONCE, 1)
        for user, expected in (("1", whole), ("2", whole), ("1", (0, 1)), ("3", whole), ("2", (0, 1)), ("1", whole)):
            assert self._refused_after(partial(api.get_user, user)) == expected

    def test_a_pause_costs_nothing(self, clerk_server: ApiServer, api: BackendApi, now: list[float]) -> None:
        clerk_server.answer = refuse_with("too_many_requests", 429, Retry_After="5")
        for _ in range(30):
            with pytest.raises(FetchError):
                api.get_user("user_1")
        clerk_server.answer = answer_with({})
        now[0] += 5
        assert self._refused_after(lambda: api.get_user("user_1")) == (CALLS_AT_ONCE, 1)
