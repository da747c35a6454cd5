"""Starting, stopping, what survives it, and a state that another version left."""

import base64
import os
import signal
import socket
import sqlite3
import stat
import time
from contextlib import closing
from pathlib import Path

import pytest
import requests

from tests.support.ports import free_port
from tests.support.waiting import wait_for

from .browser import CODE, Browser, claims
from .harness import ROOT, EmulatorProcess, Receiver, run_module

PUBLISHABLE_KEY = "pk_test_ZW11bGF0b3IubG9jYWxob3N0LmNsZXJrLmFjY291bnRzLmRldiQ"
USER = "user_2g7np7Hrk0SN6kj5EDMLDaKNL0S"


def _refused(code: int, *arguments: str, **environment: str) -> str:
    """The one line that it says."""
    result = run_module("clerk_emulator", *arguments, **environment)
    assert result.returncode == code, result.stderr
    return result.stderr


def test_the_keys_are_written_for_the_application(emulator: EmulatorProcess) -> None:
    lines = (emulator.state / "keys.env").read_text().splitlines()
    url = f"http://localhost:{emulator.port}"
    assert lines[0] == f"CLERK_PUBLISHABLE_KEY={PUBLISHABLE_KEY}"
    assert lines[1].startswith("CLERK_SECRET_KEY=sk_test_emulator_")
    assert lines[2].startswith("CLERK_WEBHOOK_SECRET=whsec_")
    secret = base64.b64decode(lines[2].partition("whsec_")[2], validate=True)
    assert secret.startswith(b"counterfoil-emulator:")
    assert len(secret) == len(b"counterfoil-emulator:") + 24
    assert lines[3:] == [
        f"CLERK_JWKS_URL={url}/.well-known/jwks.json",
        f"CLERK_API_URL={url}",
        "CLERK_MISSING_AZP=allow",
    ]


def test_the_state_is_for_its_owner_only(emulator: EmulatorProcess) -> None:
    assert stat.S_IMODE(emulator.state.stat().st_mode) == 0o700
    files = list(emulator.state.iterdir())
    assert {"keys.env", "state.sqlite3"} <= {file.name for file in files}
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_no_secret_is_printed(emulator: EmulatorProcess) -> None:
    user = emulator.create_user("ada@example.com", password="correct horse battery")
    token = emulator.create_token(emulator.create_session(user["id"])["id"])
    keys = emulator.keys
    assert emulator.url in emulator.output
    for secret in (keys["CLERK_SECRET_KEY"], keys["CLERK_WEBHOOK_SECRET"], token, "correct horse", "ada@"):
        assert secret not in emulator.output
    stored = b"".join(file.read_bytes() for file in emulator.state.glob("state.sqlite3*"))
    assert b"correct horse" not in stored


def test_only_this_machine_is_served(emulator: EmulatorProcess) -> None:
    for address in {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}:
        if not str(address).startswith("127."):
            with socket.socket() as probe:
                assert probe.connect_ex((address, emulator.port)) != 0


def test_everything_survives_a_kill(own_emulator: EmulatorProcess, receiver: Receiver) -> None:
    receiver.answers = [500]
    user = own_emulator.create_user("ada@example.com")
    [first, *_] = receiver.wait_for(1)
    session = own_emulator.create_session(user["id"])
    token = own_emulator.create_token(session["id"])
    keys_before = own_emulator.keys
    with Browser(own_emulator) as browser:
        own = browser.sign_up("grace@example.com")
        picture = browser.upload(b"GIF89a\x01\x00").json()["response"]["public_url"]
        own_emulator.stop(signal.SIGKILL)
        own_emulator.start()
        assert [found["id"] for found in browser.client()["sessions"]] == [own["id"]]
        assert claims(own_emulator, browser.session_token(own["id"]))["sid"] == own["id"]
    assert requests.get(picture, timeout=5).content == b"GIF89a\x01\x00"
    assert own_emulator.keys == keys_before
    assert own_emulator.call("GET", f"/v1/sessions/{session['id']}") == session
    assert own_emulator.call("GET", f"/v1/users/{user['id']}")["id"] == user["id"]
    assert claims(own_emulator, token)["sub"] == user["id"]
    message_id = first.headers["svix-id"]
    wait_for(lambda: [one.headers["svix-id"] for one in receiver.deliveries].count(message_id) == 2)
    wait_for(lambda: {"user.created", "session.created", "user.updated"} <= set(receiver.types))


def test_it_leaves_at_once_even_when_an_endpoint_hangs(own_emulator: EmulatorProcess, receiver: Receiver) -> None:
    receiver.hold.clear()
    own_emulator.create_user("ada@example.com")
    receiver.wait_for(1)
    started = time.monotonic()
    assert own_emulator.stop(signal.SIGINT) == 0
    assert time.monotonic() - started < 5


