"""POST /api/webhooks: what is not a fresh, whole, signed delivery is refused, and leaves no trace."""

import base64
import json
import secrets
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import requests
from svix.webhooks import Webhook

from tests.support.clerk import Instance, clerk_id, event, user_data
from tests.support.database import Sql
from tests.support.server import Server, running_server


@pytest.fixture
def body() -> bytes:
    return event("user.created", user_data(clerk_id("user")))


def post(server: Server, body: bytes, headers: dict[str, str]) -> requests.Response:
    return server.request("POST", "/api/webhooks", data=body, headers=headers)


def assert_refused(answer: requests.Response, code: str, sql: Sql) -> None:
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert sql.value("SELECT (SELECT count(*) FROM users) + (SELECT count(*) FROM webhook_events)") == 0


class TestSignature:
    def test_anonymous(self, server: Server, sql: Sql, body: bytes) -> None:
        answer = post(server, body, {"content-type": "application/json"})
        assert_refused(answer, "webhook-headers-missing", sql)
        assert all(
            name in answer.json()["detail"] for name in ("svix-id", "svix-timestamp", "svix-signature")
        )

    @pytest.mark.parametrize("name", ["svix-id", "svix-timestamp", "svix-signature"])
    def test_one_header_missing(
        self, server: Server, clerk: Instance, sql: Sql, body: bytes, name: str
    ) -> None:
        headers = clerk.webhook_headers(body)
        del headers[name]
        assert_refused(post(server, body, headers), "webhook-headers-missing", sql)

    def test_session_token_is_no_signature(
        self, server: Server, clerk: Instance, sql: Sql, body: bytes
    ) -> None:
        answer = server.request("POST", "/api/webhooks", clerk.token(), data=body)
        assert_refused(answer, "webhook-headers-missing", sql)

    @pytest.mark.parametrize(
        "form",
        [
            "v1,AAAA",
            "v1," + "A" * 43 + "=",
            "{mac}",
            "v2,{mac}",
            "v1a,{mac}",
            "v1,{truncated}",
            "v1",
            "v1,a,b",
            "v1,{mac},",
            "v1, {mac}",
            "v1,!!!!",
            "v1,{mac}=",
            "v1,{mac}\u00e9",
            "A" * 8192,
            " ".join(["v1," + "B" * 43 + "="] * 300),
        ],
    )
    def test_garbage(self, server: Server, clerk: Instance, sql: Sql, body: bytes, form: str) -> None:
        headers = clerk.webhook_headers(body)
        mac = headers["svix-signature"].removeprefix("v1,")
        value = form.format(mac=mac, truncated=mac[:20])
        # latin-1, as HTTP has it: requests would refuse to encode what is not ASCII
        sent: dict[str, str | bytes] = {**headers, "svix-signature": value.encode("latin-1")}
        answer = requests.post(f"{server.url}/api/webhooks", data=body, headers=sent, timeout=30)
        assert_refused(answer, "webhook-signature-invalid", sql)

    def test_good_one_among_others_and_double_spaces(
        self, server: Server, clerk: Instance, sql: Sql, body: bytes
    ) -> None:
        headers = clerk.webhook_headers(body)
        headers["svix-signature"] = f"v1a,x  v1,{'A' * 43}=  {headers['svix-signature']} v1"
        assert post(server, body, headers).json() == {"status": "applied"}
        assert sql.value("SELECT count(*) FROM users") == 1

    def test_signature_of_another_body(self, server: Server, clerk: Instance, sql: Sql, body: bytes) -> None:
        other = event("user.deleted", {"id": "user_victim", "deleted": True})
        assert_refused(post(server, other, clerk.webhook_headers(body)), "webhook-signature-invalid", sql)

    def test_written_again_json_is_another_body(
        self, server: Server, clerk: Instance, sql: Sql, body: bytes
    ) -> None:
        compact = json.dumps(json.loads(body), separators=(",", ":")).encode()
        assert_refused(post(server, compact, clerk.webhook_headers(body)), "webhook-signature-invalid", sql)

    @pytest.mark.parametrize(
        "body",
        [
            b'  {"type" :\t"user.created",\r\n "object":"event","data":{"id":"user_spaced", "updated_at": 1}}\n',
            b'{"data":{"updated_at":1,"first_name":"\\u00c5sa\\ud83c\\udf9f","id":"user_escaped"},"type":"user.created"}',
            '{"type":"user.created","data":{"id":"user_raw","updated_at":1,"first_name":"Åsa🎟"}}'.encode(),
        ],
    )
    def test_bytes_count_not_form(self, server: Server, clerk: Instance, sql: Sql, body: bytes) -> None:
        assert post(server, body, clerk.webhook_headers(body)).json() == {"status": "applied"}
        assert sql.value("SELECT first_name FROM users") in {None, "Åsa🎟"}

    def test_body_that_is_not_text(self, server: Server, clerk: Instance, sql: Sql) -> None:
        """Svix signs text. Latin-1 bytes under any signature are nobody's delivery."""
        answer = post(server, b'{"type":"\xff"}', clerk.webhook_headers(b'{"type":"x"}'))
        assert_refused(answer, "webhook-signature-invalid", sql)


