"""Who waits for a connection, and in which order: one user's requests never keep another's waiting."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from threading import Thread

import pytest
import requests

from backend.database.engine import READERS_OF_ONE_USER, WRITERS
from backend.database.fair_semaphore import FairSemaphore
from backend.deadline import RequestTimeout
from tests.conftest import Deliver
from tests.support.clerk import Instance, user_data
from tests.support.database import BLOCKED, Sql, holding
from tests.support.server import Server
from tests.support.traffic import post_event
from tests.support.waiting import wait_for

CROWD = 3 * WRITERS
WAITING_SECONDS = 2.0  # as docs/operations.md says

Send = Callable[[], requests.Response]


class Crowd:
    """One user's requests, sent side by side while somebody holds what they wait for."""

    def __init__(self, pool: ThreadPoolExecutor, send: Send) -> None:
        self._futures: list[Future[requests.Response]] = [pool.submit(send) for _ in range(CROWD)]

    @property
    def answers(self) -> list[requests.Response]:
        return [future.result() for future in self._futures]

    @property
    def is_waiting(self) -> bool:
        return not any(future.done() for future in self._futures)


@contextmanager
def waiting(database_url: str, sql: Sql, lock: str, send: Send) -> Iterator[Crowd]:
    """A crowd that waits for this lock until the block ends: one of it on a connection, the others before."""
    with ThreadPoolExecutor(CROWD) as pool, holding(database_url, lock):
        crowd = Crowd(pool, send)
        wait_for(lambda: sql.rows(BLOCKED))
        time.sleep(0.2)
        assert len(sql.rows(BLOCKED)) == 1
        yield crowd
        assert len(sql.rows(BLOCKED)) <= 1


def holding_user(sql: Sql, clerk_user_id: str) -> str:
    return f"SELECT FROM users WHERE user_id = {sql.user(clerk_user_id)['user_id']} FOR UPDATE"


@pytest.fixture
def two_users(deliver: Deliver) -> None:
    for name in ("user_1", "user_2"):
        assert deliver("user.created", user_data(name, email_addresses=[])).ok


def write(server: Server, token: str) -> requests.Response:
    """Over a connection of its own: threads may call it."""
    headers = {"Authorization": f"Bearer {token}"}
    return requests.patch(f"{server.url}/api/me", json={"bio": "One"}, headers=headers, timeout=20)


