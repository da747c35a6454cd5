"""Sign-in tokens, and actor tokens for impersonation: made with the secret key, redeemed by a browser."""

from typing import Any

import jwt
import pytest

from .browser import Browser, Json, claims, told
from .harness import EmulatorProcess, Receiver

ACTOR = {"sub": "user_support", "reason": "a ticket in the queue"}
INVALID = (400, "ticket_invalid_code")
KINDS = [("sign_in_tokens", {}), ("actor_tokens", {"actor": ACTOR})]


def _make(emulator: EmulatorProcess, kind: str, user_id: str, **fields: Any) -> Json:
    ticket: Json = emulator.call("POST", f"/v1/{kind}", json={"user_id": user_id, **fields})
    return ticket


def _redeem(browser: Browser, token: str) -> Json:
    """Sign in by a ticket; the session."""
    answer = browser.call("POST", "/client/sign_ins", {"strategy": "ticket", "ticket": token})
    assert answer["response"]["status"] == "complete"
    session: Json = answer["client"]["sessions"][-1]
    return session


def _refusal(browser: Browser, token: str) -> tuple[int, str]:
    return browser.refusal("POST", "/client/sign_ins", {"strategy": "ticket", "ticket": token})


class TestSignInToken:
    def test_signs_one_browser_in_once(
        self, emulator: EmulatorProcess, browser: Browser, user_id: str, heard: Receiver
    ) -> None:
        ticket = _make(emulator, "sign_in_tokens", user_id, expires_in_seconds=60)
        assert (ticket["object"], ticket["status"]) == ("sign_in_token", "pending")
        assert ticket["user_id"] == user_id
        assert ticket["id"].startswith("sit_")
        session = _redeem(browser, ticket["token"])
        assert (session["user"]["id"], session["actor"]) == (user_id, None)
        assert "act" not in claims(emulator, browser.session_token(session["id"]))
        told(heard, user_id, "user.created", "session.created", "user.updated")
        with Browser(emulator) as other:
            assert _refusal(other, ticket["token"]) == (400, "sign_in_token_already_used_code")

    def test_is_no_session_token(self, emulator: EmulatorProcess, user_id: str) -> None:
        """Signed by the same key as those are, it names no user, and a category that is not theirs."""
        ticket = _make(emulator, "sign_in_tokens", user_id)
        read = claims(emulator, ticket["token"])
        assert set(read) == {"exp", "iid", "sid", "st"}
        assert (read["sid"], read["st"]) == (ticket["id"], "sign_in_token")
        assert read["exp"] * 1000 - ticket["created_at"] == pytest.approx(30 * 24 * 3600 * 1000, abs=1000)
        assert jwt.get_unverified_header(ticket["token"])["cat"] == "cl_B7d4PD222AAA"

    def test_of_a_banned_user_is_refused(self, emulator: EmulatorProcess, browser: Browser, user_id: str) -> None:
        token = _make(emulator, "sign_in_tokens", user_id)["token"]
        emulator.call("POST", f"/v1/users/{user_id}/ban")
        assert _refusal(browser, token) == (403, "user_banned")
        emulator.call("POST", f"/v1/users/{user_id}/unban")
        assert _redeem(browser, token)["user"]["id"] == user_id

    def test_goes_with_its_user(self, emulator: EmulatorProcess, browser: Browser, user_id: str) -> None:
        token = _make(emulator, "sign_in_tokens", user_id)["token"]
        emulator.call("DELETE", f"/v1/users/{user_id}")
        assert _refusal(browser, token) == INVALID

    def test_must_be_one(self, emulator: EmulatorProcess, browser: Browser, user_id: str) -> None:
        for form in ({"strategy": "ticket"}, {"ticket": "unknown"}):
            assert browser.refusal("POST", "/client/sign_ins", form) == INVALID
        token = _make(emulator, "sign_in_tokens", user_id)["token"]
        for forged in (token[:-4] + "AAAA", "x", user_id):
            assert _refusal(browser, forged) == INVALID


class TestActorToken:
    def test_names_the_actor_in_session_and_tokens(
        self, emulator: EmulatorProcess, browser: Browser, user_id: str, heard: Receiver
    ) -> None:
        ticket = _make(emulator, "actor_tokens", user_id, actor=ACTOR)
        assert (ticket["object"], ticket["actor"]) == ("actor_token", ACTOR)
        session = _redeem(browser, ticket["token"])
        assert session["actor"] == ACTOR
        token = claims(emulator, browser.session_token(session["id"]))
        assert (token["sub"], token["act"]) == (user_id, ACTOR)
        created = told(heard, user_id, "user.created", "session.created", "user.updated")[1]
        assert created.event["data"]["actor"] == ACTOR

    @pytest.mark.parametrize(("asked", "seconds"), [({}, 1800), ({"session_max_duration_in_seconds": 90}, 90)])
    def test_gives_a_short_session(
        self, emulator: EmulatorProcess, browser: Browser, user_id: str, asked: Json, seconds: int
    ) -> None:
        token = _make(emulator, "actor_tokens", user_id, actor=ACTOR, **asked)["token"]
        session = _redeem(browser, token)
        assert session["expire_at"] - session["created_at"] == 1000 * seconds

    def test_needs_an_actor(self, emulator: EmulatorProcess, user_id: str) -> None:
        malformed = {(422, "form_param_type_invalid"), (422, "form_param_format_invalid")}
        for actor in (None, {}, {"sub": ""}, {"sub": 7}, "user_1", {"sub": "u", "x": "y" * 9000}):
            body = {"user_id": user_id, "actor": actor}
            assert emulator.refusal("POST", "/v1/actor_tokens", body) in malformed, actor


@pytest.mark.parametrize(("kind", "fields"), KINDS)
class TestBoth:
    def test_of_one_revoked_used_or_too_old(
        self, emulator: EmulatorProcess, browser: Browser, user_id: str, kind: str, fields: Json
    ) -> None:
        revoked, used, old = (_make(emulator, kind, user_id, **fields) for _ in range(3))
        code = kind.removesuffix("s")
        answer = emulator.call("POST", f"/v1/{kind}/{revoked['id']}/revoke")
        assert (answer["status"], answer["id"]) == ("revoked", revoked["id"])
        assert "token" not in answer
        assert _refusal(browser, revoked["token"]) == (400, f"{code}_revoked_code")
        emulator.execute("UPDATE tickets SET expire_at = 0 WHERE id = ?", old["id"])
        assert _refusal(browser, old["token"]) == (400, "ticket_expired_code")
        _redeem(browser, used["token"])
        for ticket in (revoked, used):
            refusal = emulator.refusal("POST", f"/v1/{kind}/{ticket['id']}/revoke", {})
            assert refusal == (400, f"{code}_cannot_be_revoked_code")

    def test_is_of_somebody_and_not_the_other(
        self, emulator: EmulatorProcess, user_id: str, kind: str, fields: Json
    ) -> None:
        refusal = emulator.refusal("POST", f"/v1/{kind}", {"user_id": "user_nobody", **fields})
        assert refusal == (404, "resource_not_found")
        ticket = _make(emulator, kind, user_id, **fields)
        [other] = {name for name, _ in KINDS} - {kind}
        refusal = emulator.refusal("POST", f"/v1/{other}/{ticket['id']}/revoke", {})
        assert refusal == (404, "resource_not_found")
