"""POST /api/webhooks: what is not a fresh, whole, signed delivery is refused, and leaves no trace.

The verifier itself is asked the published Standard Webhooks vector, and the forms of Svix's own test tables.
"""

import base64
import hashlib
import hmac
import json
import secrets
import time
from datetime import UTC, datetime

import pytest
import requests
import time_machine
from pydantic import SecretStr
from svix.webhooks import Webhook

from backend.errors import AppError, ErrorCode
from backend.services.clerk.webhooks.signature import WebhookVerifier
from tests.support.caller import is_problem
from tests.support.clerk import Instance, clerk_id, event, user_data
from tests.support.database import Sql
from tests.support.fixtures import StartServer
from tests.support.server import Server

Headers = dict[str, str | bytes]

# Published by Svix with its libraries; the signature is of 2021.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
EVENT_ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
SIGNED_AT = 1_614_265_330
BODY = b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
OTHER_SIGNATURE = "v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc="

GARBAGE = (
    *("v1,AAAA", "v1," + "A" * 43 + "=", "{mac}", "v2,{mac}", "v1a,{mac}", "v1,{truncated}", "v1", "v1,a,b"),
    *("v1,{mac},", "v1, {mac}", "v1,!!!!", "v1,{mac}=", "v1,{mac}\u00e9", "A" * 8192),
    " ".join(["v1," + "B" * 43 + "="] * 300),
)
BODIES = (
    b'  {"type" :\t"user.created",\r\n "object":"event","data":{"id":"user_spaced", "updated_at": 1}}\n',
    b'{"data":{"updated_at":1,"first_name":"\\u00c5sa\\ud83c\\udf9f","id":"user_escaped"},"type":"user.created"}',
    '{"type":"user.created","data":{"id":"user_raw","updated_at":1,"first_name":"Åsa🎟"}}'.encode(),
)


@pytest.fixture
def body(sql: Sql) -> bytes:  # noqa: ARG001 - the tables are to be empty
    return event("user.created", user_data(clerk_id("user")))


@pytest.fixture
def signed(clerk: Instance, body: bytes) -> Headers:
    return {**clerk.webhook_headers(body)}


def post(server: Server, body: bytes, headers: Headers) -> requests.Response:
    return requests.post(f"{server.url}/api/webhooks", data=body, headers=headers, timeout=30)


def assert_refused(answer: requests.Response, code: str, sql: Sql) -> None:
    is_problem(answer, 400, code)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert sql.value("SELECT (SELECT count(*) FROM users) + (SELECT count(*) FROM webhook_events)") == 0


class TestSignature:
    def test_missing_headers(self, server: Server, clerk: Instance, sql: Sql, body: bytes, signed: Headers) -> None:
        """A session token is no signature."""
        bearer: Headers = {"Authorization": f"Bearer {clerk.token()}"}
        for headers in ({}, bearer):
            assert_refused(post(server, body, headers), "webhook-headers-missing", sql)
        detail = post(server, body, {}).json()["detail"]
        assert all(name in detail for name in ("svix-id", "svix-timestamp", "svix-signature"))
        for name in ("svix-id", "svix-timestamp", "svix-signature"):
            without = {other: value for other, value in signed.items() if other != name}
            assert_refused(post(server, body, without), "webhook-headers-missing", sql)

    def test_garbage(self, server: Server, sql: Sql, body: bytes, signed: Headers) -> None:
        mac = str(signed["svix-signature"]).removeprefix("v1,")
        for form in GARBAGE:
            # latin-1, as HTTP has it: requests would refuse to encode what is not ASCII
            value = form.format(mac=mac, truncated=mac[:20]).encode("latin-1")
            answer = post(server, body, signed | {"svix-signature": value})
            assert_refused(answer, "webhook-signature-invalid", sql)

    def test_good_one_among_others_and_double_spaces(
        self, server: Server, sql: Sql, body: bytes, signed: Headers
    ) -> None:
        several = f"v1a,x  v1,{'A' * 43}=  {signed['svix-signature']!s} v1"
        assert post(server, body, signed | {"svix-signature": several}).json() == {"status": "applied"}
        assert sql.value("SELECT count(*) FROM users") == 1

    def test_signature_of_another_body(self, server: Server, sql: Sql, body: bytes, signed: Headers) -> None:
        """The same JSON written again is one, and so are bytes that are not text: Svix signs text."""
        compact = json.dumps(json.loads(body), separators=(",", ":")).encode()
        deleted = event("user.deleted", {"id": "user_victim", "deleted": True})
        for other in (deleted, compact, body[:-1] + b"\xff", b'{"type":"\xff"}'):
            assert_refused(post(server, other, signed), "webhook-signature-invalid", sql)

    @pytest.mark.parametrize("body", BODIES)
    def test_bytes_count_not_form(self, server: Server, clerk: Instance, sql: Sql, body: bytes) -> None:
        assert post(server, body, {**clerk.webhook_headers(body)}).json() == {"status": "applied"}
        assert sql.value("SELECT first_name FROM users") in {None, "Åsa🎟"}


