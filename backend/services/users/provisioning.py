"""Making users complete: the row, a free subscription, the usage of this month."""

from sqlalchemy import Connection, text

from backend.database.locks import lock_user
from backend.models.choices import Plan
from backend.services.plans.catalogue import PLANS

INSERT_USER = text("""
INSERT INTO users (clerk_user_id, provisioned_by)
VALUES (:clerk_user_id, :provisioned_by)
ON CONFLICT (clerk_user_id) DO NOTHING
RETURNING user_id
""")

IS_SESSION_REVOKED = text("SELECT EXISTS (SELECT FROM revoked_sessions WHERE session_id = :session_id)")

TOKENS_BY_PLAN = " ".join(f"WHEN '{plan}' THEN {limits.tokens_a_month}" for plan, limits in PLANS.items())

# The limit of the last month goes on into a new one: it may be the user's own. A tombstone gets nothing.
COMPLETE_USER = text(f"""
WITH live AS (
    SELECT user_id FROM users
    WHERE (clerk_user_id = :clerk_user_id OR user_id = :user_id) AND deleted_at IS NULL
), subscribed AS (
    INSERT INTO subscriptions (user_id) SELECT user_id FROM live ON CONFLICT (user_id) DO NOTHING
)
INSERT INTO usage_metrics (user_id, tokens_limit)
SELECT live.user_id,
       coalesce(last_month.tokens_limit, CASE coalesce(s.plan, '{Plan.FREE}') {TOKENS_BY_PLAN} END)
FROM live LEFT JOIN subscriptions s ON s.user_id = live.user_id LEFT JOIN LATERAL (
    SELECT tokens_limit FROM usage_metrics WHERE user_id = live.user_id ORDER BY period_start DESC LIMIT 1
) AS last_month ON true
ON CONFLICT (user_id, period_start) DO NOTHING
""")  # noqa: S608 - the numbers are our constants


def insert_user(connection: Connection, clerk_user_id: str, provisioned_by: str) -> bool:
    """Insert a user of whom only the id is known. False when there is a row already, be it a tombstone."""
    values = {"clerk_user_id": clerk_user_id, "provisioned_by": provisioned_by}
    return connection.execute(INSERT_USER, values).first() is not None


def complete_user(
    connection: Connection, clerk_user_id: str | None = None, *, user_id: int | None = None
) -> None:
    """Give a live user, named by either id, the subscription and the usage of this month where they are missing."""
    connection.execute(COMPLETE_USER, {"clerk_user_id": clerk_user_id, "user_id": user_id})


def provision_for_request(connection: Connection, clerk_user_id: str, session_id: str | None) -> bool:
    """Make the user of a valid token whose webhook has not come yet. True when the row is new.

    Safe beside any number of like requests and the webhook: whoever comes second finds the row. A session that
    has ended makes no user.
    """
    lock_user(connection, clerk_user_id)
    is_revoked = connection.execute(IS_SESSION_REVOKED, {"session_id": session_id}).scalar_one()
    is_new = not is_revoked and insert_user(connection, clerk_user_id, "request")
    complete_user(connection, clerk_user_id)
    return is_new
