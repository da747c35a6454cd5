"""PostgreSQL 15 is promised; the embedded server is newer."""

import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import URL
from sqlalchemy.exc import OperationalError

from backend.models import Base
from development.accounts import account_for, private_folder, run_as
from tests.migrations.databases import Database, new_database
from tests.support.waiting import wait_for

INSTALLED = sorted(
    (path for path in Path("/usr/lib/postgresql").glob("*/bin") if (path / "initdb").exists()),
    key=lambda path: int(path.parent.name),
)
OLDER = [path for path in INSTALLED if 15 <= int(path.parent.name) < 18]


@pytest.fixture
def older_server() -> Iterator[URL]:
    if not OLDER:
        pytest.skip("no PostgreSQL 15, 16 or 17 under /usr/lib/postgresql (Debian: apt install postgresql-15)")
    folder = Path(tempfile.mkdtemp(prefix="counterfoil-older-"))
    data = folder / "data"
    account = account_for(folder)  # PostgreSQL does not run as root
    private_folder(folder, account)
    try:
        subprocess.run(
            [OLDER[0] / "initdb", "-D", data, *["-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "-N"]],
            **run_as(account),
            cwd="/",
            check=True,
            capture_output=True,
        )
        with subprocess.Popen(
            [OLDER[0] / "postgres", "-D", data, "-k", folder, "-c", "listen_addresses=", "-c", "fsync=off"],
            **run_as(account),
            cwd="/",
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            try:
                url = URL.create("postgresql+psycopg2", "postgres", query={"host": str(folder)}, database="postgres")
                wait_for(lambda: answers(url), 30)
                yield url
            finally:
                process.send_signal(signal.SIGINT)  # ends the connections too
    finally:
        shutil.rmtree(folder)


def answers(url: URL) -> bool:
    try:
        return Database(url).rows("SELECT 1") == [(1,)]
    except OperationalError:
        return False


def test_up_down_and_up_on_the_oldest_server_here(older_server: URL) -> None:
    with new_database(older_server) as database, new_database(older_server) as made_from_models:
        database.upgrade("002")
        database.fill_password_era()
        before = database.what_users_keep()

        database.upgrade()
        database.downgrade("002")
        database.upgrade()

        assert database.what_users_keep() == before
        Base.metadata.create_all(made_from_models.engine)
        assert database.tables() == made_from_models.schema()
        database.downgrade("base")
        assert database.schema() == []
