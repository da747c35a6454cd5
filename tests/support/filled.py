"""A database as an admin finds it: somebody of each state, an organization, events that went well and wrong."""

import json
from typing import Any

import requests

from tests.support.admins import add_user
from tests.support.billing import alone, payer
from tests.support.clerk import Instance, session_data, user_data
from tests.support.database import Sql
from tests.support.server import Server
from tests.support.traffic import post_event

# As docs/sql.md has them.
ADA, GRACE, UNKNOWN = "user_2abc", "user_2def", "user_2xyz"
ORGANIZATION, SESSION = "org_2abc", "sess_2abc"
ADDRESS, PHONE = "ada@example.com", "+15555550100"
OTHER_ADDRESS = "analyst@example.com"
# What says who Ada is, what she wrote, and what only the application needs.
PERSONAL = (ADDRESS, PHONE, "countess", "Augusta", "Lovelace", "legacy-7", "avatar", "poetical", "analyst", "nightly")
SECRET = ("hush",)
VERIFIED = {"status": "verified"}
TELL: list[tuple[str, dict[str, Any]]] = [
    ("organization.created", {"id": ORGANIZATION, "name": "Engines", "slug": "engines"}),
    ("organizationDomain.created", {"id": "orgdmn_1", "organization_id": ORGANIZATION, "name": "example.com"}),
    (
        "organizationInvitation.created",
        {"id": "orginv_1", "organization_id": ORGANIZATION, "email_address": OTHER_ADDRESS, "status": "pending"},
    ),
    (
        "organizationMembership.created",
        {
            "id": "orgmem_1",
            "role": "org:admin",
            "organization": {"id": ORGANIZATION},
            "public_user_data": {"user_id": ADA, "identifier": ADDRESS},
        },
    ),
    ("subscriptionItem.created", alone("team", payer=payer(None, ORGANIZATION), id="csub_item_org")),
    ("subscriptionItem.pastDue", alone("pro", status="past_due", payer=payer(ADA))),
    ("session.created", session_data(ADA, SESSION)),
    ("session.ended", session_data(ADA, SESSION, status="ended")),
    ("waitlistEntry.created", {"id": "wait_1", "email_address": OTHER_ADDRESS, "status": "pending"}),
    # Signed, of this user, and of no form: kept with its payload.
    ("session.ended", {"user_id": ADA, "note": "analyst"}),
    ("user.created", user_data(GRACE)),
    ("user.deleted", {"id": GRACE, "object": "user", "deleted": True}),
]


def fill(server: Server, clerk: Instance, sql: Sql) -> None:
    """Ada is user 1, her API key the key 1."""
    names: dict[str, Any] = {
        "username": "countess",
        "first_name": "Augusta",
        "last_name": "Lovelace",
        "external_id": "legacy-7",
    }
    phone = {"id": "idn_2", "phone_number": PHONE, "verification": VERIFIED}
    ada = user_data(ADA, email=ADDRESS, image_url="https://img.clerk.com/avatar", **names)
    ada |= {"phone_numbers": [phone], "primary_phone_number_id": "idn_2", "private_metadata": {"note": "hush"}}
    for kind, data in [("user.created", ada), *TELL]:
        _deliver(server, clerk, kind, {"updated_at": 1, "private_metadata": {"note": "hush"}} | data)
    nearly_all = sql.value("SELECT tokens_limit * 95 / 100 FROM usage_metrics WHERE user_id = 1")
    for method, path, body in (
        ("PATCH", "/api/me", {"bio": "poetical", "website": "https://example.com/poetical"}),
        ("POST", "/api/keys", {"name": "nightly", "scopes": ["profile:read"]}),
        ("POST", "/api/tokens/consume", {"amount": nearly_all}),
    ):
        _call(server, method, path, clerk.token(sub=ADA), json=body, headers={"Idempotency-Key": path})
    _call(server, "GET", "/auth/me", clerk.token(sub="user_2new"))
    add_user(sql, clerk_user_id=None, provisioned_by="legacy")
    counts = {"checked": 9, "missing": 2, "stale": 1, "extra": 1, "diverged": 0, "repaired": 3}
    sql.rows(
        "INSERT INTO sync_runs (command, kinds, status, counts, drift, finished_at) "
        "VALUES ('reconcile', '{users}', 'finished', %s, 1, now())",
        json.dumps({"users": counts}),
    )
    unknown = add_user(sql, clerk_user_id=UNKNOWN, provisioned_by="request", deleted_at="2026-01-01Z")
    sql.rows(
        "INSERT INTO audit_events (action, source, subject_user_id, details) VALUES "
        "('user.deleted', 'sync', %s, '{\"reason\": \"unknown at Clerk\"}'), ('user.link_refused', 'sync', 1, '{}')",
        unknown,
    )


def _deliver(server: Server, clerk: Instance, kind: str, data: object) -> None:
    answer = post_event(server, clerk, kind, data)
    assert answer.status_code == 200, answer.text


def _call(server: Server, method: str, path: str, token: str, **options: Any) -> requests.Response:
    answer = server.request(method, path, token, **options)
    assert answer.ok, answer.text
    return answer
