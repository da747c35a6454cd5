"""Sending what a client library would refuse to send, and what every refusal has in common."""

import http.client
import json
import socket
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple, Protocol, TypeVar
from urllib.parse import urlsplit

import requests
from jwt.algorithms import RSAAlgorithm

from tests.support.clerk import Instance, b64url
from tests.support.database import Sql
from tests.support.server import Server
from tests.support.tables import check_each

C = TypeVar("C")

PATH = "/auth/me"
GOOD_HEADER = {"alg": "RS256", "typ": "JWT", "cat": "cl_B7d4PD111AAA"}
# Parts of a token shorter than this may stand in an answer or a log by chance.
TELLING_LENGTH = 16


class Answer(Protocol):
    """What is looked at, be it an answer of requests or a RawAnswer."""

    @property
    def status_code(self) -> int: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def text(self) -> str: ...


class RawAnswer(NamedTuple):
    """An answer to a request that was written byte by byte."""

    status_code: int
    headers: Mapping[str, str]
    text: str


def send_raw(server: Server, *header_lines: bytes, path: str = PATH) -> RawAnswer:
    """GET with these header lines, as they are."""
    host, port = urlsplit(server.url).hostname, urlsplit(server.url).port
    with socket.create_connection((host, port), timeout=10) as connection:
        lines = [f"GET {path} HTTP/1.1".encode(), b"Host: localhost", b"Connection: close", *header_lines]
        connection.sendall(b"\r\n".join(lines) + b"\r\n\r\n")
        response = http.client.HTTPResponse(connection, method="GET")
        response.begin()
        return RawAnswer(response.status, dict(response.headers), response.read().decode())


def check_refusal(answer: Answer, code: str, *, status: int = 401) -> None:
    """The whole form of a refusal, not only its status."""
    assert answer.status_code == status, answer.text
    body = json.loads(answer.text)
    assert (body["code"], body["status"]) == (code, status), body
    assert answer.headers["Content-Type"] == "application/problem+json"
    if status == 401:
        challenge = f'Bearer error="invalid_token", error_description="{code}"'
        assert answer.headers["WWW-Authenticate"] == challenge
    if status == 503:
        assert int(answer.headers["Retry-After"]) > 0


class Attacker:
    """Tries tokens on a server, and looks whether one left a trace."""

    def __init__(self, server: Server, sql: Sql) -> None:
        self.server = server
        self.sql = sql
        self._log_start = server.log.stat().st_size

    def is_refused(self, token: str | bytes, code: str) -> None:
        """The token gets a 401 with this code, makes no row, and stands neither in the answer nor in the log."""
        self.are_refused([token], lambda token: token, code)

    def are_refused(self, cases: Iterable[C], make: Callable[[C], str | bytes], code: str) -> None:
        """So is the token that `make` makes of each case."""
        tried: list[tuple[bytes, requests.Response]] = []

        def judge(case: C) -> tuple[int, object]:
            token = make(case)
            sent = token if isinstance(token, bytes) else token.encode()
            answer = self.server.get(PATH, headers={"Authorization": b"Bearer " + sent})
            tried.append((sent, answer))
            return answer.status_code, answer.json().get("code")

        check_each(cases, judge, (401, code))
        assert self.sql.value("SELECT count(*) FROM users") == 0
        log = self.server.log.read_bytes()[self._log_start :].decode("utf-8", "replace")
        for token, answer in tried:
            check_refusal(answer, code)
            written = f"{answer.text}\n{dict(answer.headers)}\n{log}"
            for part in token.decode("utf-8", "replace").split("."):
                assert len(part) < TELLING_LENGTH or part not in written


def sign_parts(clerk: Instance, header_part: bytes, payload_part: bytes) -> str:
    """Two segments as they stand, however they are encoded, with the instance's good signature over them."""
    signed = header_part + b"." + payload_part
    signature = RSAAlgorithm(RSAAlgorithm.SHA256).sign(signed, clerk.key)
    return (signed + b"." + b64url(signature)).decode()


def sign_payload(clerk: Instance, payload: bytes) -> str:
    """Any bytes as the payload of an otherwise good token."""
    return clerk.sign(json.dumps({**GOOD_HEADER, "kid": clerk.kid}).encode(), payload)


def sign_header(clerk: Instance, header: bytes) -> str:
    """Any bytes as the header of an otherwise good token."""
    return clerk.sign(header, json.dumps(clerk.claims()).encode())


def claims_with(clerk: Instance, name: str, value: str) -> bytes:
    """Good claims as JSON text, one of them replaced by literal text that `json.dumps` might never write."""
    others = json.dumps(clerk.claims(**{name: ...}))
    return f'{others[:-1]}, "{name}": {value}}}'.encode()


def forge(token: str) -> str:
    """The same token with another signature: one bit in its middle is turned."""
    head, _, signature = token.rpartition(".")
    middle = len(signature) // 2
    return f"{head}.{signature[:middle]}{'A' if signature[middle] != 'A' else 'B'}{signature[middle + 1 :]}"
