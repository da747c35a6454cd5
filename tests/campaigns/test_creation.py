"""POST /campaigns and /api/campaigns: what makes a campaign, and what does not."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.caller import is_problem
from tests.support.campaigns import MOUNTS, SHOWN, Owner, check_counts
from tests.support.database import Sql

BROKEN_TIMES: tuple[Any, ...] = (
    *("2026-01-01", "2026-01-01T00:00:00", "2026-01-01T00:00Z", "now", 1, "1700000000"),
    *("\uff12\uff10\uff12\uff16-01-31T18:00:00Z", "2026-01-31T18:00:00.\uff11Z", "2026-01-31T18:00:00+99:99"),
    *("0001-01-01T00:00:00+14:00", "2026-01-01T00:00:00+24:00", "2026-13-01T00:00:00Z"),
)
BROKEN_BUDGETS: tuple[Any, ...] = ({}, {"amount_minor": 1}, {"currency": "EUR"}, 5, [])


class TestCreate:
    FULL: dict[str, Any] = {  # noqa: RUF012
        "name": " Spring sale ",
        "description": "Line one\nline two: 50 % off, äöü \U0001f389",
        "channel": "social",
        "budget": {"amount_minor": 10**15, "currency": "JPY"},
        "starts_at": "2026-03-01T00:00:00+02:00",
        "ends_at": "2026-03-01T00:00:00Z",
        "tags": ["Spring", "ÜBER", "a b"],
    }

    @pytest.mark.parametrize("path", MOUNTS)
    def test_valid(self, owner: Owner, sql: Sql, path: str) -> None:
        owner.path = path
        answer = owner.post(**self.FULL)
        assert answer.status_code == 201
        body = answer.json()
        assert set(body) == SHOWN
        assert answer.headers["Location"] == f"{owner.path}/{body['campaign_id']}"
        assert answer.headers["ETag"] == '"1"'
        assert body["user_id"] == sql.user("user_1")["user_id"]
        assert {name: body[name] for name in self.FULL} == self.FULL | {
            "name": "Spring sale",
            "starts_at": "2026-02-28T22:00:00Z",
            "tags": ["spring", "über", "a b"],
        }
        assert (body["status"], body["template_id"], body["version"]) == ("draft", None, 1)
        assert body["created_at"].endswith("Z")
        assert owner.call("GET", f"/{body['campaign_id']}").json() == body
        check_counts(sql)

    def test_least(self, owner: Owner) -> None:
        body = owner.create()
        optional = ("description", "budget", "starts_at", "ends_at", "tags")
        assert [body[name] for name in optional] == [None, None, None, None, []]

    def test_mass_assignment(self, owner: Owner, sql: Sql) -> None:
        made = owner.create()
        before = sql.rows("SELECT * FROM campaigns")
        for member in ("user_id", "version", "created_at", "deleted_at", "campaign_id", "status"):
            sent: dict[str, Any] = {"name": "x", "channel": "sms", member: 1}
            for answer in (owner.call("POST", json=sent), owner.patch(made, **sent)):
                body = is_problem(answer, 422, "validation")
                assert [error["path"] for error in body["errors"]] == [member]
                assert sql.rows("SELECT * FROM campaigns") == before
        check_counts(sql)

    WRONG: tuple[dict[str, Any], ...] = (
        *({"name": name} for name in (..., None, "", " ", "x" * 101, 1, "a\nb", "a\0b", "\u202eb")),
        *({"channel": channel} for channel in (..., None, "fax", "EMAIL", 1)),
        *({"description": text} for text in ("x" * 5_001, "a\0b", "a\rb", "\x1b[0m", 1)),
        *({"budget": {"amount_minor": amount, "currency": "EUR"}} for amount in (-1, 10**15 + 1, 1.5, "1", True)),
        {"budget": {"amount_minor": 10**400, "currency": "EUR"}},
        *({"budget": {"amount_minor": 1, "currency": code}} for code in ("XXX", "eur", "ABC", "EURO", "", None, 978)),
        *({"budget": budget} for budget in BROKEN_BUDGETS),
        *({"starts_at": time} for time in BROKEN_TIMES),
        *({"ends_at": time} for time in ("9999-12-31T23:59:59-14:00", "2200-01-01T00:00:00Z", "-infinity")),
        {"starts_at": "2026-01-01T00:00:00Z", "ends_at": "2026-01-01T00:00:00Z"},
        {"starts_at": "2026-01-01T00:00:00Z", "ends_at": "2026-01-01T00:30:00+01:00"},
        *({"tags": tags} for tags in (None, "x", [""], ["x" * 51], ["İ" * 50], ["a", "A"], ["a", " a"], [1], ["a\nb"])),
        {"tags": [str(number) for number in range(21)]},
        *({"template_id": template_id} for template_id in (0, -1, 1, 10**18, 10**30, "1", True)),
    )

    @pytest.mark.parametrize("offset", ["+16:00", "-23:59"])
    def test_far_offsets(self, owner: Owner, offset: str) -> None:
        """Python knows them, PostgreSQL does not."""
        made = owner.create(starts_at=f"2026-03-01T12:00:00{offset}")
        hours, minutes = int(offset[:3]), int(offset[0] + offset[4:])
        expected = datetime(2026, 3, 1, 12, tzinfo=UTC) - timedelta(hours=hours, minutes=minutes)
        assert datetime.fromisoformat(made["starts_at"]) == expected

    def test_wrong_values(self, owner: Owner, sql: Sql) -> None:
        for wrong in self.WRONG:
            body = is_problem(owner.post(**wrong), 422, "validation")
            assert body["errors"], wrong
            assert "\uff12" not in json.dumps(body, ensure_ascii=False)
            assert "timedelta" not in str(body)
        assert sql.value("SELECT count(*) FROM campaigns") == 0
        assert sql.value("SELECT count(*) FROM idempotency_keys") == 0
        check_counts(sql)

    def test_most(self, owner: Owner) -> None:
        tags = [f"{number:050}" for number in range(20)]
        made = owner.create(name="ä" * 100, description="\n" * 5_000, tags=tags)
        assert (made["tags"], len(made["description"])) == (tags, 5_000)
