"""POST /api/webhooks: signed by Clerk and still unusable. Kept as dead with its reason, answered 200, never a 5xx."""

import json
import secrets
from typing import Any

import pytest

from tests.conftest import Deliver
from tests.support.clerk import Instance, event, session_data, user_data
from tests.support.database import Sql
from tests.support.server import Server
from tests.support.traffic import post_body

DEEP = 100_000


def created(**changes: object) -> bytes:
    return event("user.created", user_data("user_1", updated_at=1_000) | changes)


ENVELOPES = (
    *(b"", b" ", b"not json", b"null", b"[]", b'"user.created"', b"17", b"[" * DEEP),
    b"\xef\xbb\xbf" + created(),
    created()[:-1],
    b'{"type":"user.created","data":' + b"[" * DEEP + b"]" * DEEP + b"}",
    b'{"type":"user.created","data":{"id":"user_1","updated_at":' + b"9" * 5_000 + b"}}",
    *(b'{"data":{}}', b'{"type":null,"data":{}}', b'{"type":"","data":{}}', b'{"type":["user.created"],"data":{}}'),
    *(b'{"type":"user\\u0000created","data":{}}', b'{"type":"user.\\ud800","data":{}}'),
    json.dumps({"type": "t" * 101, "data": {}}).encode(),
)
NO_IDS: list[object] = [
    *(None, [], "user_1", {}),
    *({"id": value} for value in (None, 17, "", "user\x00one", "user one", "user_\ud800", "Ж", "u" * 256)),
]
NO_TIMES: list[object] = [
    *(None, "1000", True, -1, 1.5, float("nan"), float("inf"), 1e308, 10**400, [1_000], 253_402_300_800_000)
]
NO_PROFILES: list[tuple[dict[str, Any], str]] = [
    *(({"updated_at": value}, "updated_at") for value in NO_TIMES),
    *(
        ({name: value}, name)
        for name in ("first_name", "last_name", "username", "image_url", "external_id")
        for value in ("NUL\x00", "half \udc00", 17, {"a": 1})
    ),
    ({"email_addresses": [{"id": "idn_1", "email_address": "a\x00@example.com"}]}, "email_address"),
    ({"email_addresses": [{"id": "idn_1", "email_address": 5}]}, "email_address"),
    # A wrong type makes the whole unusable, and the reason names the member.
    ({"email_addresses": "ada@example.com"}, "data.email_addresses: "),
    ({"email_addresses": [None]}, "data.email_addresses.0: "),
    ({"email_addresses": [{}, 5]}, "data.email_addresses.1: "),
    ({"banned": "yes"}, "data.banned: "),
    ({"locked": 1}, "data.locked: "),
]
# Whatever a dead event could have done.
COUNTS = "SELECT (SELECT count(*) FROM users) + (SELECT count(*) FROM revoked_sessions)"
NEWEST = "SELECT * FROM webhook_events ORDER BY received_at DESC LIMIT 1"


def test_unreadable(server: Server, clerk: Instance, sql: Sql) -> None:
    for number, body in enumerate(ENVELOPES):
        answer = post_body(server, clerk, body, event_id=f"msg_{number}")
        assert (answer.status_code, answer.json()) == (200, {"status": "dead"}), body[:40]
        ledger = sql.row(NEWEST)
        assert (ledger["event_id"], ledger["status"], ledger["attempts"]) == (f"msg_{number}", "dead", 1)
        assert ledger["payload"] == body.decode()
        assert ledger["error"]
        assert ledger["type"] is None
    assert sql.value(COUNTS) == 0


