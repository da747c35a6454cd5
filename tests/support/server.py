"""The real application under the real gunicorn, as shipped."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import requests
from flask import Flask
from requests.adapters import HTTPAdapter

from config import setting_names
from counterfoil_testing.application import Application
from counterfoil_testing.ports import free_port
from tests.support.secrecy import remember

PROJECT = Path(__file__).parents[2]
START_SECONDS = 30


def clean_environment(**settings: str) -> dict[str, str]:
    """The environment with exactly these settings: an empty one also hides what a developer's `.env` holds."""
    remember(settings)
    blank = dict.fromkeys(setting_names(), "")
    return {**os.environ, **blank, **settings}


@dataclass
class Server(Application):
    """A running gunicorn."""

    process: subprocess.Popen[bytes]
    log: Path

    def hang_up(self) -> None:
        """Close idle connections: a worker that ends waits 5 s for each.

        Session.close() closes none while an answer or an error refers to the pool it came from.
        """
        pools = cast("HTTPAdapter", self.http.get_adapter(self.url)).poolmanager.pools
        for key in pools.keys():  # noqa: SIM118 - it is no dictionary
            pools[key].close()
        self.http.close()

    def begin_to_stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        self.hang_up()
        self.process.send_signal(how)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        self.begin_to_stop(how)
        self.process.wait(30)

    def complaints(self) -> str:
        """The newest lines of the log but for what went well."""
        lines = [line for line in self.log.read_text().splitlines() if " INFO " not in line and "[INFO]" not in line]
        return "\n".join(lines[-40:])

    def worker_pids(self) -> list[int]:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [int(pid) for pid in children]


def in_process(app: Flask) -> Server:
    application = Application.in_process(app)
    nothing = cast("subprocess.Popen[bytes]", None)
    return Server(application.url, nothing, Path(os.devnull), connect=application.connect)


@contextmanager
def running_server(
    folder: Path,
    settings: Mapping[str, str],
    *,
    workers: int = 1,
    ready: str = "/healthz",
    app: str = "wsgi:app",
    config: str = "python:tests.support.gunicorn_config",
    project: Path = PROJECT,
    certificate: Path | None = None,
) -> Iterator[Server]:
    """gunicorn on a free port, until `ready` answers 200; its output in `folder`. In a copy of the project the lines of
    its `.env` count, too. With a certificate it speaks TLS.
    """
    port = free_port()
    log = folder / f"gunicorn-{port}.log"
    command = [sys.executable, "-m", "gunicorn", app, "-c", config, "-b", f"127.0.0.1:{port}", "-w", str(workers)]
    if certificate:
        command += ["--certfile", str(certificate)]
    environment = clean_environment(**{"CLERK_JWKS_DIR": str(folder), **settings})
    if project != PROJECT:
        environment = {name: value for name, value in environment.items() if value}
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=project, env=environment, stdout=output, stderr=subprocess.STDOUT)
    server = Server(f"{'https' if certificate else 'http'}://127.0.0.1:{port}", process, log)
    if certificate:
        server.http.verify = str(certificate)
        server.http.trust_env = False  # or REQUESTS_CA_BUNDLE would win
    try:
        _wait_until_ready(server, ready)
        yield server
    finally:
        try:
            # Not SIGTERM: a worker notices that only after a second, and waits for the connections of other clients.
            server.stop(signal.SIGQUIT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_ready(server: Server, path: str) -> None:
    give_up = time.monotonic() + START_SECONDS
    while time.monotonic() < give_up:
        if server.process.poll() is not None:
            break
        try:
            if server.get(path, timeout=5).status_code == 200:
                return
        except requests.RequestException:
            pass
        time.sleep(0.05)
    raise AssertionError(f"the server did not start:\n{server.log.read_text()}")
