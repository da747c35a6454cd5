"""CPU that a webhook costs, in the worker and in PostgreSQL: signed events about as long as Clerk's, 8 connections."""

import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from benchmarks.load import WrongAnswer, cpu_seconds
from tests.support.clerk import Instance, clerk_id, event, user_data
from tests.support.server import Server

CONNECTIONS = 8


class Cost(NamedTuple):
    """CPU microseconds of each event."""

    worker: float
    postgres: float


def measure_webhooks(clerk: Instance, server: Server, postmaster: int, count: int) -> Cost:
    """Of `user.created` of so many new users."""
    requests = [_request(clerk, _event(clerk_id("user"))) for _ in range(count)]
    (worker,) = server.worker_pids()
    before = cpu_seconds(worker), _cpu_of_children(postmaster)
    port = int(server.url.rpartition(":")[2])
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        for job in [pool.submit(_send, port, requests[start::CONNECTIONS]) for start in range(CONNECTIONS)]:
            job.result()
    after = cpu_seconds(worker), _cpu_of_children(postmaster)
    return Cost(*((late - early) / count * 1e6 for late, early in zip(after, before, strict=True)))


def _event(user: str) -> bytes:
    data = user_data(user, email=f"{user}@example.com", first_name="Ada", public_metadata={"note": "x" * 400})
    return event("user.created", data)


def _request(clerk: Instance, body: bytes) -> bytes:
    headers = clerk.webhook_headers(body, event_id=clerk_id("msg")) | {"host": "localhost"}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST /api/webhooks HTTP/1.1\r\n{lines}content-length: {len(body)}\r\n\r\n".encode() + body


def _send(port: int, requests: list[bytes]) -> None:
    with socket.create_connection(("127.0.0.1", port)) as connection, connection.makefile("rb") as answers:
        for request in requests:
            connection.sendall(request)
            status = answers.readline()
            length = 0
            while (line := answers.readline()) != b"\r\n":
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            body = answers.read(length)
            if b" 200 " not in status or b'"applied"' not in body:
                raise WrongAnswer(f"{status.decode().strip()} {body.decode()}")


def _cpu_of_children(postmaster: int) -> float:
    """Of all processes of a PostgreSQL server that run now."""
    children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
    return sum(cpu_seconds(int(pid)) for pid in children)
