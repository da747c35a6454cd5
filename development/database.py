"""The embedded PostgreSQL 18: the developer's own under `.local/postgres`, and throw-away ones for tests.

It listens on a unix socket only, inside a folder that only its account may enter, so it needs no password.
The developer's server belongs to all processes that use it: the first one starts it, the others join, the
last one that leaves stops it. `make run` holds it as long as it runs; a lone `alembic upgrade head` starts
and stops it. A process ended by a signal counts as gone (the kernel drops its lock) but stops nothing: the
next process joins the server, and stops it when it leaves.
"""

import atexit
import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg2
from sqlalchemy.engine import make_url

from config import PROJECT
from development.postgres import PORT, Cluster

DATABASE = "counterfoil"
FOLDER = PROJECT / ".local" / "postgres"
# Nothing waits for the disk. Commits still reach the kernel before they are acknowledged
# (synchronous_commit stays on), so a test that kills the server finds what was committed.
FAST: dict[str, str | int] = {
    "fsync": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": 0,
}

_memberships: dict[tuple[int, Path], int] = {}


def ensure_running(data_dir: Path | None = None) -> str:
    """Start or join the server in `data_dir` (default `.local/postgres`); the URL of its database `counterfoil`.

    The database exists, but may be empty. The server stays at least until this process exits. Any number of
    processes and threads may call this at once. Raises ConfigError with one line that says what to do.
    """
    cluster = Cluster(data_dir or FOLDER)
    cluster.make_folder()
    with _alone(cluster.folder):
        cluster.make_data()
        _join(cluster)
        cluster.start()
        _create_database(cluster)
        return cluster.url(DATABASE)


@contextlib.contextmanager
def temporary_server(**options: str | int) -> Iterator[str]:
    """A fresh server for tests, gone at the end; yields the URL of its maintenance database, as a superuser.

    `options` are server settings such as `max_connections=200`. On Linux it also goes when the process is
    killed. With TEST_DATABASE_URL in the environment that server is used instead, and left alone.
    """
    if given := os.environ.get("TEST_DATABASE_URL"):
        yield make_url(given).set(drivername="postgresql+psycopg2").render_as_string(hide_password=False)
        return
    cluster = Cluster(Path(tempfile.mkdtemp(prefix="counterfoil-")), {**FAST, **options}, throwaway=True)
    try:
        cluster.make_folder()
        cluster.make_data()
        cluster.start()
        yield cluster.url("postgres")
    finally:
        cluster.stop()
        shutil.rmtree(cluster.folder)


def libpq_url(url: str) -> str:
    """The same address for psql and psycopg2, which know no `+driver`."""
    return url.replace("postgresql+psycopg2:", "postgresql:", 1)


def server_pid(url: str) -> int:
    """The process id of the embedded server behind `url`, for tests that kill it.

    Raises ValueError for a server that is reached over the network.
    """
    folder = make_url(url).query.get("host")
    if not isinstance(folder, str) or not folder.startswith("/"):
        raise ValueError("only an embedded server has a process id")
    return int((Path(folder) / f".s.PGSQL.{PORT}.lock").read_text().splitlines()[0])


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One process at a time decides about starting and stopping. The lock is on the folder: no file to own."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _join(cluster: Cluster) -> None:
    """Be counted among the users of the server. Keyed by process: a fork is a user of its own."""
    key = (os.getpid(), cluster.folder)
    if key not in _memberships:
        handle = os.open(cluster.data, os.O_RDONLY)
        fcntl.flock(handle, fcntl.LOCK_SH)
        _memberships[key] = handle
        atexit.register(_leave, cluster)


def _leave(cluster: Cluster) -> None:
    handle = _memberships.pop((os.getpid(), cluster.folder), None)
    if handle is None:  # a fork inherited this exit hook without having joined
        return
    with contextlib.suppress(FileNotFoundError), _alone(cluster.folder):  # somebody may have removed .local
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return  # others still use it
        finally:
            os.close(handle)
        cluster.stop()


def _create_database(cluster: Cluster) -> None:
    with contextlib.closing(psycopg2.connect(libpq_url(cluster.url("postgres")))) as connection:
        connection.autocommit = True
        cursor = connection.cursor()
        cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,))
        if cursor.fetchone() is None:
            cursor.execute(f"CREATE DATABASE {DATABASE}")
