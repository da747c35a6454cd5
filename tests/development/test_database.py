"""The developer's PostgreSQL: shared, kept, and back after every kind of death."""

import os
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg2
import pytest

from config import LOCAL_DATABASE, PROJECT
from development.database import libpq_url, server_pid
from tests.development.embedded import User, is_gone, query

Join = Callable[[Path], User]


@pytest.fixture
def folder() -> Iterator[Path]:
    # Not tmp_path: under root the next pytest closes its parent again, in front of the server's account.
    with tempfile.TemporaryDirectory() as place:
        yield Path(place) / "post gres"  # a space, as in many a home folder


@pytest.fixture
def join(folder: Path) -> Iterator[Join]:
    """Start users of a server. At the end all leave, and the last one stops a server that a test left running."""
    users: list[User] = []

    def start(folder: Path) -> User:
        users.append(User(folder))
        return users[-1]

    yield start
    for place in {folder} & {user.folder for user in users}:
        start(place)
    for user in users:
        user.process.communicate(timeout=30)


def run_python(program: str, argument: Path) -> subprocess.CompletedProcess[str]:
    command = (sys.executable, "-W", "error", "-c", program, str(argument))
    return subprocess.run(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True, timeout=60, check=True)


def test_the_last_user_stops_the_server_and_data_is_kept(folder: Path, join: Join) -> None:
    first, second = join(folder), join(folder)  # both start at once, on an empty folder
    pid = server_pid(first.url)
    address = folder / LOCAL_DATABASE.name
    assert second.url == first.url
    assert address.read_text() == f"DATABASE_URL={first.url}\n"
    assert stat.S_IMODE(address.stat().st_mode) == 0o600
    assert server_pid(second.url) == pid
    query(first.url, "CREATE TABLE kept AS SELECT 42 AS answer")

    first.leave()
    assert not is_gone(pid)
    assert address.exists()
    assert query(second.url, "SELECT answer FROM kept") == [(42,)]
    second.leave()
    assert is_gone(pid)
    assert not address.exists()

    third = join(folder)
    assert query(third.url, "SELECT answer FROM kept") == [(42,)]
    assert query(third.url, "SHOW fsync") == [("on",)]
    assert query(third.url, "SHOW listen_addresses") == [("",)]
    third.leave()


def test_a_killed_user_leaves_a_server_that_the_next_one_joins_and_stops(folder: Path, join: Join) -> None:
    killed = join(folder)
    pid = server_pid(killed.url)
    killed.kill()
    assert not is_gone(pid)
    assert (folder / LOCAL_DATABASE.name).exists()  # it still tells where the server is

    following = join(folder)
    assert server_pid(following.url) == pid
    following.leave()
    assert is_gone(pid)


def test_a_killed_server_starts_again_with_its_data(folder: Path, join: Join) -> None:
    user = join(folder)
    query(user.url, "CREATE TABLE kept AS SELECT 42 AS answer")
    dead = server_pid(user.url)
    os.kill(dead, signal.SIGKILL)

    following = join(folder)  # at once, while processes of the dead server may still be ending
    assert query(following.url, "SELECT answer FROM kept") == [(42,)]
    assert server_pid(following.url) != dead
    following.leave()
    user.leave()


def test_a_pid_file_that_names_another_program_is_not_believed(folder: Path, join: Join) -> None:
    """After a crash of the machine the number in postmaster.pid belongs to anybody, here to this process."""
    user = join(folder)
    url = user.url
    query(url, "CREATE TABLE kept AS SELECT 42 AS answer")
    pid_file = folder / "data" / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    user.leave()
    owner = (folder / "data").stat()
    pid_file.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
    os.chown(pid_file, owner.st_uid, owner.st_gid)

    following = join(folder)
    assert query(following.url, "SELECT answer FROM kept") == [(42,)]
    following.leave()


def test_a_path_too_long_for_a_socket(folder: Path, join: Join) -> None:
    user = join(folder / ("long" * 30) / "postgres")
    assert query(user.url, "SELECT current_database()") == [("counterfoil",)]
    socket_folder = Path(psycopg2.extensions.parse_dsn(libpq_url(user.url))["host"])
    assert socket_folder.stat().st_mode & 0o077 == 0  # whoever gets in is a superuser
    user.leave()
    assert not socket_folder.exists()


def test_an_interrupted_creation_is_done_again(folder: Path, join: Join) -> None:
    (folder / "data.new" / "base").mkdir(parents=True)
    user = join(folder)
    assert query(user.url, "SELECT 1") == [(1,)]
    user.leave()


def test_a_server_that_cannot_start_says_why_in_one_line(folder: Path, join: Join) -> None:
    join(folder).leave()
    version = folder / "data" / "PG_VERSION"
    version.write_text("17\n")
    program = """
import sys
from pathlib import Path
from config import ConfigError
from development.database import developer_server
try:
    with developer_server(Path(sys.argv[1])):
        pass
except ConfigError as error:
    print(error)
"""
    said = run_python(program, folder).stdout
    version.write_text("18\n")
    assert said.startswith("DATABASE_URL: the embedded PostgreSQL did not start: ")
    assert "incompatible" in said
    assert said.count("\n") == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become somebody else")
def test_an_ordinary_user_is_told_what_a_run_as_root_left(folder: Path, join: Join) -> None:
    join(folder).leave()
    program = """
import os, pwd, sys
from pathlib import Path
from config import ConfigError
from development.postgres import Cluster
somebody = pwd.getpwnam("daemon")
os.setgid(somebody.pw_gid)
os.setuid(somebody.pw_uid)
try:
    Cluster(Path(sys.argv[1])).make_folder()
except ConfigError as error:
    print(error)
"""
    said = run_python(program, folder).stdout
    assert said.startswith(f"DATABASE_URL: {folder} belongs to nobody, ")
    assert said.endswith(f"Run: sudo chown -R daemon '{folder}'\n")
