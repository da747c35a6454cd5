"""How large a page of campaigns or templates can be."""

import pytest

from tests.support.campaigns import MOUNTS, Owner
from tests.support.database import Sql
from tests.support.response_sizes import ROWS, TEXTS, check_list, check_one

FILL = """
INSERT INTO campaigns (user_id, name, description, channel, tags)
SELECT user_id, repeat('{0}', 100), repeat('{0}', {long}), 'email', array_fill(repeat('{0}', 50), ARRAY[{tags}])
FROM users, generate_series(1, {rows});
INSERT INTO campaign_templates (user_id, name, description, channel, tags)
SELECT CASE WHEN campaign_id % 2 = 0 THEN user_id END, name, description, channel, tags FROM campaigns
"""
LISTS = {**dict.fromkeys(MOUNTS, "campaigns"), "/api/templates": "templates"}


@pytest.mark.parametrize("text", TEXTS)
def test_each_is_bounded(owner: Owner, sql: Sql, text: str) -> None:
    owner.page()
    sql.rows(FILL.format(TEXTS[text], rows=ROWS, long=5_000, tags=20))
    for path, member in LISTS.items():
        check_list(Owner(owner.server, owner.clerk, path=path), member)
        check_one(Owner(owner.server, owner.clerk, path=f"{path}/1"))


def test_short_texts_fill_a_page(owner: Owner, sql: Sql) -> None:
    owner.page()
    sql.rows(FILL.format("x", rows=ROWS, long=100, tags=5))
    for path, member in LISTS.items():
        assert len(Owner(owner.server, owner.clerk, path=path).page(limit=100)[member]) == 100
