"""`api_requests`: every authenticated request counts one, written for all users at once behind their back."""

import os
import signal
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import requests

from tests.support.admins import add_user
from tests.support.api_keys import KeyOwner
from tests.support.clerk import Instance
from tests.support.database import BLOCKED, Sql, holding, locked
from tests.support.fixtures import StartServer
from tests.support.server import Server, running_server
from tests.support.traffic import get_me, in_parallel
from tests.support.waiting import wait_for

LATER = "Counted requests will be written later"
LOST = "The last counted requests were lost"
HOLD = "SELECT FROM usage_metrics WHERE user_id = {} FOR NO KEY UPDATE"
COUNTS = "SELECT user_id, api_requests FROM usage_metrics ORDER BY user_id"


def counted(sql: Sql) -> dict[int, int]:
    return {row["user_id"]: row["api_requests"] for row in sql.rows(COUNTS)}


def test_what_counts(start_server: StartServer, clerk: Instance, sql: Sql) -> None:
    """Whatever becomes of the request, if it has a caller who is not refused as such. Nothing is written meanwhile."""
    banned = add_user(sql, clerk_user_id="user_banned", banned=True)
    quiet, busy, owner = (add_user(sql, clerk_user_id=f"user_{name}") for name in ("quiet", "busy", "owner"))
    sql.rows("INSERT INTO revoked_sessions (session_id, expires_at) VALUES ('sess_2', now() + interval '1 day')")
    token, silent = clerk.token(sub="user_busy"), clerk.token(sub="user_quiet")
    with start_server() as own:
        before = sql.rows("SELECT *, xmin::text FROM usage_metrics")
        for path in ("/healthz", "/readyz", "/auth/me", "/api/tokens", "/nothing"):
            own.get(path)
        own.request("OPTIONS", "/auth/me", silent)
        own.get("/healthz", silent)
        assert own.get("/auth/me", clerk.token(sub="user_banned")).status_code == 403
        assert own.get("/auth/me", clerk.token(sub="user_quiet", sid="sess_2")).status_code == 401
        assert own.get("/auth/me", clerk.token(sub="user_quiet", exp=1)).status_code == 401
        for _ in range(20):
            assert own.get("/auth/me", token).json()["usage"]["api_requests"] == 0
        assert sql.rows("SELECT *, xmin::text FROM usage_metrics") == before
        answers = [
            own.request("HEAD", "/auth/me", token),
            own.request("POST", "/api/tokens/consume", token, json={"amount": 1}),
            own.request("POST", "/api/tokens/consume", token, json={"amount": 10**6}),
            own.get("/api/users", token),
            own.get("/api/keys/1", token),
            own.request("PATCH", "/api/me", token, json={}),
            own.request("PATCH", "/api/me", token, data=b"{"),
            own.get("/auth/me", clerk.token(sub="user_busy", act={"sub": "user_support"})),
        ]
        assert [answer.status_code for answer in answers] == [200, 200, 402, 403, 404, 422, 415, 200]
        # With a key for its owner, whatever the key may do.
        keys = KeyOwner(own, clerk, "user_owner")
        key = keys.create(scopes=["tokens:read"])
        tokens = own.get("/api/tokens", headers={"X-API-Key": key["key"]})
        assert [keys.use(key).status_code, tokens.status_code] == [403, 200]
        own.stop()
    assert counted(sql) == {banned: 0, quiet: 0, busy: 20 + len(answers), owner: 3}


