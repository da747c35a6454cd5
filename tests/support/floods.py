"""Clients that always have more to say, and how long others wait beside them."""

import contextlib
import selectors
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any, NamedTuple

from tests.support.server import Server
from tests.support.traffic import connect, get_me

BLOCK = b"x" * 65_536
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
UNWANTED = b"POST /healthz HTTP/1.1\r\nHost: x\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
SMALL_CHUNKS = b"1\r\nx\r\n" * 10_000
LARGE_CHUNKS = b"10000\r\n" + BLOCK + b"\r\n"
LONG_HEAD = b"GET / HTTP/1.1\r\nHost: x\r\n" + (b"x: " + b"x" * 16_000 + b"\r\n") * 95


class Flood(NamedTuple):
    """What a connection sends: `head` once, then `block` again and again. Closed, it begins anew."""

    head: bytes
    block: bytes


def wanted() -> bytes:
    """The head of a webhook, without its end: good enough that the body is read."""
    return (
        b"POST /api/webhooks HTTP/1.1\r\nHost: x\r\nsvix-id: msg_1\r\nsvix-signature: v1,x\r\nsvix-timestamp: %d\r\n"
        % time.time()
    )


def make_floods() -> dict[str, Flood]:
    return {
        "small chunks nobody wants": Flood(UNWANTED + CHUNKED, SMALL_CHUNKS),
        "small chunks for a webhook": Flood(wanted() + CHUNKED, SMALL_CHUNKS),
        "large chunks for a webhook": Flood(wanted() + CHUNKED, LARGE_CHUNKS),
        "a body nobody wants": Flood(UNWANTED + b"Content-Length: 1000000000000\r\n\r\n", BLOCK),
        "a body for a webhook": Flood(wanted() + b"Content-Length: 1048576\r\n\r\n", BLOCK),
        "pipelined requests": Flood(HEALTH, HEALTH * 1_000),
        "heads of 95 x 16 kB": Flood(LONG_HEAD, BLOCK),
    }


FLOODS = tuple(make_floods())


@contextmanager
def flooding(server: Server, flood: Flood, connections: int) -> Iterator[None]:
    """So many clients do so while the block runs. They take every answer."""
    is_over = Event()
    thread = Thread(target=_flood, args=(server, flood, connections, is_over), daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join(20)


def _flood(server: Server, flood: Flood, connections: int, is_over: Event) -> None:
    with selectors.DefaultSelector() as selector:

        def begin() -> None:
            with contextlib.suppress(OSError):
                client = connect(server)
                client.setblocking(False)
                selector.register(client, selectors.EVENT_READ | selectors.EVENT_WRITE, [memoryview(flood.head)])

        for _ in range(connections):
            begin()
        while not is_over.is_set():
            for key, events in selector.select(0.1):
                client: Any = key.fileobj
                try:
                    if events & selectors.EVENT_READ and not client.recv(1_000_000):
                        raise ConnectionResetError
                    if events & selectors.EVENT_WRITE:
                        unsent = key.data[0] or memoryview(flood.block)
                        key.data[0] = unsent[client.send(unsent) :]
                except BlockingIOError:
                    continue
                except OSError:
                    selector.unregister(client)
                    client.close()
                    begin()
        for key in list(selector.get_map().values()):
            left: Any = key.fileobj
            left.close()


class Waits(NamedTuple):
    median: float
    worst: float


def time_others(server: Server, token: str, count: int) -> Waits:
    """The seconds that so many `GET /auth/me` took, each over a connection of its own. The user is here already."""
    took = []
    for _ in range(count):
        start = time.monotonic()
        assert get_me(server, token).status_code == 200
        took.append(time.monotonic() - start)
    return Waits(statistics.median(took), max(took))


def take_turns(server: Server, request: bytes, connections: int, seconds: float) -> list[int]:
    """How many answers each connection gets, of which each sends its next request once it has the last answer.

    Every answer has the length of the first.
    """
    with connect(server) as client:
        client.sendall(request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        length = sum(map(len, iter(lambda: client.recv(65_536), b""))) + len("keep-alive") - len("close")
    clients = [connect(server) for _ in range(connections)]
    answers = [0] * connections
    with selectors.DefaultSelector() as selector, contextlib.ExitStack() as open_clients:
        for number, each in enumerate(clients):
            open_clients.enter_context(each)
            selector.register(each, selectors.EVENT_READ, number)
        missing = [length] * connections
        for each in clients:
            each.sendall(request)
        give_up = time.monotonic() + seconds
        while time.monotonic() < give_up:
            for key, _ in selector.select(1):
                number = key.data
                missing[number] -= len(clients[number].recv(65_536))
                if missing[number] == 0:
                    answers[number] += 1
                    missing[number] = length
                    clients[number].sendall(request)
    return answers
