"""Whatever is sent, the answer is Clerk's form of an error and never a failure of the emulator."""

import json
import re
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clerk_emulator.frontend_api import frontend_api

from .browser import Browser, Json
from .harness import EmulatorProcess, refusal

ROUTES = [
    ("POST", "/v1/users"),
    ("PATCH", "/v1/users/{user}"),
    ("PATCH", "/v1/users/{user}/metadata"),
    ("POST", "/v1/sessions"),
    ("POST", "/v1/sessions/{session}/tokens"),
    ("POST", "/v1/sessions/{session}/tokens/any"),
    ("PUT", "/v1/users/{user}/metadata"),
    ("POST", "/v1/users/{user}/verify_password"),
    ("POST", "/v1/users/{user}/remove_password"),
    ("POST", "/v1/email_addresses"),
    ("PATCH", "/v1/email_addresses/{email}"),
    ("POST", "/v1/sign_in_tokens"),
    ("POST", "/v1/actor_tokens"),
    ("POST", "/v1/organizations"),
    ("PATCH", "/v1/organizations/{organization}"),
    ("PATCH", "/v1/organizations/{organization}/metadata"),
    ("PUT", "/v1/organizations/{organization}/metadata"),
    ("POST", "/v1/organizations/{organization}/memberships"),
    ("PATCH", "/v1/organizations/{organization}/memberships/{user}"),
    ("PATCH", "/v1/organizations/{organization}/memberships/{user}/metadata"),
    ("POST", "/v1/organizations/{organization}/invitations"),
    ("POST", "/v1/organizations/{organization}/domains"),
    ("POST", "/v1/organization_roles"),
    ("POST", "/v1/organization_permissions"),
    ("POST", "/v1/phone_numbers"),
    ("POST", "/v1/waitlist_entries"),
    ("POST", "/v1/users/{user}/merge"),
    ("PUT", "/emulator/subscriptions/{user}"),
    ("POST", "/emulator/bulk_seed"),
    ("POST", "/emulator/messages/replay"),
    ("PUT", "/emulator/faults"),
    ("PUT", "/emulator/clock"),
    ("POST", "/emulator/sessions"),
    ("PUT", "/emulator/roles/org:fuzz"),
]


@pytest.fixture(scope="module")
def ids(emulator: EmulatorProcess) -> dict[str, str]:
    user = emulator.create_user("errors@example.com", password="analytical engine")
    organization = {"name": "Errors", "created_by": user["id"]}
    return {
        "user": user["id"],
        "session": emulator.create_session(user["id"])["id"],
        "email": user["primary_email_address_id"],
        "organization": emulator.call("POST", "/v1/organizations", json=organization)["id"],
    }


@pytest.mark.parametrize(
    ("header", "code"),
    [
        (None, "authorization_header_format_invalid"),
        ("Basic abc", "authorization_header_format_invalid"),
        ("Bearer sk_test_emulator_wrong", "clerk_key_invalid"),
        ("Bearer sk_\xff", "clerk_key_invalid"),
    ],
)
def test_the_secret_key_is_needed(emulator: EmulatorProcess, header: str | None, code: str) -> None:
    for path in ("/v1/users", "/v1/jwks", "/emulator/messages"):
        headers = {"Authorization": header} if header else {}
        assert refusal(requests.get(emulator.url + path, headers=headers, timeout=5)) == (401, code)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/users/user_nobody"),
        ("DELETE", "/v1/users/user_nobody"),
        ("POST", "/v1/users/user_nobody/ban"),
        ("GET", "/v1/sessions/sess_none"),
        ("POST", "/v1/sessions/sess_none/tokens"),
        ("POST", "/emulator/messages/msg_none/replay"),
        ("GET", "/v1/role_sets"),
        ("GET", "/v1//users"),
        ("GET", "/v1/users/%00%ff"),
    ],
)
def test_what_is_not_there_is_not_found(emulator: EmulatorProcess, method: str, path: str) -> None:
    assert emulator.refusal(method, path) == (404, "resource_not_found")


MALFORMED = [
    b"{",
    b"[]",
    b"null",
    b'"text"',
    b"\xff\xfe",
    b'{"first_name": NaN}',
    b'{"public_metadata": {"n": 1e999}}',
    b'{"first_name": "\\ud800"}',
    b'{"public_metadata": ' + b'{"a":' * 500 + b"1" + b"}" * 501,
    b"[" * 100_000,
    b'{"public_metadata": {"n": ' + b"9" * 5000 + b"}}",
]


