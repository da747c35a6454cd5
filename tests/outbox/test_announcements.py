"""What is announced, whatever brought the change: ids only, written with it, and nothing where nobody asked."""

from collections.abc import Callable
from datetime import timedelta
from itertools import permutations
from typing import Any, ClassVar

import pytest
from sqlalchemy import create_engine, event, make_url

from backend.services.clerk.linking import LinkRules
from backend.services.clerk.mirror.apply import Mirror
from backend.services.clerk.mirror.kinds import KINDS
from backend.services.clerk.mirror.pages import apply_page, delete_page
from backend.services.outbox.announcements import AppEvent
from tests.conftest import Deliver
from tests.outbox.conftest import Announcing
from tests.support.admins import add_user
from tests.support.billing import USER, alone, listing, payer
from tests.support.clerk import Instance, clerk_id, now_ms, session_data, user_data
from tests.support.database import Sql

HOUR = 3_600_000
LONG_AGO = now_ms() - 49 * HOUR
ADA = {"user_id": 1, "clerk_user_id": USER}
MEMBERSHIP = {"id": "orgmem_1", "organization": {"id": "org_1"}, "public_user_data": {"user_id": USER}}
MEMBER = {"membership_id": "orgmem_1", "organization_id": "org_1", "clerk_user_id": USER}
SIGNED_UP, UPDATED, DELETED = "app/user.signed_up", "app/user.updated", "app/user.deleted"
CHANGED = "app/subscription.changed"


def membership(at: int, **changes: Any) -> dict[str, Any]:
    return MEMBERSHIP | {"updated_at": at, "role": "org:member"} | changes


class TestSignUp:
    def test_webhook(self, announcing: Announcing) -> None:
        assert announcing.deliver("user.created", user_data(USER, email="ada@example.com")) == "applied"
        assert announcing.told() == [(SIGNED_UP, ADA)]

    @pytest.mark.parametrize("order", list(permutations(("request", "session", "created", "updated"))))
    def test_once_whatever_comes_first(self, announcing: Announcing, clerk: Instance, order: tuple[str, ...]) -> None:
        at = now_ms() - HOUR
        created = user_data(USER, updated_at=at)
        steps: dict[str, Callable[[], object]] = {
            "request": lambda: announcing.server.get("/auth/me", clerk.token(sub=USER)),
            "session": lambda: announcing.deliver("session.created", session_data(USER, "sess_1", user=created)),
            "created": lambda: announcing.deliver("user.created", created),
            "updated": lambda: announcing.deliver("user.updated", created | {"updated_at": at + 1}),
        }
        for step in order:
            steps[step]()
        told = announcing.told()
        assert told.count((SIGNED_UP, ADA)) == 1
        assert {kind for kind, _ in told} <= {SIGNED_UP, UPDATED}

    def test_link(self, announcing: Announcing) -> None:
        """The row of the password era is the user's now; the one that the first request made is gone."""
        older = add_user(
            announcing.sql, email="ada@example.com", email_verified=True, provisioned_by="legacy", clerk_user_id=None
        )
        announcing.deliver("session.created", session_data(USER, "sess_1"))
        announcing.deliver("user.created", user_data(USER, email="ada@example.com"))
        assert announcing.told() == [(SIGNED_UP, {"user_id": older, "clerk_user_id": USER})]

    @pytest.mark.parametrize(("hours", "kind"), [(29, SIGNED_UP), (49, UPDATED)])
    def test_who_signed_up_long_ago_did_not_do_so_now(self, announcing: Announcing, hours: int, kind: str) -> None:
        """As all users of an installation that adopts this application. Svix's last attempt, after 28 hours, counts."""
        announcing.deliver("user.updated", user_data(USER, created_at=now_ms() - hours * HOUR))
        assert announcing.told() == [(kind, ADA)]

    @pytest.mark.parametrize("wrong", [None, "now", 1.5e300])
    def test_a_time_that_is_none(self, announcing: Announcing, wrong: object) -> None:
        announcing.deliver("user.created", user_data(USER, created_at=wrong))
        assert announcing.told() == [(UPDATED, ADA)]

    def test_not_again_for_a_user_who_was_forgotten(self, announcing: Announcing) -> None:
        announcing.deliver("user.created", user_data(USER))
        announcing.sql.rows("DELETE FROM users; DELETE FROM clerk.users")
        announcing.deliver("user.updated", user_data(USER))
        assert [kind for kind, _ in announcing.told()] == [SIGNED_UP]

    def test_users_who_were_here_before(self, deliver: Deliver, announcing: Announcing) -> None:
        """The other application had not been asked to announce anything."""
        deliver("user.created", user_data(USER, updated_at=now_ms() - HOUR, created_at=now_ms()))
        announcing.deliver("user.updated", user_data(USER))
        assert [kind for kind, _ in announcing.told()] == [UPDATED]


