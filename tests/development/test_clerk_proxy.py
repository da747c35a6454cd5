"""`/__clerk` of `make run`: what comes there reaches the local Clerk instance as it was sent, and its answer comes
back.
"""

import json
import socket
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
import requests
from werkzeug.test import Client
from werkzeug.wrappers import Response

from development import clerk_proxy
from development.clerk_proxy import MAX_BODY_BYTES, ClerkProxy
from settings.development import LOCAL_CLERK_HOST
from tests.development.clerk_upstream import BUNDLE, STALLED_SECONDS, running_upstream
from tests.support.clerk import Instance
from tests.support.database import Sql
from tests.support.ports import free_port
from tests.support.server import Server, running_server
from tests.support.traffic import connect, exchange, raw_request

TOO_LONG = b"x" * (MAX_BODY_BYTES + 1)


@pytest.fixture(scope="module")
def upstream() -> Iterator[int]:
    with running_upstream() as port:
        yield port


def serve(settings: dict[str, str], folder: Path, port: int) -> AbstractContextManager[Server]:
    own = {
        "CLERK_PUBLISHABLE_KEY": Instance(LOCAL_CLERK_HOST).publishable_key,
        "CLERK_API_URL": f"http://localhost:{port}",
    }
    return running_server(folder, settings | own, app="development.site:app")


