"""`flask --app wsgi doctor`: what it says of an installation in order, and of each thing that is not."""

import json
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import pytest
from click.testing import Result
from flask import Flask

from backend.services.clerk.webhooks.events import EVENT_TYPES
from backend.services.core.key_file import KeyFile
from backend.services.doctor.checks import CHECKS
from config import setting_names
from settings.development import LOCAL_CLERK_WEBHOOK_MARK
from tests.emulator.harness import EmulatorProcess
from tests.support.admins import add_user
from tests.support.billing import alone, listing
from tests.support.clerk import Instance, b64url, user_data
from tests.support.clerk_api import SECRET_KEY, ApiServer, answer_with, hang_up, refuse_with
from tests.support.commands import make_app
from tests.support.database import Sql
from tests.support.fixtures import Receive
from tests.support.ports import free_port
from tests.support.valkey import running_valkey

MARKS = {"ok": "✓", "failed": "✗", "off": "–"}  # noqa: RUF001 - the dash is meant
ADDRESS = "ada@example.com"
# What no line may show.
SECRETS = ("CLERK_SECRET_KEY", "CLERK_WEBHOOK_SECRET", "CLERK_JWT_KEY", "DATABASE_URL", "API_KEY_PEPPER")

Doctor = Callable[..., dict[str, Any]]


