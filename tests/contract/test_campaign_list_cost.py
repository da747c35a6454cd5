"""What the list of campaigns costs the database: one walk through one index, for one user with many and many with few."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import pytest
from sqlalchemy import Connection, create_engine, make_url, text

from backend.services.campaign_list import CampaignFilter, Position, Sort, position_of, select_campaigns
from backend.services.campaigns import COUNT, READ, Status
from backend.services.templates import select_page
from tests.support.database import Sql, migrated_database

LIMIT = 51  # one page, and one more to know of the next
# User 1 has all of the first number, the others have a hundred each. Statuses and names lie mixed, one tag is on every
# third campaign, one on a few old ones. One in ten is deleted.
FILL = """
INSERT INTO users (clerk_user_id) SELECT 'user_' || n FROM generate_series(1, {users} + 1) n;
INSERT INTO campaigns (user_id, name, status, channel, tags, deleted_at)
SELECT CASE WHEN n <= {many} THEN 1 ELSE 2 + n % {users} END,
       initcap(md5(n::text)), (ARRAY['draft', 'active', 'paused', 'completed'])[n % 4 + 1], 'email',
       CASE WHEN n % 3 = 0 THEN ARRAY['third'] WHEN n % 1000 = 1 THEN ARRAY['rare'] ELSE '{{}}' END,
       CASE WHEN n % 10 = 0 THEN now() END
