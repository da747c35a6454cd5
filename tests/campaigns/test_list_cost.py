"""What the list of campaigns costs the database: every page the same, for one user with many and many with few."""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from sqlalchemy import Connection, Select, text

from backend.resources import CAMPAIGNS
from backend.services.campaigns.campaigns import Status, select_campaign
from backend.services.campaigns.list import CampaignFilter, Position, Sort, position_of, select_campaigns
from backend.services.campaigns.templates import select_page
from backend.services.plans.quotas import count_rows
from tests.support.query_plans import Plan, blocks, explain, filled_database, nodes

LIMIT = 51  # one page, and one more to know of the next
# User 1 has all of the first number, the others have a hundred each. Statuses and names lie mixed, every fifth has the
# same name, one tag is on every third campaign, one on a few old ones. One in ten is deleted.
FILL = """
INSERT INTO users (clerk_user_id) SELECT 'user_' || n FROM generate_series(1, {users} + 1) n;
INSERT INTO campaigns (user_id, name, status, channel, tags, deleted_at)
SELECT CASE WHEN n <= {many} THEN 1 ELSE 2 + n % {users} END,
       CASE WHEN n % 5 = 0 THEN 'Newsletter' ELSE initcap(md5(n::text)) END,
       (ARRAY['draft', 'active', 'paused', 'completed'])[n % 4 + 1], 'email',
       CASE WHEN n % 3 = 0 THEN ARRAY['third'] WHEN n % 500 = 1 THEN ARRAY['rare'] ELSE '{{}}' END,
       CASE WHEN n % 10 = 0 THEN now() END
FROM generate_series(1, {many} + 100 * {users}) n;
INSERT INTO campaign_tags (campaign_id, tag, user_id, created_at)
SELECT campaign_id, unnest(tags), user_id, created_at FROM campaigns WHERE deleted_at IS NULL;
INSERT INTO campaign_templates (user_id, name, channel)
SELECT nullif(n % 1000, 0), n, 'email' FROM generate_series(1, 50000) n
"""
SIZES = {"small": {"many": 100_000, "users": 1_000}, "million": {"many": 1_000_000, "users": 10_000}}
# From the root of an index to the place, and on to the next leaves: a million campaigns make no more than three levels.
WALK = 10


class Page(NamedTuple):
    wanted: CampaignFilter = CampaignFilter()
    sort: Sort = Sort.NEWEST
    is_deep: bool = False


KINDS = {
    "newest": Page(),
    "oldest": Page(sort=Sort.OLDEST),
    "name": Page(sort=Sort.NAME),
    "name backwards": Page(sort=Sort.NAME_BACKWARDS),
    "status": Page(CampaignFilter(status=Status.ACTIVE)),
    "status, oldest": Page(CampaignFilter(status=Status.DRAFT), Sort.OLDEST),
    "no such status": Page(CampaignFilter(status=Status.ARCHIVED)),
    "tag": Page(CampaignFilter(tag="third")),
    "rare tag": Page(CampaignFilter(tag="rare"), Sort.OLDEST),
    "no such tag": Page(CampaignFilter(tag="none")),
    "search": Page(CampaignFilter(search="c4"), Sort.NAME),
    "search of one letter": Page(CampaignFilter(search="7"), Sort.NAME),
    "search backwards": Page(CampaignFilter(search="f"), Sort.NAME_BACKWARDS),
    "search of one name": Page(CampaignFilter(search="newsletter"), Sort.NAME),
    "search of one name backwards": Page(CampaignFilter(search="news"), Sort.NAME_BACKWARDS),
    "search of nobody": Page(CampaignFilter(search="zzz_%"), Sort.NAME),
}
OF_NOBODY = ("no such", "search of nobody")
PAGES = KINDS | {f"{name}, deep": kind._replace(is_deep=True) for name, kind in KINDS.items()}


