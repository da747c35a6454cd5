"""ReadPool: what happens to its connections behind its back."""

import threading
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import psycopg2
import pytest

from backend.database.prepared_reads import NoFreeConnection, PreparedRead, ReadConnection, ReadPool
from tests.support.database import Sql, driver_url


class Value(NamedTuple):
    value: Any


READ = PreparedRead[Value]("SELECT $1 || value AS value FROM read_pool_test", Value)


@pytest.fixture
def connections() -> Iterator[list[ReadConnection]]:
    """Every connection the pool made, in order."""
    made: list[ReadConnection] = []
    yield made
    for connection in made:
        connection.close()


@pytest.fixture
def pool(database_url: str, sql: Sql, connections: list[ReadConnection]) -> Iterator[ReadPool]:
    """At most two connections."""

    def connect() -> ReadConnection:
        connection: ReadConnection = psycopg2.connect(driver_url(database_url), ReadConnection)
        connections.append(connection)
        return connection

    sql.rows("CREATE TABLE read_pool_test AS SELECT 'x'::text AS value")
    yield ReadPool(connect, 2, 0.2)
    sql.rows("DROP TABLE read_pool_test")


class TestFetchRow:
    def test_uses_one_connection_again(self, pool: ReadPool, connections: list[ReadConnection]) -> None:
        assert [pool.fetch(READ, str(number)) for number in range(3)] == [("0x",), ("1x",), ("2x",)]
        assert len(connections) == 1

    def test_columns_are_those_of_the_row(self, pool: ReadPool) -> None:
        """By name: a column that was moved or renamed must not be taken for another one."""
        read = PreparedRead[Value]("SELECT value AS other FROM read_pool_test", Value)
        with pytest.raises(AssertionError, match="other"):
            pool.fetch(read)

    def test_no_row(self, pool: ReadPool, sql: Sql) -> None:
        sql.rows("DELETE FROM read_pool_test")
        assert pool.fetch(READ, "1") is None

    def test_leaves_no_transaction(self, pool: ReadPool, connections: list[ReadConnection]) -> None:
        pool.fetch(READ, "1")
        assert connections[0].info.transaction_status == psycopg2.extensions.TRANSACTION_STATUS_IDLE

    def test_fault_of_the_statement_keeps_the_connection(
        self, pool: ReadPool, connections: list[ReadConnection]
    ) -> None:
        with pytest.raises(psycopg2.errors.UndefinedTable):
            pool.fetch(PreparedRead("SELECT 1 AS value FROM not_there", Value))
        assert pool.fetch(READ, "1") == ("1x",)
        assert len(connections) == 1


class TestPooledStatements:
    """What PgBouncer does to a client: its next statement meets another server connection."""

    def test_statement_is_gone(self, pool: ReadPool, connections: list[ReadConnection]) -> None:
        pool.fetch(READ, "1")
        connections[0].cursor().execute("DEALLOCATE ALL")
        assert pool.fetch(READ, "2") == ("2x",)

    def test_statement_is_there_already(self, pool: ReadPool, connections: list[ReadConnection]) -> None:
        pool.fetch(READ, "1")
        connections[0].prepared.clear()
        assert pool.fetch(READ, "2") == ("2x",)

    @pytest.mark.parametrize("is_known", [True, False])
    def test_column_changed_its_type(
        self, pool: ReadPool, connections: list[ReadConnection], sql: Sql, is_known: bool
    ) -> None:
        read = PreparedRead[Value]("SELECT value FROM read_pool_test", Value)
        pool.fetch(read)
        if not is_known:
            connections[0].prepared.clear()
        sql.rows("UPDATE read_pool_test SET value = '7'")
        sql.rows("ALTER TABLE read_pool_test ALTER value TYPE integer USING value::integer")
        assert pool.fetch(read) == (7,)


class TestTrouble:
    def test_dead_connections_are_passed_over(
        self, pool: ReadPool, connections: list[ReadConnection], sql: Sql
    ) -> None:
        pool.fetch(READ, "1")
        sql.rows("SELECT pg_terminate_backend(%s)", connections[0].info.backend_pid)
        assert pool.fetch(READ, "2") == ("2x",)
        assert len(connections) == 2

    def test_all_in_use(self, pool: ReadPool) -> None:
        """The third waits its time and is refused; later there is room again."""
        slow = PreparedRead[Value]("SELECT pg_sleep(1) AS value", Value)
        busy = [threading.Thread(target=pool.fetch, args=(slow,)) for _ in range(2)]
        for thread in busy:
            thread.start()
        time.sleep(0.2)
        with pytest.raises(NoFreeConnection):
            pool.fetch(READ, "1")
        for thread in busy:
            thread.join()
        assert pool.fetch(READ, "1") == ("1x",)
