"""ClerkApi: what is sent, what comes back, and when nothing is sent."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from backend.services.clerk.client.backend_api import ClerkApi
from backend.services.clerk.client.http import FetchError
from tests.support.clerk_api import (
    CALLS,
    SECRET_KEY,
    ApiServer,
    Handler,
    answer_with,
    open_api,
    refuse_with,
)


class TestCalls:
    @pytest.mark.parametrize("call", CALLS)
    def test_sent(self, server: ApiServer, api: ClerkApi, call: str) -> None:
        assert CALLS[call](api, "id_1") == {"id": "x"}
        (asked,) = server.asked
        assert f"{asked.method} {asked.path}" == call.format("id_1")
        assert asked.headers["Authorization"] == f"Bearer {SECRET_KEY}"
        assert asked.headers["Clerk-API-Version"] == "2026-05-12"
        assert asked.headers["Accept-Encoding"] == "identity"
        assert asked.headers["User-Agent"].startswith("counterfoil/")

    @pytest.mark.parametrize("answer", [{}, [], None, "x", 7, {"id": {"new": ["form"]}}], ids=repr)
    def test_any_json(self, server: ApiServer, api: ClerkApi, answer: object) -> None:
        server.answer = answer_with(answer)
        assert api.get_user("user_1") == answer

    @pytest.mark.parametrize(
        ("identifier", "path"),
        [
            ("a/b", "a%2Fb"),
            ("a?b=c#d", "a%3Fb%3Dc%23d"),
            ("../sessions", "..%2Fsessions"),
            ("a\r\nX: y", "a%0D%0AX%3A%20y"),
            ("ä", "%C3%A4"),
            ("%2e%2e", "%252e%252e"),
        ],
    )
    def test_quoted(self, server: ApiServer, api: ClerkApi, identifier: str, path: str) -> None:
        api.get_user(identifier)
        assert server.asked[0].path == f"/v1/users/{path}"

    @pytest.mark.parametrize("identifier", ["", ".", ".."])
    def test_no_other_resource(self, server: ApiServer, api: ClerkApi, identifier: str) -> None:
        with pytest.raises(FetchError) as caught:
            api.ban_user(identifier)
        assert caught.value.status == 404
        assert server.asked == []

    def test_without_a_key(self, server: ApiServer, api: ClerkApi) -> None:
        assert api.is_configured
        bare = ClerkApi(server.url, "")
        assert not bare.is_configured
        with pytest.raises(FetchError, match="CLERK_SECRET_KEY"):
            bare.get_user("user_1")
        assert server.asked == []

    @pytest.mark.parametrize("key", ["sk_test_ä€", "sk_test_a\nb"])
    def test_unfit_key(self, server: ApiServer, key: str) -> None:
        with pytest.raises(FetchError) as caught:
            ClerkApi(server.url, key).get_user("user_1")
        assert "sk_" not in str(caught.value)
        assert server.asked == []

    def test_no_netrc(
        self, server: ApiServer, api: ClerkApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        netrc = tmp_path / "netrc"
        netrc.write_text("machine 127.0.0.1 login eve password hunter2\n")
        monkeypatch.setenv("NETRC", str(netrc))
        api.get_user("user_1")
        api.get_user("user_1")
        assert {asked.headers["Authorization"] for asked in server.asked} == {f"Bearer {SECRET_KEY}"}

    def test_no_cookies(self, server: ApiServer, api: ClerkApi) -> None:
        server.answer = answer_with({}, Set_Cookie="a=b; Path=/")
        for _ in range(3):
            api.get_user("user_1")
        assert all("Cookie" not in asked.headers for asked in server.asked)

    def test_redirect(self, server: ApiServer, api: ClerkApi) -> None:
        with ApiServer() as elsewhere:
            server.answer = answer_with({}, 307, Location=elsewhere.url)
            for call in CALLS.values():
                with pytest.raises(FetchError) as caught:
                    call(api, "id_1")
                assert caught.value.status == 307
            assert elsewhere.asked == []


class TestRetryAfter:
    @pytest.mark.parametrize("status", [429, 503])
    def test_pause(self, server: ApiServer, status: int) -> None:
        now = [1000.0]
        with open_api(server.url, clock=lambda: now[0]) as api:
            server.answer = refuse_with("too_many_requests", status, Retry_After="7")
            with pytest.raises(FetchError) as caught:
                api.get_user("user_1")
            assert (caught.value.status, caught.value.retry_after) == (status, 7)
            server.answer = answer_with({})
            for passed, call in enumerate((api.get_user, api.get_session)):
                now[0] = 1000.0 + passed
                started_at = time.monotonic()
                with pytest.raises(FetchError) as caught:
                    call("id_1")
                assert time.monotonic() - started_at < 0.1
                assert (caught.value.status, caught.value.retry_after) == (status, 7 - passed)
            assert len(server.asked) == 1
            # Whoever asks too much keeps nobody from ending a session or banning a user.
            assert api.revoke_session("sess_1") == {}
            now[0] = 1007.0
            assert api.get_user("user_1") == {}

    def test_is_bounded(self, server: ApiServer) -> None:
        now = [1000.0]
        with open_api(server.url, clock=lambda: now[0]) as api:
            server.answer = refuse_with("too_many_requests", 429, Retry_After="3000")
            with pytest.raises(FetchError):
                api.get_user("user_1")
            server.answer = answer_with({})
            now[0] = 1060.0
            assert api.get_user("user_1") == {}

    @pytest.mark.parametrize(
        "answer",
        [
            refuse_with("too_many_requests", 429),
            refuse_with("too_many_requests", 429, Retry_After="soon"),
            refuse_with("too_many_requests", 429, Retry_After="0"),
            refuse_with("x", 500, Retry_After="60"),
            refuse_with("x", 404, Retry_After="60"),
        ],
        ids=["none", "nonsense", "now", "500", "404"],
    )
    def test_no_pause(self, server: ApiServer, api: ClerkApi, answer: object) -> None:
        server.answer = answer
        for _ in range(3):
            with pytest.raises(FetchError):
                api.get_user("user_1")
        assert len(server.asked) == 3

    def test_a_shorter_one_does_not_end_a_longer_one(self, server: ApiServer) -> None:
        """Two calls at once, both refused: the longer time counts, whichever comes first."""
        now = [0.0]
        api = ClerkApi(server.url, SECRET_KEY, clock=lambda: now[0])
        both = threading.Barrier(2, timeout=5)

        def refuse(handler: Handler) -> None:
            both.wait()
            is_long = handler.path.endswith("long")
            time.sleep(0 if is_long else 0.2)
            refuse_with("x", 429, Retry_After="60" if is_long else "1")(handler)

        server.answer = refuse
        with closing(api._client), ThreadPoolExecutor(2) as pool:
            for future in [pool.submit(api.get_user, name) for name in ("long", "short")]:
                assert isinstance(future.exception(), FetchError)
            now[0] = 30.0
            with pytest.raises(FetchError) as caught:
                api.get_user("user_1")
            assert caught.value.retry_after == 30
