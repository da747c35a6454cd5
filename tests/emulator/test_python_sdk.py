"""Clerk's own Python SDK, unmodified, against the emulator. Its models are strict about every shape."""

from typing import Any

import httpx
import pytest
from clerk_backend_api import Clerk, models
from clerk_backend_api.security import authenticate_request, verify_token
from clerk_backend_api.security.types import (
    AuthenticateRequestOptions,
    TokenVerificationError,
    TokenVerificationErrorReason,
    VerifyTokenOptions,
)

from .browser import ORIGIN, Browser, Json
from .harness import EmulatorProcess

# The SDK reads its own deprecated fields while it builds a request.
pytestmark = pytest.mark.filterwarnings("ignore:warning. .. DEPRECATED:DeprecationWarning")


def _create(clerk: Clerk, email: str) -> models.User:
    user = clerk.users.create(email_address=[email], first_name="Ada", password="correct horse battery")
    assert user is not None
    return user


def test_a_user_is_created_read_listed_and_counted(clerk: Clerk) -> None:
    created = _create(clerk, "Ada@Example.com")
    got = clerk.users.get(user_id=created.id)
    assert got == created
    assert got.email_addresses[0].email_address == "ada@example.com"
    assert got.primary_email_address_id == got.email_addresses[0].id
    assert got.password_enabled
    assert clerk.users.list(request={"email_address": ["ada@example.com"]}) == [created]
    count = clerk.users.count(request={"email_address": ["ada@example.com"]})
    assert count is not None
    assert count.total_count == 1


def test_a_user_is_updated(clerk: Clerk) -> None:
    user = _create(clerk, "update@example.com")
    updated = clerk.users.update(user_id=user.id, last_name="Lovelace", username="ada_l", external_id="legacy-7")
    assert (updated.first_name, updated.last_name, updated.username) == ("Ada", "Lovelace", "ada_l")
    assert updated.updated_at > user.updated_at
    clerk.users.update_metadata(user_id=user.id, public_metadata={"plan": {"name": "pro", "seats": 3}})
    merged = clerk.users.update_metadata(user_id=user.id, public_metadata={"plan": {"seats": None}})
    assert merged.public_metadata == {"plan": {"name": "pro"}}


def test_a_ban_revokes_every_session(clerk: Clerk) -> None:
    user = _create(clerk, "ban@example.com")
    session = clerk.sessions.create(request={"user_id": user.id})
    assert clerk.users.ban(user_id=user.id).banned
    assert clerk.sessions.get(session_id=session.id).status is models.Status.REVOKED
    with pytest.raises(models.SDKError, match="user_banned"):
        clerk.sessions.create(request={"user_id": user.id})
    assert not clerk.users.unban(user_id=user.id).banned
    assert clerk.users.lock(user_id=user.id).locked
    assert not clerk.users.unlock(user_id=user.id).locked


def test_a_deleted_user_is_gone_with_the_sessions(clerk: Clerk) -> None:
    user = _create(clerk, "delete@example.com")
    session = clerk.sessions.create(request={"user_id": user.id})
    deleted = clerk.users.delete(user_id=user.id)
    assert (deleted.id, deleted.deleted, deleted.object) == (user.id, True, "user")
    for read in (lambda: clerk.users.get(user_id=user.id), lambda: clerk.sessions.get(session_id=session.id)):
        with pytest.raises(models.ClerkErrors) as refusal:
            read()
        assert refusal.value.data.errors[0].code == "resource_not_found"


def test_sessions_are_listed_revoked_and_give_tokens(clerk: Clerk) -> None:
    user = _create(clerk, "sessions@example.com")
    session = clerk.sessions.create(request={"user_id": user.id})
    clerk.sessions.create(request={"user_id": user.id})
    token = clerk.sessions.create_token(session_id=session.id, expires_in_seconds=600)
    assert token.jwt is not None
    assert clerk.sessions.revoke(session_id=session.id).status is models.Status.REVOKED
    active = clerk.sessions.list(user_id=user.id, status=models.QueryParamStatus.ACTIVE)
    assert active is not None
    assert session.id not in [one.id for one in active]
    assert len(active) == 1
    with pytest.raises(models.ClerkErrors) as refusal:
        clerk.sessions.create_token(session_id=session.id)
    assert refusal.value.data.errors[0].code == "authentication_invalid"


