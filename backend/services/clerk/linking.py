"""Linking a row of the password era to the Clerk user it belongs to. A wrong link hands an account to a stranger.

Looked at once, with the first profile that comes of a Clerk user, and never undone. The rule for addresses follows
supabase/auth: only proven ones count, and of several rows none is guessed. What the account owns comes with it, and
what keeps it out; power over others does not.
"""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Literal, NamedTuple

from sqlalchemy import Connection, TextClause, func, select, text, update

from backend.models import User
from backend.models.base import read_id
from backend.models.roles_plans_scopes import Role
from backend.resources import OWNED
from backend.services import audit
from backend.services.clerk.payloads import ClerkUser
from backend.services.users.accounts import insert_user

# Whoever adds to a placeholder at this moment is waited for, so that delete_placeholder() sees what was added.
LOCK_PLACEHOLDER = text("""
SELECT FROM users u
LEFT JOIN LATERAL (SELECT FROM subscriptions WHERE user_id = u.user_id FOR UPDATE) AS s ON true
LEFT JOIN LATERAL (SELECT FROM usage_metrics WHERE user_id = u.user_id FOR UPDATE) AS m ON true
WHERE u.clerk_user_id = :clerk_user_id
FOR UPDATE OF u
""")


class LockedUser(NamedTuple):
    """A row that a profile may concern. `has_address`: it is live and has the profile's address, in any letter case."""

    user_id: int
    clerk_user_id: str | None
    email: str | None
    email_verified: bool
    clerk_updated_at: datetime | None
    deleted_at: datetime | None
    has_address: bool

    @property
    def is_legacy(self) -> bool:
        return self.clerk_user_id is None and self.deleted_at is None


class Reason(StrEnum):
    """Why there was a row to link and no link."""

    DELETED = "deleted"
    ALREADY_LINKED = "already-linked"
    TURNED_OFF = "turned-off"
    UNVERIFIED_AT_CLERK = "unverified-at-clerk"
    UNVERIFIED_HERE = "unverified-here"
    AMBIGUOUS = "ambiguous"
    LOOKALIKE = "lookalike"
    OWN_ROW_IN_USE = "own-row-in-use"


By = Literal["external_id", "email"]


class LinkRules(NamedTuple):
    """What may link. `external_id_prefix`: what stands before our user_id in an external_id; None: it links nothing."""

    by_email: bool
    external_id_prefix: str | None

    def named_id(self, external_id: str | None) -> int | None:
        """The user_id in the external_id. Without a rule the bare number, so that the trail can tell of it."""
        prefix = self.external_id_prefix or ""
        if external_id is None or not external_id.startswith(prefix):
            return None
        return read_id(external_id.removeprefix(prefix))


class Link(NamedTuple):
    """`replaced`: the user_id of the user's own row, which made room."""

    by: By
    user_id: int
    replaced: int | None = None


class Refusal(NamedTuple):
    by: By
    candidates: tuple[int, ...]
    reason: Reason


def decide(user: ClerkUser, rows: Iterable[LockedUser], rules: LinkRules) -> Link | Refusal | None:
    """What becomes of the first profile of a user. None: there is no row it could be linked to.

    `rows`: at least the row that `external_id` names and all that have the address.
    """
    rows = list(rows)
    named_id = rules.named_id(user.external_id)
    named = next((row for row in rows if row.user_id == named_id), None)
    if named is not None and rules.external_id_prefix is not None:
        return _decide_named(user, named)
    # An unverified address of another Clerk user proves nothing: it could be given to keep somebody from their own row.
    holders = [
        row
        for row in rows
        if row.has_address and row.clerk_user_id != user.clerk_user_id and (row.is_legacy or row.email_verified)
    ]
    candidates = tuple(row.user_id for row in holders if row.is_legacy)
    if not candidates:
        if named is not None and named.is_legacy:
            return Refusal("external_id", (named.user_id,), Reason.TURNED_OFF)
        return None
    reason = _refuse_holders(user, holders, by_email=rules.by_email)
    return Link("email", *candidates) if reason is None else Refusal("email", candidates, reason)


