"""The embedded PostgreSQL 18: the developer's own under `.local/postgres`, and throw-away ones for tests.

It listens on a unix socket only, inside a folder that only its account may enter, so it needs no password.
`make run` starts the developer's server and stops it. While the server runs, `database.env` beside its data
tells other commands where it is, as `keys.env` does for the local Clerk instance. When `make run` is killed
with -9, both stay and other commands still work; the next `make run` uses that server and stops it.
"""

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg2
from sqlalchemy.engine import make_url

from config import LOCAL_DATABASE
from development.postgres import PORT, Cluster

DATABASE = "counterfoil"
# Nothing waits for the disk. Commits still reach the kernel before they are acknowledged
# (synchronous_commit stays on), so a test that kills the server finds what was committed.
FAST: dict[str, str | int] = {"fsync": "off", "full_page_writes": "off", "wal_level": "minimal", "max_wal_senders": 0}


@contextlib.contextmanager
def developer_server(folder: Path) -> Iterator[str]:
    """Start or join the server in `folder`; yields the URL of its database `counterfoil`, which may be empty.

    Two `make run` with real Clerk keys may use one server: the last one that ends stops it.
    Raises ConfigError with one line that says what to do.
    """
    cluster = Cluster(folder)
    address = cluster.folder / LOCAL_DATABASE.name
    cluster.make_folder()
    with _alone(cluster.folder):
        cluster.make_data()
    with _counted(cluster, address):
        with _alone(cluster.folder):
            cluster.start()
            _create_database(cluster)
            url = cluster.url(DATABASE)
            _write(address, f"DATABASE_URL={url}\n")
        yield url


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


@contextlib.contextmanager
def _counted(cluster: Cluster, address: Path) -> Iterator[None]:
    """Be one of the server's users. Each has a shared lock, which the kernel drops when it is killed."""
    users = os.open(cluster.data, os.O_RDONLY)
    fcntl.flock(users, fcntl.LOCK_SH)
    try:
        yield
    finally:
        # Not found: somebody has removed .local meanwhile.
        with contextlib.suppress(FileNotFoundError), _alone(cluster.folder):
            try:
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                pass  # others still use it
            else:
                address.unlink(missing_ok=True)
                cluster.stop()
        os.close(users)


def _write(file: Path, text: str) -> None:
    """In one step, so that a reader never sees half of it, and for this account only."""
    # NamedTemporaryFile creates it with mode 0600.
    with tempfile.NamedTemporaryFile("w", dir=file.parent, prefix=file.name, delete=False) as draft:
        draft.write(text)
    Path(draft.name).replace(file)


def _create_database(cluster: Cluster) -> None:
    with contextlib.closing(psycopg2.connect(libpq_url(cluster.url("postgres")))) as connection:
        connection.autocommit = True
        cursor = connection.cursor()
        cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,))
        if cursor.fetchone() is None:
            cursor.execute(f"CREATE DATABASE {DATABASE}")