@pytest.mark.usefixtures("two_users")
class TestOneUserBesideOthers:
    def test_writers_of_one_row(self, server: Server, clerk: Instance, database_url: str, sql: Sql) -> None:
        token, other = clerk.token(sub="user_1"), clerk.token(sub="user_2")
        with waiting(database_url, sql, holding_user(sql, "user_1"), lambda: write(server, token)) as crowd:
            start = time.monotonic()
            assert server.get("/api/tokens", other).status_code == 200
            assert write(server, other).status_code == 200
            assert server.get("/api/tokens", token).status_code == 200
            assert time.monotonic() - start < 1
            assert crowd.is_waiting
        assert {answer.status_code for answer in crowd.answers} == {200}

    def test_whose_turn_does_not_come(self, server: Server, clerk: Instance, database_url: str, sql: Sql) -> None:
        token = clerk.token(sub="user_1")
        with waiting(database_url, sql, holding_user(sql, "user_1"), lambda: write(server, token)) as crowd:
            time.sleep(WAITING_SECONDS)
        refused = [answer for answer in crowd.answers if answer.status_code != 200]
        assert len(refused) == CROWD - 1
        for answer in refused:
            assert answer.status_code == 429
            assert answer.json()["code"] == "rate-limited"
            assert answer.headers["Retry-After"] == "1"
        assert write(server, token).status_code == 200  # and nobody's place was lost

    def test_readers(self, server: Server, clerk: Instance, database_url: str, sql: Sql) -> None:
        """A page that takes long, here for a lock on its table: the caller has two connections, no more."""
        token, other = clerk.token(sub="user_1"), clerk.token(sub="user_2")
        headers = {"Authorization": f"Bearer {token}"}
        with ThreadPoolExecutor(CROWD) as pool:
            with holding(database_url, "LOCK TABLE api_keys IN ACCESS EXCLUSIVE MODE"):
                crowd = Crowd(pool, lambda: requests.get(f"{server.url}/api/keys", headers=headers, timeout=20))
                wait_for(lambda: len(sql.rows(BLOCKED)) == READERS_OF_ONE_USER)
                time.sleep(0.2)
                assert len(sql.rows(BLOCKED)) == READERS_OF_ONE_USER
                assert server.get("/api/tokens", other).status_code == 200
                assert crowd.is_waiting
            assert {answer.status_code for answer in crowd.answers} == {200}

    def test_events_about_one_user(self, server: Server, clerk: Instance, database_url: str, sql: Sql) -> None:
        def send() -> requests.Response:
            return post_event(server, clerk, "user.updated", user_data("user_1", email_addresses=[]))

        other = clerk.token(sub="user_2")
        with waiting(database_url, sql, "SELECT pg_advisory_xact_lock(1, hashtext('user_1'))", send) as crowd:
            start = time.monotonic()
            assert post_event(server, clerk, "user.updated", user_data("user_2", email_addresses=[])).ok
            assert write(server, other).status_code == 200
            assert time.monotonic() - start < 1
            assert crowd.is_waiting
        assert {answer.status_code for answer in crowd.answers} == {200}

    def test_first_requests_of_one_user(self, server: Server, clerk: Instance, database_url: str, sql: Sql) -> None:
        token, other = clerk.token(sub="user_3"), clerk.token(sub="user_2")

        def ask() -> requests.Response:
            return requests.get(f"{server.url}/auth/me", headers={"Authorization": f"Bearer {token}"}, timeout=20)

        with waiting(database_url, sql, "SELECT pg_advisory_xact_lock(1, hashtext('user_3'))", ask) as crowd:
            assert write(server, other).status_code == 200
            assert crowd.is_waiting
        assert {answer.status_code for answer in crowd.answers} == {200}


class TestOrder:
    def test_first_come_first_served(self) -> None:
        semaphore, served = FairSemaphore(1), list[int]()
        assert semaphore.acquire(0)

        def stand(number: int) -> None:
            assert semaphore.acquire(5)
            served.append(number)
            semaphore.release()

        def has_line_of(length: int) -> bool:
            return len(semaphore._waiting) == length

        threads = [Thread(target=stand, args=(number,)) for number in range(10)]
        for number, thread in enumerate(threads, 1):
            thread.start()
            wait_for(partial(has_line_of, number))
        semaphore.release()
        for thread in threads:
            thread.join()
        assert served == list(range(10))
        assert semaphore.has_room

    def test_nobody_passes_who_waits(self) -> None:
        """Who released runs on, and is behind who waited: gevent's and Python's own let it in again at once."""
        semaphore, has_run = FairSemaphore(1), list[bool]()
        assert semaphore.acquire(0)
        thread = Thread(target=lambda: has_run.append(semaphore.acquire(5)))
        thread.start()
        wait_for(lambda: semaphore._waiting)
        semaphore.release()
        assert not semaphore.acquire(0.05)
        thread.join()
        assert has_run == [True]

    def test_who_gives_up_leaves_no_trace(self) -> None:
        semaphore = FairSemaphore(1)
        assert semaphore.acquire(0)
        assert not semaphore.acquire(0.01)
        semaphore.release()
        assert semaphore.acquire(0)
        assert not semaphore.has_room

    def test_deadline_while_waiting(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The worker throws it in where the wait is, be it before or after the turn came."""
        semaphore = FairSemaphore(1)
        assert semaphore.acquire(0)

        class Interrupted:
            def __init__(self) -> None:
                self.calls = 0

            def acquire(self, timeout: float | None = None) -> bool:
                if timeout is None:
                    return True
                if self.calls == 0 and is_late:
                    semaphore.release()
                raise RequestTimeout

            def release(self) -> None:
                pass

        monkeypatch.setattr("backend.database.fair_semaphore.Lock", Interrupted)
        for is_late in (False, True):
            with pytest.raises(RequestTimeout):
                semaphore.acquire(1)
            assert not semaphore._waiting
            assert semaphore.has_room is is_late