class TestUnusable:
    @pytest.mark.parametrize("kind", ["user.created", "user.updated", "user.deleted"])
    def test_user_without_a_usable_id(self, deliver: Deliver, sql: Sql, kind: str) -> None:
        for data in NO_IDS:
            answer = deliver(kind, data)
            assert (answer.status_code, answer.json()) == (200, {"status": "dead"}), data
            ledger = sql.row(NEWEST)
            assert ledger["status"] == "dead"
            assert ledger["error"].startswith("data")
            assert json.loads(ledger["payload"])["type"] == kind
        assert sql.value(COUNTS) == 0

    def test_profile(self, deliver: Deliver, sql: Sql) -> None:
        for change, reason in NO_PROFILES:
            data = user_data("user_1", primary_email_address_id="idn_1") | change
            answer = deliver("user.created", data)
            assert (answer.status_code, answer.json()) == (200, {"status": "dead"}), change
            ledger = sql.row(NEWEST)
            assert (ledger["type"], ledger["subject_id"], ledger["status"]) == ("user.created", "user_1", "dead")
            assert reason in ledger["error"]
        assert sql.value(COUNTS) == 0

    def test_session(self, deliver: Deliver, sql: Sql) -> None:
        no_time = {"created_at": None, "updated_at": "now"}
        for kind in ("session.created", "session.ended", "session.removed", "session.revoked"):
            for change in ({"user_id": None}, {"user_id": "\x00"}, no_time):
                answer = deliver(kind, session_data("user_1", "sess_1") | change)
                assert (answer.status_code, answer.json()) == (200, {"status": "dead"}), (kind, change)
        for session_id in (None, "", "\x00", 5, "s" * 256):
            data = session_data("user_1", "sess_1") | {"id": session_id}
            assert deliver("session.ended", data).json() == {"status": "dead"}, session_id
        assert sql.value(COUNTS) == 0

    def test_reason_holds_nothing_of_the_payload(self, deliver: Deliver, sql: Sql) -> None:
        deliver("user.created", user_data("user_1", first_name="Top\x00Secret", email="ada@example.com"))
        error = sql.value("SELECT error FROM webhook_events")
        assert "Secret" not in error
        assert "ada@" not in error


class TestOddButUsable:
    def test_time_of_the_envelope(self, server: Server, clerk: Instance, sql: Sql) -> None:
        """It is only noted: without a usable one the event counts all the same."""
        times: list[object] = [None, "soon", True, -1, 1e308, float("nan"), 10**18, 10**400]
        for number, timestamp in enumerate(times):
            data = user_data(f"user_{number}")
            body = json.dumps({"type": "user.created", "data": data, "timestamp": timestamp}).encode()
            answer = post_body(server, clerk, body)
            assert (answer.status_code, answer.json()) == (200, {"status": "applied"}), timestamp
        assert sql.value("SELECT count(occurred_at) FROM webhook_events") == 0

    def test_member_twice(self, server: Server, clerk: Instance, sql: Sql) -> None:
        body = b'{"type":"x","type":"user.created","data":{"id":"user_0","id":"user_1","updated_at":1}}'
        assert post_body(server, clerk, body).json() == {"status": "applied"}
        assert sql.value("SELECT clerk_user_id FROM users") == "user_1"

    def test_user(self, deliver: Deliver, sql: Sql) -> None:
        odd: list[dict[str, object]] = [
            {"email_addresses": None},
            {"email_addresses": [{}, {"id": None}]},
            {"email_addresses": [{"id": "idn_1", "email_address": None}]},
            {"email_addresses": [{"id": "idn_other", "email_address": "ada@example.com"}]},
            {"primary_email_address_id": None},
            {"banned": None, "locked": None},
            {"public_metadata": {"a": [1] * 1000}, "private_metadata": None, "birthday": "x"},
        ]
        for number, change in enumerate(odd):
            data = user_data(f"user_{number}", primary_email_address_id="idn_1") | change
            assert deliver("user.created", data).json() == {"status": "applied"}, change
            user = sql.user(f"user_{number}")
            told = [user[name] for name in ("email", "email_verified", "banned", "locked")]
            assert told == [None, False, False, False], change

    @pytest.mark.parametrize("name", ["first_name", "username", "image_url"])
    def test_very_long_text(self, deliver: Deliver, sql: Sql, name: str) -> None:
        assert deliver("user.created", user_data("user_1") | {name: "x" * 900_000}).status_code == 200
        assert sql.value("SELECT count(*) FROM webhook_events") == 1

    def test_very_long_address(self, deliver: Deliver, sql: Sql) -> None:
        """An index row of PostgreSQL ends at 2.7 kB: what cannot be stored is dead, not tried for ever."""
        answer = deliver("user.created", user_data("user_1", email=f"{secrets.token_hex(8_000)}@example.com"))
        assert answer.status_code == 200
        assert sql.value("SELECT count(*) FROM webhook_events") == 1

    def test_courtesy_copy_that_cannot_be_read(self, deliver: Deliver, sql: Sql) -> None:
        copy = user_data("user_1", first_name="NUL\x00")
        assert deliver("session.created", session_data("user_1", "sess_1", user=copy)).json() == {"status": "applied"}
        assert sql.user("user_1")["first_name"] is None
        assert sql.user("user_1")["last_login_at"] is not None
