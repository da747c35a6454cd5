"""What a membership is worth on a route that looks at the stored one, and what our copy tells of the organization."""

import time
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask.typing import ResponseReturnValue

from backend.access.policy import Policy, current_access, get_auth
from backend.models.roles_plans_scopes import Scope
from tests.conftest import Deliver
from tests.support.billing import FUTURE, PAST, alone, item, listing, payer, status
from tests.support.clerk import Instance
from tests.support.database import Sql
from tests.support.own_routes import USER, Person, demand, make_own_app, outcome, serve

ORGANIZATION, OTHER = "org_1", "org_2"
ADMIN, MEMBER, READ = "org:admin", "org:member", "org:invoices:read"
# Seconds ago: tokens, and what is told of the organization, in any order.
JOINED, FORMER, BETWEEN, LATER, NOW = 50, 40, 30, 20, 0


class Organization:
    """What Clerk tells of it, and the tokens of USER's sessions there."""

    def __init__(self, deliver: Deliver, person: Person) -> None:
        self._deliver, self._person = deliver, person
        self._now = int(time.time())
        person.exists()

    def tell(self, role: str, ago: int, verb: str = "updated", *, number: int = 1, permissions: object = ()) -> None:
        membership = {
            "id": f"orgmem_{number}",
            "role": role,
            "permissions": permissions,
            "organization": {"id": ORGANIZATION},
            "public_user_data": {"user_id": USER},
            "updated_at": (self._now - ago) * 1000,
        }
        assert status(self._deliver(f"organizationMembership.{verb}", membership)) == "applied"

    def delete(self, kind: str, identifier: str) -> None:
        assert status(self._deliver(f"{kind}.deleted", {"id": identifier, "deleted": True})) == "applied"

    def token(
        self, role: str, ago: int | None, *, permissions: tuple[str, ...] = (), org_id: str = ORGANIZATION, **more: Any
    ) -> dict[str, str]:
        """Of `ago` seconds ago; None: it does not say when."""
        claims = {"v": 1, "org_id": org_id, "org_role": role, "org_permissions": permissions}
        return self._person.session(**claims, iat=... if ago is None else self._now - ago, **more)

    def at(self, ago: float) -> float:
        return self._now - ago


@pytest.fixture
def app(settings: dict[str, str]) -> Flask:
    return make_own_app(settings)


@pytest.fixture
def person(clerk: Instance, sql: Sql) -> Person:
    return Person(clerk, sql)


@pytest.fixture
def organization(deliver: Deliver, person: Person) -> Organization:
    return Organization(deliver, person)


@pytest.fixture
def admins(app: Flask) -> FlaskClient:
    return demand(app, "table", org_role=ADMIN, stored=True)


@pytest.mark.parametrize("place", ["table", "require_auth"])
@pytest.mark.parametrize("wanted", [{"org_role": ADMIN}, {"org_permission": READ}, {}], ids=str)
class TestWhichIsNewer:
    """Of every pair of what is stored and what the token says."""

    def test_each_pair(self, app: Flask, organization: Organization, place: str, wanted: dict[str, str]) -> None:
        client = demand(app, place, stored=True, **wanted)
        worth: dict[str, tuple[str, ...]] = {ADMIN: (READ,), MEMBER: ()}
        organization.tell(MEMBER, JOINED, "created")
        for stored, ago in ((ADMIN, FORMER), (MEMBER, BETWEEN), (ADMIN, LATER)):
            organization.tell(stored, ago, permissions=worth[stored])
            for claimed in (ADMIN, MEMBER):
                for issued in (ago + 1, ago - 1, None):
                    token = organization.token(claimed, issued, permissions=worth[claimed])
                    decides = claimed if issued == ago - 1 else stored
                    expected = "ok" if not wanted or decides == ADMIN else "forbidden"
                    assert outcome(client, token) == expected, (stored, ago, claimed, issued)


