"""The copy of what Clerk holds: schema `clerk`, one table a kind of object, all of one shape."""

from collections.abc import Iterator

from sqlalchemy import DDL, Column, Computed, DateTime, Index, Table, Text, event, text
from sqlalchemy.dialects.postgresql import JSONB

from backend.models.base import PERSONAL, SECRET, Base

SCHEMA = "clerk"
SOURCES = ("webhook", "inngest", "request", "backfill", "reconcile")
# An index holds no entry of 2.7 kB, and no identifier of Clerk's is longer than an address (RFC 5321).
LONGEST = 320

# The comments of generated columns, by name.
MEANS = {
    "email": "Address: a user's primary one",
    "phone": "Primary phone number",
    "username": "Unique at Clerk",
    "first_name": "As Clerk has it",
    "last_name": "As Clerk has it",
    "external_id": "The id of an older system",
    "name": "As people see it",
    "slug": "The name in addresses",
    "key": "The name in tokens",
    "user_id": "Clerk id of the user that it belongs to: users.clerk_user_id",
    "organization_id": "Clerk id of the organization that it belongs to",
    "subscription_id": "The subscription that it is a part of",
    "role": "Key of the role in the organization",
    "plan": "Slug of the plan at Clerk",
    "status": "As Clerk names it",
}


# Where an organization pays Clerk may name a user as well.
PAYING_USER = '$.payer ? (!exists(@.organization_id ? (@ != null && @ != ""))).user_id'
# What people look for in the objects of each kind: the name of a generated column, and where it is in the object, as
# SQL/JSON path.
LOOKED_FOR: dict[str, dict[str, str]] = {
    "users": {
        "email": "$.email_addresses[*] ? (@.id == $.primary_email_address_id).email_address",
        "phone": "$.phone_numbers[*] ? (@.id == $.primary_phone_number_id).phone_number",
        "username": "$.username",
        "first_name": "$.first_name",
        "last_name": "$.last_name",
        "external_id": "$.external_id",
    },
    "organizations": {"name": "$.name", "slug": "$.slug"},
    "organization_memberships": {
        "organization_id": "$.organization.id",
        "user_id": "$.public_user_data.user_id",
        "role": "$.role",
    },
    "organization_invitations": {
        "organization_id": "$.organization_id",
        "user_id": "$.user_id",
        "email": "$.email_address",
        "role": "$.role",
        "status": "$.status",
    },
    "organization_domains": {"organization_id": "$.organization_id", "name": "$.name"},
    "roles": {"key": "$.key", "name": "$.name"},
    "permissions": {"key": "$.key", "name": "$.name"},
    "subscriptions": {"user_id": PAYING_USER, "organization_id": "$.payer.organization_id", "status": "$.status"},
    "subscription_items": {
        "subscription_id": "$.subscription_id",
        "user_id": PAYING_USER,
        "organization_id": "$.payer.organization_id",
        "plan": "$.plan.slug",
        "status": "$.status",
    },
    "waitlist_entries": {"email": "$.email_address", "status": "$.status"},
}
# Who somebody is, and not only by an id.
PERSONAL_COLUMNS = {"email", "phone", "username", "first_name", "last_name", "external_id"}
# Few values, or never searched alone.
NOT_INDEXED = {"role", "status", "name", "first_name", "last_name"}


def _read(path: str) -> str:
    """The text at this path of the object; null where there is none or an empty one."""
    found = f"jsonb_path_query_first(data, '{path}') #>> '{{}}'" if "?" in path else f"data #>> '{_members(path)}'"
    return f"nullif(left({found}, {LONGEST}), '')"


def _members(path: str) -> str:
    return "{" + path.removeprefix("$.").replace(".", ",") + "}"


def _table(name: str) -> Table:
    is_personal = {"user_id", "email"} & LOOKED_FOR[name].keys()
    columns = (
        Column("id", Text, primary_key=True, comment="Clerk's id"),
        Column(
            "data",
            JSONB(none_as_null=True),
            # Clerk's private metadata is in it.
            info=PERSONAL | SECRET if is_personal else SECRET,
            comment="The object as Clerk last sent it; null once deleted",
        ),
        Column("updated_at", DateTime(timezone=True), nullable=False, comment="Clerk's time of this state"),
        Column(
            "seen_at", DateTime(timezone=True), nullable=False, server_default=text("now()"), comment="When it came"
        ),
        Column("source", Text, nullable=False, comment="How it came: " + ", ".join(SOURCES)),
        Column("deleted_at", DateTime(timezone=True), comment="When we learned that Clerk deleted it; final"),
    )
    generated = (
        Column(
            column,
            Text,
            Computed(_read(path), persisted=True),
            info=PERSONAL if column in PERSONAL_COLUMNS else {},
            comment=MEANS[column],
        )
        for column, path in LOOKED_FOR[name].items()
    )
    comment = f"What Clerk holds as {name.replace('_', ' ')}: our copy."
    return Table(name, Base.metadata, *columns, *generated, *_indexes(name), schema=SCHEMA, comment=comment)


def _indexes(name: str) -> Iterator[Index]:
    """Partial: of most users the phone, the username and the external id are null, and cost nothing then."""
    for column in LOOKED_FOR[name]:
        if column not in NOT_INDEXED:
            yield Index(f"ix_{name}_{column}", column, postgresql_where=text(f"{column} IS NOT NULL"))


make_schema = DDL(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")  # type: ignore[no-untyped-call]
event.listen(Base.metadata, "before_create", make_schema)
CLERK_TABLES = {name: _table(name) for name in LOOKED_FOR}
