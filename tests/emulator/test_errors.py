"""Whatever is sent, the answer is Clerk's form of an error and never a failure of the emulator."""

import json
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .harness import EmulatorProcess

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


def _assert_clerks_form(response: requests.Response) -> dict[str, Any]:
    body = response.json()
    assert set(body) == {"errors", "clerk_trace_id"}
    error: dict[str, Any] = body["errors"][0]
    assert set(error) - {"meta"} == {"message", "long_message", "code"}
    return error


@pytest.mark.parametrize(
    ("header", "code"),
    [
        (None, "authorization_header_format_invalid"),
        ("Basic abc", "authorization_header_format_invalid"),
        ("Bearer sk_test_emulator_wrong", "clerk_key_invalid"),
        ("Bearer sk_\xff", "clerk_key_invalid"),
    ],
)
@pytest.mark.parametrize("path", ["/v1/users", "/v1/jwks", "/emulator/messages"])
def test_the_secret_key_is_needed(
    emulator: EmulatorProcess, path: str, header: str | None, code: str
) -> None:
    headers = {"Authorization": header} if header else {}
    response = requests.get(f"{emulator.url}{path}", headers=headers, timeout=5)
    assert response.status_code == 401
    assert _assert_clerks_form(response)["code"] == code


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/users/user_nobody"),
        ("DELETE", "/v1/users/user_nobody"),
        ("POST", "/v1/users/user_nobody/ban"),
        ("GET", "/v1/sessions/sess_none"),
        ("POST", "/v1/sessions/sess_none/tokens"),
        ("POST", "/emulator/messages/msg_none/replay"),
        ("GET", "/v1/organization_invitations"),
        ("GET", "/v1//users"),
        ("GET", "/v1/users/%00%ff"),
    ],
)
def test_what_is_not_there_is_not_found(emulator: EmulatorProcess, method: str, path: str) -> None:
    response = emulator.request(method, path)
    assert response.status_code == 404
    assert _assert_clerks_form(response)["code"] == "resource_not_found"


@pytest.mark.parametrize(
    "body",
    [
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
    ],
)
@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_a_body_that_is_not_a_json_object_is_malformed(
    emulator: EmulatorProcess, ids: dict[str, str], method: str, path: str, body: bytes
) -> None:
    response = emulator.request(method, path.format(**ids), data=body)
    assert response.status_code == 400
    assert _assert_clerks_form(response)["code"] == "request_body_invalid"


def test_a_huge_body_is_refused(emulator: EmulatorProcess) -> None:
    response = emulator.request("POST", "/v1/users", data=b" " * 3_000_000)
    assert response.status_code == 413
    _assert_clerks_form(response)


def test_a_wrong_method_is_refused(emulator: EmulatorProcess) -> None:
    response = emulator.request("PUT", "/v1/users")
    assert response.status_code == 405
    _assert_clerks_form(response)


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
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
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
        [
            *("/v1/users", "/v1/users/count", "/v1/sessions", "/v1/organizations"),
            "/v1/organization_memberships",
        ]
    ),
)
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
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