class TestUsers:
    def test_update_and_deletion(self, announcing: Announcing) -> None:
        announcing.deliver("user.created", user_data(USER, updated_at=now_ms() - HOUR))
        announcing.told()
        update = user_data(USER)
        announcing.deliver("user.updated", update)
        assert announcing.told() == [(UPDATED, ADA)]
        assert announcing.deliver("user.updated", update | {"updated_at": 1}) == "stale"
        assert announcing.told() == []
        for _ in range(2):
            announcing.deliver("user.deleted", {"id": USER})
        assert announcing.told() == [(DELETED, ADA)]

    def test_own_profile(self, announcing: Announcing, clerk: Instance) -> None:
        token = clerk.token(sub=USER)
        for _ in range(2):
            assert announcing.server.request("PATCH", "/api/me", token, json={"bio": "One"}).status_code == 200
        assert announcing.told() == [(UPDATED, ADA)]

    def test_admin(self, announcing: Announcing) -> None:
        add_user(announcing.sql, clerk_user_id=USER)
        announcing.command("users", "deactivate", USER)
        assert announcing.told() == [(UPDATED, ADA)]


class TestMoves:
    """`flask users merge|restore|relink`."""

    BOB: ClassVar = {"user_id": 2, "clerk_user_id": "user_2"}

    @pytest.fixture(autouse=True)
    def users(self, announcing: Announcing) -> None:
        for clerk_user_id in (USER, "user_2"):
            announcing.deliver("user.created", user_data(clerk_user_id, email=f"{clerk_user_id}@example.com"))
        announcing.told()

    def test_merge(self, announcing: Announcing) -> None:
        announcing.command("users", "merge", USER, "--into", "user_2", "--dry-run")
        assert announcing.told() == []
        announcing.command("users", "merge", USER, "--into", "user_2", "--yes")
        assert announcing.told() == [(UPDATED, self.BOB), (UPDATED, ADA)]

    @pytest.mark.parametrize("command", ["restore 1 user_2", "merge 1 --into 2"])
    def test_of_a_deleted_user(self, announcing: Announcing, command: str) -> None:
        """Of whom nothing is told any more."""
        announcing.deliver("user.deleted", {"id": USER})
        announcing.told()
        announcing.command("users", *command.split(), "--yes")
        assert announcing.told() == [(UPDATED, self.BOB)]

    @pytest.mark.parametrize("is_known", [False, True])
    def test_relink(self, announcing: Announcing, *, is_known: bool) -> None:
        if is_known:
            announcing.deliver("user.created", user_data("user_9", email="nine@example.com"))
            announcing.told()
        announcing.command("users", "relink", "1", "user_9")
        assert announcing.told() == [(UPDATED, ADA | {"clerk_user_id": "user_9"})]

    def test_address_that_another_user_has_verified(self, announcing: Announcing) -> None:
        """Whoever had it before has it unverified from now on."""
        announcing.deliver("user.updated", user_data("user_2", email=f"{USER}@example.com"))
        assert announcing.told() == [(UPDATED, ADA), (UPDATED, self.BOB)]


class TestSubscriptions:
    def test_clerk_billing(self, announcing: Announcing) -> None:
        announcing.deliver("user.created", user_data(USER))
        announcing.told()
        announcing.deliver("subscriptionItem.active", alone("pro", at=1))
        assert announcing.told() == [(CHANGED, ADA)]
        announcing.deliver("subscriptionItem.pastDue", alone("pro", at=2, status="past_due"))
        assert announcing.told() == [(CHANGED, ADA)]

    def test_organization(self, announcing: Announcing) -> None:
        announcing.deliver("subscription.active", listing(payer=payer(USER, "org_1")))
        assert announcing.told() == [(CHANGED, {"organization_id": "org_1"})]

    @pytest.mark.parametrize(
        ("payer_", "told"), [(payer(USER), ADA), (payer(USER, "org_1"), {"organization_id": "org_1"})]
    )
    def test_that_is_gone_at_clerk(self, announcing: Announcing, payer_: dict[str, Any], told: dict[str, Any]) -> None:
        announcing.deliver("user.created", user_data(USER))
        announcing.deliver("subscription.active", listing(payer=payer_))
        announcing.told()
        services = announcing.services
        subscription_id = announcing.sql.value("SELECT id FROM clerk.subscriptions")
        services.database.transact(
            lambda connection: delete_page(
                services.mirror, connection, KINDS["subscriptions"], [subscription_id], source="reconcile"
            )
        )
        assert announcing.told() == [(CHANGED, told)]

    def test_admin(self, announcing: Announcing) -> None:
        add_user(announcing.sql, clerk_user_id=USER)
        for _ in range(2):
            announcing.command("users", "set-plan", USER, "pro")
        assert announcing.told() == [(CHANGED, ADA)]
        announcing.sql.rows("UPDATE subscriptions SET status = 'canceled', period_end = now() + interval '1 day'")
        announcing.command("users", "set-plan", USER, "pro")
        assert announcing.told() == [(CHANGED, ADA)]


