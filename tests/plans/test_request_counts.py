"""`api_requests`: every authenticated request counts one, written for all users at once behind their back."""

import os
import signal
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import requests

from tests.account.test_provisioning import BLOCKED
from tests.support.admins import add_user
from tests.support.api_keys import KeyOwner
from tests.support.clerk import Instance
from tests.support.database import Sql, locked
from tests.support.server import Server, running_server
from tests.support.traffic import get_me, in_parallel
from tests.support.waiting import wait_for

LATER = "Counted requests will be written later"
REQUESTS = "SELECT user_id, api_requests FROM usage_metrics ORDER BY user_id"


def counted(sql: Sql) -> dict[int, int]:
    return {row["user_id"]: row["api_requests"] for row in sql.rows(REQUESTS)}


class TestWhatCounts:
    """Looked at after a graceful stop, which writes at once."""

    @pytest.fixture
    def own(self, settings: dict[str, str], sql: Sql, tmp_path: Path) -> Iterator[Server]:  # noqa: ARG002
        with running_server(tmp_path, settings) as running:
            yield running

    def test_nobody(self, own: Server, clerk: Instance, sql: Sql) -> None:
        """Nothing without a caller, nor for a caller who is refused as such."""
        banned = add_user(sql, clerk_user_id="user_1", banned=True)
        ended = add_user(sql, clerk_user_id="user_2")
        sql.rows(
            "INSERT INTO revoked_sessions (session_id, expires_at) VALUES ('sess_2', now() + interval '1 day')"
        )
        for path in ("/healthz", "/readyz", "/auth/me", "/api/tokens", "/nothing"):
            own.get(path)
        own.request("OPTIONS", "/auth/me", clerk.token(sub="user_2"))
        own.get("/healthz", clerk.token(sub="user_2"))
        assert own.get("/auth/me", clerk.token(sub="user_1")).status_code == 403
        assert own.get("/auth/me", clerk.token(sub="user_2", sid="sess_2")).status_code == 401
        assert own.get("/auth/me", clerk.token(sub="user_2", exp=1)).status_code == 401
        own.stop()
        assert counted(sql) == {banned: 0, ended: 0}

    def test_every_outcome(self, own: Server, clerk: Instance, sql: Sql) -> None:
        user_id = add_user(sql, clerk_user_id="user_1")
        token = clerk.token(sub="user_1")
        outcomes = [
            own.get("/auth/me", token),
            own.request("HEAD", "/auth/me", token),
            own.request("POST", "/api/tokens/consume", token, json={"amount": 1}),
            own.request("POST", "/api/tokens/consume", token, json={"amount": 10**6}),
            own.get("/api/users", token),
            own.get("/api/keys/1", token),
            own.request("PATCH", "/api/me", token, json={}),
            own.request("PATCH", "/api/me", token, data=b"{"),
            own.get("/auth/me", clerk.token(sub="user_1", act={"sub": "user_support"})),
        ]
        assert [answer.status_code for answer in outcomes] == [200, 200, 200, 402, 403, 404, 422, 415, 200]
        own.stop()
        assert counted(sql) == {user_id: len(outcomes)}

    def test_key(self, own: Server, clerk: Instance, sql: Sql) -> None:
        """For the owner, whatever the key may do."""
        owner = KeyOwner(own, clerk)
        key = owner.create(scopes=["tokens:read"])
        assert [
            owner.use(key).status_code,
            own.get("/api/tokens", headers={"X-API-Key": key["key"]}).status_code,
        ] == [403, 200]
        own.stop()
        assert list(counted(sql).values()) == [3]

    def test_nothing_is_written_in_a_request(self, own: Server, clerk: Instance, sql: Sql) -> None:
        token = clerk.token(sub="user_1")
        user_id = own.get("/auth/me", token).json()["user"]["user_id"]
        before = sql.rows("SELECT *, xmin::text FROM usage_metrics")
        for _ in range(20):
            assert own.get("/auth/me", token).json()["usage"]["api_requests"] == 0
        assert sql.rows("SELECT *, xmin::text FROM usage_metrics") == before
        own.stop()
        assert counted(sql) == {user_id: 21}