def test_production_and_a_wrong_webhook_url_are_refused(tmp_path: Path) -> None:
    state = tmp_path / "state"
    [line] = _refused(2, "--state", str(state), ENV="production").splitlines()
    assert "production" in line
    assert not state.exists()
    assert "--webhook-url" in _refused(2, "--state", str(state), "--webhook-url", "localhost:8000")


def test_a_busy_port_is_said_in_one_line_and_leaves_the_keys_alone(tmp_path: Path) -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]
        said = _refused(1, "--port", str(port), "--state", str(tmp_path / "state"))
    assert said == f"Error: port {port} cannot be used: Address already in use; choose another --port\n"
    assert not (tmp_path / "state" / "keys.env").exists()


def test_a_state_folder_serves_one_emulator(emulator: EmulatorProcess) -> None:
    said = _refused(1, "--port", str(free_port()), "--state", str(emulator.state))
    assert said.startswith(f"Error: another emulator uses {emulator.state};")
    assert emulator.keys["CLERK_API_URL"] == emulator.url


def test_a_damaged_state_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "state.sqlite3").write_bytes(os.urandom(8192))
    [line] = _refused(1, "--port", str(free_port()), "--state", str(tmp_path)).splitlines()
    assert "delete it to start afresh" in line


@pytest.fixture
def old_state(tmp_path: Path) -> Path:
    """What the first version left: a user with two addresses, an active session, two untold webhooks, no version."""
    folder = tmp_path / "state"
    folder.mkdir()
    now, far = 1_760_000_000_000, 4_000_000_000_000
    with closing(sqlite3.connect(folder / "state.sqlite3")) as db, db:
        db.executescript((ROOT / "clerk_emulator/schema/001_backend_api.sql").read_text())
        db.execute(
            "INSERT INTO users (id, first_name, primary_email_address_id, created_at, updated_at)"
            " VALUES (?, 'Ada', 'idn_1', ?, ?)",
            (USER, now, now),
        )
        for number in (1, 2):
            row = (f"idn_{number}", USER, f"old{number}@example.com", now, now)
            db.execute("INSERT INTO email_addresses VALUES (?, ?, ?, ?, ?)", row)
        db.execute(
            "INSERT INTO sessions VALUES ('sess_1', ?, 'client_1', 'active', ?, ?, ?, ?, ?)",
            (USER, now, far, far, now, now),
        )
        for number, status in ((1, "pending"), (2, "failed")):
            db.execute(
                "INSERT INTO messages (id, type, subject_id, user_id, body, status, next_attempt_at, created_at)"
                ' VALUES (?, \'user.created\', ?, ?, \'{"data": {"id": "user_old"}}\', ?, ?, ?)',
                (f"msg_{number}", USER, USER, status, now, now),
            )
    return folder


def test_an_old_state_keeps_its_users_and_is_upgraded_once(old_state: Path, receiver: Receiver) -> None:
    with EmulatorProcess(old_state, receiver.url) as upgraded:
        user = upgraded.call("GET", f"/v1/users/{USER}")
        assert (user["first_name"], user["primary_email_address_id"]) == ("Ada", "idn_1")
        assert [email["verification"]["status"] for email in user["email_addresses"]] == ["verified"] * 2
        assert claims(upgraded, upgraded.create_token("sess_1"))["sub"] == USER
        assert [delivery.headers["svix-id"] for delivery in receiver.wait_for(2)] == ["msg_1", "msg_2"]
        with Browser(upgraded) as browser:
            path = browser.begin_sign_in("old2@example.com")
            browser.call("POST", f"{path}/prepare_first_factor", {"strategy": "email_code"})
            form = {"strategy": "email_code", "code": CODE}
            answer = browser.call("POST", f"{path}/attempt_first_factor", form)
            assert answer["client"]["sessions"][0]["user"]["id"] == USER
        upgraded.call("PATCH", "/v1/email_addresses/idn_2", json={"verified": False})
        upgraded.stop()
        upgraded.start()
        assert upgraded.call("GET", "/v1/email_addresses/idn_2")["verification"] is None


def test_a_newer_state_is_refused_in_one_line(old_state: Path) -> None:
    with closing(sqlite3.connect(old_state / "state.sqlite3")) as db:
        db.execute("PRAGMA user_version = 99")
        [line] = _refused(1, "--port", str(free_port()), "--state", str(old_state)).splitlines()
        assert line.startswith("Error: a newer emulator wrote")
        assert db.execute("SELECT count(*) FROM users").fetchone() == (1,)
