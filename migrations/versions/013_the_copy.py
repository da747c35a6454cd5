"""The copy of what Clerk holds: schema `clerk`. And of users what it tells beyond the address.

New tables, and columns with constant defaults: nobody waits. `clerk_billing` moves into `clerk.subscriptions` and
`clerk.subscription_items` beside its readers and writers; only what changed meanwhile is moved under a lock.
After that a server of the release before cannot apply events of Clerk Billing: it keeps each as failed, and Clerk's
sender brings it again. A downgrade forgets the copy, and keeps of the plans what `subscriptions` says.
"""

from alembic import op

from migrations.locking import without_blocking

revision = "013"
down_revision = "012"

# Where an organization pays Clerk may name a user as well.
PAYING_USER = '$.payer ? (!exists(@.organization_id ? (@ != null && @ != ""))).user_id'
# Where the generated columns are in the object.
LOOKED_FOR = {
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
NOT_INDEXED = {"role", "status", "name", "first_name", "last_name"}

# Clerk's times were kept in milliseconds. Items that were gone are left out, as the list of their subscription says.
MOVE_BILLING = """
WITH said AS (
    SELECT * FROM clerk_billing WHERE {these}
), moved AS (
    INSERT INTO clerk.subscriptions (id, data, updated_at, source)
    SELECT DISTINCT ON (subscription_id) subscription_id, jsonb_build_object(
               'id', subscription_id, 'updated_at', listed_at, 'status', 'active',
               'payer', jsonb_build_object('user_id', clerk_user_id),
               'items', (SELECT coalesce(jsonb_agg(jsonb_build_object('id', i.key)), '[]') FROM jsonb_each(items) i
                         WHERE (i.value ->> 'seen_at')::bigint >= listed_at AND listed_at > 0)),
           least(now(), timestamptz 'epoch' + listed_at * interval '1 millisecond'), 'webhook'
    FROM said ORDER BY subscription_id, listed_at DESC
    ON CONFLICT (id) DO UPDATE SET data = excluded.data, updated_at = excluded.updated_at
)
INSERT INTO clerk.subscription_items (id, data, updated_at, source)
SELECT DISTINCT ON (i.key) i.key, i.value - 'plan' - 'seen_at' || jsonb_build_object(
           'id', i.key, 'subscription_id', subscription_id, 'payer', jsonb_build_object('user_id', clerk_user_id),
           'plan', CASE WHEN i.value ->> 'plan' <> '' THEN jsonb_build_object('slug', i.value ->> 'plan') END),
       least(now(), timestamptz 'epoch' + (i.value ->> 'updated_at')::bigint * interval '1 millisecond'), 'webhook'
FROM said, jsonb_each(items) i
ORDER BY i.key, (i.value ->> 'updated_at')::bigint DESC
ON CONFLICT (id) DO UPDATE SET data = excluded.data, updated_at = excluded.updated_at
"""


def upgrade() -> None:
    op.execute("CREATE SCHEMA IF NOT EXISTS clerk")
    op.execute("COMMENT ON SCHEMA clerk IS 'Our copy of what Clerk holds, one table a kind of object'")
    for table in LOOKED_FOR:
        _create(table)
    op.execute(
        """
        ALTER TABLE users
            ADD COLUMN IF NOT EXISTS phone text,
            ADD COLUMN IF NOT EXISTS phone_verified boolean DEFAULT false NOT NULL,
            ADD COLUMN IF NOT EXISTS deprovisioned boolean DEFAULT false NOT NULL;
        COMMENT ON COLUMN users.phone IS 'Primary phone number at Clerk; null when the user has none';
        COMMENT ON COLUMN users.phone_verified IS 'Clerk verified the phone number';
        COMMENT ON COLUMN users.deprovisioned IS
            'Switched off by the identity provider of the user''s company (directory sync at Clerk)';
        COMMENT ON COLUMN webhook_events.payload IS 'The raw body, kept while dead or failed, and 30 days when ignored';
        COMMENT ON COLUMN webhook_events.subject_id IS
            'Clerk id of the user the event is about, else of the object that it tells of'
        """
    )
    _move_billing()


def _create(table: str) -> None:
    generated = "".join(
        f", {column} text GENERATED ALWAYS AS ({_read(path)}) STORED" for column, path in LOOKED_FOR[table].items()
    )
    op.execute(
        f"""
        CREATE TABLE IF NOT EXISTS clerk.{table} (
            id text CONSTRAINT pk_{table} PRIMARY KEY, data jsonb, updated_at timestamptz NOT NULL,
            seen_at timestamptz DEFAULT now() NOT NULL, source text NOT NULL, deleted_at timestamptz{generated}
        );
        COMMENT ON TABLE clerk.{table} IS 'What Clerk holds as {table.replace("_", " ")}: our copy.';
        COMMENT ON COLUMN clerk.{table}.id IS 'Clerk''s id';
        COMMENT ON COLUMN clerk.{table}.data IS 'The object as Clerk last sent it; null once deleted';
        COMMENT ON COLUMN clerk.{table}.updated_at IS 'Clerk''s time of this state';
        COMMENT ON COLUMN clerk.{table}.seen_at IS 'When it came';
        COMMENT ON COLUMN clerk.{table}.source IS 'How it came: webhook, inngest, request, backfill, reconcile';
        COMMENT ON COLUMN clerk.{table}.deleted_at IS 'When we learned that Clerk deleted it; final'
        """
    )
    for column in LOOKED_FOR[table]:
        op.execute(f"COMMENT ON COLUMN clerk.{table}.{column} IS $${MEANS[column]}$$")
        if column not in NOT_INDEXED:
            op.execute(
                f"CREATE INDEX IF NOT EXISTS ix_{table}_{column} ON clerk.{table} ({column}) WHERE {column} IS NOT NULL"
            )


def _read(path: str) -> str:
    members = "{" + path.removeprefix("$.").replace(".", ",") + "}"
    found = f"jsonb_path_query_first(data, '{path}') #>> '{{}}'" if "?" in path else f"data #>> '{members}'"
    return f"nullif(left({found}, 320), '')"


def _move_billing() -> None:
    with without_blocking():
        op.execute(MOVE_BILLING.format(these="true"))
    op.execute("LOCK TABLE clerk_billing IN ACCESS EXCLUSIVE MODE")
    # What was written by transactions that were under way. None of them takes an hour.
    meanwhile = "updated_at > (SELECT min(seen_at) - interval '1 hour' FROM clerk.subscriptions)"
    op.execute(MOVE_BILLING.format(these=meanwhile))
    op.execute("DROP TABLE clerk_billing")


def downgrade() -> None:
    op.execute(
        """
        CREATE TABLE clerk_billing (
            clerk_user_id text CONSTRAINT pk_clerk_billing PRIMARY KEY, subscription_id text NOT NULL,
            listed_at bigint DEFAULT 0 NOT NULL, items jsonb NOT NULL, updated_at timestamptz DEFAULT now() NOT NULL
        );
        COMMENT ON TABLE clerk_billing IS
            'The newest that Clerk Billing said of each user''s subscription, in any order of its events.';
        COMMENT ON COLUMN clerk_billing.clerk_user_id IS
            'No foreign key: the users row may yet make room for a legacy one';
        COMMENT ON COLUMN clerk_billing.subscription_id IS 'csub_… of Clerk Billing';
        COMMENT ON COLUMN clerk_billing.listed_at IS
            'updated_at of the newest subscription.* event, Unix milliseconds; 0 without one';
        COMMENT ON COLUMN clerk_billing.items IS
            'By item id: plan (slug), status and times of Clerk, Unix milliseconds';
        DROP SCHEMA clerk CASCADE;
        ALTER TABLE users DROP COLUMN phone, DROP COLUMN phone_verified, DROP COLUMN deprovisioned;
        COMMENT ON COLUMN webhook_events.payload IS 'The raw body, kept only while dead or failed';
        COMMENT ON COLUMN webhook_events.subject_id IS 'Clerk id of the user the event is about'
        """
    )