def test_the_key_set_is_read_with_the_secret_key(clerk: Clerk, emulator: EmulatorProcess) -> None:
    keys = clerk.jwks.get_jwks().keys
    public = emulator.call("GET", "/.well-known/jwks.json")["keys"]
    assert keys is not None
    assert [key.kid for key in keys] == [key["kid"] for key in public]


def test_who_signed_up_in_a_browser_is_known(clerk: Clerk, browser: Browser, session: Json) -> None:
    read = clerk.sessions.get(session_id=session["id"])
    assert (read.user_id, read.status) == (session["user"]["id"], models.Status.ACTIVE)
    client = clerk.clients.get(client_id=read.client_id)
    assert [one.id for one in client.sessions] == [session["id"]]
    user = clerk.users.get(user_id=read.user_id)
    assert user.email_addresses[0].verification is not None
    assert clerk.users.verify_password(user_id=user.id, password="analytical engine").verified
    clerk.sessions.revoke(session_id=session["id"])
    assert browser.client()["sessions"] == []


def test_tokens_and_requests_are_verified(
    emulator: EmulatorProcess, browser: Browser, session: Json, jwt_key: str
) -> None:
    token = browser.session_token(session["id"])
    by_key_set = {"secret_key": emulator.keys["CLERK_SECRET_KEY"], "api_url": emulator.url}
    ways: list[dict[str, Any]] = [{"jwt_key": jwt_key}, by_key_set]
    for options in ways:
        claims = verify_token(token, VerifyTokenOptions(**options, authorized_parties=[ORIGIN]))
        assert (claims["sub"], claims["sid"]) == (session["user"]["id"], session["id"])
        with pytest.raises(TokenVerificationError) as refusal:
            verify_token(token, VerifyTokenOptions(**options, authorized_parties=["https://example.com"]))
        assert refusal.value.reason is TokenVerificationErrorReason.TOKEN_INVALID_AUTHORIZED_PARTIES
    of_request = AuthenticateRequestOptions(jwt_key=jwt_key, authorized_parties=[ORIGIN])
    bearer = {"Authorization": f"Bearer {token}"}
    state = authenticate_request(httpx.Request("GET", "http://localhost", headers=bearer), of_request)
    assert state.payload is not None
    assert (state.is_signed_in, state.payload["sid"]) == (True, session["id"])
    assert not authenticate_request(httpx.Request("GET", "http://localhost"), of_request).is_signed_in


def test_a_sign_in_token_lets_a_browser_in(clerk: Clerk, browser: Browser, email: str) -> None:
    user = _create(clerk, email)
    ticket = clerk.sign_in_tokens.create(request={"user_id": user.id})
    assert ticket is not None
    answer = browser.call("POST", "/client/sign_ins", {"strategy": "ticket", "ticket": ticket.token})
    assert answer["client"]["sessions"][0]["user"]["id"] == user.id


def test_an_address_is_added_made_the_first_and_taken_away(clerk: Clerk, email: str) -> None:
    user = _create(clerk, email)
    second = clerk.email_addresses.create(request={"user_id": user.id, "email_address": f"2-{email}", "verified": True})
    assert second is not None
    assert second.id is not None
    assert second.verification is not None
    clerk.email_addresses.update(email_address_id=second.id, primary=True)
    assert clerk.users.get(user_id=user.id).primary_email_address_id == second.id
    assert user.primary_email_address_id is not None
    assert clerk.email_addresses.delete(email_address_id=user.primary_email_address_id).deleted
    assert [one.id for one in clerk.users.get(user_id=user.id).email_addresses] == [second.id]


