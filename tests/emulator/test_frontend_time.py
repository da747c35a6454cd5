"""What time does to the Frontend API: codes, attempts and sessions that are too old, and browsers that never came back."""

from .browser import CODE, PASSWORD, SIGN_INS, Browser, Json
from .harness import EmulatorProcess

DAY = 24 * 60 * 60 * 1000


def test_old_code(emulator: EmulatorProcess, browser: Browser, email: str) -> None:
    path = browser.begin_sign_up(email_address=email, password=PASSWORD)
    emulator.execute("UPDATE verifications SET expire_at = 1 WHERE owner_id = ?", path.rpartition("/")[2])
    verification = browser.call("GET", path)["response"]["verifications"]["email_address"]
    assert verification["status"] == "expired"
    refusal = browser.refusal("POST", f"{path}/attempt_verification", {"code": CODE})
    assert refusal == (400, "verification_expired")
    browser.call("POST", f"{path}/prepare_verification")
    browser.call("POST", f"{path}/attempt_verification", {"code": CODE})


def test_abandoned_sign_up(emulator: EmulatorProcess, browser: Browser, email: str) -> None:
    path = browser.begin_sign_up(email_address=email, password=PASSWORD)
    assert browser.client()["sign_up"]["status"] == "missing_requirements"
    emulator.execute("UPDATE sign_ups SET abandon_at = 1 WHERE id = ?", path.rpartition("/")[2])
    assert browser.client()["sign_up"] is None
    assert browser.call("GET", path)["response"]["status"] == "abandoned"
    refusal = browser.refusal("POST", f"{path}/attempt_verification", {"code": CODE})
    assert refusal == (403, "sign_up_forbidden")


def test_abandoned_sign_in(emulator: EmulatorProcess, browser: Browser, email: str, user_id: str) -> None:
    del user_id
    path = browser.begin_sign_in(email)
    emulator.execute("UPDATE sign_ins SET abandon_at = 1 WHERE id = ?", path.removeprefix(f"{SIGN_INS}/"))
    assert browser.client()["sign_in"] is None
    form = {"strategy": "password", "password": PASSWORD}
    assert browser.refusal("POST", f"{path}/attempt_first_factor", form) == (403, "sign_in_forbidden")


def test_session_lives_for_a_week_and_each_change_is_newer(
    emulator: EmulatorProcess, browser: Browser, email: str, session: Json
) -> None:
    assert session["expire_at"] - session["created_at"] == 7 * DAY
    assert session["abandon_at"] - session["created_at"] == 30 * DAY
    path = f"/client/sessions/{session['id']}"
    touched = browser.call("POST", f"{path}/touch")["response"]
    assert touched["last_active_at"] > session["last_active_at"]
    ended = browser.call("POST", f"{path}/end")["response"]
    assert ended["status"] == "ended"
    assert ended["updated_at"] > session["updated_at"]

    old = browser.sign_in(email)["id"]
    emulator.execute("UPDATE sessions SET expire_at = 1 WHERE id = ?", old)
    assert browser.refusal("POST", f"/client/sessions/{old}/tokens") == (401, "authentication_invalid")
    assert browser.client()["sessions"] == []
    assert emulator.call("GET", f"/v1/sessions/{old}")["status"] == "expired"


def test_restart_forgets_what_was_left(own_emulator: EmulatorProcess) -> None:
    with Browser(own_emulator) as gone, Browser(own_emulator) as signed_in, Browser(own_emulator) as new:
        gone.begin_sign_up(email_address="begun@example.com")
        session = signed_in.sign_up("ada@example.com")
        old = (gone.token, signed_in.token)
        own_emulator.execute("UPDATE clients SET updated_at = 1 WHERE token IN (?, ?)", *map(str, old))
        own_emulator.execute("UPDATE sign_ups SET abandon_at = 1")
        own_emulator.stop()
        own_emulator.start()
        assert gone.refusal("GET", "/client") == (401, "dev_browser_unauthenticated")
        assert [found["id"] for found in signed_in.client()["sessions"]] == [session["id"]]
        assert new.client()["sessions"] == []
        assert own_emulator.execute("SELECT * FROM sign_ups") == []
        owners = "SELECT id FROM email_addresses UNION SELECT id FROM sign_ins UNION SELECT id FROM sign_ups"
        left = own_emulator.execute(f"SELECT * FROM verifications WHERE owner_id NOT IN ({owners})")
        assert left == []


def test_deleted_user_leaves_no_trace(emulator: EmulatorProcess, browser: Browser, email: str) -> None:
    browser.sign_up(email, first_name="Ada")
    browser.call("DELETE", "/me")
    assert emulator.execute("SELECT * FROM sign_ups WHERE email_address = ?", email) == []