class TestStop:
    @pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGQUIT])
    def test_exact_over_two_workers(
        self, settings: dict[str, str], clerk: Instance, sql: Sql, tmp_path: Path, how: signal.Signals
    ) -> None:
        users = {add_user(sql, clerk_user_id=f"user_{number}"): number for number in range(1, 6)}
        with running_server(tmp_path, settings, workers=2) as server:
            jobs = [
                partial(get_me, server, clerk.token(sub=f"user_{number}"))
                for number in users.values()
                for _ in range(10 * number)
            ]
            assert {answer.status_code for answer in in_parallel(jobs)} == {200}
            server.stop(how)
        assert counted(sql) == {user_id: 10 * number for user_id, number in users.items()}

    def test_reload(self, settings: dict[str, str], clerk: Instance, sql: Sql, tmp_path: Path) -> None:
        """SIGHUP: the old workers write what they have, the new ones go on."""
        user_id = add_user(sql, clerk_user_id="user_1")
        with running_server(tmp_path, settings) as server:
            server.hang_up()
            for _ in range(2):
                for _ in range(7):
                    get_me(server, clerk.token(sub="user_1"))
                before = server.worker_pids()
                server.process.send_signal(signal.SIGHUP)
                wait_for(lambda before=before: not set(before) & set(server.worker_pids()))  # type: ignore[misc]
        assert counted(sql) == {user_id: 14}

    def test_max_requests(
        self,
        settings: dict[str, str],
        clerk: Instance,
        sql: Sql,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        user_id = add_user(sql, clerk_user_id="user_1")
        monkeypatch.setenv("GUNICORN_CMD_ARGS", "--max-requests 5")
        with running_server(tmp_path, settings) as server:
            server.hang_up()
            (first,) = server.worker_pids()
            answered = 0
            while first in server.worker_pids():
                try:
                    answered += get_me(server, clerk.token(sub="user_1"), timeout=60).ok
                except requests.ConnectionError:
                    continue
            server.stop()
        assert answered >= 5
        assert counted(sql) == {user_id: answered}

    def test_database_away(
        self, settings: dict[str, str], clerk: Instance, sql: Sql, database_url: str, tmp_path: Path
    ) -> None:
        """The counts are lost, and gunicorn ends all the same."""
        add_user(sql, clerk_user_id="user_1")
        with running_server(tmp_path, settings) as server:
            get_me(server, clerk.token(sub="user_1"))
            with locked(database_url, "usage_metrics"):
                server.stop()
            assert server.process.returncode == 0
            assert "The last counted requests were lost" in server.log.read_text()

    def test_worker_that_never_began(self, settings: dict[str, str], tmp_path: Path) -> None:
        with (
            pytest.raises(AssertionError, match="did not start") as failure,
            running_server(tmp_path, settings, app="wsgi:nothing"),
        ):
            pass
        assert "Exception during worker exit" not in str(failure.value)


class TestFlush:
    def test_again_and_again(
        self, settings: dict[str, str], clerk: Instance, sql: Sql, database_url: str, tmp_path: Path
    ) -> None:
        """A flush that fails keeps the counts; the next one writes them. A killed worker loses only what came since."""
        user_id = add_user(sql, clerk_user_id="user_1")
        with running_server(tmp_path, settings | {"TEST_FLUSH_SECONDS": "2"}) as server:
            for _ in range(3):
                get_me(server, clerk.token(sub="user_1"))
            with locked(database_url, "usage_metrics"):
                wait_for(lambda: LATER in server.log.read_text())
            with locked(database_url, "usage_metrics"):
                wait_for(lambda: sql.rows(BLOCKED))
                time.sleep(
                    1
                )  # a flush has no request's deadline: it waits for a lock as long as any statement
            wait_for(lambda: counted(sql) == {user_id: 3})
            assert server.log.read_text().count(LATER) == 1
            (worker,) = server.worker_pids()
            os.kill(worker, signal.SIGKILL)
            wait_for(lambda: server.worker_pids() not in ([worker], []))
            server.get("/healthz")  # gunicorn waits 20 s for a worker that it stops while it begins
        assert counted(sql) == {user_id: 3}
