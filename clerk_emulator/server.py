"""`python -m clerk_emulator`: one emulator, on the loopback interface, on one folder of state."""

import fcntl
import os
import signal
import socket
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import click
from werkzeug.serving import WSGIRequestHandler, make_server

from clerk_emulator import clients, clock, documents, logs, seeds
from clerk_emulator.app import http_app
from clerk_emulator.context import Emulator
from clerk_emulator.delivery import Dispatcher
from clerk_emulator.errors import ClerkError
from clerk_emulator.faults import Faults, FaultSettings
from clerk_emulator.fields import parse
from clerk_emulator.instance import load_instance
from clerk_emulator.keys_file import NAME as KEYS_FILE
from clerk_emulator.keys_file import write_keys
from clerk_emulator.store import NewerStateError, Store

_LOOPBACK = "127.0.0.1"
_BACKLOG = 128
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class _ProductionRefusedError(click.ClickException):
    exit_code = 2


class _QuietHandler(WSGIRequestHandler):
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing: the terminal belongs to the application under development."""

    def date_time_string(self, timestamp: float | None = None) -> str:
        """Give the header Date by the emulator's clock: applications compare their own with it."""
        return super().date_time_string(clock.now() if timestamp is None else timestamp)


@click.command(help="Run a local Clerk instance for development and tests.")
@click.option("--port", type=click.IntRange(1, 65535), default=5555, show_default=True)
@click.option(
    "--state",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(".local/clerk"),
    show_default=True,
    help="Folder of the keys, users, sessions and undelivered webhooks.",
)
@click.option(
    "--webhook-url",
    default="http://localhost:8000/api/webhooks",
    show_default=True,
    help="Endpoint that gets the events.",
)
@click.option(
    "--bundles",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(".local/bundles"),
    show_default=True,
    help="Folder of @clerk/clerk-js and @clerk/ui, as `make frontend` fetches them or as a node_modules.",
)
@click.option("--application-name", default="My Application", show_default=True, help="What Clerk's screens say.")
@click.option("--multi-session", is_flag=True, help="Let several users be signed in on one browser.")
@click.option(
    "--allow-origin",
    multiple=True,
    metavar="ORIGIN",
    help="Another page that may sign in, as https://app.example.com; those of this machine may anyway.",
)
@click.option(
    "--fault",
    "faults",
    type=(str, float),
    multiple=True,
    metavar="NAME NUMBER",
    help="What goes wrong, and how often from 0 to 1, as `drop 0.05`; the command `faults` lists the names.",
)
@click.option(
    "--clock-offset",
    type=click.IntRange(-clock.MAX_OFFSET, clock.MAX_OFFSET),
    default=0,
    metavar="SECONDS",
    help="Be ahead of the real time, or behind it.",
)
@click.option("--seed", is_flag=True, help="Create the demo users, if the state is new.")
def main(  # noqa: PLR0913 - one for each option
    port: int,
    state: Path,
    webhook_url: str,
    bundles: Path,
    *,
    application_name: str,
    multi_session: bool,
    allow_origin: tuple[str, ...],
    faults: tuple[tuple[str, float], ...],
    clock_offset: int,
    seed: bool,
) -> None:
    if os.environ.get("ENV", "").strip().lower() == "production":
        raise _ProductionRefusedError("this emulator is not for production; unset ENV or use Clerk's own keys")
    _refuse_bad_url(webhook_url)
    fault_settings = _read_faults(faults)
    clock.shift(clock_offset)
    logs.configure()
    os.umask(0o077)
    # Blocked before any thread starts, so that every thread inherits it and the main one can wait for them.
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOP_SIGNALS)
    with _exclusive(state):
        path = state / "state.sqlite3"
        is_new = not path.exists()
        store = _open_store(path)
        url = f"http://localhost:{port}"
        emulator = Emulator(
            load_instance(store),
            store,
            url,
            bundles,
            Faults(fault_settings),
            multi_session,
            allow_origin,
            application_name,
        )
        with store.transaction() as db:
            clients.forget_idle(db)
            documents.forget_all(db)
        if seed and is_new:
            seeds.plant(emulator)
        _serve(port, state, webhook_url, emulator)


def _serve(port: int, state: Path, webhook_url: str, emulator: Emulator) -> None:
    with _listen(port) as listener:
        server = make_server(
            _LOOPBACK, port, http_app(emulator), threaded=True, request_handler=_QuietHandler, fd=listener.fileno()
        )
        threading.Thread(target=server.serve_forever, name="http-server", daemon=True).start()
        Dispatcher(emulator.store, emulator.instance, webhook_url).start()
        # Only now: whoever reads the keys may use them at once.
        write_keys(state, emulator.instance, emulator.url)
        click.echo(f"Clerk emulator on {emulator.url} (keys: {state / KEYS_FILE}, webhooks to: {webhook_url})")
        # Leaving is as safe as being killed: what is committed stays, what was not answered is sent again.
        signal.sigwait(_STOP_SIGNALS)


@contextmanager
def _exclusive(state: Path) -> Iterator[None]:
    """Keep the folder to this process: two dispatchers on one outbox would send everything twice."""
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        state.chmod(0o700)
        lock = (state / "lock").open("w")
    except OSError as error:
        raise click.ClickException(f"cannot use the state folder {state}: {error.strerror}") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise click.ClickException(f"another emulator uses {state}; stop it or choose another --state") from None
        yield


def _listen(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((_LOOPBACK, port))
    except OSError as error:
        listener.close()
        raise click.ClickException(f"port {port} cannot be used: {error.strerror}; choose another --port") from error
    listener.listen(_BACKLOG)
    return listener


def _open_store(path: Path) -> Store:
    try:
        return Store(path)
    except NewerStateError:
        raise click.ClickException(f"a newer emulator wrote {path}; update, or delete it to start afresh") from None
    except sqlite3.DatabaseError as error:
        raise click.ClickException(f"{path} cannot be read ({error}); delete it to start afresh") from error


def _read_faults(faults: tuple[tuple[str, float], ...]) -> FaultSettings:
    try:
        return parse(FaultSettings, dict(faults))
    except ClerkError as error:
        raise click.BadParameter(str(error), param_hint="--fault") from None


def _refuse_bad_url(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise click.BadParameter("must be an http or https URL", param_hint="--webhook-url")
