"""Counted requests while a row is held: the last flush of a worker that ends, and a flusher that was woken early."""

import signal
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Semaphore

import psycopg2
import pytest
from flask import Flask

from backend.server.request_counter import MANY_USERS, RequestCounter
from tests.plans.test_request_counts import counted
from tests.support.admins import add_user
from tests.support.clerk import Instance
from tests.support.database import Sql
from tests.support.server import Server, running_server
from tests.support.traffic import get_me
from tests.support.waiting import wait_for

LOST = "The last counted requests were lost"


@contextmanager
def held(database_url: str, *user_ids: int) -> Iterator[None]:
    """Somebody else is changing these users' rows."""
    with closing(psycopg2.connect(database_url)) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT FROM usage_metrics WHERE user_id = ANY (%s) FOR NO KEY UPDATE", (list(user_ids),)
        )
        yield


class TestStop:
    @pytest.fixture
    def own(self, settings: dict[str, str], tmp_path: Path) -> Iterator[Server]:
        with running_server(tmp_path, settings) as running:
            yield running

    @pytest.fixture
    def users(self, own: Server, clerk: Instance, sql: Sql) -> list[int]:
        """Two, of whom one made one request and the other one two."""
        ids = [add_user(sql, clerk_user_id=f"user_{number}") for number in (1, 2)]
        for number in (1, 2, 2):
            assert get_me(own, clerk.token(sub=f"user_{number}")).status_code == 200
        return ids

    def test_row_that_is_released(self, own: Server, users: list[int], sql: Sql, database_url: str) -> None:
        """The worker tries again until the row is free, and then it ends."""
        with held(database_url, users[0]):
            own.begin_to_stop()
            wait_for(lambda: counted(sql) == {users[0]: 0, users[1]: 2})
        own.process.wait(30)
        assert counted(sql) == {users[0]: 1, users[1]: 2}
        assert own.process.returncode == 0
        assert LOST not in own.log.read_text()

    def test_hurried(self, own: Server, users: list[int], sql: Sql, database_url: str) -> None:
        """SIGQUIT while the last flush runs does not cut it off; gunicorn waits two seconds more."""
        with held(database_url, users[0]):
            own.begin_to_stop()
            wait_for(lambda: counted(sql)[users[1]] == 2)
            own.process.send_signal(signal.SIGQUIT)
            time.sleep(0.7)
        own.process.wait(30)
        assert counted(sql) == {users[0]: 1, users[1]: 2}

    def test_row_that_stays_held(self, own: Server, users: list[int], sql: Sql, database_url: str) -> None:
        """The worker gives it up by itself and says so; it need not be killed, and nobody else's requests are lost."""
        with held(database_url, users[0]):
            own.stop()
        log = own.log.read_text()
        assert counted(sql) == {users[0]: 0, users[1]: 2}
        assert own.process.returncode == 0
        assert log.count(LOST) == 1
        assert not [word for word in ("SIGKILL", "SIGABRT", "Traceback") if word in log]


class NotingCounter(RequestCounter):
    """Numbers its flushes as they begin, and tells when one is over."""

    def __init__(self, app: Flask) -> None:
        super().__init__(app)
        self.flushes = 0
        self.is_flushed = Semaphore(0)

    def flush(self) -> bool:
        self.flushes += 1
        try:
            return super().flush()
        finally:
            self.is_flushed.release()


class TestManyUsers:
    """The number of users wakes the flusher, once; then it sleeps again."""

    WRITTEN = "SELECT count(*) FROM usage_metrics WHERE api_requests = %s"

    @pytest.fixture
    def counter(self, app: Flask, sql: Sql, monkeypatch: pytest.MonkeyPatch) -> NotingCounter:
        """No flush of it comes because it is time."""
        monkeypatch.setattr("backend.server.request_counter.FLUSH_SECONDS", 86_400)
        fill = "INSERT INTO users (clerk_user_id) SELECT 'u' || n FROM generate_series(1, %s) n"
        sql.rows(fill, MANY_USERS + 1)
        sql.rows("INSERT INTO usage_metrics (user_id) SELECT user_id FROM users")
        counter = NotingCounter(app)
        counter.start()
        return counter

    def test_wakes_it_once_each_time(self, counter: NotingCounter, sql: Sql) -> None:
        for times in (1, 2, 3):
            for user_id in range(1, MANY_USERS + 1):
                counter.count(user_id)
            assert counter.is_flushed.acquire(timeout=30)
            assert sql.value(self.WRITTEN, times) == MANY_USERS
            assert counter.flushes == times

    def test_one_user_less_does_not(self, counter: NotingCounter, sql: Sql) -> None:
        for user_id in [*range(1, MANY_USERS), *range(1, MANY_USERS)]:
            counter.count(user_id)
        assert sql.value(self.WRITTEN, 0) == MANY_USERS + 1
        assert not counter.flush()
        assert sql.value(self.WRITTEN, 2) == MANY_USERS - 1
        assert counter.flushes == 1

    def test_what_stays_does_not_wake_it_again(
        self, counter: NotingCounter, sql: Sql, database_url: str
    ) -> None:
        """Else each request would make a flush while the rows are held or the database is away."""
        ids = range(1, MANY_USERS + 2)
        with held(database_url, *ids):
            for user_id in ids:
                counter.count(user_id)
            assert counter.is_flushed.acquire(timeout=30)
            for user_id in ids:
                counter.count(user_id)
                if user_id % 100 == 0:
                    assert sql.value(self.WRITTEN, 0) == len(ids)
        assert not counter.flush()
        assert sql.value(self.WRITTEN, 2) == len(ids)
        assert counter.flushes == 2
