"""/api/inngest: who may register and call, and what it costs whoever does not use it."""

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from backend.workflows.inngest.clerk_events import OTHER_OBJECTS
from backend.workflows.inngest.schedules import SCHEDULES
from tests.support.caller import is_problem
from tests.support.clerk import Instance, event, user_data
from tests.support.commands import make_app
from tests.support.database import Sql
from tests.support.inngest import (
    APP,
    BY_VERB,
    IN_BAND,
    KEY,
    ORIGIN,
    PATH,
    SETTINGS,
    Inngest,
    inngest_event,
    is_signed,
    sign,
    with_signature,
)
from tests.support.server import PROJECT, Server, clean_environment, in_process, running_server

# Inngest refuses to register a function with more.
MAX_TRIGGERS = 10
DELETED = inngest_event("clerk/user.deleted", {"id": "user_1", "object": "user", "deleted": True})


def functions(inngest: Inngest) -> dict[str, Any]:
    answer = inngest.register()
    assert answer.status_code == 200, answer.text
    return {function["id"].removeprefix(f"{APP}-"): function for function in answer.json()["functions"]}


class TestRegistration:
    def test_in_band(self, inngest: Inngest) -> None:
        answer = inngest.register()
        assert is_signed(answer)
        told = answer.json()
        assert (told["app_id"], told["url"], told["framework"]) == (APP, ORIGIN + PATH, "flask")
        found = functions(inngest)
        assert found.keys() == {*BY_VERB.values(), "copy-from-clerk", "send-welcome", "clerk-reconcile", *SCHEDULES}
        for verb, name in BY_VERB.items():
            assert found[name]["triggers"] == [{"event": f"clerk/user.{verb}"}]
        others = [trigger["event"] for trigger in found["copy-from-clerk"]["triggers"]]
        assert others == [f"clerk/{one}.*" for one in OTHER_OBJECTS]
        for name, (cron, _) in SCHEDULES.items():
            assert found[name]["triggers"] == [{"cron": cron}]

    def test_of_clerk_events(self, inngest: Inngest) -> None:
        """One event of a user at a time, the most retries, and never Inngest's own idempotency."""
        for name in (*BY_VERB.values(), "copy-from-clerk"):
            function = functions(inngest)[name]
            assert function["concurrency"] == [{"key": "event.data.id", "limit": 1, "scope": "env"}]
            assert function["steps"]["step"]["retries"] == {"attempts": 20}
            assert "idempotency" not in function
            assert "rateLimit" not in function
            assert len(function["triggers"]) <= MAX_TRIGGERS

    @pytest.mark.parametrize("headers", [{}, IN_BAND], ids=["out of band", "in band"])
    @pytest.mark.parametrize("signature", ["", "t=1&s=0", f"t=9999999999&s={'0' * 64}", "s=" + "0" * 64, "forged"])
    def test_unsigned_is_refused(self, inngest: Inngest, headers: dict[str, str], signature: str) -> None:
        """With the SDK's defaults it would register the host that the request names, by our key."""
        headers = headers | {"Host": "evil.example"}
        if signature == "forged":
            signature = sign(b"{}", key="0" * 64)
        answer = inngest.send("PUT", {"url": f"https://evil.example{PATH}"}, signature=signature, headers=headers)
        assert (answer.status_code, answer.json()) == (401, {"message": "Unauthorized"})
        assert "X-Inngest-Signature" not in answer.headers

    def test_another_host_is_not_registered(self, inngest: Inngest) -> None:
        answer = inngest.register(f"https://evil.example{PATH}/x", headers={"Host": "evil.example"})
        assert answer.json()["url"] == ORIGIN + PATH
        assert "evil.example" not in answer.text


