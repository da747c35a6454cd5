"""Clerk's own Node.js SDKs, unmodified, against the emulator: @clerk/backend, an application with @clerk/express."""

import json
import shutil
import subprocess
from collections.abc import Iterator

import pytest
import requests

from config import PROJECT
from development.node import ToolsMissingError
from tests.support.ports import free_port
from tests.support.waiting import wait_for

from .browser import ORIGIN, Browser, Json, told
from .harness import EmulatorProcess, Receiver
from .node_sdk import FOLDER, PACKAGES, NodeSdk, environment, install

EXAMPLE = PROJECT / "examples" / "express"


@pytest.fixture(scope="module")
def node() -> None:
    try:
        install()
    except ToolsMissingError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def sdk(node: None, emulator: EmulatorProcess) -> Iterator[NodeSdk]:  # noqa: ARG001 - it is to be installed
    with NodeSdk(emulator) as sdk:
        yield sdk


@pytest.fixture
def created(emulator: EmulatorProcess, user_id: str) -> Json:
    """A session without a browser."""
    return emulator.create_session(user_id)


class TestVerifyToken:
    def test_by_key_and_by_key_set(self, sdk: NodeSdk, emulator: EmulatorProcess, created: Json, jwt_key: str) -> None:
        token = emulator.create_token(created["id"])
        claims = sdk.call("verifyByKey", token=token, jwtKey=jwt_key)
        assert (claims["sub"], claims["sid"], claims["v"]) == (created["user_id"], created["id"], 2)
        assert sdk.call("verifyByKeySet", token=token) == claims

    def test_browsers_token_names_its_origin(self, sdk: NodeSdk, browser: Browser, session: Json, jwt_key: str) -> None:
        token = browser.session_token(session["id"])
        options = {"token": token, "jwtKey": jwt_key}
        assert sdk.call("verifyByKey", **options, authorizedParties=[ORIGIN])["azp"] == ORIGIN
        refusal = sdk.refusal("verifyByKey", **options, authorizedParties=["https://example.com"])
        assert refusal["reason"] == "token-invalid-authorized-parties"

    def test_changed_token(self, sdk: NodeSdk, emulator: EmulatorProcess, created: Json, jwt_key: str) -> None:
        one, other = (emulator.create_token(created["id"]) for _ in range(2))
        token = ".".join([*one.split(".")[:2], other.split(".")[2]])
        for name, options in (("verifyByKey", {"jwtKey": jwt_key}), ("verifyByKeySet", {})):
            assert sdk.refusal(name, token=token, **options)["reason"] == "token-invalid-signature"


class TestAuthenticateRequest:
    def test_bearer_and_nobody(self, sdk: NodeSdk, browser: Browser, session: Json, jwt_key: str) -> None:
        token = browser.session_token(session["id"])
        for options in ({"jwtKey": jwt_key}, {}):
            state = sdk.call("authenticate", token=token, authorizedParties=[ORIGIN], **options)
            assert state["isAuthenticated"]
            assert (state["userId"], state["sessionId"]) == (session["user"]["id"], session["id"])
        state = sdk.call("authenticate", token=None)
        assert (state["isAuthenticated"], state["userId"]) == (False, None)


class TestUsers:
    def test_list_and_count(self, sdk: NodeSdk, emulator: EmulatorProcess, email: str) -> None:
        assert sdk.call("users", emailAddress=email) == {"users": [], "totalCount": 0, "count": 0}
        user = emulator.create_user(email, first_name="Ada")
        found = sdk.call("users", emailAddress=email)
        assert (found["totalCount"], found["count"]) == (1, 1)
        [one] = found["users"]
        assert (one["id"], one["firstName"]) == (user["id"], "Ada")
        assert one["emailAddresses"][0]["emailAddress"] == email

    def test_life(self, sdk: NodeSdk, email: str) -> None:
        user = sdk.call("createUser", emailAddress=[email], password="analytical engine", firstName="Ada")
        assert sdk.call("updateUser", userId=user["id"], lastName="Lovelace")["lastName"] == "Lovelace"
        metadata = {"plan": {"seats": 3}}
        changed = sdk.call("updateMetadata", userId=user["id"], publicMetadata=metadata)
        assert changed["publicMetadata"] == metadata
        assert sdk.call("verifyPassword", userId=user["id"], password="analytical engine")["verified"]
        assert sdk.call("deleteUser", userId=user["id"])["deleted"]
        refusal = sdk.refusal("deleteUser", userId=user["id"])
        assert (refusal["status"], refusal["codes"]) == (404, ["resource_not_found"])

    def test_pages_and_who_was_merged(self, sdk: NodeSdk, emulator: EmulatorProcess) -> None:
        emulator.call("POST", "/emulator/bulk_seed", json={"users": 25, "number": 12, "webhooks": False})
        pages = [sdk.call("page", query="@seed12.example", limit=10, offset=offset) for offset in (0, 10, 20)]
        ids = [user_id for page in pages for user_id in page["ids"]]
        assert [page["totalCount"] for page in pages] == [25] * 3
        assert len(set(ids)) == 25
        # The SDK has no call for it yet.
        emulator.call("POST", f"/v1/users/{ids[0]}/merge", json={"from_user_id": ids[1]})
        assert len(sdk.call("user", userId=ids[0])["emailAddresses"]) == 2
        assert sdk.refusal("user", userId=ids[1])["status"] == 404
        assert sdk.call("deleteUser", userId=ids[2])["deleted"]
        assert sdk.call("page", query="@seed12.example", limit=500)["ids"] == [ids[0], *ids[3:]]

    def test_phone_number(self, sdk: NodeSdk, user_id: str) -> None:
        phone = sdk.call("createPhoneNumber", userId=user_id, phoneNumber="+15550130001", verified=True)
        assert sdk.call("user", userId=user_id)["primaryPhoneNumberId"] == phone["id"]


