"""Idempotency-Key at each POST of campaigns and templates: its work is done once, and counted once."""

from typing import Any

import pytest

from tests.support.campaigns import Owner, check_counts
from tests.support.database import Sql
from tests.support.sending_again import check_again, check_together

OPERATIONS = ("campaign", "template", "archive", "restore")


class Sender:
    """One POST, as often as wanted."""

    def __init__(self, owner: Owner, operation: str) -> None:
        self._owner = owner
        self.body: dict[str, Any] = {}
        self.path = "/api/templates" if operation == "template" else "/api/campaigns"
        if operation in {"campaign", "template"}:
            self.body = {"name": "x", "channel": "sms"}
        else:
            made = owner.create()
            if operation == "restore":
                owner.delete(made)
            self.path += f"/{made['campaign_id']}/{operation}"

    def send(self, key: str | None, **changes: Any) -> Any:
        owner = Owner(self._owner.server, self._owner.clerk, self._owner.sub, self.path)
        headers = {} if key is None else {"Idempotency-Key": key}
        return owner.call("POST", json=self.body | changes, headers=headers)


def counts(sql: Sql) -> list[Any]:
    tables = ("campaigns", "campaign_templates", "campaign_tags")
    return [sql.rows(f"SELECT * FROM {table} ORDER BY 1") for table in tables]


@pytest.mark.parametrize("operation", OPERATIONS)
class TestEveryPost:
    def test_again(self, owner: Owner, sql: Sql, operation: str) -> None:
        sender = Sender(owner, operation)
        check_again(lambda: sender.send("k"), lambda: counts(sql))
        check_counts(sql)

    def test_together(self, owner: Owner, sql: Sql, operation: str) -> None:
        """The second one waits for the first."""
        owner.page()
        sender = Sender(owner, operation)
        made = sql.value("SELECT count(*) FROM campaigns")
        check_together(lambda: sender.send("k"))
        assert sql.value("SELECT count(*) FROM campaigns") == made + (operation == "campaign")
        assert sql.value("SELECT count(*) FROM campaign_templates") == (operation == "template")
        check_counts(sql)


def test_is_of_one_path(owner: Owner) -> None:
    assert owner.post(key="k").status_code == 201
    assert Sender(owner, "template").send("k").status_code == 201
    assert owner.post(key="k").headers["Idempotent-Replayed"] == "true"