@pytest.fixture(scope="module", params=["small", pytest.param("million", marks=pytest.mark.slow)])
def filled(request: pytest.FixtureRequest, postgres_url: str) -> Iterator[Connection]:
    statements = FILL.format_map(SIZES[request.param])
    with filled_database(postgres_url, "counterfoil_campaign_list", statements) as connection:
        yield connection


def explain_select(connection: Connection, statement: Select[*tuple[Any, ...]]) -> Plan:
    compiled = statement.compile(connection, compile_kwargs={"literal_binds": True})
    return explain(connection, text(str(compiled)), {})


def middle(connection: Connection, user_id: int, page: Page) -> Position | None:
    """The position in the middle of what the page is of. None: there is nothing."""
    statement, values = select_campaigns(user_id, page.wanted, page.sort, limit=2**31)
    half = f"SELECT count(*) / 2 FROM ({statement.text}) AS counted"
    found = text(f"SELECT * FROM ({statement.text}) AS listed OFFSET ({half}) LIMIT 1")
    row = connection.execute(found, values).first()
    return None if row is None else position_of(row, page.sort)


def plan_of(connection: Connection, user_id: int, page: Page) -> Plan:
    after = middle(connection, user_id, page) if page.is_deep else None
    return explain(connection, *select_campaigns(user_id, page.wanted, page.sort, limit=LIMIT, after=after))


@pytest.fixture(scope="module")
def first(filled: Connection) -> Plan:
    """The first page of the user with many: the one that all others are compared with."""
    return plan_of(filled, 1, Page())


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("user_id", [1, 7], ids=["many", "hundred"])
def test_page(filled: Connection, first: Plan, user_id: int, name: str) -> None:
    """The ids are found in one index alone, then their rows. Within twice the first page, wherever and of whatever it
    is.
    """
    plan = plan_of(filled, user_id, PAGES[name])
    shown = json.dumps(plan, indent=1)
    assert plan["Node Type"] == "Nested Loop", shown
    limit, rows = plan["Plans"]
    (walk,) = limit["Plans"]
    assert (limit["Node Type"], walk["Node Type"]) == ("Limit", "Index Only Scan"), shown
    assert (walk["Heap Fetches"], walk.get("Rows Removed by Filter", 0)) == (0, 0), shown
    assert blocks(walk) <= WALK, shown
    assert (rows["Node Type"], rows["Index Name"]) == ("Index Scan", "pk_campaigns"), shown
    # A part of a page costs less. So does, in PostgreSQL's eyes, what it believes to be a part.
    assert blocks(plan) <= 2 * blocks(first), shown
    assert plan["Total Cost"] <= 2 * first["Total Cost"], shown
    is_full = plan["Actual Rows"] == LIMIT
    assert is_full or user_id != 1 or name.startswith(OF_NOBODY)
    if is_full:
        assert blocks(first) <= 2 * blocks(plan), shown
    if plan["Plan Rows"] == LIMIT:
        assert first["Total Cost"] <= 2 * plan["Total Cost"], shown


class TestOthers:
    def test_one_campaign(self, filled: Connection) -> None:
        plan = explain_select(filled, select_campaign(1, 4_711))
        assert blocks(plan) <= 6

    def test_counting_reads_the_index_alone(self, filled: Connection) -> None:
        plan = explain(filled, count_rows(CAMPAIGNS), {"user_id": 7})
        assert {"Index Only Scan"} <= {node["Node Type"] for node in nodes(plan)}
        assert blocks(plan) <= 10

    @pytest.mark.parametrize("kind", [None, "own", "shared"])
    @pytest.mark.parametrize("before", [2**63 - 1, 25_000])
    def test_templates(self, filled: Connection, kind: Any, before: int) -> None:
        plan = explain_select(filled, select_page(7, kind, limit=LIMIT, before=before))
        assert "Seq Scan" not in {node["Node Type"] for node in nodes(plan)}
        assert blocks(plan) <= 2 * LIMIT + 10