class TestTimeAndId:
    # The clock may turn a second on the way; the exact edge is tested with a clock of the test's own.
    @pytest.mark.parametrize("age", [298, -299])
    def test_just_inside_the_window(
        self, server: Server, clerk: Instance, sql: Sql, body: bytes, age: int
    ) -> None:
        assert post(server, body, clerk.webhook_headers(body, age=age)).status_code == 200
        assert sql.value("SELECT count(*) FROM webhook_events") == 1

    @pytest.mark.parametrize("age", [301, -302, 86_400])
    def test_outside_the_window(
        self, server: Server, clerk: Instance, sql: Sql, body: bytes, age: int
    ) -> None:
        answer = post(server, body, clerk.webhook_headers(body, age=age))
        assert_refused(answer, "webhook-timestamp-out-of-tolerance", sql)

    @pytest.mark.parametrize("form", ["{}.0", "+{}", "1_{}", "{}000", "nan", "inf", "1e9", "-1", "٣" * 10])
    def test_timestamp_that_is_not_seconds(
        self, server: Server, clerk: Instance, sql: Sql, body: bytes, form: str
    ) -> None:
        headers = clerk.webhook_headers(body)
        value = form.format(headers["svix-timestamp"])
        sent: dict[str, str | bytes] = {**headers, "svix-timestamp": value.encode()}
        answer = requests.post(f"{server.url}/api/webhooks", data=body, headers=sent, timeout=30)
        assert_refused(answer, "webhook-signature-invalid", sql)

    @pytest.mark.parametrize("event_id", ["msg.1", "msg 1", "m" * 129, "m" * 10_000, "msg/1", "msg\u00e9"])
    def test_id_that_is_no_plain_word(
        self, server: Server, clerk: Instance, sql: Sql, body: bytes, event_id: str
    ) -> None:
        """Signed for this very id, so that only its form is wrong."""
        at = datetime.fromtimestamp(int(time.time()), UTC)
        headers: dict[str, str | bytes] = {
            "svix-id": event_id.encode("latin-1"),
            "svix-timestamp": str(int(at.timestamp())),
            "svix-signature": Webhook(clerk.webhook_secret).sign(event_id, at, body.decode()),
        }
        answer = requests.post(f"{server.url}/api/webhooks", data=body, headers=headers, timeout=30)
        assert_refused(answer, "webhook-signature-invalid", sql)

    def test_longest_id(self, server: Server, clerk: Instance, sql: Sql, body: bytes) -> None:
        event_id = "m" * 128
        assert post(server, body, clerk.webhook_headers(body, event_id=event_id)).status_code == 200
        assert sql.value("SELECT event_id FROM webhook_events") == event_id


@pytest.fixture(scope="module")
def new_secret() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


@pytest.fixture(scope="module")
def rotating(
    settings: dict[str, str], clerk: Instance, new_secret: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A server that takes deliveries under the new secret and the old one."""
    both = f"{new_secret}, {clerk.webhook_secret}"
    folder = tmp_path_factory.mktemp("rotating")
    with running_server(folder, {**settings, "CLERK_WEBHOOK_SECRET": both}) as running:
        yield running


class TestRotation:
    """Two secrets are valid while one replaces the other."""

    def test_either_signs(
        self, rotating: Server, clerk: Instance, sql: Sql, body: bytes, new_secret: str
    ) -> None:
        for secret in (new_secret, clerk.webhook_secret):
            assert post(rotating, body, clerk.webhook_headers(body, secret=secret)).status_code == 200
        assert sql.value("SELECT count(*) FROM webhook_events") == 2

    def test_a_third_does_not(self, rotating: Server, clerk: Instance, sql: Sql, body: bytes) -> None:
        third = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
        answer = post(rotating, body, clerk.webhook_headers(body, secret=third))
        assert_refused(answer, "webhook-signature-invalid", sql)

    def test_removed_one_does_not(
        self, server: Server, clerk: Instance, sql: Sql, body: bytes, new_secret: str
    ) -> None:
        answer = post(server, body, clerk.webhook_headers(body, secret=new_secret))
        assert_refused(answer, "webhook-signature-invalid", sql)
