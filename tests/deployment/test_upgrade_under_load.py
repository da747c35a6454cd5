"""The drill of docs/upgrades.md: the code of before a migration serves while its database is migrated, and after that,
until the new code takes over. Nobody notices.
"""

import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import cycle
from pathlib import Path

import pytest
import requests
from sqlalchemy import make_url

from config import PROJECT
from tests.migrations.databases import HEAD, REVISIONS, new_database, run_alembic
from tests.support.api_keys import KeyOwner
from tests.support.clerk import Instance, event, user_data
from tests.support.server import Server, running_server
from tests.support.waiting import wait_for

USERS = 20_000
CLIENTS = 4
ENOUGH = 60  # requests of each phase
FILL = f"""
    INSERT INTO users (clerk_user_id, email)
    SELECT 'user_of_before_' || n, n || '@example.com' FROM generate_series(1, {USERS}) AS n
"""


def code_of(revision: str, folder: Path) -> Path:
    """The project as it was when this was the newest migration, out of its own history."""
    following = REVISIONS[REVISIONS.index(revision) + 1]
    (migration,) = (PROJECT / "migrations" / "versions").glob(f"{following}_*.py")
    try:
        added = _git("log", "--diff-filter=A", "--format=%H", "-1", "--", str(migration)).strip().decode()
        # One that is not committed yet follows on all that is.
        archive = _git("archive", f"{added}^" if added else "HEAD")
    except subprocess.CalledProcessError as error:
        pytest.skip(f"the code of {revision} is not in this clone: {error.stderr.decode().strip()}")
    subprocess.run(("tar", "-x", "-C", folder), input=archive, check=True)
    return folder


def _git(*words: str) -> bytes:
    return subprocess.run(("git", *words), cwd=PROJECT, capture_output=True, check=True).stdout


class Load:
    """People who call the API all the time, by session token, by API key and by webhook; they read and they write."""

    def __init__(self, clerk: Instance, key: str) -> None:
        self._clerk, self._key = clerk, key
        self._enough = threading.Event()
        self.target: Server | None = None
        self.count = 0
        self.failed: list[str] = []
        self.bios: list[str] = []

    @contextmanager
    def on(self, server: Server) -> Iterator[None]:
        self.target = server
        clients = [threading.Thread(target=self._call) for _ in range(CLIENTS)]
        for client in clients:
            client.start()
        try:
            yield
        finally:
            self._enough.set()
            for client in clients:
                client.join()

    def go_on(self) -> None:
        """Until it has called often enough from now on."""
        until = self.count + ENOUGH
        wait_for(lambda: self.count >= until)

    def _call(self) -> None:
        steps: tuple[Callable[[Server], requests.Response], ...] = (self._read, self._by_key, self._write, self._tell)
        for step in cycle(steps):
            if self._enough.is_set():
                return
            assert self.target
            try:
                answer = step(self.target)
            except requests.RequestException as error:
                self.failed.append(repr(error))
            else:
                if not answer.ok:
                    self.failed.append(f"{step.__name__}: {answer.text}")
            self.count += 1

    def _read(self, server: Server) -> requests.Response:
        return requests.get(f"{server.url}/auth/me", headers=self._session(), timeout=30)

    def _by_key(self, server: Server) -> requests.Response:
        return requests.get(f"{server.url}/auth/me", headers={"X-API-Key": self._key}, timeout=30)

    def _write(self, server: Server) -> requests.Response:
        bio = f"number {self.count}"
        answer = requests.patch(f"{server.url}/api/me", json={"bio": bio}, headers=self._session(), timeout=30)
        if answer.ok:
            self.bios.append(bio)
        return answer

    def _tell(self, server: Server) -> requests.Response:
        body = event("user.updated", user_data("user_1", first_name="Ada"))
        return requests.post(
            f"{server.url}/api/webhooks", data=body, headers=self._clerk.webhook_headers(body), timeout=30
        )

    def _session(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._clerk.token(sub='user_1')}"}


@pytest.mark.parametrize("before", [REVISIONS[-2], pytest.param("012", marks=pytest.mark.slow)])
def test_nobody_notices(postgres_url: str, clerk: Instance, before: str, tmp_path: Path) -> None:
    code = code_of(before, tmp_path)
    with new_database(make_url(postgres_url)) as database, ExitStack() as servers:
        database.upgrade(before)
        database.rows(FILL)
        settings = clerk.settings | {"DATABASE_URL": database.url, "RATE_LIMITS": "off"}
        old = servers.enter_context(running_server(tmp_path, settings, project=code, ready="/readyz"))
        load = Load(clerk, KeyOwner(old, clerk).create()["key"])
        with load.on(old):
            load.go_on()
            migrated = run_alembic("upgrade", "head", database_url=database.url)
            assert migrated.returncode == 0, migrated.stderr
            load.go_on()
            assert old.get("/readyz").status_code == 200
            new = servers.enter_context(running_server(tmp_path, settings, ready="/readyz"))
            load.target = new
            load.go_on()
            old.stop()
            load.go_on()
        assert load.failed == []
        assert database.revision() == HEAD
        me = new.get("/auth/me", clerk.token(sub="user_1")).json()["user"]
        assert me["bio"] in load.bios[-CLIENTS:]
        assert new.get("/auth/me", clerk.token(sub="user_of_before_1")).json()["user"]["email"] == "1@example.com"
