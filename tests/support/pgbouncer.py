"""A real PgBouncer between the application and PostgreSQL, pooling transactions. Where none is installed, a skip."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import psycopg2
import pytest
from sqlalchemy.engine import make_url

from development import accounts
from tests.support.ports import free_port
from tests.support.waiting import wait_for

USER = "postgres"


class PgBouncer(NamedTuple):
    """`url`: of the database, through it."""

    url: str
    console: str

    def command(self, statement: str) -> None:
        """Say `RECONNECT` or the like to its console."""
        with closing(psycopg2.connect(self.console)) as console:
            console.autocommit = True
            console.cursor().execute(statement)


@contextmanager
def running_pgbouncer(database_url: str, **settings: object) -> Iterator[PgBouncer]:
    """One in front of that database. `settings`: lines of its [pgbouncer] section, such as `default_pool_size=1`."""
    program = os.environ.get("PGBOUNCER") or shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        pytest.skip("pgbouncer is not installed (apt install pgbouncer), and PGBOUNCER names none")
    parts, port = make_url(database_url), free_port()
    target = {"user": USER, **parts.translate_connect_args(username="user", database="dbname"), **parts.query}
    lines = {
        "listen_addr": "127.0.0.1",
        "listen_port": port,
        "unix_socket_dir": "",
        "auth_type": "any",
        "admin_users": USER,
        "pool_mode": "transaction",
        **settings,
    }
    # It refuses to run as root, and only the account of the embedded PostgreSQL gets to its socket.
    folder = Path(tempfile.mkdtemp(prefix="pgbouncer-"))
    account = accounts.account_for(folder)
    accounts.private_folder(folder, account)
    file = folder / "pgbouncer.ini"
    address = " ".join(f"{name}='{value}'" for name, value in target.items())
    said = "\n".join(f"{name} = {value}" for name, value in lines.items())
    file.write_text(f"[databases]\napplication = {address}\n[pgbouncer]\n{said}\n")
    file.chmod(0o644)
    log = (folder / "log").open("wb")
    process = subprocess.Popen((program, file), **accounts.run_as(account), stdout=log, stderr=log)
    at = f"postgresql://{USER}@127.0.0.1:{port}"
    bouncer = PgBouncer(f"{at}/application", f"{at}/pgbouncer")
    try:
        wait_for(lambda: _accepts(bouncer.url))
        yield bouncer
    finally:
        process.terminate()
        process.wait()
        log.close()
        shutil.rmtree(folder)


def _accepts(url: str) -> bool:
    with suppress(psycopg2.OperationalError):
        psycopg2.connect(url).close()
        return True
    return False