def test_organization(sdk: NodeSdk, emulator: EmulatorProcess, user_id: str) -> None:
    body = {"name": "Node", "created_by": user_id}
    organization_id = emulator.call("POST", "/v1/organizations", json=body)["id"]
    emulator.call("PUT", f"/emulator/subscriptions/{organization_id}", json={"plan": "team"})
    given = {"organizationId": organization_id, "inviterUserId": user_id, "emailAddress": "guest@node.test"}
    found = sdk.call("organization", **given)
    assert found["invitations"]["data"] == [found["invitation"]]
    assert found["plans"] == ["team"]


class TestSessions:
    def test_revocation(self, sdk: NodeSdk, created: Json) -> None:
        session_id = created["id"]
        assert sdk.call("session", sessionId=session_id)["status"] == "active"
        assert sdk.call("sessionToken", sessionId=session_id)["jwt"].count(".") == 2
        listed = sdk.call("sessions", userId=created["user_id"], status="active")
        assert [one["id"] for one in listed["data"]] == [session_id]
        assert sdk.call("revoke", sessionId=session_id)["status"] == "revoked"
        assert sdk.call("session", sessionId=session_id)["status"] == "revoked"
        assert sdk.refusal("sessionToken", sessionId=session_id)["codes"] == ["authentication_invalid"]

    def test_sign_in_token(self, sdk: NodeSdk, browser: Browser, user_id: str) -> None:
        ticket = sdk.call("signInToken", userId=user_id)["token"]
        answer = browser.call("POST", "/client/sign_ins", {"strategy": "ticket", "ticket": ticket})
        assert answer["client"]["sessions"][0]["user"]["id"] == user_id


def test_webhook_is_verified(sdk: NodeSdk, emulator: EmulatorProcess, heard: Receiver, user_id: str) -> None:
    [delivery] = told(heard, user_id, "user.created")
    body, secret = delivery.body.decode(), emulator.keys["CLERK_WEBHOOK_SECRET"]
    event = sdk.call("webhook", headers=delivery.headers, body=body, signingSecret=secret)
    assert (event["type"], event["data"]["id"]) == ("user.created", user_id)
    refusal = sdk.refusal("webhook", headers=delivery.headers, body=f"{body} ", signingSecret=secret)
    assert "signature" in refusal["message"]


@pytest.fixture(scope="module")
def express(node: None, emulator: EmulatorProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:  # noqa: ARG001
    """The address of examples/express, unchanged, with nothing but the emulator's keys and address."""
    wanted = json.loads((EXAMPLE / "package.json").read_text())["dependencies"]
    assert wanted.items() <= json.loads((FOLDER / "package.json").read_text())["dependencies"].items()
    folder = tmp_path_factory.mktemp("express")
    shutil.copytree(EXAMPLE, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("node_modules"))
    (folder / "node_modules").symlink_to(PACKAGES)
    port = free_port()
    settings = environment(emulator) | {"PORT": str(port)}
    with (folder / "output.log").open("wb") as output:
        process = subprocess.Popen(("node", "server.mjs"), cwd=folder, env=settings, stdout=output, stderr=output)
    url = f"http://127.0.0.1:{port}"
    wait_for(lambda: process.poll() is not None or _answers(url))
    assert process.poll() is None, (folder / "output.log").read_text()
    yield url
    process.terminate()
    process.wait(10)


def _answers(url: str) -> bool:
    try:
        requests.get(url, timeout=5)
    except requests.ConnectionError:
        return False
    return True


def test_express_application(express: str, browser: Browser, session: Json) -> None:
    token = browser.session_token(session["id"])
    answer = requests.get(f"{express}/whoami", headers={"Authorization": f"Bearer {token}"}, timeout=10)
    assert answer.json() == {"userId": session["user"]["id"], "sessionId": session["id"]}
    assert requests.get(f"{express}/whoami", timeout=10).status_code == 401
