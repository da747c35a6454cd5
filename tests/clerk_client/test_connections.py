"""Connections: kept, found closed, shared by many, encrypted, through a proxy."""

import json
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from backend.services.clerk.client import http
from backend.services.clerk.client.backend_api import BackendApi
from backend.services.clerk.client.http import FetchError
from tests.session_tokens.key_servers import drip_body, drip_head
from tests.support.certificates import make_certificate
from tests.support.clerk_api import SECRET_KEY, ApiServer, Handler, answer_with, hang_up, refuse_with
from tests.support.server import PROJECT

Call = Callable[[BackendApi, str], object]


def ban_user(api: BackendApi, clerk_user_id: str) -> object:
    return api.ban_user(clerk_user_id, None)


CALLS = pytest.mark.parametrize("call", [BackendApi.get_user, ban_user])


def then_close(handler: Handler) -> None:
    """A response, after which the server closes the connection without having said so."""
    answer_with({})(handler)
    handler.close_connection = True


def only_first(handler: Handler) -> None:
    """A response to the first request of each connection; the next one finds it closed."""
    if handler.served == 1:
        answer_with({})(handler)
    else:
        handler.close_connection = True


class TestKept:
    def test_whatever_the_response(self, clerk_server: ApiServer, api: BackendApi) -> None:
        refusals = [refuse_with("x", status, Location="/elsewhere") for status in (307, 404, 429, 500)]
        for clerk_server.answer in (*refusals, answer_with(b"<html>")):
            with pytest.raises(FetchError):
                api.get_user("user_1")
        clerk_server.answer = answer_with({})
        for call in (api.ban_user, api.unban_user, api.get_session, api.revoke_session):
            assert call("id_1", "user_1") == {}
        assert api.get_user("user_1") == {}
        assert (len(clerk_server.asked), clerk_server.connections) == (10, 1)

    def test_not_after_too_much(self, clerk_server: ApiServer, api: BackendApi) -> None:
        """What is left of a long response never becomes the beginning of the next one."""
        clerk_server.answer = answer_with(b" " * 5_000_000 + b"{}")
        with pytest.raises(FetchError, match="bytes"):
            api.get_user("user_1")
        clerk_server.answer = answer_with({"id": "second"})
        assert api.get_user("user_1") == {"id": "second"}
        assert clerk_server.connections == 2

    @CALLS
    def test_closed_while_idle(self, clerk_server: ApiServer, api: BackendApi, call: Call) -> None:
        """Seen before anything is sent, so a POST is safe as well."""
        clerk_server.answer = then_close
        for _ in range(3):
            call(api, "id_1")
            time.sleep(0.05)
        assert (len(clerk_server.asked), clerk_server.connections) == (3, 3)

    @CALLS
    def test_closed_as_the_request_comes(self, clerk_server: ApiServer, api: BackendApi, call: Call) -> None:
        """A GET is sent again. Nobody knows whether a POST has arrived, so it is not."""
        clerk_server.answer = only_first
        api.get_user("user_1")
        if call is BackendApi.get_user:
            assert call(api, "id_1") == {}
            assert (len(clerk_server.asked), clerk_server.connections) == (3, 2)
        else:
            with pytest.raises(FetchError):
                call(api, "id_1")
            assert (len(clerk_server.asked), clerk_server.connections) == (2, 1)

    @CALLS
    def test_always_closed(self, clerk_server: ApiServer, api: BackendApi, call: Call) -> None:
        clerk_server.answer = hang_up
        with pytest.raises(FetchError):
            call(api, "id_1")
        assert len(clerk_server.asked) == (2 if call is BackendApi.get_user else 1)

    def test_many_at_once(self, clerk_server: ApiServer, monkeypatch: pytest.MonkeyPatch) -> None:
        """Each gets its own response. Later calls use the connections that were made, and not all are kept."""

        def name(handler: Handler) -> None:
            time.sleep(0.05)
            answer_with({"id": handler.path.rpartition("/")[2]})(handler)

        clerk_server.answer = name
        monkeypatch.setattr(http, "MAX_IDLE", 8)
        api = BackendApi(clerk_server.url, SECRET_KEY)
        with ThreadPoolExecutor(12) as pool:
            for number in range(4):
                ids = [f"user_{number}x{index}" for index in range(12)]
                assert list(pool.map(api.get_user, ids)) == [{"id": id_} for id_ in ids]
        assert 12 < clerk_server.connections <= 12 + 3 * 4

    def test_proxy(self, clerk_server: ApiServer, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("http_proxy", clerk_server.url)
        api = BackendApi("http://clerk.invalid", SECRET_KEY)
        for _ in range(2):
            assert api.get_user("user_1") == {"id": "x"}
        assert clerk_server.asked[0].path == "http://clerk.invalid/v1/users/user_1"
        assert clerk_server.connections == 1


class TestTls:
    @pytest.fixture
    def certificate(self, tmp_path: Path) -> Path:
        return make_certificate(tmp_path)

    @pytest.fixture
    def clerk_server(self, certificate: Path) -> Iterator[ApiServer]:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate)
        with ApiServer(tls=context) as server:
            yield server

    def test_kept(
        self, clerk_server: ApiServer, api: BackendApi, certificate: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
        for _ in range(2):
            assert api.get_user("user_1") == {}
        assert clerk_server.connections == 1
        clerk_server.answer = only_first
        for _ in range(2):
            assert api.get_user("user_1") == {}
        assert clerk_server.connections == 3

    def test_unknown_certificate(
        self, clerk_server: ApiServer, api: BackendApi, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
            monkeypatch.delenv(name, raising=False)
        with pytest.raises(FetchError, match="SSLError"):
            api.get_user("user_1")
        assert clerk_server.asked == []


GREENLETS = """
from gevent import monkey; monkey.patch_all()
import json, sys, time
import gevent
from gevent.pool import Pool
from backend.services.clerk.client import http
from backend.services.clerk.client.backend_api import BackendApi

http.TIMEOUT_SECONDS = 1.0
api = BackendApi(sys.argv[1], "sk_test_of_the_backend_api")

def timed(limit, call, *arguments):
    started_at = time.monotonic()
    try:
        with gevent.Timeout(limit, BaseException("given up")):
            outcome = call(*arguments)
    except BaseException as error:
        outcome = str(error)
    return outcome, time.monotonic() - started_at

together = timed(5, Pool(20).map, api.get_user, "abcdefghijklmnopqrst")
drips = [timed(5, api.get_user, "body"), timed(0.3, api.get_user, "body"), timed(0.3, api.get_user, "head")]
print(json.dumps([together, *drips, timed(5, api.get_user, "after")]))
"""


class TestGreenlets:
    def test_under_gevent(self, clerk_server: ApiServer) -> None:
        """As in gunicorn's worker: nothing blocks the others, and a request's own deadline ends the call."""
        ended = []

        def answer(handler: Handler) -> None:
            name = handler.path.rpartition("/")[2]
            if drip := {"body": drip_body, "head": drip_head}.get(name):
                try:
                    drip(handler)
                except OSError:
                    ended.append(name)
            else:
                time.sleep(0.2)
                answer_with(name)(handler)

        clerk_server.answer = answer
        command = [sys.executable, "-W", "error", "-c", GREENLETS, clerk_server.url]
        done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 0, done.stderr
        outcomes, seconds = zip(*json.loads(done.stdout), strict=True)
        assert outcomes == ([*"abcdefghijklmnopqrst"], "took too long", "given up", "given up", "after")
        assert all(second < most for second, most in zip(seconds, [2, 2, 0.9, 0.9, 1], strict=True))
        assert clerk_server.connections <= 23
        assert sorted(ended) == ["body", "body", "head"]
