"""Sign-in tokens, and actor tokens for impersonation: made with the secret key, redeemed by a browser."""

import sqlite3
from http import HTTPStatus
from typing import Any

import jwt
import pytest

from .browser import Browser, claims, told
from .harness import EmulatorProcess, Receiver

BAD_REQUEST = HTTPStatus.BAD_REQUEST
ACTOR = {"sub": "user_support", "reason": "a ticket in the queue"}
KINDS = [("sign_in_tokens", {}), ("actor_tokens", {"actor": ACTOR})]


def _make(emulator: EmulatorProcess, kind: str, user_id: str, **fields: Any) -> dict[str, Any]:
    ticket: dict[str, Any] = emulator.call("POST", f"/v1/{kind}", json={"user_id": user_id, **fields})
    return ticket


def _redeem(browser: Browser, token: str) -> dict[str, Any]:
    """Sign in by a ticket; the session."""
    answer = browser.call("POST", "/client/sign_ins", {"strategy": "ticket", "ticket": token})
    assert answer["response"]["status"] == "complete"
    session: dict[str, Any] = answer["client"]["sessions"][-1]
    return session


def _refusal(emulator: EmulatorProcess, path: str, body: Any) -> tuple[int, str]:
    answer = emulator.request("POST", path, json=body)
    return answer.status_code, answer.json()["errors"][0]["code"]


class TestSignInToken:
    def test_signs_one_browser_in_once(
        self, emulator: EmulatorProcess, browser: Browser, user_id: str, heard: Receiver
    ) -> None:
        ticket = _make(emulator, "sign_in_tokens", user_id, expires_in_seconds=60)
        assert (ticket["object"], ticket["status"], ticket["user_id"]) == (
            "sign_in_token",
            "pending",
            user_id,
        )
        assert ticket["id"].startswith("sit_")
        session = _redeem(browser, ticket["token"])
        assert (session["user"]["id"], session["actor"]) == (user_id, None)
        assert "act" not in claims(emulator, browser.session_token(session["id"]))
        told(heard, user_id, "user.created", "session.created", "user.updated")
        with Browser(emulator) as other:
            refusal = other.refusal(
                "POST", "/client/sign_ins", {"strategy": "ticket", "ticket": ticket["token"]}
            )
        assert refusal == (BAD_REQUEST, "sign_in_token_already_used_code")

    def test_is_no_session_token(self, emulator: EmulatorProcess, user_id: str) -> None:
        """Signed by the same key as those are, it names no user, and a category that is not theirs."""
        ticket = _make(emulator, "sign_in_tokens", user_id)
        read = claims(emulator, ticket["token"])
        assert set(read) == {"exp", "iid", "sid", "st"}
        assert (read["sid"], read["st"]) == (ticket["id"], "sign_in_token")
        assert read["exp"] * 1000 - ticket["created_at"] == pytest.approx(30 * 24 * 3600 * 1000, abs=1000)
        assert jwt.get_unverified_header(ticket["token"])["cat"] == "cl_B7d4PD222AAA"

    def test_of_a_banned_user_is_refused(
        self, emulator: EmulatorProcess, browser: Browser, user_id: str
    ) -> None:
        token = _make(emulator, "sign_in_tokens", user_id)["token"]
        emulator.call("POST", f"/v1/users/{user_id}/ban")
        refusal = browser.refusal("POST", "/client/sign_ins", {"strategy": "ticket", "ticket": token})
        assert refusal == (HTTPStatus.FORBIDDEN, "user_banned")
        emulator.call("POST", f"/v1/users/{user_id}/unban")
        assert _redeem(browser, token)["user"]["id"] == user_id

    def test_goes_with_its_user(self, emulator: EmulatorProcess, browser: Browser, user_id: str) -> None:
        token = _make(emulator, "sign_in_tokens", user_id)["token"]
        emulator.call("DELETE", f"/v1/users/{user_id}")
        refusal = browser.refusal("POST", "/client/sign_ins", {"strategy": "ticket", "ticket": token})
        assert refusal == (BAD_REQUEST, "ticket_invalid_code")

    @pytest.mark.parametrize("form", [{"strategy": "ticket"}, {"ticket": "unknown"}])
    def test_must_be_one(self, browser: Browser, form: dict[str, str]) -> None:
        refusal = browser.refusal("POST", "/client/sign_ins", form)
        assert refusal == (BAD_REQUEST, "ticket_invalid_code")


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

    @pytest.mark.parametrize(
        ("asked", "seconds"), [({}, 1800), ({"session_max_duration_in_seconds": 90}, 90)]
    )
    def test_gives_a_short_session(
        self,
        emulator: EmulatorProcess,
        browser: Browser,
        user_id: str,
        asked: dict[str, int],
        seconds: int,
    ) -> None:
        token = _make(emulator, "actor_tokens", user_id, actor=ACTOR, **asked)["token"]
        session = _redeem(browser, token)
        assert session["expire_at"] - session["created_at"] == 1000 * seconds

    @pytest.mark.parametrize(
        "actor", [None, {}, {"sub": ""}, {"sub": 7}, "user_1", {"sub": "u", "x": "y" * 9000}]
    )
    def test_needs_an_actor(self, emulator: EmulatorProcess, user_id: str, actor: Any) -> None:
        status, code = _refusal(emulator, "/v1/actor_tokens", {"user_id": user_id, "actor": actor})
        assert status == HTTPStatus.UNPROCESSABLE_ENTITY
        assert code in {"form_param_type_invalid", "form_param_format_invalid"}


