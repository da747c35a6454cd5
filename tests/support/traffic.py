"""Many clients at once, and clients that a library would not let misbehave."""

import socket
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Protocol, TypeVar
from urllib.parse import urlsplit

import requests

from counterfoil_testing.webhooks import post_body, post_event
from tests.support.server import Server

__all__ = ["connect", "exchange", "get_me", "in_parallel", "post_body", "post_event", "raw_request"]

T = TypeVar("T")


def in_parallel(jobs: Iterable[Callable[[], T]]) -> list[T]:
    """The results, in the order of the jobs. All of them start together, each in a thread of its own."""
    jobs = list(jobs)
    start = Barrier(len(jobs))

    def run(job: Callable[[], T]) -> T:
        start.wait(30)
        return job()

    with ThreadPoolExecutor(len(jobs)) as pool:
        return list(pool.map(run, jobs))


def get_me(server: Server, token: str, *, timeout: float = 30) -> requests.Response:
    """`GET /auth/me` over a connection of its own."""
    headers = {"Authorization": f"Bearer {token}"}
    return requests.get(f"{server.url}/auth/me", headers=headers, timeout=timeout)


class Listening(Protocol):
    @property
    def url(self) -> str: ...


def connect(server: Listening) -> socket.socket:
    parts = urlsplit(server.url)
    return socket.create_connection((parts.hostname, parts.port), timeout=10)


def exchange(server: Listening, request: bytes) -> tuple[int, dict[str, str], bytes]:
    """Send these bytes and read until the server closes: status, headers (lower case), body."""
    with connect(server) as connection:
        connection.sendall(request)
        answer = b""
        while chunk := connection.recv(65_536):
            answer += chunk
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = head.decode("latin-1").split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines)
    return int(status.split(" ")[1]), headers, body


def raw_request(method: str, target: str, headers: dict[str, str], body: bytes = b"", *, version: str = "1.1") -> bytes:
    """A request as it is written here: no library tidies its path or its headers."""
    fields = {"Host": "testserver", "Connection": "close", **headers}
    lines = [f"{method} {target} HTTP/{version}", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body
