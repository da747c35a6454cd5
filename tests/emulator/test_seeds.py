"""The demo users: in a new state that asks for them, and by command."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from .browser import Browser
from .harness import EmulatorProcess, Receiver

DEMO = {"grace@example.com", "alan@example.com", "katherine@example.com"}
PASSWORD = "counterfoil-demo"


@pytest.fixture
def seeded(tmp_path: Path, receiver: Receiver) -> Iterator[EmulatorProcess]:
    emulator = EmulatorProcess(tmp_path / "state", receiver.url, options=("--seed",))
    emulator.start()
    yield emulator
    emulator.stop()


def _addresses(emulator: EmulatorProcess) -> set[str]:
    users = emulator.call("GET", "/v1/users?limit=500")
    return {email["email_address"] for user in users for email in user["email_addresses"]}


def test_demo_users_sign_in_and_are_told_of(seeded: EmulatorProcess, receiver: Receiver) -> None:
    assert _addresses(seeded) == DEMO
    for address in DEMO:
        with Browser(seeded) as browser:
            assert browser.sign_in(address, PASSWORD)["user"]["first_name"]
    receiver.wait_for(9)
    assert receiver.types.count("user.created") == len(DEMO)


def test_only_a_new_state_is_seeded(seeded: EmulatorProcess) -> None:
    seeded.cli("delete", "grace@example.com")
    seeded.stop()
    seeded.start()
    assert _addresses(seeded) == DEMO - {"grace@example.com"}


def test_command_adds_those_who_are_missing(emulator: EmulatorProcess) -> None:
    assert _addresses(emulator) == set()
    emulator.create_user("alan@example.com", first_name="Another")
    first = emulator.cli("seed").stdout
    assert first == f"created grace@example.com, katherine@example.com; the password is {PASSWORD}\n"
    assert emulator.cli("seed").stdout == f"created nobody, all are there; the password is {PASSWORD}\n"
    assert _addresses(emulator) == DEMO
    [alan] = emulator.call("GET", "/v1/users?email_address=alan@example.com")
    assert alan["first_name"] == "Another"
