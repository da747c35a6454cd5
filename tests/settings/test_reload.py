"""SIGHUP: new settings and new code for new requests, without a gap; or one line that says why not."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread
from typing import Self

import pytest
import requests

from tests.support.project import DEVELOPMENT, copy_project
from tests.support.server import Server, running_server
from tests.support.waiting import wait_for

START_SECONDS = 2.0  # of a worker, at least
LONGEST_GAP = 0.5
EDITED_ONCE_TRIED = """
from pathlib import Path
if Path("tried").exists():
    Path(".env").write_text("LOG_LEVEL=loud\\n")
Path("tried").touch()
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Where a worker takes its time to start."""
    project = tmp_path / "counterfoil"
    copy_project(project, without=DEVELOPMENT)
    with (project / "wsgi.py").open("a") as file:
        file.write(f"import time\ntime.sleep({START_SECONDS})\n")
    (project / ".env").write_text("CORS_ORIGINS=https://first.example\n")
    return project


@pytest.fixture
def server(project: Path, settings: dict[str, str], tmp_path: Path) -> Iterator[Server]:
    with running_server(tmp_path, settings, project=project, config="gunicorn.conf.py") as running:
        yield running


def allows(server: Server, origin: str) -> bool:
    answer = requests.get(f"{server.url}/healthz", headers={"Origin": origin}, timeout=30)
    return answer.headers.get("Access-Control-Allow-Origin") == origin


def refuse_to_reload(server: Server, reason: str) -> None:
    """Hang up; the log says once why nothing happens, and the same worker serves."""
    workers, before = server.worker_pids(), server.log.read_text()
    server.process.send_signal(signal.SIGHUP)
    wait_for(lambda: "Not reloaded, " in server.log.read_text().removeprefix(before), 60)
    said = server.log.read_text().removeprefix(before)
    assert reason in said
    assert allows(server, "https://first.example")
    assert server.worker_pids() == workers


def replace_worker(server: Server) -> None:
    (worker,) = server.worker_pids()
    os.kill(worker, signal.SIGKILL)
    wait_for(lambda: server.worker_pids() not in ([], [worker]))
    assert allows(server, "https://first.example"), "a worker that takes the place of another has its settings"


class Visitor:
    """Asks again and again, over a new connection each time. Notes how long it took."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._is_over = Event()
        self.seconds: list[float] = []
        self.statuses: set[int] = set()
        self._thread = Thread(target=self._ask)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _ask(self) -> None:
        while not self._is_over.wait(0.01):
            start = time.monotonic()
            self.statuses.add(requests.get(self._url, timeout=30).status_code)
            self.seconds.append(time.monotonic() - start)


def test_hang_up(server: Server, project: Path) -> None:
    """Wrong settings, then broken files, then good ones; each over what came before."""
    (project / ".env").write_text("CORS_ORIGINS=https://second.example\nLOG_LEVEL=loud\n")
    refuse_to_reload(server, "Not reloaded, the workers stay as they are. LOG_LEVEL: ")
    replace_worker(server)

    (project / ".env").write_text("CORS_ORIGINS=\n")
    config = project / "gunicorn.conf.py"
    shipped = config.read_text()
    # Somebody goes on editing while it is tried.
    config.write_text(shipped + EDITED_ONCE_TRIED)
    refuse_to_reload(server, "Not reloaded, the workers stay as they are. LOG_LEVEL: ")
    replace_worker(server)

    (project / ".env").write_text("CORS_ORIGINS=\n")
    config.write_text(shipped + "\nworkers = twice\n")
    refuse_to_reload(server, "NameError: name 'twice' is not defined")
    config.write_text(shipped)

    # The code of the settings, which gunicorn's master has imported.
    code = project / "config.py"
    code.write_text(code.read_text().replace("http://localhost:5173", "http://third.example"))
    with Visitor(f"{server.url}/healthz") as visitor:
        workers = server.worker_pids()
        server.process.send_signal(signal.SIGHUP)
        wait_for(lambda: len(server.worker_pids()) == 1 and server.worker_pids() != workers, 60)
    assert allows(server, "http://third.example")
    assert not allows(server, "https://first.example")
    assert visitor.statuses == {200}
    assert max(visitor.seconds) < LONGEST_GAP