def test_an_organization_and_its_members(clerk: Clerk, email: str) -> None:
    founder, member = _create(clerk, email), _create(clerk, f"2-{email}")
    club = clerk.organizations.create(request={"name": "Analytical Society", "created_by": founder.id})
    assert club is not None
    clerk.organization_memberships.create(organization_id=club.id, user_id=member.id, role="org:member")
    members = clerk.organization_memberships.list(organization_id=club.id).data
    roles = {one.public_user_data.user_id: one.role for one in members if one.public_user_data}
    assert roles == {founder.id: "org:admin", member.id: "org:member"}
    assert clerk.organizations.delete(organization_id=club.id).deleted


def test_users_are_paged_and_a_merged_one_is_gone(clerk: Clerk, emulator: EmulatorProcess) -> None:
    emulator.call("POST", "/emulator/bulk_seed", json={"users": 25, "number": 11, "webhooks": False})
    request: Any = {"email_address_query": "@seed11.example", "limit": 10, "order_by": "+created_at"}
    pages = [clerk.users.list(request=request | {"offset": offset}) or [] for offset in (0, 10, 20)]
    users = [user for page in pages for user in page]
    assert [len(page) for page in pages] == [10, 10, 5]
    assert len({user.id for user in users}) == 25
    assert [user.created_at for user in users] == sorted(user.created_at for user in users)
    kept, duplicate, deleted = users[:3]
    # No SDK has it yet.
    emulator.call("POST", f"/v1/users/{kept.id}/merge", json={"from_user_id": duplicate.id})
    assert clerk.users.delete(user_id=deleted.id).deleted
    left = clerk.users.list(request=request | {"limit": 500}) or []
    assert [user.id for user in left] == [kept.id, *(user.id for user in users[3:])]
    assert len(left[0].email_addresses) == 2


def test_a_phone_number_is_added_and_made_primary(clerk: Clerk) -> None:
    user = _create(clerk, "phone@example.com")
    phone = clerk.phone_numbers.create(request={"user_id": user.id, "phone_number": "+15550120001", "verified": True})
    assert phone is not None
    assert clerk.users.get(user_id=user.id).primary_phone_number_id == phone.id
    assert clerk.phone_numbers.delete(phone_number_id=str(phone.id)).deleted


def test_what_belongs_to_an_organization_is_read(clerk: Clerk, emulator: EmulatorProcess) -> None:
    founder = _create(clerk, "owner@example.com")
    organization = clerk.organizations.create(request={"name": "Whole", "created_by": founder.id})
    assert organization is not None
    ids: dict[str, Any] = {"organization_id": organization.id}
    invitation = clerk.organization_invitations.create(**ids, email_address="guest@example.com", role="org:member")
    assert clerk.organization_invitations.list(**ids).data == [invitation]
    assert clerk.organization_invitations.get_all().total_count >= 1
    assert clerk.organization_invitations.revoke(**ids, invitation_id=invitation.id).status == "revoked"
    domain = clerk.organization_domains.create(**ids, name="whole.test", enrollment_mode="manual_invitation")
    assert clerk.organization_domains.list(**ids).data == [domain]
    assert clerk.organization_domains.delete(**ids, domain_id=domain.id).deleted
    permission = clerk.organization_permissions.create(name="See", key="org:whole:see")
    role = clerk.organization_roles.create(name="Seer", key="org:seer", permissions=[permission.id])
    assert role.permissions == [permission]
    assert clerk.organization_roles.delete(organization_role_id=role.id).deleted
    assert clerk.organization_permissions.delete(permission_id=permission.id).deleted
    emulator.call("PUT", f"/emulator/subscriptions/{organization.id}", json={"plan": "team"})
    [item] = clerk.organizations.get_billing_subscription(**ids).subscription_items
    assert isinstance(item.plan, models.Plan)
    assert item.plan.slug == "team"
    items = clerk.billing.list_subscription_items(payer_type=models.QueryParamPayerType.ORG)
    assert item.id in {one.id for one in items.data}


def test_the_waitlist_is_worked_off(clerk: Clerk) -> None:
    entry = clerk.waitlist_entries.create(request={"email_address": "waiting@example.com"})
    assert entry is not None
    assert clerk.waitlist_entries.invite(waitlist_entry_id=entry.id).status == "invited"
    assert [one.id for one in clerk.waitlist_entries.list(query="waiting@").data] == [entry.id]
