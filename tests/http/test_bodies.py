"""Bodies that are no JSON of ours: large, chunked, cut off. Always 4xx, quickly, and nothing of them comes back."""

import itertools
import json
import socket
import time

import pytest
from flask import Flask

from backend.api.http.parsing import read_body
from backend.errors import AppError
from backend.schemas.base import Input
from tests.support.clerk import Instance
from tests.support.database import Sql
from tests.support.server import Server

SECRET = "sk_live_0123456789"
GOOD = b'{"name": "laptop", "scopes": ["profile:read"]}'


class Inner(Input):
    size: int


class Outer(Input):
    inner: Inner


@pytest.fixture
def token(clerk: Instance, sql: Sql) -> str:  # noqa: ARG001 - the tables are to be empty
    return clerk.token(sub="user_1")


def post(
    server: Server, token: str, body: bytes, *, method: str = "POST", path: str = "/api/keys"
) -> tuple[int, bytes]:
    """Send a body as it stands, chunked. The status, and the whole answer."""
    host, port = server.url.removeprefix("http://").split(":")
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n"
        "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(head.encode() + body)
        with connection.makefile("rb") as answer:
            status = int(answer.readline().split()[1])
            return status, answer.read()


def chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


class TestType:
    OTHER: tuple[dict[str, str], ...] = (
        *({}, {"Content-Type": "text/plain"}, {"Content-Type": "application/x-www-form-urlencoded"}),
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    )
    PATHS = ("/api/keys", "/api/sessions/revoke")

    def test_other(self, server: Server, token: str, sql: Sql) -> None:
        for headers, body, path in itertools.product(self.OTHER, (b"{}", b"{ }", GOOD), self.PATHS):
            answer = server.request("POST", path, token, data=body, headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (415, "unsupported-media-type"), headers
        assert sql.value("SELECT count(*) FROM api_keys") == 0

    def test_what_two_parsers_read_differently(self, server: Server, token: str) -> None:
        headers = {"Content-Type": "application/json"}
        for body in (rb'{"name": "\ud800"}', b'{"a":' + b"[" * 300 + b"]" * 300 + b"}"):
            answer = server.request("POST", "/api/keys", token, data=body, headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (400, "malformed-body")

    def test_unknown_member_of_a_member(self, app: Flask) -> None:
        """Not the names of the outer object are known there."""
        sent = {"inner": {"size": 1, "x": 1}}
        with app.test_request_context(method="POST", json=sent), pytest.raises(AppError) as refused:
            read_body(Outer)
        assert refused.value.members["errors"] == [{"path": "inner.x", "message": "Not a known name."}]


class TestChunked:
    def test_good(self, server: Server, token: str) -> None:
        body = chunk(GOOD[:10]) + chunk(GOOD[10:]) + chunk(b"")
        assert post(server, token, body)[0] == 201

    @pytest.mark.parametrize(
        "body", [f"{SECRET}\r\n".encode(), chunk(GOOD)[:-2] + SECRET.encode(), b"-1\r\n\r\n", b"0x10\r\n" + GOOD]
    )
    def test_broken(self, server: Server, token: str, sql: Sql, body: bytes) -> None:
        status, answer = post(server, token, body)
        assert (status, SECRET.encode() in answer) == (400, False)
        assert SECRET not in server.log.read_text()
        assert sql.value("SELECT count(*) FROM api_keys") == 0

    @pytest.mark.parametrize(
        ("method", "path"),
        [("POST", "/api/specimens"), ("PATCH", "/api/specimens/1"), ("DELETE", "/specimens/1"), ("PATCH", "/api/me")],
    )
    def test_broken_elsewhere(self, specimen_server: Server, token: str, method: str, path: str) -> None:
        """Also where the view reads no body: its digest is part of what makes a request the same one."""
        assert post(specimen_server, token, b"zz\r\nabc\r\n0\r\n\r\n", method=method, path=path)[0] == 400

    @pytest.mark.parametrize("size", [65_530, 65_536])
    def test_what_follows_is_not_cut_off(self, server: Server, token: str, sql: Sql, size: int) -> None:
        """Valid JSON up to a limit, and more after it."""
        body = GOOD + b" " * (size - len(GOOD)) + b"GARBAGE"
        assert post(server, token, chunk(body) + chunk(b""))[0] == 413
        assert sql.value("SELECT count(*) FROM api_keys") == 0


class TestMany:
    @pytest.mark.parametrize(
        "body",
        [
            json.dumps({"name": "a", "scopes": [1] * 20_000}),
            json.dumps({"name": "a", "scopes": ["profile:read"]} | {f"n{n}": 1 for n in range(4_000)}),
        ],
        ids=["scopes", "names"],
    )
    def test_faults(self, server: Server, token: str, body: str) -> None:
        """The answer is smaller than the request, and others do not wait for it."""
        started = time.monotonic()
        answer = server.request("POST", "/api/keys", token, data=body, headers={"Content-Type": "application/json"})
        assert answer.status_code == 422
        assert len(answer.content) < 5_000
        assert len(answer.json()["errors"]) <= 20
        assert time.monotonic() - started < 2