@pytest.fixture(scope="module")
def server(settings: dict[str, str], upstream: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve(settings, tmp_path_factory.mktemp("site"), upstream) as running:
        yield running


@pytest.fixture
def lonely(settings: dict[str, str], tmp_path: Path) -> Iterator[Server]:
    """Where the local Clerk instance should be, nobody listens."""
    with serve(settings, tmp_path, free_port()) as running:
        yield running


def sent(answer: requests.Response) -> dict[str, Any]:
    """What the Clerk instance was asked."""
    assert answer.status_code == 200, answer.text
    asked: dict[str, Any] = answer.json()
    return asked


class TestRequest:
    def test_form(self, server: Server) -> None:
        headers = {"Origin": "http://localhost:8000", "Host": "localhost:8000", "Cookie": "__client=a; b=c"}
        asked = sent(
            server.request(
                "POST",
                "/__clerk/v1/client/sign_ups?_method=PATCH&a=b%20c+d",
                headers=headers,
                data={"email_address": "ada+1@example.com", "password": "ä & ="},
            )
        )
        assert asked["method"] == "POST"
        assert asked["path"] == "/v1/client/sign_ups?_method=PATCH&a=b%20c+d"
        assert asked["body"] == "email_address=ada%2B1%40example.com&password=%C3%A4+%26+%3D"
        assert asked["headers"]["content-type"] == "application/x-www-form-urlencoded"
        for name, value in headers.items():
            assert asked["headers"][name.lower()] == value
        assert "authorization" not in asked["headers"]

    def test_method(self, server: Server) -> None:
        for method in ("OPTIONS", "DELETE", "GET"):
            asked = sent(server.request(method, "/__clerk/v1/client"))
            assert (asked["method"], asked["path"], asked["body"]) == (method, "/v1/client", "")

    @pytest.mark.parametrize("path", ["/a%2Fb%3Fc%2523", "/a//b", "/%C3%A4", "/npm/@clerk/ui@1/x", "/..%2f..", "/"])
    def test_path_stays_as_it_is(self, server: Server, path: str) -> None:
        _, _, body = exchange(server, raw_request("GET", f"/__clerk{path}", {}))
        assert json.loads(body)["path"] == path

    def test_body_of_unknown_length_and_of_ten_megabytes(self, server: Server) -> None:
        assert sent(server.request("POST", "/__clerk/x", data=iter([b"ab", b"cd"])))["body"] == "abcd"
        picture = b"x" * 10_000_000
        answer = server.request("POST", "/__clerk/length", files={"file": picture})
        assert sent(answer)["length"] > len(picture)

    @pytest.mark.parametrize(
        ("status", "headers", "body"),
        [
            # It is not waited for.
            (413, {"Content-Length": str(MAX_BODY_BYTES + 1)}, b""),
            (413, {"Content-Length": "300000000"}, b""),
            # No more of it is read than what may come.
            (413, {"Transfer-Encoding": "chunked"}, b"%x\r\n%s\r\n" % (len(TOO_LONG), TOO_LONG)),
            (400, {"Content-Length": "20"}, b"email=ada@exampl"),
            (400, {"Transfer-Encoding": "chunked"}, b"zz\r\nab\r\n"),
        ],
        ids=["just-too-long", "far-too-long", "without-end", "half-a-form", "no-chunk"],
    )
    def test_body_that_is_refused(self, server: Server, status: int, headers: dict[str, str], body: bytes) -> None:
        with connect(server) as connection:
            connection.sendall(raw_request("POST", "/__clerk/x", headers, body))
            if status == 400:
                connection.shutdown(socket.SHUT_WR)
            answer = connection.recv(65_536)
        assert answer.startswith(b"HTTP/1.1 %d " % status)

    def test_of_unknown_length_too_long(self, server: Server) -> None:
        answer = server.request("POST", "/__clerk/x", data=iter([TOO_LONG[1:], b"x"]))
        assert (answer.status_code, answer.json()["code"]) == (413, "payload-too-large")
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.json()["errors"][0]["message"] == answer.json()["detail"]

    def test_credentials_of_the_caller_alone(self, server: Server) -> None:
        headers = {"Authorization": "Bearer theirs"}
        assert sent(server.get("/__clerk/x", headers=headers))["headers"]["authorization"] == "Bearer theirs"


class TestAnswer:
    def test_bundle_head_and_stream(self, server: Server) -> None:
        answer = server.get("/__clerk/bundle")
        assert (answer.content, answer.headers["Content-Type"]) == (BUNDLE, "text/javascript")
        assert answer.headers["ETag"] == '"1"'
        head = server.request("HEAD", "/__clerk/bundle")
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["Content-Length"] == str(len(BUNDLE))
        assert server.get("/__clerk/stream").text == "abcdef"

    def test_cookies(self, server: Server) -> None:
        answer = server.get("/__clerk/v1/client")
        assert answer.raw.headers.getlist("Set-Cookie") == ["__client=a; HttpOnly; Path=/", "__client_uat=1; Path=/"]
        assert answer.headers["Access-Control-Allow-Origin"] == "http://localhost:8000"

    def test_refusals_and_redirects_are_passed_on(self, server: Server) -> None:
        wrong = server.get("/__clerk/wrong")
        assert (wrong.status_code, wrong.json()) == (422, {"errors": []})
        away = server.get("/__clerk/away")
        assert (away.status_code, away.headers["Location"]) == (302, "http://localhost/elsewhere")


class TestNobodyThere:
    def test_away(self, lonely: Server) -> None:
        answer = lonely.request("POST", "/__clerk/v1/client/sign_ins", data={"a": "b"})
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert (answer.status_code, answer.json()["code"]) == (503, "clerk-unavailable")
        assert "Retry-After" in answer.headers
        (error,) = answer.json()["errors"]  # what Clerk's screens look for
        assert error["message"] == "The local Clerk instance does not answer."
        assert "Traceback" not in lonely.log.read_text()
        assert lonely.get("/healthz").status_code == 200

    @pytest.mark.parametrize("path", ["/__clerk/broken", "/__clerk/cut"])
    def test_broken(self, server: Server, path: str) -> None:
        answer = server.get(path)
        assert (answer.status_code, answer.json()["code"]) == (503, "clerk-unavailable")
        assert server.get("/healthz").json()["status"]  # on the same connection
        assert "Traceback" not in server.log.read_text()

    def test_stalled_in_the_body(self, upstream: int, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(clerk_proxy, "TIMEOUT", STALLED_SECONDS / 10)
        proxy = ClerkProxy(Response(status=404), "/__clerk", f"http://127.0.0.1:{upstream}")
        answer = Client(proxy).get("/__clerk/stalled", environ_overrides={"RAW_URI": "/__clerk/stalled"})
        assert (answer.status_code, answer.get_json()["code"]) == (503, "clerk-unavailable")


class TestTheRest:
    def test_is_the_applications(self, server: Server) -> None:
        for path in ("/__clerk", "/__clerkx/v1/client", "/x/__clerk/v1"):
            answer = server.get(path)
            assert (answer.status_code, answer.json()["code"]) == (404, "not-found"), path
        assert server.get("/config.json").json()["proxy_url"] == "/__clerk"

    def test_requests_are_counted(self, lonely: Server, clerk: Instance, sql: Sql) -> None:
        """gunicorn.conf.py finds the application behind the proxy: it writes when a worker ends."""
        assert lonely.get("/auth/me", clerk.token(sub="user_1")).status_code == 200
        lonely.stop()
        assert sql.value("SELECT api_requests FROM usage_metrics") == 1


def test_a_client_that_leaves_in_the_middle(server: Server) -> None:
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2])), timeout=5) as one:
            one.sendall(raw_request("GET", "/__clerk/bundle", {}))
            one.recv(10)
    assert server.get("/__clerk/bundle").content == BUNDLE
