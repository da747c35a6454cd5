"""What time does to the Frontend API: codes, attempts and sessions that are too old, and browsers that never came back."""

import sqlite3
from contextlib import closing
from http import HTTPStatus

import pytest

from .browser import CODE, PASSWORD, Browser, Json
from .harness import EmulatorProcess

DAY = 24 * 60 * 60 * 1000


def _execute(emulator: EmulatorProcess, statement: str, *values: str) -> list[sqlite3.Row]:
    """Nobody waits for days in a test: the state file is where time passes."""
    with closing(
        sqlite3.connect(emulator.state / "state.sqlite3", timeout=10, isolation_level=None)
    ) as state:
        return state.execute(statement, values).fetchall()


def _begin_sign_up(browser: Browser, email: str) -> str:
    sign_up = browser.call("POST", "/client/sign_ups", {"email_address": email, "password": PASSWORD})
    path = f"/client/sign_ups/{sign_up['response']['id']}"
    browser.call("POST", f"{path}/prepare_verification")
    return path


def test_old_code(emulator: EmulatorProcess, browser: Browser, email: str) -> None:
    path = _begin_sign_up(browser, email)
    _execute(emulator, "UPDATE verifications SET expire_at = 1 WHERE owner_id = ?", path.rpartition("/")[2])
    verification = browser.call("GET", path)["response"]["verifications"]["email_address"]
    assert verification["status"] == "expired"
    refusal = browser.refusal("POST", f"{path}/attempt_verification", {"code": CODE})
    assert refusal == (HTTPStatus.BAD_REQUEST, "verification_expired")
    browser.call("POST", f"{path}/prepare_verification")
    browser.call("POST", f"{path}/attempt_verification", {"code": CODE})


def test_abandoned_sign_up(emulator: EmulatorProcess, browser: Browser, email: str) -> None:
    path = _begin_sign_up(browser, email)
    assert browser.client()["sign_up"]["status"] == "missing_requirements"
    _execute(emulator, "UPDATE sign_ups SET abandon_at = 1 WHERE id = ?", path.rpartition("/")[2])
    assert browser.client()["sign_up"] is None
    assert browser.call("GET", path)["response"]["status"] == "abandoned"
    refusal = browser.refusal("POST", f"{path}/attempt_verification", {"code": CODE})
    assert refusal == (HTTPStatus.FORBIDDEN, "sign_up_forbidden")


def test_abandoned_sign_in(emulator: EmulatorProcess, browser: Browser, email: str) -> None:
    emulator.create_user(email, password=PASSWORD)
    sign_in = browser.call("POST", "/client/sign_ins", {"identifier": email})["response"]
    _execute(emulator, "UPDATE sign_ins SET abandon_at = 1 WHERE id = ?", sign_in["id"])
    assert browser.client()["sign_in"] is None
    path = f"/client/sign_ins/{sign_in['id']}/attempt_first_factor"
    refusal = browser.refusal("POST", path, {"strategy": "password", "password": PASSWORD})
    assert refusal == (HTTPStatus.FORBIDDEN, "sign_in_forbidden")


class TestSession:
    @pytest.fixture
    def session(self, browser: Browser, email: str) -> Json:
        return browser.sign_up(email)

    def test_lives_for_a_week(self, session: Json) -> None:
        assert session["expire_at"] - session["created_at"] == 7 * DAY
        assert session["abandon_at"] - session["created_at"] == 30 * DAY

    def test_old_one_is_over(self, emulator: EmulatorProcess, browser: Browser, session: Json) -> None:
        _execute(emulator, "UPDATE sessions SET expire_at = 1 WHERE id = ?", session["id"])
        refusal = browser.refusal("POST", f"/client/sessions/{session['id']}/tokens")
        assert refusal == (HTTPStatus.UNAUTHORIZED, "authentication_invalid")
        assert browser.client()["sessions"] == []
        assert emulator.call("GET", f"/v1/sessions/{session['id']}")["status"] == "expired"

    def test_touch_keeps_it_young(self, browser: Browser, session: Json) -> None:
        touched = browser.call("POST", f"/client/sessions/{session['id']}/touch")["response"]
        assert touched["last_active_at"] > session["last_active_at"]

    def test_end_is_a_newer_version(self, browser: Browser, session: Json) -> None:
        ended = browser.call("POST", f"/client/sessions/{session['id']}/end")["response"]
        assert ended["status"] == "ended"
        assert ended["updated_at"] > session["updated_at"]


def test_restart_forgets_what_was_left(own_emulator: EmulatorProcess) -> None:
    with Browser(own_emulator) as gone, Browser(own_emulator) as signed_in, Browser(own_emulator) as new:
        _begin_sign_up(gone, "begun@example.com")
        session = signed_in.sign_up("ada@example.com")
        old = (gone.token, signed_in.token)
        _execute(own_emulator, "UPDATE clients SET updated_at = 1 WHERE token IN (?, ?)", *map(str, old))
        _execute(own_emulator, "UPDATE sign_ups SET abandon_at = 1")
        own_emulator.stop()
        own_emulator.start()
        assert gone.refusal("GET", "/client") == (HTTPStatus.UNAUTHORIZED, "dev_browser_unauthenticated")
        assert [found["id"] for found in signed_in.client()["sessions"]] == [session["id"]]
        assert new.client()["sessions"] == []
        assert _execute(own_emulator, "SELECT * FROM sign_ups") == []
        owners = "SELECT id FROM email_addresses UNION SELECT id FROM sign_ins UNION SELECT id FROM sign_ups"
        left = _execute(own_emulator, f"SELECT * FROM verifications WHERE owner_id NOT IN ({owners})")
        assert left == []


def test_deleted_user_leaves_no_trace(emulator: EmulatorProcess, browser: Browser, email: str) -> None:
    browser.sign_up(email, first_name="Ada")
    browser.call("DELETE", "/me")
    assert _execute(emulator, "SELECT * FROM sign_ups WHERE email_address = ?", email) == []
