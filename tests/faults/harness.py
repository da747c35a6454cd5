"""Doing harm to PostgreSQL, and clients that take it as Clerk's sender would."""

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import Any, NamedTuple, Self

import psutil
import psycopg2
import requests

from development.database import server_pid
from tests.support.clerk import Instance
from tests.support.server import Server
from tests.support.traffic import get_me, post_event
from tests.support.waiting import wait_for

RETRY_SECONDS = 0.1  # Svix waits 5 s before its first repetition; here time is short


@contextmanager
def frozen(postgres_url: str) -> Iterator[None]:
    """Every process of the server stands still, as on a machine that ran out of memory or lost its disk."""
    postmaster = psutil.Process(server_pid(postgres_url))
    processes = [postmaster, *postmaster.children(recursive=True)]
    for process in processes:
        process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGCONT)


def crash(database_url: str) -> None:
    """kill -9 of one backend: PostgreSQL drops everybody, recovers and comes back."""
    connection = psycopg2.connect(database_url)
    os.kill(connection.info.backend_pid, signal.SIGKILL)
    with contextlib.suppress(psycopg2.Error):
        connection.cursor().execute("SELECT 1")
    connection.close()
    wait_for(lambda: accepts(database_url))


def accepts(database_url: str) -> bool:
    try:
        psycopg2.connect(database_url, connect_timeout=2).close()
    except psycopg2.OperationalError:
        return False
    return True


class Delivery(NamedTuple):
    """An event on its way: it keeps its id over all attempts."""

    event_id: str
    kind: str
    data: dict[str, Any]


class Senders:
    """Deliver events side by side, each again and again until a 2xx. Notes every status that came back."""

    def __init__(self, server: Server, clerk: Instance, deliveries: list[Delivery], threads: int = 8) -> None:
        self._server = server
        self._clerk = clerk
        self._waiting: SimpleQueue[Delivery] = SimpleQueue()
        for delivery in deliveries:
            self._waiting.put(delivery)
        self._lock = Lock()
        self.acknowledged = 0
        self.cut = 0
        self.statuses: set[int] = set()
        self._threads = [Thread(target=self._send_all, daemon=True) for _ in range(threads)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def have_done(self, count: int) -> bool:
        return self.acknowledged >= count

    def join(self, seconds: float) -> None:
        give_up = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(give_up - time.monotonic(), 0))
            assert not thread.is_alive(), f"only {self.acknowledged} were acknowledged in time"

    def _send_all(self) -> None:
        while True:
            try:
                delivery = self._waiting.get_nowait()
            except Empty:
                return
            while not self._send(delivery):
                time.sleep(RETRY_SECONDS)

    def _send(self, delivery: Delivery) -> bool:
        event_id, kind, data = delivery
        try:
            answer = post_event(self._server, self._clerk, kind, data, event_id=event_id, timeout=15)
        except requests.RequestException:
            with self._lock:
                self.cut += 1
            return False
        with self._lock:
            self.statuses.add(answer.status_code)
            self.acknowledged += answer.ok
        return answer.ok


class Callers:
    """Ask `/auth/me` with one good token, side by side, until told to stop. Notes what came back."""

    def __init__(self, server: Server, token: str, threads: int = 4) -> None:
        self._server = server
        self._token = token
        self._is_over = False
        self.answers: list[tuple[int, float]] = []
        self._threads = [Thread(target=self._ask, daemon=True) for _ in range(threads)]

    @property
    def statuses(self) -> set[int]:
        return {status for status, _ in self.answers}

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._is_over = True
        for thread in self._threads:
            thread.join(20)

    def _ask(self) -> None:
        while not self._is_over:
            start = time.monotonic()
            status = get_me(self._server, self._token, timeout=15).status_code
            self.answers.append((status, time.monotonic() - start))
            time.sleep(0.02)