def test_a_body_that_is_not_a_json_object_is_malformed(emulator: EmulatorProcess, ids: dict[str, str]) -> None:
    """Each of them on one route, and on each route one of them: all read their bodies by the same code."""
    every_body = [(ROUTES[0], body) for body in MALFORMED]
    for (method, path), body in [*every_body, *((route, MALFORMED[0]) for route in ROUTES[1:])]:
        answer = emulator.request(method, path.format(**ids), data=body)
        assert refusal(answer) == (400, "request_body_invalid"), (method, path, body[:40])


def test_a_huge_body_and_a_wrong_method_are_refused(emulator: EmulatorProcess) -> None:
    assert refusal(emulator.request("POST", "/v1/users", data=b" " * 3_000_000))[0] == 413
    assert emulator.refusal("PUT", "/v1/users")[0] == 405


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
NAMES = st.sampled_from(
    [
        *("email_address", "username", "first_name", "password", "external_id", "public_metadata", "unknown"),
        *("primary_email_address_id", "delete_self_enabled", "user_id", "expires_in_seconds"),
        *("name", "slug", "created_by", "max_allowed_memberships", "role", "permissions", "actor"),
        *("verified", "primary", "active_organization_id", "session_max_duration_in_seconds"),
    ]
)


@given(body=st.dictionaries(NAMES, JSON, max_size=4), route=st.sampled_from(ROUTES))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_json_makes_it_fail(
    emulator: EmulatorProcess, ids: dict[str, str], body: dict[str, Any], route: tuple[str, str]
) -> None:
    method, path = route
    response = emulator.request(method, path.format(**ids), data=json.dumps(body))
    assert response.status_code < 500, response.text


@given(
    query=st.dictionaries(
        st.sampled_from(
            [
                *("limit", "offset", "order_by", "starting_after", "query", "user_id", "status"),
                *("organization_id", "role", "email_address", "username"),
            ]
        ),
        st.text(),
    ),
    path=st.sampled_from(
        [*("/v1/users", "/v1/users/count", "/v1/sessions", "/v1/organizations"), "/v1/organization_memberships"]
    ),
)
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_query_makes_it_fail(emulator: EmulatorProcess, query: dict[str, str], path: str) -> None:
    assert emulator.request("GET", path, params=query).status_code < 500


def test_bytes_that_are_not_http_do_no_harm(emulator: EmulatorProcess) -> None:
    with socket.create_connection(("127.0.0.1", emulator.port), timeout=5) as connection:
        connection.sendall(b"\x16\x03\x01\x02\x00rubbish\r\n\r\n")
        assert b" 500 " not in connection.recv(4096)
    assert emulator.request("GET", "/healthz").ok


def test_fifty_requests_at_once_are_answered(emulator: EmulatorProcess) -> None:
    with ThreadPoolExecutor(50) as pool:
        emails = [f"parallel{number}@example.com" for number in range(50)]
        users = list(pool.map(emulator.create_user, emails))
    assert len({user["id"] for user in users}) == 50
    assert "Traceback" not in emulator.output


# The Frontend API: forms instead of JSON, sent by a browser.
FIELDS = (
    *("email_address", "username", "first_name", "password", "new_password", "current_password", "code"),
    *("unsafe_metadata", "identifier", "strategy", "ticket", "primary_email_address_id", "locale"),
    *("active_organization_id", "sign_out_of_other_sessions"),
)
VALUES = ("", "\x00\U0001f600", "x" * 20_000, '{"\\ud800": 1}', '{"a":' * 3_000 + "1" + "}" * 3_000, "' OR 1=1 --")


def _routes() -> list[tuple[str, str]]:
    app = Flask(__name__, static_folder=None)
    app.register_blueprint(frontend_api())
    return sorted(
        (method, rule.rule)
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    )


@pytest.fixture
def browsers_ids(browser: Browser, email: str) -> dict[str, str]:
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
        assert answer.status_code < 500, answer.text
        assert answer.ok or answer.json()["errors"][0]["code"]


@pytest.mark.parametrize(("method", "rule"), _routes())
def test_no_form_makes_it_fail(
    emulator: EmulatorProcess, browser: Browser, browsers_ids: dict[str, str], method: str, rule: str
) -> None:
    unknown = re.sub("<.*?>", "%00%ff'", rule)
    if unknown != rule:
        _send(browser, method, unknown)
    _send(browser, method, re.sub("<(.*?)>", lambda name: browsers_ids.get(name[1], "any"), rule))
    with Browser(emulator, by_cookie=True) as stranger:
        _send(stranger, method, unknown)
