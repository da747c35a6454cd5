"""Rubbish sent to every route of the Frontend API: refused in Clerk's form, and never the emulator's own failure."""

import re
from collections.abc import Iterator
from http import HTTPStatus

import pytest
from flask import Flask

from clerk_emulator.frontend_api import frontend_api

from .browser import Browser, Json
from .harness import EmulatorProcess

FIELDS = [
    "email_address",
    "username",
    "first_name",
    "password",
    "new_password",
    "current_password",
    "unsafe_metadata",
    "identifier",
    "strategy",
    "code",
    "ticket",
    "primary_email_address_id",
    "active_organization_id",
    "sign_out_of_other_sessions",
    "locale",
]
VALUES = (
    "",
    "\x00\U0001f600",
    "x" * 20_000,
    '{"\\ud800": 1}',
    '{"a":' * 3_000 + "1" + "}" * 3_000,
    "' OR 1=1 --",
)


def _routes() -> Iterator[tuple[str, str]]:
    app = Flask(__name__, static_folder=None)
    app.register_blueprint(frontend_api())
    for rule in app.url_map.iter_rules():
        yield from (
            (method, rule.rule) for method in sorted(rule.methods or ()) if method not in {"HEAD", "OPTIONS"}
        )


@pytest.fixture
def ids(browser: Browser, email: str) -> dict[str, str]:
    """What there is of each kind, for a browser that is signed in."""
    sign_in = browser.call("POST", "/client/sign_ins")["response"]
    sign_up = browser.call("POST", "/client/sign_ups", {"email_address": f"begun-{email}"})["response"]
    session: Json = browser.sign_up(email)
    return {
        "sign_in_id": sign_in["id"],
        "sign_up_id": sign_up["id"],
        "session_id": session["id"],
        "email_address_id": session["user"]["primary_email_address_id"],
    }


def _send(browser: Browser, method: str, path: str) -> None:
    forms = [None, *(dict.fromkeys(FIELDS, value) for value in VALUES)]
    answers = [browser.send(method, path, form) for form in forms]
    answers.append(browser.send(method, path, _clerk_session_id=VALUES[-1]))
    for answer in answers:
        assert answer.status_code < HTTPStatus.INTERNAL_SERVER_ERROR, answer.text
        assert answer.ok or answer.json()["errors"][0]["code"]


@pytest.mark.parametrize(("method", "rule"), sorted(_routes()))
def test_never_fails(
    emulator: EmulatorProcess, browser: Browser, ids: dict[str, str], method: str, rule: str
) -> None:
    unknown = re.sub("<.*?>", "%00%ff'", rule)
    _send(browser, method, unknown)
    _send(browser, method, re.sub("<(.*?)>", lambda name: ids.get(name[1], "any"), rule))
    with Browser(emulator, by_cookie=True) as stranger:
        _send(stranger, method, unknown)
