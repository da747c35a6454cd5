"""Applying what Clerk says about users and their subscriptions.

One method for every way an event comes in: `UserSync.apply_event`.

Order of arrival means nothing: a profile counts by Clerk's `updated_at`, and a delete is final.
"""

import logging
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, text

from backend.database.locks import lock_user
from backend.database.prepared_reads import Transact, delete_found
from backend.services.clerk import billing_projection as clerk_subscriptions
from backend.services.clerk.billing import read_report
from backend.services.clerk.client.http import FetchError
from backend.services.clerk.mirror.users import apply_profile
from backend.services.clerk.payloads import (
    Profile,
    Unprocessable,
    read_identifier,
    read_instant,
    read_profile,
)
from backend.services.clerk.webhooks.events import (
    ITEM_EVENTS,
    SESSION_ENDS,
    SESSION_STARTS,
    SUBSCRIPTION_EVENTS,
    ClerkEvent,
)
from backend.services.core.clerk_service import ClerkService
from backend.services.users.provisioning import complete_user, insert_user

# When Clerk names no end: its default lifetime of a session.
SESSION_LIFETIME = timedelta(days=7)

log = logging.getLogger(__name__)


class Outcome(StrEnum):
    """What an event did."""

    APPLIED = "applied"
    STALE = "stale"
    IGNORED = "ignored"


# A tombstone has no personal data, and nothing that comes later brings the user back.
ERASE_USER = text("""
INSERT INTO users (clerk_user_id, provisioned_by, deleted_at, is_active)
VALUES (:clerk_user_id, 'webhook', now(), false)
ON CONFLICT (clerk_user_id) DO UPDATE SET
    deleted_at = now(), updated_at = now(), is_active = false,
    email = NULL, email_verified = false, username = NULL, first_name = NULL, last_name = NULL, image_url = NULL,
    external_id = NULL, bio = NULL, website = NULL, social_links = DEFAULT
WHERE users.deleted_at IS NULL
RETURNING user_id
""")

ERASE_PAYLOADS = text(
    "UPDATE webhook_events SET payload = NULL WHERE subject_id = :clerk_user_id AND payload IS NOT NULL"
)

# The keys themselves stay: whoever still sends one is told that the user was deleted.
ERASE_KEY_NAMES = text("UPDATE api_keys SET name = 'erased' WHERE user_id = :user_id")

# All that users write is their personal data. With a campaign go its tags; a stored answer shows what was written. Of these
# so many go with the event: 600,000 campaigns take longer than a statement may, and so at each repetition. From the
# tombstone on nobody can read what is left: it goes with the next purge, and an answer when it has expired.
ERASED_AT_ONCE = 10_000
ERASE_CAMPAIGNS = delete_found(
    "campaigns", "FROM campaigns t WHERE user_id = :user_id ORDER BY deleted_at, created_at, campaign_id"
)
ERASE_ANSWERS = delete_found(
    "idempotency_keys", "FROM idempotency_keys t WHERE user_id = :user_id ORDER BY method, path, key"
)
ERASE_TEMPLATES = text("DELETE FROM campaign_templates WHERE user_id = :user_id")

FORGET_BILLING = text("DELETE FROM clerk_billing WHERE clerk_user_id = :clerk_user_id")

END_SUBSCRIPTION = text(
    "UPDATE subscriptions SET status = 'canceled', updated_at = now() WHERE user_id = :user_id"
)

NOTE_LOGIN = text("""
UPDATE users SET last_login_at = :at, updated_at = now()
WHERE clerk_user_id = :clerk_user_id AND deleted_at IS NULL AND (last_login_at IS NULL OR last_login_at < :at)
""")

NOTE_LOGOUT = text("""
UPDATE users SET last_logout_at = :at, updated_at = now()
WHERE clerk_user_id = :clerk_user_id AND deleted_at IS NULL AND (last_logout_at IS NULL OR last_logout_at < :at)
""")

REVOKE_SESSION = text("""
INSERT INTO revoked_sessions (session_id, expires_at) VALUES (:session_id, :expires_at)
ON CONFLICT (session_id) DO NOTHING
""")


