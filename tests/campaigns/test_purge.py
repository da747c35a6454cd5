"""`flask --app wsgi purge` of campaigns: those deleted long ago, and those of deleted users."""

from backend.services.clerk.mirror.erase import ERASED_AT_ONCE
from tests.conftest import Deliver
from tests.support.caller import is_problem
from tests.support.campaigns import Owner
from tests.support.clerk import Instance
from tests.support.database import Sql
from tests.support.purging import Purge, report
from tests.support.server import Server


def test_campaign_is_restorable_as_long_as_it_is_kept(purge: Purge, server: Server, clerk: Instance, sql: Sql) -> None:
    owner = Owner(server, clerk)
    live, kept, old = (owner.create(name=name, tags=[name]) for name in ("live", "kept", "old"))
    for campaign, age in ((kept, "29 d 23 h"), (old, "30 d")):
        owner.delete(campaign)
        sql.rows(
            "UPDATE campaigns SET deleted_at = now() - %s::interval WHERE campaign_id = %s",
            *(age, campaign["campaign_id"]),
        )
    # None is there of a deleted campaign; one that was left behind would go with it.
    sql.rows("INSERT INTO campaign_tags SELECT campaign_id, 'left', user_id, now() FROM campaigns WHERE name = 'old'")
    usage = "SELECT tokens_used, tokens_limit, campaigns_created FROM usage_metrics ORDER BY user_id DESC"
    used = sql.rows(usage)
    assert "\ncampaigns: 1 deleted\n" in purge()
    assert sql.rows(usage) == used
    assert used[0]["campaigns_created"] == 3
    assert sql.rows("SELECT tag FROM campaign_tags") == [{"tag": "live"}]
    is_problem(owner.restore(old), 404, "not-found")
    assert owner.restore(kept).json()["tags"] == ["kept"]
    assert owner.get(live).status_code == 200
    owner.create(name="third")  # the plan has room for three
    is_problem(owner.post(), 402, "quota-exceeded")


def test_deleted_user_with_more_than_goes_at_once(
    purge: Purge, deliver: Deliver, server: Server, clerk: Instance, sql: Sql
) -> None:
    """The tombstone is there with the event; what was too much for it goes with the next purge."""
    other = Owner(server, clerk, "user_2")
    kept = other.create(tags=["a"])
    owner = Owner(server, clerk)
    campaign = owner.create()
    user_id, number = campaign["user_id"], ERASED_AT_ONCE + 2_000
    sql.rows(
        "INSERT INTO campaigns (user_id, name, channel, tags, deleted_at) "
        "SELECT %s, 'n', 'sms', '{a,b}', CASE WHEN n %% 5 = 0 THEN now() END FROM generate_series(2, %s) n",
        *(user_id, number),
    )
    sql.rows(
        "INSERT INTO campaign_tags SELECT campaign_id, unnest(tags), user_id, created_at FROM campaigns "
        "WHERE user_id = %s AND deleted_at IS NULL",
        user_id,
    )
    sql.rows(
        "INSERT INTO idempotency_keys (user_id, method, path, key, body_hash, status, body, expires_at) "
        "SELECT %s, 'POST', '/x', n, 'x', 201, '', now() + interval '1 d' FROM generate_series(1, %s) n",
        *(user_id, number),
    )
    deleted = {"id": "user_1", "object": "user", "deleted": True}

    assert deliver("user.deleted", deleted).json() == {"status": "applied"}
    assert sql.user("user_1")["deleted_at"] is not None
    for answer in (owner.get(campaign), owner.call("GET"), owner.post()):
        is_problem(answer, 401, "user-deleted")
    left = {"campaigns of deleted users": number, "idempotency_keys of deleted users": 2_000}
    assert sql.value("SELECT count(*) FROM campaigns WHERE user_id = %s", user_id) == number
    assert sql.value("SELECT count(*) FROM idempotency_keys WHERE user_id = %s", user_id) == 2_000
    assert deliver("user.deleted", deleted).json() == {"status": "stale"}

    sql.rows("UPDATE users SET deleted_at = now() - interval '7 d' WHERE user_id = %s", user_id)
    assert purge("--dry-run") == report(left, "to delete")
    assert purge() == report(left)
    assert sql.rows("SELECT campaign_id, tag FROM campaigns LEFT JOIN campaign_tags USING (campaign_id)") == [
        {"campaign_id": kept["campaign_id"], "tag": "a"}
    ]
    assert other.get(kept).json() == kept
    assert purge() == report({})