@pytest.fixture
def doctor(settings: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Doctor:
    """What it found with these changes of the settings of `server`, by name of the check."""
    for name in setting_names():
        monkeypatch.delenv(name, raising=False)

    def examine(**changes: str) -> dict[str, Any]:
        values = {name: value for name, value in (settings | {"RATE_LIMITS": "on"} | changes).items() if value}
        app = make_app(values)
        told, result = run(app, "--json"), run(app)
        document = json.loads(told.stdout)
        checks = document["checks"]
        assert [check["name"] for check in checks] == [check.name for check in CHECKS]
        assert document["ok"] == all(check["state"] != "failed" for check in checks)
        assert told.exit_code == result.exit_code == (0 if document["ok"] else 1)
        assert "\x1b" not in told.stdout + result.stdout
        lines = result.stdout.splitlines()
        assert [re.split(r"  +", line)[0] for line in lines] == [f"{MARKS[c['state']]} {c['name']}" for c in checks]
        assert all(check["mend"] for check in checks if check["state"] == "failed")
        for name in SECRETS:
            assert values.get(name, ADDRESS) not in told.stdout + result.stdout
        return {check["name"]: check for check in checks}

    return examine


def run(app: Flask, *options: str) -> Result:
    result = app.test_cli_runner().invoke(args=["doctor", *options])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def states(found: dict[str, Any]) -> dict[str, str]:
    return {name: check["state"] for name, check in found.items()}


@pytest.fixture
def local(emulator: EmulatorProcess) -> dict[str, str]:
    """Settings for the local Clerk instance, in place of those of `server`."""
    return {"CLERK_JWT_KEY": "", "CLERK_ISSUER": "", **emulator.keys}


def publishable(host: str) -> str:
    return "pk_test_" + b64url(f"{host}$".encode()).decode()


class TestInOrder:
    def test_with_the_local_clerk(self, doctor: Doctor, local: dict[str, str], sql: Sql, receive: Receive) -> None:
        add_user(sql, email=ADDRESS)
        receive(1, "user.created", user_data("user_ada", email=ADDRESS))
        found = doctor(**local)
        assert set(states(found).values()) == {"ok"}
        assert re.fullmatch(r"user\.created \d+ s ago", found["webhooks"]["says"])
        assert "organization.*" in found["webhook types"]["says"]

    def test_what_is_not_set_up(self, doctor: Doctor, sql: Sql) -> None:  # noqa: ARG002 - the tables are to be empty
        """A public key and an issuer are enough to serve."""
        off = {name for name, state in states(doctor(CLERK_WEBHOOK_SECRET="")).items() if state == "off"}
        assert off == {
            *("instance", "publishable key", "secret key", "Clerk clock"),
            *("webhook secret", "webhooks", "webhook types"),
        }

    def test_help(self, app: Flask) -> None:
        assert "\n    flask --app wsgi doctor" in run(app, "--help").stdout


class TestDatabase:
    def test_away(self, doctor: Doctor) -> None:
        found = doctor(DATABASE_URL=f"postgresql://owner:pass-3Kd9@localhost:{free_port()}/app")
        assert found["database"]["state"] == "failed"
        assert found["database"]["mend"] == "See that PostgreSQL runs, and that DATABASE_URL is right."
        assert "pass-3Kd9" not in str(found)
        needing = ("migrations", "database clock", "webhooks", "webhook types", "waiting events", "plans")
        assert {found[name]["state"] for name in needing} == {"off"}
        assert "because of: database" in found["migrations"]["says"]
        assert found["public keys"]["state"] == "ok"

    def test_not_migrated(self, doctor: Doctor, postgres_url: str) -> None:
        found = doctor(DATABASE_URL=postgres_url)
        assert (found["database"]["state"], found["migrations"]["state"]) == ("ok", "failed")
        assert found["migrations"]["mend"] == "Run alembic upgrade head."
        assert found["plans"]["state"] == "off"

    def test_behind_and_ahead(self, doctor: Doctor, sql: Sql) -> None:
        head = sql.value("SELECT version_num FROM alembic_version")
        try:
            sql.rows("UPDATE alembic_version SET version_num = '001'")
            behind = doctor()["migrations"]
            sql.rows("UPDATE alembic_version SET version_num = '999'")
            ahead = doctor()["migrations"]
        finally:
            sql.rows("UPDATE alembic_version SET version_num = %s", head)
        assert (behind["state"], "001" in behind["says"], head in behind["says"]) == ("failed", True, True)
        assert (ahead["state"], "999" in ahead["says"]) == ("ok", True)

    def test_takes_no_writes(self, doctor: Doctor, database_url: str) -> None:
        mark = "&" if "?" in database_url else "?"
        found = doctor(DATABASE_URL=f"{database_url}{mark}options=-cdefault_transaction_read_only%3Don")
        assert (found["database"]["state"], "no writes" in found["database"]["says"]) == ("failed", True)

    def test_clock(self, doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
        now = time.time
        with monkeypatch.context() as patched:
            patched.setattr("backend.services.doctor.database.time.time", lambda: now() + 60)
            found = doctor()["database clock"]
        assert (found["state"], "60 s" in found["says"], "this one is ahead" in found["says"]) == ("failed", True, True)


class TestClerk:
    def test_away(self, doctor: Doctor, local: dict[str, str]) -> None:
        away = f"http://localhost:{free_port()}"
        found = doctor(**local | {"CLERK_JWKS_URL": f"{away}/.well-known/jwks.json", "CLERK_API_URL": away})
        told = states(found)
        assert told["public keys"] == "failed"
        assert "this node keeps none" in found["public keys"]["says"]
        assert {told[name] for name in ("instance", "publishable key", "secret key", "Clerk clock")} == {"off"}

    def test_no_keys(self, doctor: Doctor, local: dict[str, str]) -> None:
        with ApiServer(answer_with({"keys": []})) as empty:
            found = doctor(**local | {"CLERK_JWKS_URL": f"{empty.url}/jwks"})
        assert (found["public keys"]["state"], found["secret key"]["state"]) == ("failed", "off")

    def test_age_of_the_kept_set(self, doctor: Doctor, local: dict[str, str], tmp_path: Any) -> None:
        local |= {"CLERK_JWKS_DIR": str(tmp_path / "keys")}
        (tmp_path / "keys").mkdir(0o700)
        assert "this node keeps none" in doctor(**local)["public keys"]["says"]
        file = KeyFile(local["CLERK_JWKS_DIR"], local["CLERK_JWKS_URL"])
        now = time.time
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr("backend.services.core.key_file.time.time", lambda: now() - 7_300)
            file.write({"keys": [Instance().jwk]})
        assert "those that this node keeps are 2 h old" in doctor(**local)["public keys"]["says"]

    def test_secret_key_of_another_instance(self, doctor: Doctor, clerk: Instance, emulator: EmulatorProcess) -> None:
        key = {name: emulator.keys[name] for name in ("CLERK_SECRET_KEY", "CLERK_API_URL")}
        found = doctor(**key)["secret key"]
        assert (found["state"], "another Clerk instance" in found["says"]) == ("failed", True)
        with ApiServer(answer_with({"keys": [clerk.jwk]})) as api:
            assert doctor(CLERK_SECRET_KEY=SECRET_KEY, CLERK_API_URL=api.url)["secret key"]["state"] == "ok"

    @pytest.mark.parametrize(
        ("answer", "words"), [(refuse_with("clerk_key_invalid", 401), "refuses it (401)"), (hang_up, "ConnectionError")]
    )
    def test_secret_key_that_does_not_work(self, doctor: Doctor, answer: Any, words: str) -> None:
        with ApiServer(answer) as api:
            found = doctor(CLERK_SECRET_KEY=SECRET_KEY, CLERK_API_URL=api.url)["secret key"]
        assert (found["state"], words in found["says"]) == ("failed", True)

    def test_instance_id(self, doctor: Doctor, local: dict[str, str]) -> None:
        assert doctor(**local | {"CLERK_INSTANCE_ID": "ins_other"})["instance"]["state"] == "failed"
        assert doctor(CLERK_INSTANCE_ID="ins_other")["instance"]["state"] == "ok"

    def test_publishable_key(self, doctor: Doctor, clerk: Instance) -> None:
        assert states(doctor(CLERK_PUBLISHABLE_KEY=clerk.publishable_key, CLERK_ISSUER=""))["issuer"] == "ok"
        found = doctor(CLERK_PUBLISHABLE_KEY=publishable("other.localhost.invalid"))
        assert (found["issuer"]["state"], found["publishable key"]["state"]) == ("failed", "off")
        assert clerk.issuer in found["issuer"]["says"]

    def test_clock(self, doctor: Doctor) -> None:
        """By the header Date, to which a cache adds Age."""
        for seconds, state in ((0, "ok"), (-60, "failed"), (60, "failed")):
            date = format_datetime(datetime.fromtimestamp(time.time() + seconds - 30, UTC), usegmt=True)
            with ApiServer(dated(date, "30")) as api:
                found = doctor(CLERK_SECRET_KEY=SECRET_KEY, CLERK_API_URL=api.url)["Clerk clock"]
            assert found["state"] == state, found
            assert ("behind" if seconds > 0 else "ahead") in found["says"] or not seconds
        with ApiServer(dated("yesterday", "30")) as api:
            assert doctor(CLERK_SECRET_KEY=SECRET_KEY, CLERK_API_URL=api.url)["Clerk clock"]["state"] == "off"


def dated(date: str, age: str) -> Any:
    def answer(handler: Any) -> None:
        handler.date_time_string = lambda: date
        answer_with({}, Age=age)(handler)

    return answer


class TestSettings:
    def test_misspelt(self, doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CLERK_AUTHORISED_PARTIES", "https://secret.example.com")
        monkeypatch.setenv("CLERK_API_KEY", "of another program")
        found = doctor()["settings"]
        assert (found["state"], "CLERK_AUTHORISED_PARTIES (for CLERK_AUTHORIZED_PARTIES?)" in found["says"]) == (
            "failed",
            True,
        )
        assert "CLERK_API_KEY" not in found["says"]
        assert "secret.example" not in str(found)
        monkeypatch.setenv("CLERK_AUTHORIZED_PARTIES", "https://app.example.com")
        assert doctor()["settings"]["state"] == "ok"

    def test_origins(self, doctor: Doctor) -> None:
        app, admin = "https://app.example.com", "https://admin.example.com"
        assert "is not set" in doctor()["origins"]["says"]
        assert "names any" in doctor(CLERK_AUTHORIZED_PARTIES="*", CORS_ORIGINS=app)["origins"]["says"]
        assert doctor(CLERK_AUTHORIZED_PARTIES=app, CORS_ORIGINS=app)["origins"]["state"] == "ok"
        found = doctor(CLERK_AUTHORIZED_PARTIES=app, CORS_ORIGINS=f"{app},{admin}")["origins"]
        assert (found["state"], admin in found["says"], app in found["says"]) == ("failed", True, False)

    def test_webhook_secret(self, doctor: Doctor, clerk: Instance, emulator: EmulatorProcess) -> None:
        secret = emulator.keys["CLERK_WEBHOOK_SECRET"]
        assert b64url(LOCAL_CLERK_WEBHOOK_MARK)[:20].decode() in secret
        own = {"CLERK_PUBLISHABLE_KEY": clerk.publishable_key}
        assert doctor(**own, CLERK_WEBHOOK_SECRET=secret)["webhook secret"]["state"] == "failed"
        two = doctor(**own, CLERK_WEBHOOK_SECRET=f"{clerk.webhook_secret},{Instance().webhook_secret}")
        assert (two["webhook secret"]["state"], two["webhook secret"]["says"][0]) == ("ok", "2")

    def test_production_knows_its_instance(self, doctor: Doctor) -> None:
        production = {"ENV": "production", "API_KEY_PEPPER": "base64:c2l4dGVlbiByYW5kb20gYnl0ZXMgOWQzN2E="}
        assert doctor(**production, CLERK_AUTHORIZED_PARTIES="*")["instance"]["state"] == "failed"


class TestWebhooks:
    def test_none_has_ever_come(self, doctor: Doctor, sql: Sql) -> None:
        assert states(doctor())["webhooks"] == "off"
        add_user(sql, email=ADDRESS)
        found = doctor()
        assert (found["webhooks"]["state"], found["webhook types"]["state"]) == ("failed", "off")

    def test_types_that_are_not_subscribed(self, doctor: Doctor, sql: Sql, receive: Receive) -> None:
        """None came, though a backfill or a request found what they would have told."""
        receive(1, "user.created", user_data("user_ada", email=ADDRESS))
        found = doctor()["webhook types"]
        assert (found["state"], "organization.*" in found["says"], "user.deleted" in found["says"]) == (
            "ok",
            True,
            True,
        )
        sql.rows("UPDATE webhook_events SET received_at = now() - interval '3 days'")
        columns = "id, data, updated_at, source"
        add = f"INSERT INTO clerk.organizations ({columns}) VALUES (%s, '{{}}', now() - %s::interval, %s)"
        for identifier, ago, source in (
            ("org_1", "4 days", "backfill"),  # before there were webhooks
            ("org_2", "1 minute", "request"),  # its event may be under way
            ("org_3", "2 days", "webhook"),
        ):
            sql.rows(add, identifier, ago, source)
        assert doctor()["webhook types"]["state"] == "ok"
        sql.rows(add, "org_4", "2 days", "backfill")
        found = doctor()["webhook types"]
        assert (found["state"], "organization.*" in found["says"], "user" in found["says"]) == ("failed", True, False)
        sql.rows(
            "INSERT INTO clerk.users (id, updated_at, source, deleted_at) "
            "VALUES ('user_gone', now(), 'reconcile', now() - interval '2 hours')"
        )
        receive(2, "organization.updated", {"id": "org_4", "updated_at": 1})
        found = doctor()["webhook types"]
        assert (found["state"], "none has come of user.deleted," in found["says"]) == ("failed", True)

    def test_each_type_has_come(self, doctor: Doctor, sql: Sql) -> None:
        for number, kind in enumerate(EVENT_TYPES):
            sql.rows(
                "INSERT INTO webhook_events (event_id, source, type, status) VALUES (%s, 'svix', %s, 'applied')",
                f"msg_{number}",
                kind,
            )
        assert doctor()["webhook types"] == {
            "name": "webhook types",
            "state": "ok",
            "says": "each has come",
            "mend": "",
        }

    def test_waiting(self, doctor: Doctor, sql: Sql, receive: Receive) -> None:
        assert states(doctor())["waiting events"] == "ok"
        receive(1, "user.created", {"id": ADDRESS})
        sql.rows("UPDATE webhook_events SET received_at = now() - interval '49 hours'")
        found = doctor()["waiting events"]
        assert (found["state"], found["says"]) == ("failed", "1 dead (for 2 d)")

    def test_unknown_plans(self, doctor: Doctor, sql: Sql, receive: Receive) -> None:
        assert states(doctor())["plans"] == "ok"
        receive(1, "subscriptionItem.active", alone("starter"))
        receive(2, "subscription.active", listing(alone("pro"), alone("team\x1b[31m", id="csub_item_2")))
        receive(3, "subscription.active", {"id": "csub_1"})
        found = doctor()["plans"]
        assert (found["state"], "starter, team" in found["says"], "pro" in found["says"]) == ("failed", True, False), (
            found
        )
        sql.rows("UPDATE webhook_events SET payload = regexp_replace(payload, 'starter|team[^\"]*', 'pro', 'g')")
        assert "known by now" in doctor()["plans"]["says"]


@pytest.mark.parametrize(
    ("status", "drift", "state"), [("finished", 0, "ok"), ("finished", 3, "failed"), ("stopped", None, "failed")]
)
def test_drift(doctor: Doctor, sql: Sql, status: str, drift: int | None, state: str) -> None:
    assert doctor()["drift"]["says"].startswith("not known")
    sql.rows(
        "INSERT INTO sync_runs (command, kinds, status, drift, error, finished_at) "
        "VALUES ('reconcile', '{users}', %s, %s, 'an empty list', now() - interval '2 hours')",
        *(status, drift),
    )
    found = doctor()["drift"]
    assert found["state"] == state
    assert "2 h ago" in found["says"]


class TestRateLimits:
    def test_off(self, doctor: Doctor) -> None:
        assert doctor(RATE_LIMITS="off")["rate limits"]["state"] == "off"

    def test_in_each_worker(self, doctor: Doctor) -> None:
        found = doctor()["rate limits"]
        assert (found["state"], "REDIS_URL" in found["says"]) == ("ok", True)

    def test_in_redis(self, doctor: Doctor) -> None:
        with running_valkey() as valkey:
            found = doctor(REDIS_URL=valkey.url)["rate limits"]
            assert found["state"] == "ok"
            assert "Redis" in found["says"]
            with valkey.frozen():
                assert doctor(REDIS_URL=valkey.url)["rate limits"]["state"] == "failed"

    def test_redis_away(self, doctor: Doctor) -> None:
        found = doctor(REDIS_URL="redis://:hunter2hunter2@127.0.0.1:9/0")["rate limits"]
        assert found["state"] == "failed"
        assert "hunter2" not in str(found)
