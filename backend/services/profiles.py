"""Writing a Clerk profile over our copy, unless ours is newer."""

from typing import Any

from sqlalchemy import Connection, Row, text

from backend.services.clerk_user import Profile
from backend.services.provisioning import complete_user

# Two events of one user, or two users with one address, take turns. Locks of the transaction, so PgBouncer may
# pool transactions; the user's first, so that no two transactions wait for each other.
LOCK_USER_AND_EMAIL = text("""
SELECT pg_advisory_xact_lock(1, hashtext(:clerk_user_id)), pg_advisory_xact_lock(2, hashtext(lower(:email)))
""")

# Rows are locked in one order: users who exchange their addresses cannot deadlock.
LOCK_ROWS = text("""
SELECT user_id, clerk_user_id, clerk_updated_at, deleted_at
FROM users
WHERE clerk_user_id = :clerk_user_id
   OR (lower(email) = lower(:email) AND email_verified AND deleted_at IS NULL)
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
""")


def lock_user(connection: Connection, clerk_user_id: str, email: str | None = None) -> None:
    """Take the turn of this user (and address) until the transaction ends."""
    connection.execute(LOCK_USER_AND_EMAIL, {"clerk_user_id": clerk_user_id, "email": email})


def apply_profile(connection: Connection, profile: Profile, *, wins_ties: bool) -> bool:
    """Insert or update the user and make it complete. False when our copy is newer, or the user is deleted.

    `wins_ties`: whether the profile counts against one of the same `updated_at`. An update does, a creation does
    not: Clerk may send both with one time, in any order.
    """
    verified_email = profile.email if profile.email_verified else None
    lock_user(connection, profile.clerk_user_id, verified_email)
    rows = connection.execute(
        LOCK_ROWS, {"clerk_user_id": profile.clerk_user_id, "email": verified_email}
    ).all()
    own = next((row for row in rows if row.clerk_user_id == profile.clerk_user_id), None)
    if own is not None and not _is_newer(profile, own, wins_ties=wins_ties):
        return False
    for holder in rows:
        if holder is not own:
            profile = _settle_email(connection, profile, holder)
    connection.execute(UPSERT_PROFILE, profile._asdict())
    complete_user(connection, profile.clerk_user_id)
    return True


def _is_newer(profile: Profile, own: Row[Any], *, wins_ties: bool) -> bool:
    if own.deleted_at is not None:
        return False
    if own.clerk_updated_at is None or profile.clerk_updated_at > own.clerk_updated_at:
        return True
    return wins_ties and bool(profile.clerk_updated_at == own.clerk_updated_at)


def _settle_email(connection: Connection, profile: Profile, holder: Row[Any]) -> Profile:
    """Decide which of two live users holds a verified address: the newest. The other keeps it unverified.

    Clerk's ids grow with time, so they decide between equal times.
    """
    is_ours_newer = holder.clerk_updated_at is None or (profile.clerk_updated_at, profile.clerk_user_id) > (
        holder.clerk_updated_at,
        holder.clerk_user_id or "",
    )
    if not is_ours_newer:
        return profile._replace(email_verified=False)
    connection.execute(RELEASE_EMAIL, {"user_id": holder.user_id})
    return profile
