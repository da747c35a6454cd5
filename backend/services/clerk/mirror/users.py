"""Writing a Clerk profile over our copy, unless ours is newer."""

from collections.abc import Iterable

from sqlalchemy import Connection, text

from backend.database.locks import lock_user
from backend.models.ids import read_id
from backend.services.clerk import linking
from backend.services.clerk.linking import Link, LockedUser
from backend.services.clerk.payloads import Profile
from backend.services.users.provisioning import complete_user

# The user's own row, the one that external_id names, and all live ones with the address. Locked in one order: users who
# exchange their addresses cannot deadlock, and of users who want one legacy row the second sees it taken.
LOCK_ROWS = text("""
SELECT user_id, clerk_user_id, email, email_verified, clerk_updated_at, deleted_at,
       coalesce(lower(email) = lower(:email) AND deleted_at IS NULL, false) AS has_address
FROM users
WHERE clerk_user_id = :clerk_user_id
   OR user_id = :named_user_id
   OR (lower(email) = lower(:email) AND deleted_at IS NULL)
ORDER BY user_id
FOR UPDATE
""")

RELEASE_EMAIL = text("UPDATE users SET email_verified = false, updated_at = now() WHERE user_id = :user_id")

UPSERT_PROFILE = text("""
INSERT INTO users (clerk_user_id, email, email_verified, username, first_name, last_name, image_url, external_id,
                   banned, locked, clerk_updated_at, provisioned_by)
VALUES (:clerk_user_id, :email, :email_verified, :username, :first_name, :last_name, :image_url, :external_id,
        :banned, :locked, :clerk_updated_at, 'webhook')
ON CONFLICT (clerk_user_id) DO UPDATE SET
    email = excluded.email, email_verified = excluded.email_verified, username = excluded.username,
    first_name = excluded.first_name, last_name = excluded.last_name, image_url = excluded.image_url,
    external_id = excluded.external_id, banned = excluded.banned, locked = excluded.locked,
    clerk_updated_at = excluded.clerk_updated_at, updated_at = now()
RETURNING user_id
""")


def apply_profile(connection: Connection, profile: Profile, *, wins_ties: bool, link_by_email: bool) -> bool:
    """Insert or update the user and make it complete. False when our copy is newer, or the user is deleted.

    `wins_ties`: whether the profile counts against one of the same `updated_at`. An update does, a creation does
    not: Clerk may send both with one time, in any order.
    `link_by_email`: whether a legacy row with the address may become this user's.
    """
    lock_user(connection, profile.clerk_user_id, profile.email if profile.email_verified else None)
    rows = _lock_rows(connection, profile)
    own = next((row for row in rows if row.clerk_user_id == profile.clerk_user_id), None)
    if own is not None and not _is_newer(profile, own, wins_ties=wins_ties):
        return False
    decision = None
    if own is None or own.clerk_updated_at is None:
        # Before the addresses are settled: that takes from a legacy row the proof that its address was verified.
        decision = linking.decide(profile, rows, by_email=link_by_email)
        if isinstance(decision, Link):
            decision = linking.link(connection, profile.clerk_user_id, decision)
    profile = _settle_email(connection, profile, rows)
    user_id = connection.execute(UPSERT_PROFILE, profile._asdict()).scalar_one()
    complete_user(connection, profile.clerk_user_id)
    if decision is not None:
        linking.record(connection, profile.clerk_user_id, user_id, decision)
    return True


def _lock_rows(connection: Connection, profile: Profile) -> list[LockedUser]:
    named_user_id = read_id(profile.external_id)
    rows = connection.execute(LOCK_ROWS, profile._asdict() | {"named_user_id": named_user_id})
    return [LockedUser._make(row) for row in rows]


def _is_newer(profile: Profile, own: LockedUser, *, wins_ties: bool) -> bool:
    if own.deleted_at is not None:
        return False
    if own.clerk_updated_at is None or profile.clerk_updated_at > own.clerk_updated_at:
        return True
    return wins_ties and profile.clerk_updated_at == own.clerk_updated_at


def _settle_email(connection: Connection, profile: Profile, rows: Iterable[LockedUser]) -> Profile:
    """Decide who of live users holds a verified address: the newest. The others keep it unverified.

    Clerk's ids grow with time, so they decide between equal times.
    """
    if not profile.email_verified:
        return profile
    for row in rows:
        if not row.has_address or not row.email_verified or row.clerk_user_id == profile.clerk_user_id:
            continue
        is_ours_newer = row.clerk_updated_at is None or (
            (profile.clerk_updated_at, profile.clerk_user_id)
            > (row.clerk_updated_at, row.clerk_user_id or "")
        )
        if not is_ours_newer:
            return profile._replace(email_verified=False)
        connection.execute(RELEASE_EMAIL, {"user_id": row.user_id})
    return profile
