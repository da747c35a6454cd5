"""A state folder of the version before the Frontend API, and one of a version to come."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from .browser import CODE, Browser, claims
from .harness import ROOT, EmulatorProcess, Receiver

USER = "user_2g7np7Hrk0SN6kj5EDMLDaKNL0S"
NOW = 1_760_000_000_000
FAR = 4_000_000_000_000


def _old_state(folder: Path) -> None:
    """What the first version left: a user with two addresses, an active session, an undelivered webhook, no version."""
    folder.mkdir()
    with closing(sqlite3.connect(folder / "state.sqlite3")) as db, db:
        db.executescript((ROOT / "clerk_emulator/schema/001_backend_api.sql").read_text())
        db.execute(
            "INSERT INTO users (id, first_name, primary_email_address_id, created_at, updated_at)"
            " VALUES (?, 'Ada', 'idn_1', ?, ?)",
            (USER, NOW, NOW),
        )
        for number in (1, 2):
            row = (f"idn_{number}", USER, f"old{number}@example.com", NOW, NOW)
            db.execute("INSERT INTO email_addresses VALUES (?, ?, ?, ?, ?)", row)
        db.execute(
            "INSERT INTO sessions VALUES ('sess_1', ?, 'client_1', 'active', ?, ?, ?, ?, ?)",
            (USER, NOW, FAR, FAR, NOW, NOW),
        )
        db.execute(
            "INSERT INTO messages (id, type, subject_id, user_id, body, next_attempt_at, created_at)"
            " VALUES ('msg_1', 'user.created', ?, ?, '{\"type\": \"user.created\"}', ?, ?)",
            (USER, USER, NOW, NOW),
        )


@pytest.fixture
def upgraded(tmp_path: Path, receiver: Receiver) -> Iterator[EmulatorProcess]:
    emulator = EmulatorProcess(tmp_path / "state", receiver.url)
    _old_state(emulator.state)
    emulator.start()
    yield emulator
    emulator.stop()


def test_an_old_state_keeps_its_users(upgraded: EmulatorProcess, receiver: Receiver) -> None:
    user = upgraded.call("GET", f"/v1/users/{USER}")
    assert (user["first_name"], user["primary_email_address_id"]) == ("Ada", "idn_1")
    assert [email["verification"]["status"] for email in user["email_addresses"]] == ["verified"] * 2
    assert claims(upgraded, upgraded.create_token("sess_1"))["sub"] == USER
    assert [delivery.headers["svix-id"] for delivery in receiver.wait_for(1)] == ["msg_1"]


def test_its_users_sign_in_by_a_browser(upgraded: EmulatorProcess) -> None:
    with Browser(upgraded) as browser:
        begun = browser.call("POST", "/client/sign_ins", {"identifier": "old2@example.com"})["response"]
        path = f"/client/sign_ins/{begun['id']}"
        browser.call("POST", f"{path}/prepare_first_factor", {"strategy": "email_code"})
        form = {"strategy": "email_code", "code": CODE}
        answer = browser.call("POST", f"{path}/attempt_first_factor", form)
        assert answer["client"]["sessions"][0]["user"]["id"] == USER


def test_it_is_upgraded_once(upgraded: EmulatorProcess) -> None:
    upgraded.call("PATCH", "/v1/email_addresses/idn_2", json={"verified": False})
    upgraded.stop()
    upgraded.start()
    assert upgraded.call("GET", "/v1/email_addresses/idn_2")["verification"] is None


def test_a_newer_state_is_refused_in_one_line(tmp_path: Path, receiver: Receiver) -> None:
    emulator = EmulatorProcess(tmp_path / "state", receiver.url)
    _old_state(emulator.state)
    with closing(sqlite3.connect(emulator.state / "state.sqlite3")) as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(AssertionError):
        emulator.start()
    [line] = emulator.output.splitlines()
    assert line.startswith("Error: a newer emulator wrote")
    with closing(sqlite3.connect(emulator.state / "state.sqlite3")) as db:
        assert db.execute("SELECT count(*) FROM users").fetchone() == (1,)