class TestTimeAndId:
    # The clock may turn a second on the way; the exact edge is tested with a clock of the test's own.
    def test_window(self, server: Server, clerk: Instance, sql: Sql, body: bytes) -> None:
        for age in (301, -302, 86_400):
            answer = post(server, body, {**clerk.webhook_headers(body, age=age)})
            assert_refused(answer, "webhook-timestamp-out-of-tolerance", sql)
        for age in (298, -299):
            assert post(server, body, {**clerk.webhook_headers(body, age=age)}).status_code == 200

    def test_timestamp_that_is_not_seconds(self, server: Server, sql: Sql, body: bytes, signed: Headers) -> None:
        for form in ("{}.0", "+{}", "1_{}", "{}000", "nan", "inf", "1e9", "-1", "٣" * 10):
            value = form.format(signed["svix-timestamp"]).encode()
            answer = post(server, body, signed | {"svix-timestamp": value})
            assert_refused(answer, "webhook-signature-invalid", sql)

    def test_id_that_is_no_plain_word(self, server: Server, clerk: Instance, sql: Sql, body: bytes) -> None:
        """Signed for this very id, so that only its form is wrong."""
        at = datetime.fromtimestamp(int(time.time()), UTC)
        for event_id in ("msg.1", "msg 1", "m" * 129, "m" * 10_000, "msg/1", "msg\u00e9", "m" * 128):
            headers: Headers = {
                "svix-id": event_id.encode("latin-1"),
                "svix-timestamp": str(int(at.timestamp())),
                "svix-signature": Webhook(clerk.webhook_secret).sign(event_id, at, body.decode()),
            }
            answer = post(server, body, headers)
            if len(event_id) == 128:
                assert answer.status_code == 200
                assert sql.value("SELECT event_id FROM webhook_events") == event_id
            else:
                assert_refused(answer, "webhook-signature-invalid", sql)


def test_rotation(start_server: StartServer, server: Server, clerk: Instance, sql: Sql, body: bytes) -> None:
    """Two secrets are valid while one replaces the other, and no third; nor a new one where only the old is known."""
    new, third = ("whsec_" + base64.b64encode(secrets.token_bytes(32)).decode() for _ in range(2))
    with start_server(CLERK_WEBHOOK_SECRET=f"{new}, {clerk.webhook_secret}") as rotating:
        for asked, secret in ((rotating, third), (server, new)):
            answer = post(asked, body, {**clerk.webhook_headers(body, secret=secret)})
            assert_refused(answer, "webhook-signature-invalid", sql)
        for secret in (new, clerk.webhook_secret):
            assert post(rotating, body, {**clerk.webhook_headers(body, secret=secret)}).status_code == 200
    assert sql.value("SELECT count(*) FROM webhook_events") == 2


def verify(
    headers: dict[str, str] | None = None, *, now: float = SIGNED_AT, body: bytes = BODY, secret: str = SECRET
) -> str:
    """The vector, with what a test changes in it, at a time of the test's choice: the id, or why it is refused."""
    vector = {"svix-id": EVENT_ID, "svix-timestamp": str(SIGNED_AT), "svix-signature": SIGNATURE}
    with time_machine.travel(now, tick=False):
        try:
            return WebhookVerifier([SecretStr(secret)]).verify(body, vector | (headers or {}))
        except AppError as refused:
            is_missing = refused.code is ErrorCode.WEBHOOK_HEADERS_MISSING
            return f"{refused.code}: {refused.detail}" if is_missing else refused.code.value


def signature(event_id: str, timestamp: str, body: bytes, secret: str = SECRET) -> str:
    """The MAC as the specification words it, made without the library."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = b".".join([event_id.encode(), timestamp.encode(), body])
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


class TestKnownVector:
    def test_is_good(self) -> None:
        assert signature(EVENT_ID, str(SIGNED_AT), BODY) == SIGNATURE
        assert verify() == EVENT_ID
        several = f"{OTHER_SIGNATURE} v2,{SIGNATURE[3:]} {SIGNATURE} {OTHER_SIGNATURE}"
        assert verify({"svix-signature": several}) == EVENT_ID
        body = '{"name": "Zoë 🎟"}'.encode()
        assert verify({"svix-signature": signature(EVENT_ID, str(SIGNED_AT), body)}, body=body) == EVENT_ID

    @pytest.mark.parametrize("edge", [1, -1])
    def test_window(self, edge: int) -> None:
        assert verify(now=SIGNED_AT + edge * 299) == EVENT_ID
        assert verify(now=SIGNED_AT + edge * 301) == "webhook-timestamp-out-of-tolerance"


class TestSvixTables:
    """Each case of Svix's Python, JavaScript and Go tests that must not pass."""

    def test_missing_header(self) -> None:
        for name in ("svix-id", "svix-timestamp", "svix-signature"):
            for value in ("", "  "):
                reason = verify({name: value})
                assert reason.startswith("webhook-headers-missing: ")
                assert name in reason

    def test_invalid(self) -> None:
        mac = SIGNATURE[3:]
        for value in (
            OTHER_SIGNATURE,  # "invalid signature"
            SIGNATURE[:10],  # "partial signature"
            SIGNATURE[:-2] + "A=",  # one bit
            *(mac, f"v2,{mac}", f"v1a,{mac}", f"V1,{mac}", f"{SIGNATURE},", f"{SIGNATURE}="),
            *(SIGNATURE.replace("=", ""), "v1,", "v1", ","),
        ):
            assert verify({"svix-signature": value}) == "webhook-signature-invalid", value
        for value in ("hello", "-1", "nan", "1e9", f"+{SIGNED_AT}", f"{SIGNED_AT}.0"):
            assert verify({"svix-timestamp": value}) == "webhook-signature-invalid", value
        for body in (BODY + b" ", BODY.replace(b" ", b""), b"", b"\xff" + BODY):
            assert verify(body=body) == "webhook-signature-invalid", body
        other = "whsec_" + base64.b64encode(bytes(24)).decode()
        assert verify(secret=other) == "webhook-signature-invalid"

    def test_dot_moved_between_id_and_timestamp(self) -> None:
        """The signed text has no marks between its parts: an id with a dot could stand for id and timestamp."""
        mac = signature("msg_1.1600000000", str(SIGNED_AT), BODY)
        moved = {"svix-id": "msg_1.1600000000", "svix-signature": mac}
        assert verify(moved) == "webhook-signature-invalid"
