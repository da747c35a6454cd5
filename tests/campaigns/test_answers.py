"""What each operation on campaigns and templates answers, member by member.

`make test ARGS="tests/campaigns/test_answers.py --snapshot-update"` takes over what is answered now.
"""

from syrupy.assertion import SnapshotAssertion

from tests.support.admins import add_user
from tests.support.answers import Recorder, as_json
from tests.support.campaigns import MOUNTS
from tests.support.clerk import Instance
from tests.support.database import Sql
from tests.support.server import Server


def test_answers(server: Server, clerk: Instance, sql: Sql, snapshot: SnapshotAssertion) -> None:
    add_user(sql, clerk_user_id="user_1", plan="pro")
    record = Recorder(server, lambda: clerk.token(sub="user_1"))
    template = record("POST /api/templates", json={"name": "Sale", "channel": "email", "tags": ["a"]})["template_id"]
    record("GET /api/templates")
    record("GET /api/templates/{template_id}", template)
    record("PATCH /api/templates/{template_id}", template, json={"description": "Every spring."})
    for mount in MOUNTS:
        made = record(
            f"POST {mount}", json={"template_id": template, "budget": {"amount_minor": 125_000, "currency": "EUR"}}
        )
        one, campaign = f"{mount}/{{campaign_id}}", made["campaign_id"]
        record(f"GET {one}", campaign)
        record(f"PATCH {one}", campaign, json={"status": "active", "starts_at": "2027-03-01T09:00:00Z"})
        record(f"POST {one}/archive", campaign)
        record(f"POST {one}/restore", campaign)
        record(f"GET {mount}", query="?limit=1")
        record(f"DELETE {one}", campaign)
    record("DELETE /api/templates/{template_id}", template)
    assert record.answers == as_json(snapshot)


def test_refusals(server: Server, clerk: Instance, sql: Sql, snapshot: SnapshotAssertion) -> None:  # noqa: ARG001
    token = clerk.token(sub="user_1")
    record = Recorder(server, lambda: token)
    campaign = {"name": "x", "channel": "sms"}
    wrong = {"name": "", "channel": "fax", "budget": {"amount_minor": 1.5}, "x": 1}
    for _ in range(3):
        server.request("POST", "/api/campaigns", token, json=campaign)
    for name, answer in {
        "wrong values": server.request("POST", "/api/campaigns", token, json=wrong),
        "no room": server.request("POST", "/api/campaigns", token, json=campaign),
        "wrong status": server.request("PATCH", "/api/campaigns/1", token, json={"status": "completed"}),
    }.items():
        assert not answer.ok
        record.keep(name, answer)
    assert record.answers == as_json(snapshot)