class TestAtOnce:
    """A token says for a minute what was so when it was made."""

    def test_demoted(self, admins: FlaskClient, organization: Organization) -> None:
        organization.tell(ADMIN, FORMER, "created")
        token = organization.token(ADMIN, BETWEEN)
        assert outcome(admins, token) == "ok"
        organization.tell(MEMBER, LATER)
        assert outcome(admins, token) == "forbidden"

    def test_removed(self, admins: FlaskClient, organization: Organization) -> None:
        """Even a token that was made later says nothing: it may hold older claims."""
        organization.tell(ADMIN, FORMER, "created")
        organization.delete("organizationMembership", "orgmem_1")
        for ago in (BETWEEN, NOW):
            assert outcome(admins, organization.token(ADMIN, ago)) == "forbidden"

    def test_came_back(self, admins: FlaskClient, organization: Organization) -> None:
        """With a new membership, before or after we hear that the old one is gone."""
        organization.tell(ADMIN, FORMER, "created")
        organization.tell(MEMBER, LATER, "created", number=2)
        assert outcome(admins, organization.token(ADMIN, BETWEEN)) == "forbidden"
        organization.delete("organizationMembership", "orgmem_1")
        assert outcome(admins, organization.token(ADMIN, BETWEEN)) == "forbidden"
        assert outcome(admins, organization.token(ADMIN, NOW)) == "ok"

    def test_organization_deleted(self, admins: FlaskClient, organization: Organization) -> None:
        organization.tell(ADMIN, FORMER, "created")
        organization.delete("organization", ORGANIZATION)
        assert outcome(admins, organization.token(ADMIN, NOW)) == "forbidden"

    def test_user_deleted(self, admins: FlaskClient, organization: Organization) -> None:
        organization.tell(ADMIN, FORMER, "created")
        organization.delete("user", USER)
        assert outcome(admins, organization.token(ADMIN, NOW)) == "user-deleted"

    def test_promoted(self, admins: FlaskClient, organization: Organization) -> None:
        """By a token that is newer than what we were told, and by what we are told of an older token."""
        organization.tell(MEMBER, FORMER, "created")
        assert outcome(admins, organization.token(MEMBER, BETWEEN)) == "forbidden"
        assert outcome(admins, organization.token(ADMIN, BETWEEN)) == "ok"
        organization.tell(ADMIN, LATER)
        assert outcome(admins, organization.token(MEMBER, BETWEEN)) == "ok"

    def test_elsewhere_the_token_alone_counts(self, app: Flask, organization: Organization) -> None:
        client = demand(app, "table", org_role=ADMIN)
        organization.tell(MEMBER, LATER, "created")
        assert outcome(client, organization.token(ADMIN, BETWEEN)) == "ok"


class TestOriginalTime:
    """The header `oiat`: of what time the claims in a fresh token are."""

    def decides(self, admins: FlaskClient, organization: Organization, *, issued: int, oiat: object) -> str:
        """The copy says since BETWEEN that the user is a member, the token that it is an admin."""
        token = organization.token(ADMIN, issued, headers={"oiat": oiat})
        return {"ok": "token", "forbidden": "copy"}[outcome(admins, token)]

    @pytest.fixture(autouse=True)
    def _member(self, organization: Organization) -> None:
        organization.tell(MEMBER, BETWEEN, "created")

    def test_of_older_claims(self, admins: FlaskClient, organization: Organization) -> None:
        for ago, expected in ((FORMER, "copy"), (BETWEEN + 0.5, "copy"), (BETWEEN - 0.5, "token"), (LATER, "token")):
            assert self.decides(admins, organization, issued=NOW, oiat=organization.at(ago)) == expected, ago
        assert self.decides(admins, organization, issued=NOW, oiat=0) == "copy"

    def test_never_newer_than_the_token(self, admins: FlaskClient, organization: Organization) -> None:
        for oiat in (organization.at(NOW), organization.at(-3600)):
            assert self.decides(admins, organization, issued=FORMER, oiat=oiat) == "copy"

    @pytest.mark.parametrize("oiat", [None, True, "1", [], -1, 10**15, 1e308], ids=str)
    def test_unusable(self, admins: FlaskClient, organization: Organization, oiat: object) -> None:
        """As any header that we do not know: it is not there."""
        assert self.decides(admins, organization, issued=NOW, oiat=oiat) == "token"
        assert self.decides(admins, organization, issued=FORMER, oiat=oiat) == "copy"


