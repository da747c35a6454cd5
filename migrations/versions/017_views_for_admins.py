"""Views for SQL admins. Nobody waits: a new view locks no table against reads and writes, and none is rewritten.

What a view reads cannot change its type or go while the view is there: a later revision drops the view first, and makes
it anew, in the same transaction.
"""

from alembic import op

revision = "017"
down_revision = "016"

# Of each view: its comment, its columns as (expression, comment) by name, and where they come from.
VIEWS = {
    "admin_users": (
        "Every user with state, plan, usage of this month, API keys and organizations, the deleted ones too",
        {
            "user_id": ("u.user_id", "Internal id; what other tables refer to"),
            "clerk_user_id": ("u.clerk_user_id", "Id at Clerk, user_…; null: an old user who has not come there yet"),
            "email": ("u.email", "Primary address at Clerk; search it as lower(email)"),
            "email_verified": ("u.email_verified", "Clerk verified the address and no newer user holds it"),
            # Not that of `users`, whose index is for the beginning of a number.
            "phone": ("c.phone", "Primary phone number at Clerk, as +15555550100"),
            "phone_verified": ("u.phone_verified", "Clerk verified the phone number"),
            "username": ("u.username", "Unique at Clerk"),
            "first_name": ("u.first_name", "As Clerk has it"),
            "last_name": ("u.last_name", "As Clerk has it"),
            "external_id": ("u.external_id", "external_id at Clerk: the id of an older system"),
            "role": ("u.role", "user, developer or admin of this application"),
            # In the order in which requests are refused.
            "refused_with": (
                """CASE WHEN u.deleted_at IS NOT NULL THEN 'user-deleted' WHEN u.banned THEN 'user-banned'
                   WHEN u.deprovisioned THEN 'user-deprovisioned' WHEN NOT u.is_active THEN 'forbidden' END""",
                "Code of all requests: user-deleted, user-banned, user-deprovisioned, forbidden (off here); null: none",
            ),
            "locked": ("u.locked", "Sign-in locked at Clerk after failed attempts; live sessions go on"),
            "deprovisioned": ("u.deprovisioned", "Switched off by the identity provider of the user's company"),
            "plan": (
                """CASE WHEN s.plan <> 'free' AND s.status = 'canceled' AND s.period_end <= now() THEN 'free'
                   ELSE s.plan END""",
                "The plan that the next request counts by",
            ),
            "plan_status": ("s.status", "active, past_due or canceled (ends with its period)"),
            "plan_ends_at": ("s.period_end", "End of the paid period; null: none"),
            "tokens_used": ("m.tokens_used", "This month (UTC); null: no request yet"),
            "tokens_limit": ("m.tokens_limit", "Tokens for this month"),
            "usable_api_keys": (
                """(SELECT count(*) FROM api_keys k WHERE k.user_id = u.user_id AND k.revoked_at IS NULL
                    AND coalesce(k.expires_at, 'infinity') > now())""",
                "API keys that are neither revoked nor expired",
            ),
            "organizations": (
                """ARRAY(SELECT coalesce(o.slug, o.name, b.organization_id) FROM clerk.organization_memberships b
                    LEFT JOIN clerk.organizations o ON o.id = b.organization_id
                    WHERE b.user_id = u.clerk_user_id AND b.deleted_at IS NULL ORDER BY 1)""",
                "Slugs of the organizations that the user is a member of; without a slug the name",
            ),
            "provisioned_by": ("u.provisioned_by", "What made the row: webhook, request, backfill or legacy"),
            "created_at": ("u.created_at", "When the row was made"),
            "last_login_at": ("u.last_login_at", "Start of the newest session at Clerk"),
            "last_logout_at": ("u.last_logout_at", "End of the newest ended session at Clerk"),
            "clerk_updated_at": ("u.clerk_updated_at", "Clerk's time of this profile; null: none has come yet"),
            "deleted_at": ("u.deleted_at", "Deleted at Clerk; final"),
        },
        """users u
        LEFT JOIN clerk.users c ON c.id = u.clerk_user_id
        LEFT JOIN subscriptions s ON s.user_id = u.user_id
        LEFT JOIN usage_metrics m ON m.user_id = u.user_id
            AND m.period_start = date_trunc('month', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'""",
    ),
    "admin_organizations": (
        "Every organization of Clerk with members, plan and domains, the deleted ones too",
        {
            "organization_id": ("o.id", "Id at Clerk, org_…"),
            "name": ("o.name", "As people see it"),
            "slug": ("o.slug", "The name in addresses"),
            "members": (
                """(SELECT count(*) FROM clerk.organization_memberships b
                    WHERE b.organization_id = o.id AND b.deleted_at IS NULL)""",
                "How many there are",
            ),
            "admins": (
                """(SELECT count(*) FROM clerk.organization_memberships b
                    WHERE b.organization_id = o.id AND b.deleted_at IS NULL AND b.role = 'org:admin')""",
                "How many members have the role org:admin",
            ),
            "pending_invitations": (
                """(SELECT count(*) FROM clerk.organization_invitations i
                    WHERE i.organization_id = o.id AND i.deleted_at IS NULL AND i.status = 'pending')""",
                "Invitations that nobody has accepted yet",
            ),
            "domains": (
                """ARRAY(SELECT d.name FROM clerk.organization_domains d
                    WHERE d.organization_id = o.id AND d.deleted_at IS NULL ORDER BY 1)""",
                "Domains of e-mail addresses",
            ),
            "plans": (
                """ARRAY(SELECT DISTINCT i.plan FROM clerk.subscription_items i
                    WHERE i.organization_id = o.id AND i.deleted_at IS NULL AND i.plan IS NOT NULL
                    AND i.status IN ('active', 'past_due', 'canceled') ORDER BY 1)""",
                "Slugs of the plans that it pays for at Clerk, also past due or canceled",
            ),
            "updated_at": ("o.updated_at", "Clerk's time of this state"),
            "seen_at": ("o.seen_at", "When it came"),
            "deleted_at": ("o.deleted_at", "When we learned that Clerk deleted it; final"),
        },
        "clerk.organizations o",
    ),
    "admin_usage": (
        "What each user used, a row a month (UTC)",
        {
            "period_start": ("m.period_start", "First instant of the month, UTC"),
            "is_current": ("now() >= m.period_start AND now() < m.period_end", "Whether it is this month"),
            "user_id": ("m.user_id", "users.user_id"),
            "clerk_user_id": ("u.clerk_user_id", "Id at Clerk, user_…"),
            "email": ("u.email", "Primary address at Clerk"),
            "tokens_used": ("m.tokens_used", "Tokens spent in the month"),
            "tokens_limit": ("m.tokens_limit", "Tokens for the month; changes with the plan"),
            "tokens_remaining": ("greatest(0, m.tokens_limit - m.tokens_used)", "Tokens that are left, never below 0"),
            "percent_used": (
                "round(100.0 * m.tokens_used / nullif(m.tokens_limit, 0))",
                "Of the tokens; null: limit 0",
            ),
            "campaigns_created": ("m.campaigns_created", "Campaigns made in the month"),
            "api_requests": ("m.api_requests", "Requests that were let in"),
            "updated_at": ("m.updated_at", "Last change of this row"),
        },
        "usage_metrics m JOIN users u ON u.user_id = m.user_id",
    ),
    "admin_webhook_health": (
        "By type of event: what the last 24 hours brought, and all that is dead or failed and waits for somebody",
        {
            "type": ("e.type", "Clerk's event type; null: the body could not be read"),
            "received": ("count(*) FILTER (WHERE e.received_at > {day})", "In the last 24 hours, all"),
            "applied": (
                "count(*) FILTER (WHERE e.received_at > {day} AND e.status = 'applied')",
                "In the last 24 hours: did what it says",
            ),
            "stale": (
                "count(*) FILTER (WHERE e.received_at > {day} AND e.status = 'stale')",
                "In the last 24 hours: newer state was here already",
            ),
            "ignored": (
                "count(*) FILTER (WHERE e.received_at > {day} AND e.status = 'ignored')",
                "In the last 24 hours: of a type that is not used",
            ),
            "dead": ("count(*) FILTER (WHERE e.status = 'dead')", "However old: cannot be processed"),
            "failed": ("count(*) FILTER (WHERE e.status = 'failed')", "However old: our fault, comes again"),
            "last_error": (
                "(array_agg(e.error ORDER BY e.received_at DESC) FILTER (WHERE e.status IN ('dead', 'failed')))[1]",
                "Why the newest of the dead and failed ones is so",
            ),
            "oldest_unresolved_at": (
                "min(e.received_at) FILTER (WHERE e.status IN ('dead', 'failed'))",
                "When the oldest of the dead and failed ones came",
            ),
            "last_received_at": ("max(e.received_at)", "When the newest of all these came"),
            "longest_delay": (
                "max(e.received_at - e.occurred_at) FILTER (WHERE e.received_at > {day})",
                "In the last 24 hours: longest time from Clerk to here",
            ),
        },
        """webhook_events e WHERE e.received_at > {day} OR e.status IN ('dead', 'failed') GROUP BY e.type""",
    ),
    "admin_sync_drift": (
        "How far the copy was from Clerk: of each kind the newest reconcile, and the newest backfill",
        {
            "kind": ("k.kind", "The table of schema clerk"),
            "reconciled_at": ("r.finished_at", "When the newest reconcile of this kind ended; null: none yet"),
            **{
                name: (f"(r.counts -> k.kind ->> '{name}')::bigint", comment)
                for name, comment in {
                    "checked": "Objects at Clerk",
                    "missing": "At Clerk and not here",
                    "stale": "Here with an older state",
                    "extra": "Here and not at Clerk",
                    "diverged": "With the same time and another content",
                    "repaired": "Of these, repaired by that run",
                }.items()
            },
            "drift": (
                """(SELECT n.missing + n.stale + n.extra + n.diverged - n.repaired
                    FROM jsonb_to_record(r.counts -> k.kind) n
                        (missing bigint, stale bigint, extra bigint, diverged bigint, repaired bigint))""",
                "Differences of this kind that the run left; null: not compared yet, or switched off at Clerk",
            ),
            "backfilled_at": (
                """(SELECT max(b.finished_at) FROM sync_runs b
                    WHERE b.command = 'backfill' AND b.status = 'finished' AND k.kind = ANY (b.kinds))""",
                "When the newest backfill of this kind ended; null: none yet",
            ),
        },
        """(SELECT DISTINCT unnest(kinds) AS kind FROM sync_runs) k LEFT JOIN LATERAL (
            SELECT * FROM sync_runs WHERE command = 'reconcile' AND status = 'finished' AND k.kind = ANY (kinds)
            ORDER BY finished_at DESC LIMIT 1
        ) r ON true""",
    ),
}
DAY = "now() - interval '1 day'"


def upgrade() -> None:
    for name, (comment, columns, source) in VIEWS.items():
        selected = ", ".join(f"{expression} AS {column}" for column, (expression, _) in columns.items())
        op.execute(f"CREATE VIEW {name} AS SELECT {selected} FROM {source}".replace("{day}", DAY))  # noqa: S608
        op.execute(f"COMMENT ON VIEW {name} IS $${comment}$$")
        for column, (_, meaning) in columns.items():
            op.execute(f"COMMENT ON COLUMN {name}.{column} IS $${meaning}$$")


def downgrade() -> None:
    op.execute("DROP VIEW " + ", ".join(VIEWS))
