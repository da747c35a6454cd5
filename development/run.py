"""`make run`: the page, PostgreSQL, the local Clerk instance and the API, started in order and stopped together."""

import argparse
import contextlib
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn

from dotenv import dotenv_values

import config
from development import banner, bundles, database, frontend, ports
from development.node import NodeError
from development.parts import Part, Program, RunError, Server, answers

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
WATCH_SECONDS = 0.2


class Stopped(BaseException):
    """Somebody asked us to stop. Not an Exception: nothing but main() may swallow it."""


class Run:
    """One `make run`. What it starts is put on `cleanup`, which stops it in reverse order."""

    def __init__(self, options: argparse.Namespace, cleanup: contextlib.ExitStack) -> None:
        # Not load_settings(): it wants the database of a `make run` that is there already.
        self._settings = config.read_settings(config.PROJECT / ".env")
        self._port: int = options.port
        self._clerk_port: int = options.emulator_port
        self._local: Path = options.local.resolve()
        self._cleanup = cleanup
        self._parts: list[Part] = []
        # What is decided here is handed down, so that every part uses the same database and Clerk instance.
        self._environment = dict(os.environ)
        self._embedded_url = ""

    @property
    def _local_clerk(self) -> bool:
        return not self._settings.has_clerk_keys

    @property
    def _is_clerk_proxied(self) -> bool:
        """Also for a local Clerk instance that somebody else started, and whose keys are in the settings."""
        return self._local_clerk or self._settings.uses_local_clerk

    @property
    def _has_page(self) -> bool:
        return frontend.is_built() and (bundles.are_there() or not self._is_clerk_proxied)

    def start(self) -> None:
        """Start everything and print the next step. Raises RunError or ConfigError, with text for the developer."""
        if self._settings.is_production:
            raise RunError("ENV is production, and `make run` is for development: start alembic and gunicorn")
        ports.check({"PORT": self._port} | ({"EMULATOR_PORT": self._clerk_port} if self._local_clerk else {}))
        self._make_local_folder()
        self._make_page()
        self._start_database()
        if self._local_clerk:
            self._start_clerk()
        self._migrate()
        self._start_api()
        print(self._banner(), flush=True)

    def watch(self) -> NoReturn:
        """Raises RunError when a part ends."""
        while True:
            for part in self._parts:
                if not part.is_alive():
                    raise RunError(f"{part.name} ended, so everything stops.")
            time.sleep(WATCH_SECONDS)

    def _make_local_folder(self) -> None:
        logs = self._local / "logs"
        with contextlib.suppress(PermissionError):
            logs.mkdir(parents=True, exist_ok=True)
        if not os.access(logs, os.W_OK):
            raise RunError(
                f"Cannot write to {self._local}. If a run as root made it: "
                f"sudo chown -R $USER {shlex.quote(str(self._local))}"
            )

    def _make_page(self) -> None:
        """Without what that needs everything else runs."""
        try:
            frontend.make_page(with_bundles=self._is_clerk_proxied)
        except (NodeError, OSError) as error:
            state = "may be old" if self._has_page else "is missing"
            print(f"The page {state}, all else works, and the next start tries again: {error}", flush=True)

    def _start_database(self) -> None:
        url = self._settings.database_url.get_secret_value()
        if not url:
            _say("Starting PostgreSQL")
            server = database.developer_server(self._local / "postgres")
            url = self._embedded_url = self._cleanup.enter_context(server)
            self._parts.append(Server(database.server_pid(url)))
        self._environment["DATABASE_URL"] = url

    def _start_clerk(self) -> None:
        _say("Starting the local Clerk instance")
        state = self._local / "clerk"
        webhooks = f"http://localhost:{self._port}/api/webhooks"
        command = [
            "clerk_emulator",
            *("--port", str(self._clerk_port), "--state", str(state), "--webhook-url", webhooks),
            *("--bundles", str(bundles.FOLDER), "--application-name", "Counterfoil", "--seed"),
        ]
        # Pages that may call the API, as through a tunnel, may sign in too.
        for origin in self._settings.cors_origins:
            command += ["--allow-origin", origin]
        log = self._local / "logs" / "clerk.log"
        clerk = self._program("The local Clerk instance", command, log)
        url = f"http://localhost:{self._clerk_port}"
        keys: dict[str, str | None] = {}

        def has_keys() -> bool:
            # An earlier run may have left keys for another port: they count from the moment they name ours.
            keys.update(dotenv_values(state / "keys.env"))
            return answers(self._clerk_port, "/healthz") and keys.get("CLERK_API_URL") == url

        clerk.wait_until(has_keys, f"is not ready at {url}/healthz")
        for name, value in keys.items():
            if value and not self._environment.get(name):
                self._environment[name] = value

    def _migrate(self) -> None:
        _say("Migrating the database")
        result = subprocess.run(
            [sys.executable, "-m", "alembic", "upgrade", "head"],
            cwd=config.PROJECT,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            start_new_session=True,
        )
        if result.returncode != 0:
            raise RunError(f"{result.stdout}\nThe database was not migrated: alembic upgrade head failed, see above.")

    def _start_api(self) -> None:
        _say("Starting the API")
        pages = (f"http://localhost:{self._port}", f"http://127.0.0.1:{self._port}")
        if not self._settings.cors_origins:
            origins = dict.fromkeys((*self._settings.allowed_origins, *pages))
            self._environment["CORS_ORIGINS"] = ",".join(origins)
        app = "development.site:app" if self._is_clerk_proxied else "wsgi:app"
        # Ctrl-C waits until idle connections of browsers end: 5 s in production. More than a second: so often the page
        # asks.
        options = ("-b", f"127.0.0.1:{self._port}", "--keep-alive", "2")
        api = self._program("The API", ("gunicorn", *options, app))
        api.wait_until(lambda: answers(self._port, "/readyz"), f"does not answer 200 at {pages[0]}/readyz")

    def _program(self, name: str, module: Sequence[str], log: Path | None = None) -> Program:
        program = Program(name, ("-m", *module), self._environment, log)
        self._cleanup.callback(program.stop)
        self._parts.append(program)
        return program

    def _banner(self) -> str:
        lines = [f"\nCounterfoil runs on http://localhost:{self._port} (Ctrl-C stops it)"]
        if self._has_page:
            lines += ["", banner.page(self._port, local_clerk=self._is_clerk_proxied)]
        if self._local_clerk:
            lines += [
                "",
                "Sign up a user and call the API as that user:",
                banner.local_sign_up(self._port, self._local),
            ]
        else:
            lines += ["", "With your Clerk keys:", banner.real_clerk(self._port)]
        if self._embedded_url:
            lines += ["", "Look into the database:", banner.psql(self._embedded_url)]
        return "\n".join([*lines, "", f"Logs: {self._local / 'logs'}", ""])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until Ctrl-C or SIGTERM (exit code 0), or until a part fails (1)."""
    options = _options(arguments)
    try:
        with contextlib.ExitStack() as cleanup:
            cleanup.enter_context(_stop_on_signal())
            run = Run(options, cleanup)
            run.start()
            run.watch()
    except Stopped:
        print("Stopped.", flush=True)
        return 0
    except (RunError, config.ConfigError) as error:
        print(error, file=sys.stderr, flush=True)
        return 1


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m development.run", description=__doc__)
    parser.add_argument("--port", type=_port, default=8000, help="of the API (8000)")
    parser.add_argument("--emulator-port", type=_port, default=5555, help="of the local Clerk instance (5555)")
    parser.add_argument("--local", type=Path, default=config.PROJECT / ".local", help="folder for data and logs")
    return parser.parse_args(arguments)


def _port(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 2**16:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port (1 to 65535)")
    return int(text)


@contextlib.contextmanager
def _stop_on_signal() -> Iterator[None]:
    """Turn the first signal into Stopped. Later ones are ignored: stopping is under way and bounded in time."""

    def stop(number: int, frame: object) -> NoReturn:
        del number, frame
        for later in STOP_SIGNALS:
            signal.signal(later, signal.SIG_IGN)
        print("\nStopping …", flush=True)
        raise Stopped

    for number in STOP_SIGNALS:
        signal.signal(number, stop)
    yield


def _say(text: str) -> None:
    print(f"{text} …", flush=True)


if __name__ == "__main__":
    sys.exit(main())
