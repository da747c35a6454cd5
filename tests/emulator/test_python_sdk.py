"""Clerk's own Python SDK, unmodified, against the emulator. Its models are strict about every shape."""

import pytest
from clerk_backend_api import Clerk, models

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
    updated = clerk.users.update(
        user_id=user.id, last_name="Lovelace", username="ada_l", external_id="legacy-7"
    )
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