class TestBoth:
    @pytest.mark.parametrize(("kind", "fields"), KINDS)
    def test_revoked_one_signs_nobody_in(
        self, emulator: EmulatorProcess, browser: Browser, user_id: str, kind: str, fields: dict[str, Any]
    ) -> None:
        ticket = _make(emulator, kind, user_id, **fields)
        path = f"/v1/{kind}/{ticket['id']}/revoke"
        revoked = emulator.call("POST", path)
        assert (revoked["status"], revoked["id"]) == ("revoked", ticket["id"])
        assert "token" not in revoked
        singular = kind.removesuffix("s")
        refusal = browser.refusal(
            "POST", "/client/sign_ins", {"strategy": "ticket", "ticket": ticket["token"]}
        )
        assert refusal == (BAD_REQUEST, f"{singular}_revoked_code")
        assert _refusal(emulator, path, {}) == (BAD_REQUEST, f"{singular}_cannot_be_revoked_code")

    @pytest.mark.parametrize(("kind", "fields"), KINDS)
    def test_used_one_cannot_be_revoked(
        self, emulator: EmulatorProcess, browser: Browser, user_id: str, kind: str, fields: dict[str, Any]
    ) -> None:
        ticket = _make(emulator, kind, user_id, **fields)
        _redeem(browser, ticket["token"])
        code = f"{kind.removesuffix('s')}_cannot_be_revoked_code"
        assert _refusal(emulator, f"/v1/{kind}/{ticket['id']}/revoke", {}) == (BAD_REQUEST, code)

    def test_one_is_not_the_other(self, emulator: EmulatorProcess, user_id: str) -> None:
        ticket = _make(emulator, "sign_in_tokens", user_id)
        refusal = _refusal(emulator, f"/v1/actor_tokens/{ticket['id']}/revoke", {})
        assert refusal == (HTTPStatus.NOT_FOUND, "resource_not_found")

    @pytest.mark.parametrize(("kind", "fields"), KINDS)
    def test_is_of_somebody(self, emulator: EmulatorProcess, kind: str, fields: dict[str, Any]) -> None:
        refusal = _refusal(emulator, f"/v1/{kind}", {"user_id": "user_nobody", **fields})
        assert refusal == (HTTPStatus.NOT_FOUND, "resource_not_found")

    @pytest.mark.parametrize(("kind", "fields"), KINDS)
    def test_too_old_one_is_refused(
        self, emulator: EmulatorProcess, browser: Browser, user_id: str, kind: str, fields: dict[str, Any]
    ) -> None:
        ticket = _make(emulator, kind, user_id, **fields)
        # Stands for the wait until it expires.
        with sqlite3.connect(emulator.state / "state.sqlite3") as db:
            db.execute("UPDATE tickets SET expire_at = 0 WHERE id = ?", (ticket["id"],))
        db.close()
        refusal = browser.refusal(
            "POST", "/client/sign_ins", {"strategy": "ticket", "ticket": ticket["token"]}
        )
        assert refusal == (BAD_REQUEST, "ticket_expired_code")

    def test_forged_one_is_refused(self, emulator: EmulatorProcess, browser: Browser, user_id: str) -> None:
        token = _make(emulator, "sign_in_tokens", user_id)["token"]
        for forged in (token[:-4] + "AAAA", "x", user_id):
            refusal = browser.refusal("POST", "/client/sign_ins", {"strategy": "ticket", "ticket": forged})
            assert refusal == (BAD_REQUEST, "ticket_invalid_code")
