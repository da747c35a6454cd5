"""Processes that use an embedded PostgreSQL, and what tests ask about them."""

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import psycopg2

from config import PROJECT
from development.database import libpq_url

# A process that uses the server until its stdin closes, as `make run` until Ctrl-C.
USER = """
import sys
from pathlib import Path
from development.database import developer_server
with developer_server(Path(sys.argv[1])) as url:
    print(url, flush=True)
    sys.stdin.read()
"""


class User:
    """Another process that uses the server in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", USER, folder],
            cwd=PROJECT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            # XDG_RUNTIME_DIR is unset in containers; nothing may warn about that
            env={name: value for name, value in os.environ.items() if name != "XDG_RUNTIME_DIR"},
        )
        self.folder = folder
        self._url = ""

    @property
    def url(self) -> str:
        if not self._url:
            assert self.process.stdout is not None
            self._url = self.process.stdout.readline().strip()
            assert self._url, "the process ended"
        return self._url

    def leave(self) -> None:
        self.process.communicate(timeout=30)
        assert self.process.returncode == 0

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


def query(url: str, sql: str) -> list[tuple[object, ...]]:
    with contextlib.closing(psycopg2.connect(libpq_url(url))) as connection:
        connection.autocommit = True
        cursor = connection.cursor()
        cursor.execute(sql)
        return cursor.fetchall() if cursor.description else []


def is_gone(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def wait_until_gone(pid: int) -> None:
    give_up = time.monotonic() + 20
    while not is_gone(pid):
        assert time.monotonic() < give_up, f"process {pid} stays"
        time.sleep(0.02)
