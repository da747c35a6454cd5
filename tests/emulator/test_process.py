"""Starting, stopping, and what survives it."""

import base64
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import jwt

from tests.support.ports import free_port
from tests.support.waiting import wait_for

from .harness import ROOT, EmulatorProcess, Receiver, clean_environment

PUBLISHABLE_KEY = "pk_test_ZW11bGF0b3IubG9jYWxob3N0LmNsZXJrLmFjY291bnRzLmRldiQ"


def _run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "clerk_emulator", *arguments],
        cwd=ROOT,
        env=clean_environment(**environment),
        capture_output=True,
        text=True,
        timeout=10,
        check=False,
    )


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
    session = own_emulator.create_session(user["id"])
    token = own_emulator.create_token(session["id"])
    keys_before = own_emulator.keys
    [first, *_] = receiver.wait_for(1)
    own_emulator.stop(signal.SIGKILL)
    own_emulator.start()
    assert own_emulator.keys == keys_before
    assert own_emulator.call("GET", f"/v1/sessions/{session['id']}") == session
    assert own_emulator.call("GET", f"/v1/users/{user['id']}")["id"] == user["id"]
    key = jwt.PyJWKClient(own_emulator.keys["CLERK_JWKS_URL"]).get_signing_key_from_jwt(token)
    assert jwt.decode(token, key, algorithms=["RS256"])["sub"] == user["id"]
    message_id = first.headers["svix-id"]
    wait_for(lambda: [one.headers["svix-id"] for one in receiver.deliveries].count(message_id) == 2)
    wait_for(lambda: {"user.created", "session.created", "user.updated"} <= set(receiver.types))


def test_it_leaves_at_once_even_when_an_endpoint_hangs(
    own_emulator: EmulatorProcess, receiver: Receiver
) -> None:
    receiver.hold.clear()
    own_emulator.create_user("ada@example.com")
    receiver.wait_for(1)
    started = time.monotonic()
    assert own_emulator.stop(signal.SIGINT) == 0
    assert time.monotonic() - started < 5


def test_production_is_refused(tmp_path: Path) -> None:
    result = _run("--state", str(tmp_path / "state"), ENV="production")
    assert result.returncode == 2
    assert "production" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not (tmp_path / "state").exists()


def test_a_busy_port_is_said_in_one_line_and_leaves_the_keys_alone(tmp_path: Path) -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]
        result = _run("--port", str(port), "--state", str(tmp_path / "state"))
    assert result.returncode == 1
    assert (
        result.stderr == f"Error: port {port} cannot be used: Address already in use; choose another --port\n"
    )
    assert not (tmp_path / "state" / "keys.env").exists()


def test_a_state_folder_serves_one_emulator(emulator: EmulatorProcess) -> None:
    result = _run("--port", str(free_port()), "--state", str(emulator.state))
    assert result.returncode == 1
    assert result.stderr.startswith(f"Error: another emulator uses {emulator.state};")
    assert emulator.keys["CLERK_API_URL"] == emulator.url


def test_a_damaged_state_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "state.sqlite3").write_bytes(os.urandom(8192))
    result = _run("--port", str(free_port()), "--state", str(tmp_path))
    assert result.returncode == 1
    assert len(result.stderr.splitlines()) == 1
    assert "delete it to start afresh" in result.stderr


def test_a_webhook_url_must_be_one(tmp_path: Path) -> None:
    result = _run("--state", str(tmp_path / "state"), "--webhook-url", "localhost:8000")
    assert result.returncode == 2
    assert "--webhook-url" in result.stderr