def _decide_named(user: ClerkUser, named: LockedUser) -> Link | Refusal | None:
    """An `external_id` is set with the instance's secret key, never by the user: it is as good as our own word."""
    if named.clerk_user_id == user.clerk_user_id:
        return None
    if named.deleted_at is not None:
        return Refusal("external_id", (named.user_id,), Reason.DELETED)
    if named.clerk_user_id is not None:
        return Refusal("external_id", (named.user_id,), Reason.ALREADY_LINKED)
    return Link("external_id", named.user_id)


def _refuse_holders(user: ClerkUser, holders: list[LockedUser], *, by_email: bool) -> Reason | None:
    if not by_email:
        return Reason.TURNED_OFF
    if not user.profile.email_verified:
        return Reason.UNVERIFIED_AT_CLERK
    if len(holders) > 1:
        return Reason.AMBIGUOUS
    if not holders[0].email_verified:
        return Reason.UNVERIFIED_HERE
    if not _is_same_address(user.profile.email, holders[0].email):
        return Reason.LOOKALIKE
    return None


def _is_same_address(one: str | None, other: str | None) -> bool:
    """Equal but for the case of ASCII letters: PostgreSQL's lower() makes a k of the Kelvin sign, another mailbox."""
    return one is not None and other is not None and one.encode().lower() == other.encode().lower()


def link(connection: Connection, clerk_user_id: str, wanted: Link) -> Link | Refusal:
    """Give a locked legacy row to the Clerk user. Refused when the user's own row already holds something."""
    values = {"clerk_user_id": clerk_user_id}
    # Whether or not there was a row of the user's own: from here on there is one to take.
    is_ours = insert_user(connection, clerk_user_id, "webhook")
    connection.execute(LOCK_PLACEHOLDER, values)
    placeholder = connection.execute(delete_placeholder(), values).first()
    if placeholder is None:
        return Refusal(wanted.by, (wanted.user_id,), Reason.OWN_ROW_IN_USE)
    _withhold_role(connection, wanted.user_id)
    linked = {
        "clerk_user_id": clerk_user_id,
        "role": Role.USER,
        # From here on Clerk says who is banned, and knows nothing of a ban that somebody noted here.
        "is_active": User.is_active & ~User.banned,
        "last_login_at": func.greatest(User.last_login_at, placeholder.last_login_at),
        "last_logout_at": func.greatest(User.last_logout_at, placeholder.last_logout_at),
        "updated_at": func.now(),
    }
    connection.execute(update(User).where(User.user_id == wanted.user_id).values(linked))
    return wanted if is_ours else wanted._replace(replaced=placeholder.user_id)


def _withhold_role(connection: Connection, user_id: int) -> None:
    """Note which role the link takes away, and the command that gives it back."""
    role = connection.execute(select(User.role).where(User.user_id == user_id)).scalar_one()
    if role == Role.USER:
        return
    restore = f"flask --app wsgi users set-role {user_id} {role}"
    details = {"from": role, "to": Role.USER, "restore": restore}
    audit.record(connection, audit.SYNC, audit.Action.USER_ROLE_CHANGED, user_id, **details)


def delete_placeholder() -> TextClause:
    """The statement that deletes a user's row with which nothing is lost: nothing that the user or an admin set, and
    nothing that backend/resources.py holds to be something. Counted requests and stored responses go with it.
    """
    nothing = "".join(
        f" AND NOT EXISTS (SELECT FROM {owned.table} WHERE user_id = u.user_id AND ({owned.held}))" for owned in OWNED
    )
    return text(f"""
    DELETE FROM users u
    WHERE clerk_user_id = :clerk_user_id
      AND role = 'user' AND is_active AND bio IS NULL AND website IS NULL AND social_links = '{{}}'{nothing}
    RETURNING user_id, last_login_at, last_logout_at
    """)  # noqa: S608 - ours


def record(connection: Connection, clerk_user_id: str, user_id: int, decision: Link | Refusal) -> None:
    """Note in the audit trail what was decided. `user_id`: the row that the user has now."""
    if isinstance(decision, Link):
        details = {"by": decision.by, "clerk_user_id": clerk_user_id, "replaced_user_id": decision.replaced}
        audit.record(connection, audit.SYNC, audit.Action.USER_LINKED, user_id, **details)
        return
    details = decision._asdict() | {"clerk_user_id": clerk_user_id}
    audit.record(connection, audit.SYNC, audit.Action.USER_LINK_REFUSED, user_id, **details)
