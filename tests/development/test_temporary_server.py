"""The throw-away PostgreSQL that the other tests run on."""

import os
import subprocess
import sys
from pathlib import Path

import psycopg2
import pytest

from config import PROJECT
from development.database import libpq_url, server_pid, temporary_server
from tests.development.embedded import is_gone, query, wait_until_gone


def test_a_temporary_server_takes_options_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TEST_DATABASE_URL", raising=False)
    with temporary_server(max_connections=7) as url:
        pid = server_pid(url)
        place = Path(psycopg2.extensions.parse_dsn(libpq_url(url))["host"])
        assert query(url, "SHOW max_connections") == [("7",)]
        assert query(url, "SHOW fsync") == [("off",)]
        assert place.exists()
    assert is_gone(pid)
    assert not place.exists()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent died")
def test_a_temporary_server_goes_with_a_killed_process() -> None:
    program = (
        "from development.database import *; import sys\n"
        "with temporary_server() as url: print(url, flush=True); sys.stdin.read()"
    )
    environment = {name: value for name, value in os.environ.items() if name != "TEST_DATABASE_URL"}
    process = subprocess.Popen(
        [sys.executable, "-c", program], cwd=PROJECT, env=environment, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    pid = server_pid(process.stdout.readline().strip())
    process.kill()
    process.communicate()
    wait_until_gone(pid)


def test_a_given_server_is_used_and_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_DATABASE_URL", "postgresql://somebody:secret@db.example:5433/postgres")
    with temporary_server() as url:
        assert url == "postgresql+psycopg2://somebody:secret@db.example:5433/postgres"
        with pytest.raises(ValueError, match="embedded"):
            server_pid(url)