class TestStop:
    def test_two_workers(self, settings: dict[str, str], clerk: Instance, sql: Sql, tmp_path: Path) -> None:
        """Exact over SIGHUP, where old workers write what they have and new ones go on, and SIGTERM."""
        users = {add_user(sql, clerk_user_id=f"user_{number}"): number for number in range(1, 6)}
        with running_server(tmp_path, settings, workers=2) as server:
            server.hang_up()
            wait_for(lambda: len(server.worker_pids()) == 2)
            before = server.worker_pids()
            ask = [
                partial(get_me, server, clerk.token(sub=f"user_{number}"))
                for number in users.values()
                for _ in range(5 * number)
            ]
            assert {answer.status_code for answer in in_parallel(ask)} == {200}
            server.process.send_signal(signal.SIGHUP)
            wait_for(lambda: not set(before) & set(server.worker_pids()))
            assert counted(sql) == {user_id: 5 * number for user_id, number in users.items()}
            assert {answer.status_code for answer in in_parallel(ask)} == {200}
            server.stop()
        assert counted(sql) == {user_id: 10 * number for user_id, number in users.items()}

    def test_max_requests_and_sigquit(
        self, start_server: StartServer, clerk: Instance, sql: Sql, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        user_id = add_user(sql, clerk_user_id="user_1")
        monkeypatch.setenv("GUNICORN_CMD_ARGS", "--max-requests 5")
        with start_server() as server:
            server.hang_up()
            (first,) = server.worker_pids()
            answered = 0
            while first in server.worker_pids():
                try:
                    answered += get_me(server, clerk.token(sub="user_1"), timeout=60).ok
                except requests.ConnectionError:
                    continue
            assert answered >= 5
            answered += get_me(server, clerk.token(sub="user_1"), timeout=60).ok
            server.stop(signal.SIGQUIT)
        assert counted(sql) == {user_id: answered}

    def test_database_away(self, start_server: StartServer, clerk: Instance, sql: Sql, database_url: str) -> None:
        """The counts are lost, and gunicorn ends all the same."""
        add_user(sql, clerk_user_id="user_1")
        with start_server() as server:
            get_me(server, clerk.token(sub="user_1"))
            with locked(database_url, "usage_metrics"):
                server.stop()
            assert server.process.returncode == 0
            assert LOST in server.log.read_text()

    def test_worker_that_never_began(self, settings: dict[str, str], tmp_path: Path) -> None:
        with (
            pytest.raises(AssertionError, match="did not start") as failure,
            running_server(tmp_path, settings, app="wsgi:nothing"),
        ):
            pass
        assert "Exception during worker exit" not in str(failure.value)

    @pytest.fixture
    def own(self, start_server: StartServer) -> Iterator[Server]:
        with start_server() as running:
            yield running

    @pytest.fixture
    def users(self, own: Server, clerk: Instance, sql: Sql) -> list[int]:
        """Two, of whom one made one request and the other one two."""
        ids = [add_user(sql, clerk_user_id=f"user_{number}") for number in (1, 2)]
        for number in (1, 2, 2):
            assert get_me(own, clerk.token(sub=f"user_{number}")).status_code == 200
        return ids

    def test_row_that_is_released(self, own: Server, users: list[int], sql: Sql, database_url: str) -> None:
        """The worker tries again until the row is free. SIGQUIT meanwhile does not cut it off: gunicorn waits 2 s."""
        with holding(database_url, HOLD.format(users[0])):
            own.begin_to_stop()
            wait_for(lambda: counted(sql) == {users[0]: 0, users[1]: 2})
            own.process.send_signal(signal.SIGQUIT)
            time.sleep(0.7)
        own.process.wait(30)
        assert counted(sql) == {users[0]: 1, users[1]: 2}
        assert own.process.returncode == 0
        assert LOST not in own.log.read_text()

    def test_row_that_stays_held(self, own: Server, users: list[int], sql: Sql, database_url: str) -> None:
        """The worker gives it up by itself and says so; it need not be killed, and nobody else's requests are lost."""
        with holding(database_url, HOLD.format(users[0])):
            own.stop()
        log = own.log.read_text()
        assert counted(sql) == {users[0]: 0, users[1]: 2}
        assert own.process.returncode == 0
        assert log.count(LOST) == 1
        assert not [word for word in ("SIGKILL", "SIGABRT", "Traceback") if word in log]


def test_flush(start_server: StartServer, clerk: Instance, sql: Sql, database_url: str) -> None:
    """One that fails keeps the counts; the next one writes them. A killed worker loses only what came since."""
    user_id = add_user(sql, clerk_user_id="user_1")
    with start_server(TEST_FLUSH_SECONDS="2") as server:
        for _ in range(3):
            get_me(server, clerk.token(sub="user_1"))
        with locked(database_url, "usage_metrics"):
            wait_for(lambda: LATER in server.log.read_text())
        with locked(database_url, "usage_metrics"):
            wait_for(lambda: sql.rows(BLOCKED))
            time.sleep(1)  # a flush has no request's deadline: it waits for a lock as long as any statement
        wait_for(lambda: counted(sql) == {user_id: 3})
        assert server.log.read_text().count(LATER) == 1
        (worker,) = server.worker_pids()
        os.kill(worker, signal.SIGKILL)
        wait_for(lambda: server.worker_pids() not in ([worker], []))
        server.get("/healthz")  # gunicorn waits 20 s for a worker that it stops while it begins
    assert counted(sql) == {user_id: 3}