class TestSignature:
    @pytest.mark.parametrize("age", [301, -302, 31_536_000])
    def test_old_one_is_refused(self, inngest: Inngest, sql: Sql, age: int) -> None:
        assert inngest.call("delete-user-with-clerk", DELETED, age=age).status_code == 401
        assert inngest.register(age=age).status_code == 401
        assert sql.value("SELECT count(*) FROM webhook_events") == 0

    @pytest.mark.parametrize("age", [298, -298])
    def test_within_five_minutes(self, inngest: Inngest, age: int) -> None:
        answer = inngest.call("delete-user-with-clerk", DELETED, age=age)
        assert (answer.status_code, answer.json()) == (200, {"status": "applied"})
        assert is_signed(answer)

    def test_of_another_key_or_body(self, inngest: Inngest, sql: Sql) -> None:
        forged = [sign(b"{}"), sign(b"{}", key="0" * 64), sign(b"{}").replace("t=", "x=")]
        for signature in forged:
            answer = inngest.call("delete-user-with-clerk", DELETED, signature=signature)
            assert (answer.status_code, answer.json()) == (401, {"message": "Unauthorized"})
        assert sql.value("SELECT count(*) FROM webhook_events") == 0

    def test_unsigned_get_tells_nothing(self, inngest: Inngest) -> None:
        answer = inngest.send("GET", signature="")
        assert (answer.status_code, answer.json()) == (401, {"message": "Unauthorized"})
        assert inngest.send("GET").json()["function_count"] == len(functions(inngest))

    def test_large_body(self, inngest: Inngest) -> None:
        """Also one with a signature that may be good: to find that out costs time by size, and by members."""
        data = {"id": "user_1", "padding": "x" * 500_000}
        assert inngest.deliver("user.deleted", data).json() == {"status": "applied"}
        looks_good = f"t={int(time.time())}&s={'0' * 64}"
        for padding in ("x" * 600_000, [1] * 30_000):
            body = data | {"padding": padding}
            answer = inngest.deliver("user.deleted", body)
            is_problem(answer, 413, "payload-too-large")
            answer = inngest.send("POST", [body] * 2, signature=looks_good)
            is_problem(answer, 413, "payload-too-large")
        assert inngest.send("POST", [data], signature=looks_good).status_code == 401


class TestUnset:
    def test_no_route(self, server: Server) -> None:
        for method in ("GET", "POST", "PUT"):
            is_problem(server.request(method, PATH), 404, "not-found")

    def test_nothing_of_it_is_imported(self, settings: dict[str, str]) -> None:
        ended = subprocess.run(
            [sys.executable, "-X", "importtime", "-c", "import wsgi"],
            cwd=PROJECT,
            env=clean_environment(**settings),
            capture_output=True,
            text=True,
            check=True,
        )
        modules = {line.rpartition("|")[2].strip() for line in ended.stderr.splitlines()}
        assert "backend.api.inngest" in modules
        assert modules.isdisjoint({"inngest", "jcs", "backend.api.http.inngest"})


def test_dev_mode(settings: dict[str, str], sql: Sql) -> None:  # noqa: ARG001 - the tables are to be empty
    """Inngest's dev server signs nothing."""
    inngest = Inngest(in_process(make_app(settings | {"INNGEST_DEV": "true"})))
    assert inngest.call("delete-user-with-clerk", DELETED, signature="").json() == {"status": "applied"}
    assert inngest.send("GET", signature="").json()["mode"] == "dev"


def test_under_gunicorn(settings: dict[str, str], clerk: Instance, sql: Sql, tmp_path: Path) -> None:
    with running_server(tmp_path, settings | SETTINGS) as server:
        inngest = Inngest(server)
        assert len(functions(inngest)) > len(BY_VERB)
        body = event("user.created", user_data("user_1", email="ada@example.com"), instance_id=clerk.kid)
        delivery = inngest_event("clerk/user.created", with_signature(clerk, body))
        assert inngest.call("sync-user-from-clerk", delivery).json() == {"status": "applied"}
        assert sql.user("user_1")["email"] == "ada@example.com"
        log = server.log.read_text()
        assert KEY not in log
        assert "ada@example.com" not in log
