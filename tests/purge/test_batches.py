"""`flask --app wsgi purge`: a batch at a time, beside others, and stopped on the way."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.database import Sql, holding
from tests.support.purging import LIMITS, Purge, put, report
from tests.support.server import PROJECT, clean_environment


@contextmanager
def after_each_delete(sql: Sql, statement: str) -> Iterator[None]:
    """Have PostgreSQL run this after each statement that deletes sessions; it finds the rows in `gone`."""
    sql.rows(
        f"CREATE FUNCTION after_delete() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN {statement}; RETURN NULL; END$$"
    )
    sql.rows(
        "CREATE TRIGGER after_delete AFTER DELETE ON revoked_sessions REFERENCING OLD TABLE AS gone "
        "FOR EACH STATEMENT EXECUTE FUNCTION after_delete()"
    )
    try:
        yield
    finally:
        sql.rows("DROP FUNCTION after_delete CASCADE")


class TestBatches:
    def test_each_is_a_transaction(self, purge: Purge, sql: Sql) -> None:
        put(sql, "revoked_sessions", number=2_500)
        sql.rows("CREATE TABLE batches (number bigint, transaction bigint DEFAULT txid_current())")
        try:
            with after_each_delete(sql, "INSERT INTO batches SELECT count(*) FROM gone HAVING count(*) > 0"):
                assert purge() == report({"revoked_sessions": 2_500})
            batches = sql.rows("SELECT * FROM batches ORDER BY transaction")
        finally:
            sql.rows("DROP TABLE batches")
        assert [batch["number"] for batch in batches] == [1_000, 1_000, 500]
        assert len({batch["transaction"] for batch in batches}) == 3

    @pytest.mark.parametrize("table", LIMITS)
    def test_what_somebody_holds_waits_for_the_next_time(
        self, purge: Purge, settings: dict[str, str], sql: Sql, table: str
    ) -> None:
        """A row that is being changed, or that another purge deletes: nobody waits for anybody."""
        put(sql, table, number=3)
        with holding(settings["DATABASE_URL"], f"SELECT FROM {table} LIMIT 1 FOR NO KEY UPDATE"):
            assert purge() == report({table: 2})
        assert purge() == report({table: 1})


class TestProcesses:
    """The real command line."""

    def start(self, settings: dict[str, str], stderr: int) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "flask", "--app", "wsgi", "purge"],
            cwd=PROJECT,
            env=clean_environment(**settings),
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )

    def test_two_at_once(self, purge: Purge, settings: dict[str, str], sql: Sql) -> None:  # noqa: ARG002
        put(sql, "revoked_sessions", number=6_000)
        with after_each_delete(sql, "PERFORM pg_sleep(0.3)"):
            running = [self.start(settings, subprocess.PIPE) for _ in range(2)]
            ends = [(process.communicate(timeout=60), process.returncode) for process in running]
        assert [(stderr, code) for (_, stderr), code in ends] == [("", 0)] * 2
        numbers = [deleted(stdout, "revoked_sessions") for (stdout, _), _ in ends]
        assert sum(numbers) == 6_000
        assert sql.value("SELECT count(*) FROM revoked_sessions") == 0

    def test_interrupted_and_resumed(self, purge: Purge, settings: dict[str, str], sql: Sql) -> None:
        put(sql, "revoked_sessions", number=5_000)
        put(sql, "webhook_events", number=7)
        reading, terminal = os.openpty()
        with after_each_delete(sql, "PERFORM pg_sleep(1)"):
            process = self.start(settings, terminal)
            os.close(terminal)
            shown = ""
            while "revoked_sessions: 1,000\r" not in shown:
                shown += os.read(reading, 1_000).decode()
            process.send_signal(signal.SIGINT)
            stdout, _ = process.communicate(timeout=60)
        os.close(reading)
        assert process.returncode == 1
        assert "\nidempotency_keys: 0 deleted\n" in stdout
        left = sql.value("SELECT count(*) FROM revoked_sessions")
        assert (left > 0, left % 1_000) == (True, 0)
        # It may have been stopped between a commit and the count of it.
        assert 5_000 - left - deleted(stdout, "revoked_sessions") in {0, 1_000}
        assert purge() == report({"revoked_sessions": left, "webhook_events": 7})


def deleted(stdout: str, table: str) -> int:
    numbers = dict(line.split(": ") for line in stdout.splitlines())
    return int(numbers[table].removesuffix(" deleted").replace(",", ""))
