"""How many campaigns a plan has room for, one after the other and all at once; and what is counted."""

from collections import Counter
from functools import partial

from backend.models.roles_plans_scopes import Plan
from backend.resources import row_limits
from backend.services.plans.quotas import AT_ONCE
from tests.support.admins import set_plan
from tests.support.caller import is_problem
from tests.support.campaigns import Owner, check_counts
from tests.support.database import Sql
from tests.support.traffic import in_parallel


class TestQuota:
    def test_deleted_ones_do_not_count(self, owner: Owner, sql: Sql) -> None:
        made = [owner.create() for _ in range(3)]
        owner.archive(made[0])
        body = is_problem(owner.post(), 402, "quota-exceeded")
        assert (body["limit"], body["used"]) == (3, 3)
        owner.delete(made[1])
        owner.create()
        is_problem(owner.restore(made[1]), 402, "quota-exceeded")
        owner.delete(made[0])
        assert owner.restore(made[1]).status_code == 200
        check_counts(sql)

    def test_downgrade(self, owner: Owner, sql: Sql) -> None:
        """Above the limit nothing is taken away, and nothing new comes."""
        owner.create()
        set_plan(sql, "enterprise")
        made = [owner.create() for _ in range(4)]
        set_plan(sql, "free")
        body = is_problem(owner.post(), 402, "quota-exceeded")
        assert (body["limit"], body["used"]) == (3, 5)
        assert owner.patch(made[0], name="still mine").status_code == 200
        assert len(owner.names()) == 5


def test_what_is_shown(owner: Owner, stranger: Owner, sql: Sql) -> None:
    """Neither what is deleted counts, nor templates that are shared."""
    made = [owner.create() for _ in range(3)]
    owner.delete(made[0])
    stranger.create()
    templates = Owner(owner.server, owner.clerk, path="/api/templates")
    templates.create()
    sql.rows("INSERT INTO campaign_templates (name, channel) VALUES ('shared', 'email')")
    shown = Owner(owner.server, owner.clerk, path="/api/subscription").page()
    limits = {name: shown["limits"][name] for name in ("campaigns", "templates", "deleted_campaigns")}
    assert limits == {"campaigns": 3, "templates": 10, "deleted_campaigns": 50}
    assert (shown["used"]["campaigns"], shown["used"]["templates"]) == (2, 1)
    assert {plan["plan"]: plan["campaigns"] for plan in shown["plans"]} == {"free": 3, "pro": 100, "enterprise": None}


class TestDeletedOnes:
    """Of these the newest are kept, as many as the plan says."""

    KEPT = row_limits(Plan.FREE)["deleted_campaigns"] or 0

    def add_deleted(self, sql: Sql, number: int) -> None:
        """To each user, one a second up to now."""
        sql.rows(
            "INSERT INTO campaigns (user_id, name, channel, deleted_at) "
            "SELECT user_id, n, 'sms', now() - (%s - n) * interval '1 s' FROM users, generate_series(1, %s) n",
            *(number, number),
        )

    def test_oldest_go_first(self, owner: Owner, sql: Sql) -> None:
        gone = [owner.create(name=f"n {number}", tags=["x"]) for number in range(3)]
        for campaign in gone[:2]:
            owner.delete(campaign)
        sql.rows("UPDATE campaigns SET deleted_at = now() - interval '29 d' WHERE name = %s", gone[1]["name"])
        self.add_deleted(sql, self.KEPT - 2)
        assert owner.restore(gone[0]).status_code == 200
        owner.delete(gone[0])
        owner.delete(gone[2])
        assert sql.value("SELECT count(*) FROM campaigns") == self.KEPT
        is_problem(owner.restore(gone[1]), 404, "not-found")
        for campaign in (gone[0], gone[2]):
            assert owner.restore(campaign).json()["tags"] == ["x"]

    def test_of_a_larger_plan(self, owner: Owner, stranger: Owner, sql: Sql) -> None:
        """A few more than come go with each delete. Somebody else's stay."""
        made = [owner.create() for _ in range(2)]
        stranger.create()
        self.add_deleted(sql, self.KEPT + 10)
        owner.delete(made[0])
        numbers = "SELECT count(*) FROM campaigns WHERE deleted_at IS NOT NULL GROUP BY user_id ORDER BY user_id"
        assert [row["count"] for row in sql.rows(numbers)] == [self.KEPT + 11 - AT_ONCE, self.KEPT + 10]
        set_plan(sql, "pro")
        owner.delete(made[1])
        assert [row["count"] for row in sql.rows(numbers)] == [self.KEPT + 12 - AT_ONCE, self.KEPT + 10]


class TestManyAtOnce:
    def test_fifty_at_once(self, owner: Owner, sql: Sql) -> None:
        owner.page()
        answers = in_parallel([partial(owner.post, tags=["x"])] * 50)
        assert Counter(answer.status_code for answer in answers) == {201: 3, 402: 47}
        for answer in answers:
            if not answer.ok:
                body = is_problem(answer, 402, "quota-exceeded")
                assert (body["limit"], body["used"]) == (3, 3)
        assert sql.value("SELECT count(*) FROM campaigns") == 3
        check_counts(sql)

    def test_the_first_request_of_a_user(self, owner: Owner, sql: Sql) -> None:
        """The user, the plan and the month are made by the same requests."""
        answers = in_parallel([owner.post] * 20)
        assert Counter(answer.status_code for answer in answers) == {201: 3, 402: 17}
        check_counts(sql)

    def test_restoring_at_once(self, owner: Owner, sql: Sql) -> None:
        owner.page()
        set_plan(sql, "enterprise")
        gone = [owner.create() for _ in range(10)]
        for campaign in gone:
            owner.delete(campaign)
        set_plan(sql, "free")
        answers = in_parallel([partial(owner.restore, one) for one in gone] + [partial(owner.post)] * 10)
        codes = Counter(answer.status_code for answer in answers)
        assert codes[402] == 17
        assert sql.value("SELECT count(*) FROM campaigns WHERE deleted_at IS NULL") == 3
        check_counts(sql)

    def test_deleting_and_creating_in_loops(self, owner: Owner, sql: Sql) -> None:
        """Also with refused requests between them: what is counted is what was made."""

        def loop(number: int) -> int:
            done = 0
            for turn in range(6):
                owner.post(name="")
                answer = owner.post(key=f"{number}-{turn}", tags=[f"t{number}"])
                again = owner.post(key=f"{number}-{turn}", tags=[f"t{number}"])
                if answer.status_code == 201:
                    assert again.json() == answer.json()
                    done += 1
                    assert owner.delete(answer.json()).status_code == 204
                elif again.status_code == 201:
                    done += 1
                    assert owner.delete(again.json()).status_code == 204
            return done

        made = sum(in_parallel([partial(loop, number) for number in range(6)]))
        assert sql.value("SELECT sum(campaigns_created) FROM usage_metrics") == made
        assert sql.value("SELECT count(*) FROM campaigns WHERE deleted_at IS NULL") == 0
        check_counts(sql)

    def test_a_month_that_begins_while_the_request_is_on_its_way(self, owner: Owner, sql: Sql) -> None:
        owner.create()
        sql.rows("UPDATE usage_metrics SET period_start = period_start - interval '1 month'")
        owner.create()
        counts = sql.rows("SELECT campaigns_created FROM usage_metrics ORDER BY period_start")
        assert [row["campaigns_created"] for row in counts] == [1, 1]
