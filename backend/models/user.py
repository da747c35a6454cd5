from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, Identity, Index, UniqueConstraint, func, literal_column, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from backend.models.base import PERSONAL, Base
from backend.models.roles_plans_scopes import Role, one_of

# What Clerk owns: written when Clerk tells of the user, and erased with the user where it is personal.
STATE = {"clerk": True}
PROFILE = STATE | PERSONAL

# What admins search by the beginning of, as the indexes have it. An address is never longer than 320 characters.
SEARCHED = {
    "email": "email",
    "phone": "phone",
    **{name: f"left({name}, 100)" for name in ("username", "first_name", "last_name")},
}


class User(Base):
    """One row a person, for ever. A row with `deleted_at` is a tombstone: no personal data, never live again."""

    __tablename__ = "users"
    __table_args__ = (
        UniqueConstraint("clerk_user_id"),
        CheckConstraint(one_of("role", Role), name="role"),
        CheckConstraint("provisioned_by IN ('webhook', 'request', 'backfill', 'legacy')", name="provisioned_by"),
        # Two live users never hold one verified address; unverified copies may repeat.
        Index(
            "uq_users_verified_email",
            text("lower(email)"),
            unique=True,
            postgresql_where=text("email_verified AND deleted_at IS NULL"),
        ),
        # Linking looks for an address in any letter case. Admins search by the beginning of it and of names, of which
        # only the beginning is in the index: an entry of 2.7 kB would not fit, and Clerk's user could not be stored.
        *(
            Index(
                f"ix_users_{name}",
                func.lower(literal_column(beginning)).label("lower"),
                postgresql_ops={"lower": "text_pattern_ops"},
            )
            for name, beginning in SEARCHED.items()
        ),
        # The few among the many: an admin who filters for them reads no other row.
        Index("ix_users_role", "role", "user_id", postgresql_where=text("role <> 'user'")),
        Index("ix_users_switched_off", "user_id", postgresql_where=text("banned OR deprovisioned OR NOT is_active")),
        {"comment": "Our own copy of every user. Clerk owns the profile, we own user_id, role and state."},
    )

    user_id: Mapped[int] = mapped_column(
        Identity(always=False), primary_key=True, comment="Internal id; stable for ever, what other tables refer to"
    )
    clerk_user_id: Mapped[str | None] = mapped_column(
        comment="Clerk's user_… id; null for a legacy user that no Clerk user has been linked to"
    )
    email: Mapped[str | None] = mapped_column(
        info=PROFILE, comment="Primary address at Clerk; null when the user has none"
    )
    email_verified: Mapped[bool] = mapped_column(
        info=PROFILE,
        server_default=text("false"),
        comment="Clerk verified the address and no newer user holds it; unique among live users when true",
    )
    phone: Mapped[str | None] = mapped_column(
        info=PROFILE, comment="Primary phone number at Clerk; null when the user has none"
    )
    phone_verified: Mapped[bool] = mapped_column(
        info=PROFILE, server_default=text("false"), comment="Clerk verified the phone number"
    )
    username: Mapped[str | None] = mapped_column(info=PROFILE)
    first_name: Mapped[str | None] = mapped_column(info=PROFILE)
    last_name: Mapped[str | None] = mapped_column(info=PROFILE)
    image_url: Mapped[str | None] = mapped_column(
        info=PROFILE, comment="Avatar address at Clerk; never fetched by this backend"
    )
    role: Mapped[str] = mapped_column(server_default=text("'user'"), comment="user, developer or admin; ours alone")
    is_active: Mapped[bool] = mapped_column(
        server_default=text("true"), comment="False: an admin of this application switched the user off"
    )
    banned: Mapped[bool] = mapped_column(info=STATE, server_default=text("false"), comment="Banned at Clerk")
    locked: Mapped[bool] = mapped_column(
        info=STATE,
        server_default=text("false"),
        comment="Sign-in locked at Clerk after failed attempts; live sessions go on",
    )
    deprovisioned: Mapped[bool] = mapped_column(
        info=STATE,
        server_default=text("false"),
        comment="Switched off by the identity provider of the user's company (directory sync at Clerk)",
    )
    bio: Mapped[str | None] = mapped_column(info=PERSONAL)
    website: Mapped[str | None] = mapped_column(info=PERSONAL)
    social_links: Mapped[dict[str, Any]] = mapped_column(JSONB, info=PERSONAL, server_default=text("'{}'::jsonb"))
    external_id: Mapped[str | None] = mapped_column(
        info=PROFILE, comment="external_id at Clerk: the id of an older system"
    )
    provisioned_by: Mapped[str] = mapped_column(
        server_default=text("'webhook'"),
        comment="What made the row: webhook, request (a valid token came first), backfill or legacy",
    )
    last_login_at: Mapped[datetime | None] = mapped_column(comment="Start of the newest session at Clerk")
    last_logout_at: Mapped[datetime | None] = mapped_column(comment="End of the newest ended session at Clerk")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now(), comment="Last change of this row")
    clerk_updated_at: Mapped[datetime | None] = mapped_column(
        info=STATE, comment="updated_at at Clerk of the profile held here; older events are stale"
    )
    deleted_at: Mapped[datetime | None] = mapped_column(
        comment="Deleted at Clerk. Final: personal data is erased, the row stays as a tombstone"
    )