FROM generate_series(1, {many} + 100 * {users}) n;
INSERT INTO campaign_tags (campaign_id, tag, user_id, created_at)
SELECT campaign_id, unnest(tags), user_id, created_at FROM campaigns WHERE deleted_at IS NULL;
INSERT INTO campaign_templates (user_id, name, channel)
SELECT nullif(n % 1000, 0), n, 'email' FROM generate_series(1, 50000) n;
VACUUM ANALYZE
"""
SIZES = {"small": {"many": 50_000, "users": 1_000}, "million": {"many": 1_000_000, "users": 10_000}}
PLAIN = CampaignFilter()


class Page(NamedTuple):
    wanted: CampaignFilter
    sort: Sort
    is_deep: bool = False


PAGES = {
    "first": Page(PLAIN, Sort.NEWEST),
    "deep": Page(PLAIN, Sort.NEWEST, is_deep=True),
    "oldest": Page(PLAIN, Sort.OLDEST),
    "deep oldest": Page(PLAIN, Sort.OLDEST, is_deep=True),
    "by name": Page(PLAIN, Sort.NAME),
    "deep by name": Page(PLAIN, Sort.NAME, is_deep=True),
    "by name backwards": Page(PLAIN, Sort.NAME_BACKWARDS),
    "status": Page(CampaignFilter(status=Status.ACTIVE), Sort.NEWEST),
    "deep status": Page(CampaignFilter(status=Status.ACTIVE), Sort.NEWEST, is_deep=True),
    "no such status": Page(CampaignFilter(status=Status.ARCHIVED), Sort.NEWEST),
    "tag": Page(CampaignFilter(tag="third"), Sort.NEWEST),
    "deep tag": Page(CampaignFilter(tag="third"), Sort.NEWEST, is_deep=True),
    "rare tag": Page(CampaignFilter(tag="rare"), Sort.OLDEST),
    "no such tag": Page(CampaignFilter(tag="none"), Sort.NEWEST),
    "search": Page(CampaignFilter(search="c4"), Sort.NAME),
    "search of one letter": Page(CampaignFilter(search="A"), Sort.NAME),
    "deep search": Page(CampaignFilter(search="7"), Sort.NAME, is_deep=True),
    "search backwards": Page(CampaignFilter(search="f"), Sort.NAME_BACKWARDS),
    "nobody": Page(CampaignFilter(search="zzz_%"), Sort.NAME),
}


@pytest.fixture(scope="module", params=["small", pytest.param("million", marks=pytest.mark.slow)])
def filled(request: pytest.FixtureRequest, postgres_url: str) -> Iterator[Connection]:
    with migrated_database(postgres_url, "counterfoil_campaign_list") as url:
        filling = Sql(url)
        for statement in FILL.format_map(SIZES[request.param]).split(";"):
            filling.rows(statement)
        filling.close()
        engine = create_engine(make_url(url).set(drivername="postgresql+psycopg2"))
        with engine.connect() as connection:
            yield connection
        engine.dispose()


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


def explain(connection: Connection, statement: Any, values: Mapping[str, object]) -> dict[str, Any]:
    explained = text(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement.text}")
    (answer,) = connection.execute(explained, values).scalar_one()
    plan: dict[str, Any] = answer["Plan"]
    return plan


def blocks(plan: dict[str, Any]) -> int:
    """What was read, in blocks of 8 kB, from memory or disk."""
    read: int = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
    return read


def middle(connection: Connection, user_id: int, page: Page) -> Position | None:
    """The position in the middle of what the page is of."""
    if not page.is_deep:
        return None
    statement, values = select_campaigns(user_id, page.wanted, page.sort, limit=2**31)
    rows = connection.execute(statement, values).all()
    return position_of(rows[len(rows) // 2], page.sort)


def plan_of(connection: Connection, user_id: int, page: Page) -> dict[str, Any]:
    after = middle(connection, user_id, page)
    return explain(connection, *select_campaigns(user_id, page.wanted, page.sort, limit=LIMIT, after=after))


@pytest.mark.parametrize("user_id", [1, 7], ids=["many", "hundred"])
class TestPage:
    @pytest.mark.parametrize("name", PAGES)
    def test_one_index_and_no_more_rows_than_the_page(
        self, filled: Connection, user_id: int, name: str
    ) -> None:
        plan = plan_of(filled, user_id, PAGES[name])
        shown = json.dumps(plan, indent=1)
        for node in nodes(plan):
            assert node["Node Type"] != "Seq Scan", shown
            if user_id == 1:
                # What is read is shown: nothing more is sorted, and no row is read and thrown away.
                assert node.get("Rows Removed by Filter", 0) == 0, shown
                assert node["Actual Rows"] * node["Actual Loops"] <= LIMIT, shown
            else:
                assert node["Actual Rows"] * node["Actual Loops"] <= 100, shown

    @pytest.mark.parametrize("name", PAGES)
    def test_within_twice_the_first_page(self, filled: Connection, user_id: int, name: str) -> None:
        """Besides the rows themselves: those of the first page lie together, a row found elsewhere is a block or, through
        the index of campaign_ids for a tag, four more."""
        page = PAGES[name]
        plan = plan_of(filled, user_id, page)
        first = blocks(plan_of(filled, user_id, PAGES["first"]))
        a_row = 5 if page.wanted.tag else 1
        rows = plan["Actual Rows"]
        assert blocks(plan) <= 2 * first + a_row * rows, (first, json.dumps(plan, indent=1))

    def test_depth_costs_nothing(self, filled: Connection, user_id: int) -> None:
        for shallow, deep in (
            *(("first", "deep"), ("oldest", "deep oldest"), ("by name", "deep by name")),
            *(("status", "deep status"), ("tag", "deep tag")),
        ):
            one, other = (blocks(plan_of(filled, user_id, PAGES[name])) for name in (shallow, deep))
            assert other <= 2 * one, (shallow, one, other)


class TestOthers:
    def test_one_campaign(self, filled: Connection) -> None:
        plan = explain(filled, READ, {"campaign_id": 4_711, "user_id": 1})
        assert blocks(plan) <= 6

    def test_counting_reads_the_index_alone(self, filled: Connection) -> None:
        plan = explain(filled, COUNT, {"user_id": 7})
        assert {"Index Only Scan"} <= {node["Node Type"] for node in nodes(plan)}
        assert blocks(plan) <= 10

    @pytest.mark.parametrize("kind", [None, "own", "shared"])
    @pytest.mark.parametrize("before", [2**63 - 1, 25_000])
    def test_templates(self, filled: Connection, kind: Any, before: int) -> None:
        values = {"user_id": 7, "limit": LIMIT, "before": before}
        plan = explain(filled, select_page(kind), values)
        assert "Seq Scan" not in {node["Node Type"] for node in nodes(plan)}
        assert blocks(plan) <= 2 * LIMIT + 10