class TestMemberships:
    def test_life(self, announcing: Announcing) -> None:
        for at in (1, 1, 2):
            announcing.deliver("organizationMembership.updated", membership(at))
        assert announcing.told() == [("app/membership.created", MEMBER), ("app/membership.updated", MEMBER)]
        for _ in range(2):
            announcing.deliver("organizationMembership.deleted", MEMBERSHIP)
        assert announcing.told() == [("app/membership.deleted", MEMBER)]

    @pytest.mark.parametrize(
        ("kind", "gone"), [("user.deleted", USER), ("organization.deleted", "org_1")], ids=["user", "organization"]
    )
    def test_goes_with_what_it_belongs_to(self, announcing: Announcing, kind: str, gone: str) -> None:
        announcing.deliver("organizationMembership.created", membership(1))
        announcing.told()
        announcing.deliver(kind, {"id": gone})
        assert announcing.told()[0] == ("app/membership.deleted", MEMBER)

    def test_who_was_never_here_does_not_leave(self, announcing: Announcing) -> None:
        announcing.deliver("organizationMembership.deleted", MEMBERSHIP)
        assert announcing.told() == []


class TestPages:
    """Of a backfill, whose users are old ones as a rule."""

    def test_old_and_new_users(self, announcing: Announcing) -> None:
        users = [user_data(f"user_{number}", created_at=LONG_AGO) for number in range(50)]
        users += [user_data(f"user_{number}") for number in range(50, 60)]
        self._apply(announcing, "users", *users)
        told = announcing.told()
        assert [kind for kind, _ in told].count(SIGNED_UP) == 10
        assert {data["clerk_user_id"] for kind, data in told if kind == SIGNED_UP} == {
            user["id"] for user in users[50:]
        }
        assert [kind for kind, _ in told].count(UPDATED) == 50
        self._apply(announcing, "users", *users)
        assert announcing.told() == []

    def test_two_statements_for_any_number(self, announcing: Announcing) -> None:
        for number in (3, 300):
            users = [user_data(clerk_id("user"), created_at=each % 2 and LONG_AGO) for each in range(number)]
            sent = self._apply(announcing, "users", *users)
            assert len([statement for statement in sent if "INTO outbox" in statement]) <= 2

    def test_memberships_that_went(self, announcing: Announcing) -> None:
        announcing.deliver("organizationMembership.created", membership(1))
        announcing.told()
        announcing.services.database.transact(
            lambda connection: delete_page(
                announcing.services.mirror,
                connection,
                KINDS["organization_memberships"],
                ["orgmem_1"],
                source="reconcile",
            )
        )
        assert announcing.told() == [("app/membership.deleted", MEMBER)]

    @staticmethod
    def _apply(announcing: Announcing, name: str, *objects: dict[str, Any]) -> list[str]:
        services, sent = announcing.services, list[str]()
        engine = services.database._writers.engine
        listener = (engine, "before_cursor_execute", lambda *arguments: sent.append(arguments[2]))
        event.listen(*listener)
        services.database.transact(
            lambda connection: apply_page(
                services.mirror, connection, KINDS[name], objects, source="backfill", as_of=now_ms()
            )
        )
        event.remove(*listener)
        return sent


def test_ids_only(announcing: Announcing, clerk: Instance) -> None:
    """Everything that is announced, by the names of what is told of it."""
    announcing.deliver("user.created", user_data(USER, email="ada@example.com", first_name="Ada"))
    announcing.deliver("organizationMembership.created", membership(1))
    announcing.deliver("organizationMembership.updated", membership(2))
    announcing.deliver("subscriptionItem.active", alone("pro"))
    announcing.server.request("PATCH", "/api/me", clerk.token(sub=USER), json={"bio": "One"})
    announcing.deliver("user.deleted", {"id": USER})
    told = announcing.told()
    assert {kind for kind, _ in told} == set(AppEvent)
    assert {name for _, data in told for name in data} == {
        *("user_id", "clerk_user_id", "membership_id", "organization_id")
    }


def test_where_nobody_asked_no_statement_is_about_it(database_url: str, sql: Sql) -> None:
    engine = create_engine(make_url(database_url).set(drivername="postgresql+psycopg2"))
    sent: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *arguments: sent.append(arguments[2]))
    with engine.begin() as connection:
        mirror = Mirror(LinkRules(by_email=True, external_id_prefix=None), timedelta(0))
        for name, told in (("users", user_data(USER)), ("organization_memberships", membership(1))):
            apply_page(mirror, connection, KINDS[name], [told], source="backfill", as_of=now_ms())
        delete_page(mirror, connection, KINDS["users"], [USER], source="backfill")
    engine.dispose()
    assert sql.value("SELECT count(*) FROM clerk.organization_memberships WHERE deleted_at IS NOT NULL") == 1
    assert len(sent) > 5
    assert not [statement for statement in sent if "outbox" in statement]
    assert not [statement for statement in sent if "membership_id" in statement]


def test_off_leaves_no_row_and_starts_no_thread(deliver: Deliver, app: Any, sql: Sql) -> None:
    deliver("user.created", user_data(USER))
    assert sql.value("SELECT count(*) FROM outbox") == 0
    assert app.extensions["counterfoil"].outbox_publisher.destinations == []