class TestWhoIsNoMember:
    @pytest.mark.parametrize("wanted", [{"org_role": ADMIN}, {}], ids=str)
    def test_refused(self, app: Flask, organization: Organization, person: Person, wanted: dict[str, str]) -> None:
        client = demand(app, "table", stored=True, scope=Scope.PROFILE_READ, **wanted)
        organization.tell(ADMIN, FORMER, "created")
        assert outcome(client, organization.token(ADMIN, NOW)) == "ok"
        others = (organization.token(ADMIN, NOW, org_id=OTHER), person.session(), person.legacy(), person.key(*Scope))
        assert [outcome(client, headers) for headers in others] == ["forbidden"] * 4

    def test_somebody_else(self, admins: FlaskClient, organization: Organization, clerk: Instance) -> None:
        organization.tell(ADMIN, FORMER, "created")
        token = clerk.token(sub="user_2", v=1, org_id=ORGANIZATION, org_role=ADMIN, org_permissions=[])
        assert outcome(admins, {"Authorization": f"Bearer {token}"}) == "forbidden"

    def test_before_the_webhook(self, admins: FlaskClient, organization: Organization) -> None:
        token = organization.token(ADMIN, NOW)
        assert outcome(admins, token) == "forbidden"
        organization.tell(ADMIN, LATER, "created")
        assert outcome(admins, token) == "ok"

    @pytest.mark.parametrize("permissions", [None, {"0": READ}, [None, 7, [READ]], [READ.upper()]], ids=str)
    def test_unusable_permissions(self, app: Flask, organization: Organization, permissions: object) -> None:
        """They grant nothing, and the rest counts."""
        organization.tell(ADMIN, LATER, "created", permissions=permissions)
        token = organization.token(MEMBER, FORMER, permissions=(READ,))
        assert outcome(demand(app, "table", org_permission=READ, stored=True), token) == "forbidden"
        with app.test_request_context(headers=token):
            current_access().demand(Policy(org_role=ADMIN, stored=True))


def show() -> ResponseReturnValue:
    auth = get_auth()
    member = auth.membership
    told = member and [member.role, member.permissions, member.updated_at.timestamp()]
    return {"membership": told, "plan": auth.org_plan}


class TestWhatIsStored:
    """On a route that demands nothing of an organization."""

    @pytest.fixture
    def client(self, app: Flask) -> FlaskClient:
        return serve(app, Policy(read=Scope.PROFILE_READ), lambda _: show)

    def test_membership(self, client: FlaskClient, organization: Organization) -> None:
        organization.tell(ADMIN, LATER, "created", permissions=[READ, "org:sys_profile:manage"])
        told = client.get("/here", headers=organization.token(MEMBER, NOW)).get_json()
        assert told["membership"] == [ADMIN, [READ, "org:sys_profile:manage"], organization.at(LATER)]

    def test_nothing(self, client: FlaskClient, organization: Organization, person: Person) -> None:
        organization.tell(ADMIN, LATER, "created")
        others = (organization.token(ADMIN, NOW, org_id=OTHER), person.session(), person.legacy(), person.key(*Scope))
        for headers in others:
            assert client.get("/here", headers=headers).get_json() == {"membership": None, "plan": None}

    def plan(self, client: FlaskClient, organization: Organization) -> object:
        return client.get("/here", headers=organization.token(MEMBER, NOW)).get_json()["plan"]

    def test_plan(self, client: FlaskClient, organization: Organization, deliver: Deliver) -> None:
        """Of any slug, by the rules that a user's plan follows; that one stays as it is."""
        pays: dict[str, Any] = {"payer": payer(USER, ORGANIZATION)}
        steps: tuple[tuple[dict[str, Any], str | None], ...] = (
            ({"slug": "free_org"}, "free_org"),
            ({"slug": "free_org", "status": "ended"}, None),
            ({"slug": "team", "status": "upcoming"}, None),
            ({"slug": "team", "status": "active"}, "team"),
            ({"slug": "crew", "status": "active"}, "crew"),
            ({"slug": "crew", "status": "canceled", "period_end": FUTURE}, "team"),
            ({"slug": "team", "status": "past_due"}, "team"),
            ({"slug": "team", "status": "ended"}, "crew"),
            ({"slug": "crew", "status": "canceled", "period_end": PAST}, None),
            ({"slug": "crew", "status": "active"}, "crew"),
        )
        assert self.plan(client, organization) is None
        for at, (told, expected) in enumerate(steps, 1):
            assert status(deliver("subscriptionItem.updated", alone(at=at, **told, **pays))) == "applied"
            assert self.plan(client, organization) == expected, told
        # A list says which items there are.
        assert status(deliver("subscription.updated", listing(at=len(steps) + 1, **pays))) == "applied"
        assert self.plan(client, organization) is None

    def test_plan_of_whom(self, client: FlaskClient, organization: Organization, deliver: Deliver, sql: Sql) -> None:
        deliver("subscription.created", listing(item("pro")))
        deliver("subscription.created", listing(item("team"), id="csub_2", payer=payer(None, OTHER)))
        assert self.plan(client, organization) is None
        other = organization.token(MEMBER, NOW, org_id=OTHER)
        assert client.get("/here", headers=other).get_json()["plan"] == "team"
        assert sql.value("SELECT plan FROM subscriptions") == "pro"
        organization.delete("organization", OTHER)
        assert client.get("/here", headers=other).get_json()["plan"] is None