class UserSync:
    """Applies what Clerk says about users, by one set of rules. One an application."""

    def __init__(self, *, link_by_email: bool) -> None:
        self._link_by_email = link_by_email

    def apply_event(self, connection: Connection, event: ClerkEvent) -> Outcome:
        """Bring our copy up to what the event says. Raises Unprocessable for what no repetition can cure."""
        if event.type == "user.deleted":
            return _delete_user(connection, read_identifier(event.data, "id"))
        if event.type in {"user.created", "user.updated"}:
            wins_ties = event.type == "user.updated"
            is_applied = self.apply_profile(connection, read_profile(event.data), wins_ties=wins_ties)
            return Outcome.APPLIED if is_applied else Outcome.STALE
        if event.type in SESSION_STARTS:
            return self._start_session(connection, event.data)
        if event.type in SESSION_ENDS:
            return self._end_session(connection, event.data)
        if event.type in SUBSCRIPTION_EVENTS or event.type in ITEM_EVENTS:
            return self._apply_billing(connection, event)
        return Outcome.IGNORED

    def apply_profile(self, connection: Connection, profile: Profile, *, wins_ties: bool) -> bool:
        """As profiles.apply_profile, by the rules of this application."""
        return apply_profile(connection, profile, wins_ties=wins_ties, link_by_email=self._link_by_email)

    def complete_from_clerk(self, transact: Transact, clerk: ClerkService, clerk_user_id: str) -> None:
        """Fill in a user who came by a token from Clerk's Backend API. A failure is harmless: the webhook will come."""
        try:
            profile = read_profile(clerk.fetch_user(clerk_user_id))
        except (FetchError, Unprocessable) as error:
            log.info("User %s was not completed from Clerk's Backend API: %s.", clerk_user_id, error)
            return
        if profile.clerk_user_id == clerk_user_id:
            transact(lambda connection: self.apply_profile(connection, profile, wins_ties=True))

    def _end_session(self, connection: Connection, data: dict[str, Any]) -> Outcome:
        """Refuse the session's tokens from now on: they would be good for up to 60 s more. `data`: Clerk's Session."""
        clerk_user_id = read_identifier(data, "user_id")
        ended_at = read_instant(data, "updated_at")
        lock_user(connection, clerk_user_id)
        is_news = revoke_session(connection, read_identifier(data, "id"), _session_expiry(data))
        if data.get("actor") is None:
            self._ensure_user(connection, clerk_user_id, data.get("user"))
            noted = connection.execute(NOTE_LOGOUT, {"clerk_user_id": clerk_user_id, "at": ended_at})
            is_news = is_news or noted.rowcount > 0
        return Outcome.APPLIED if is_news else Outcome.STALE

    def _start_session(self, connection: Connection, data: dict[str, Any]) -> Outcome:
        if data.get("actor") is not None:
            return Outcome.IGNORED  # somebody else impersonates the user: that is not his login
        clerk_user_id = read_identifier(data, "user_id")
        started_at = read_instant(data, "created_at")
        lock_user(connection, clerk_user_id)
        self._ensure_user(connection, clerk_user_id, data.get("user"))
        noted = connection.execute(NOTE_LOGIN, {"clerk_user_id": clerk_user_id, "at": started_at})
        return Outcome.APPLIED if noted.rowcount else Outcome.STALE

    def _apply_billing(self, connection: Connection, event: ClerkEvent) -> Outcome:
        report = read_report(event.data, is_list=event.type in SUBSCRIPTION_EVENTS)
        if report is None:
            return Outcome.IGNORED
        lock_user(connection, report.clerk_user_id)
        self._ensure_user(connection, report.clerk_user_id, None)
        is_news = clerk_subscriptions.apply_report(connection, report)
        return Outcome.APPLIED if is_news else Outcome.STALE

    def _ensure_user(self, connection: Connection, clerk_user_id: str, user: object) -> None:
        """An event may come before its user's: make the user then, from the copy the event carries."""
        if isinstance(user, dict) and user.get("id") == clerk_user_id:
            try:
                profile = read_profile(user)
            except Unprocessable:
                pass  # the copy is a courtesy; without it the session still counts
            else:
                self.apply_profile(connection, profile, wins_ties=False)
                return
        insert_user(connection, clerk_user_id, "webhook")
        complete_user(connection, clerk_user_id)


def revoke_session(connection: Connection, session_id: str, expires_at: datetime | None = None) -> bool:
    """Refuse a session's tokens here. `expires_at`: when the last of them is dead. False when it was so already."""
    values = {"session_id": session_id, "expires_at": expires_at or datetime.now(UTC) + SESSION_LIFETIME}
    return connection.execute(REVOKE_SESSION, values).rowcount > 0


def _delete_user(connection: Connection, clerk_user_id: str) -> Outcome:
    lock_user(connection, clerk_user_id)
    user_id = connection.execute(ERASE_USER, {"clerk_user_id": clerk_user_id}).scalar()
    if user_id is None:
        return Outcome.STALE
    connection.execute(END_SUBSCRIPTION, {"user_id": user_id})
    for erase in (ERASE_KEY_NAMES, ERASE_CAMPAIGNS, ERASE_TEMPLATES, ERASE_ANSWERS):
        connection.execute(erase, {"user_id": user_id, "limit": ERASED_AT_ONCE})
    connection.execute(FORGET_BILLING, {"clerk_user_id": clerk_user_id})
    connection.execute(ERASE_PAYLOADS, {"clerk_user_id": clerk_user_id})
    return Outcome.APPLIED


def _session_expiry(data: dict[str, Any]) -> datetime | None:
    try:
        return read_instant(data, "expire_at")
    except Unprocessable:
        return None
