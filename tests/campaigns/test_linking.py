"""A user who has a campaign or a template makes no room for an older row."""

import pytest

from tests.support.clerk import Instance
from tests.support.database import Sql
from tests.support.fixtures import Post
from tests.support.legacy_users import ada, add_user, refusals
from tests.support.server import Server


@pytest.mark.parametrize("table", ["campaigns", "campaign_templates"])
def test_used_row_stays(post: Post, linking: Server, clerk: Instance, sql: Sql, table: str) -> None:
    legacy = add_user(sql)
    own = linking.get("/auth/me", clerk.token(sub="user_1")).json()["user"]["user_id"]
    sql.rows(f"INSERT INTO {table} (user_id, name, channel) VALUES (%s, 'x', 'email')", own)
    post("user.created", ada())
    assert sql.user("user_1")["user_id"] == own
    assert sql.value(f"SELECT user_id FROM {table}") == own
    assert refusals(sql) == [f"email own-row-in-use [{legacy}]"]
