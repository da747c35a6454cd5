"""PostgreSQL frozen, cut off, crashed or blocked: 503 in time, never a wrong answer, and back without a restart."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from development.database import FAST, server_pid
from development.postgres import Cluster
from tests.faults.conftest import REQUEST_TIMEOUT
from tests.faults.harness import Callers, Delivery, Senders, crash, frozen
from tests.support.clerk import Instance, clerk_id, user_data
from tests.support.database import Sql, locked
from tests.support.server import Server
from tests.support.traffic import get_me, in_parallel, post_event
from tests.support.waiting import wait_for

CROWD = 30  # three times the pool


def timed(server: Server, clerk: Instance) -> tuple[requests.Response, float]:
    start = time.monotonic()
    answer = get_me(server, clerk.token(sub="user_1"), timeout=20)
    return answer, time.monotonic() - start


def assert_refused_in_time(crowd: list[tuple[requests.Response, float]]) -> None:
    for answer, seconds in crowd:
        assert answer.status_code == 503
        assert answer.json()["code"] in {"database-unavailable", "request-timeout"}
        assert "Retry-After" in answer.headers
        assert seconds < REQUEST_TIMEOUT + 1


def assert_all_is_well(server: Server, clerk: Instance) -> None:
    """Every connection of the pool, not just one."""
    crowd = in_parallel([lambda: timed(server, clerk)] * CROWD)
    assert [answer.status_code for answer, _ in crowd] == [200] * CROWD


class TestFrozen:
    def test_ends_in_time_and_comes_back(
        self, own_server: Server, own_postgres: str, own_sql: Sql, clerk: Instance
    ) -> None:
        workers = own_server.worker_pids()
        assert get_me(own_server, clerk.token(sub="user_1")).status_code == 200
        for _ in range(2):  # a pool that leaked its connections would not survive the second time
            with frozen(own_postgres):

                def check_health() -> tuple[int, int]:
                    time.sleep(0.3)
                    healthz = requests.get(f"{own_server.url}/healthz", timeout=1).status_code
                    return healthz, requests.get(f"{own_server.url}/readyz", timeout=20).status_code

                def deliver() -> tuple[requests.Response, float]:
                    start = time.monotonic()
                    answer = post_event(own_server, clerk, "user.created", user_data("user_2"))
                    return answer, time.monotonic() - start

                with ThreadPoolExecutor(2) as others:
                    health, delivered = others.submit(check_health), others.submit(deliver)
                    assert_refused_in_time(in_parallel([lambda: timed(own_server, clerk)] * CROWD))
                    assert health.result() == (200, 503)
                    assert_refused_in_time([delivered.result()])
            wait_for(lambda: timed(own_server, clerk)[0].status_code == 200, 5)
            assert_all_is_well(own_server, clerk)
        assert own_server.worker_pids() == workers
        # The server may finish what it had received when it froze, never half of it.
        counts = [own_sql.value(f"SELECT count(*) FROM {table}") for table in ("users", "subscriptions")]
        assert counts[0] == counts[1]


class TestBlocked:
    def test_pool_exhausted(self, own_server: Server, own_database: str, own_sql: Sql, clerk: Instance) -> None:
        assert get_me(own_server, clerk.token(sub="user_1")).status_code == 200
        with locked(own_database, "users"):
            crowd = in_parallel([lambda: timed(own_server, clerk)] * CROWD)
            assert_refused_in_time(crowd)
            assert requests.get(f"{own_server.url}/healthz", timeout=1).status_code == 200
        assert_all_is_well(own_server, clerk)
        assert own_sql.value("SELECT count(*) FROM users") == 1


class TestCutOff:
    def test_connections_terminated(self, own_server: Server, own_sql: Sql, clerk: Instance) -> None:
        """As a failover does. Requests that come after it notice nothing, whether they read or write."""

        def post() -> requests.Response:
            return post_event(own_server, clerk, "user.updated", user_data("user_1"))

        def ask() -> requests.Response:
            return timed(own_server, clerk)[0]

        # Connections that so far only wrote are cut and then read with, and the other way round.
        for before, after in ((post, ask), (ask, post)):
            for _ in range(2):
                assert {answer.status_code for answer in in_parallel([before] * 15)} == {200}
                cut = own_sql.value(
                    "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
                assert cut > 0
            assert [answer.status_code for answer in in_parallel([after] * 15)] == [200] * 15

    def test_crash_under_load(self, own_server: Server, own_database: str, own_sql: Sql, clerk: Instance) -> None:
        """A backend dies of kill -9 and PostgreSQL restarts: 503 meanwhile, never 401, and nothing is lost."""
        assert own_sql.value("SELECT count(*) FROM users") == 0
        token = clerk.token(sub="user_1")
        deliveries = [Delivery(clerk_id("msg"), "user.created", user_data(f"user_{number}")) for number in range(2, 60)]
        senders = Senders(own_server, clerk, deliveries)
        with Callers(own_server, token) as callers:
            senders.start()
            wait_for(lambda: len(callers.answers) > 5 and senders.acknowledged > 5)
            crash(own_database)
            before = len(callers.answers)
            senders.join(20)
            wait_for(lambda: len(callers.answers) > before + 8)
        assert callers.statuses <= {200, 503}
        assert [status for status, _ in callers.answers[-4:]] == [200] * 4
        assert senders.statuses <= {200, 503}
        after = Sql(own_database)
        assert after.value("SELECT count(*) FROM webhook_events WHERE status = 'applied'") == 58
        assert after.value("SELECT count(*) FROM users") == 59
        after.close()


@pytest.mark.slow
class TestLong:
    def test_frozen_for_twenty_seconds(
        self, own_server: Server, own_postgres: str, own_sql: Sql, clerk: Instance
    ) -> None:
        with Callers(own_server, clerk.token(sub="user_1"), threads=20) as callers:
            wait_for(lambda: len(callers.answers) > 20)
            with frozen(own_postgres):
                time.sleep(20)
            thawed = len(callers.answers)
            wait_for(lambda: len(callers.answers) > thawed + 200, 30)
        assert callers.statuses == {200, 503}
        assert max(seconds for _, seconds in callers.answers) < REQUEST_TIMEOUT + 1
        assert {status for status, _ in callers.answers[-100:]} == {200}
        assert own_sql.value("SELECT count(*) FROM users") == 1

    def test_stopped_for_a_while_under_load(
        self, own_server: Server, own_postgres: str, own_database: str, own_sql: Sql, clerk: Instance
    ) -> None:
        """As for a minor upgrade. An outage of ours is never shown as a bad token."""
        workers = own_server.worker_pids()
        data = Path(own_sql.value("SHOW data_directory"))
        server_pid(own_postgres)  # raises for a server that is not ours to stop
        with Callers(own_server, clerk.token(sub="user_1")) as callers:
            wait_for(lambda: len(callers.answers) > 20)
            cluster = Cluster(data.parent, {**FAST, "max_connections": 100}, throwaway=True)
            cluster.stop()
            stopped = len(callers.answers)
            wait_for(lambda: len(callers.answers) > stopped + 20)
            cluster.start()
            back = len(callers.answers)
            wait_for(lambda: len(callers.answers) > back + 100, 10)
        assert callers.statuses == {200, 503}
        assert {status for status, _ in callers.answers[-50:]} == {200}
        assert own_server.worker_pids() == workers
        after = Sql(own_database)
        assert after.value("SELECT count(*) FROM users") == 1
        after.close()
