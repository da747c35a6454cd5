"""What belongs to a user, said once: every table that refers to `users`, and what becomes of its rows.

Erasure, linking, the limits of the plans, `/api/subscription` and `flask purge` follow from OWNED, and so do tests: of
each table here, and that no table which refers to `users` is missing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import NamedTuple

from backend.models import ApiKey, Base, Campaign, CampaignTemplate, IdempotencyKey, Subscription, UsageMetrics
from backend.models.api_key import ENDED_AT, IS_USABLE
from backend.models.campaign import RESTORABLE
from backend.models.roles_plans_scopes import Plan


class AtErasure(Enum):
    """What becomes of rows when Clerk deletes their user: with belongings after DELETED_USER_RETENTION_DAYS, with all
    else at once. KEEP is for what holds nothing personal.
    """

    DELETE = "delete"
    KEEP = "keep"


@dataclass(frozen=True, kw_only=True)
class Quota:
    """How many a user may have, by plan; None: as many as they like.

    `name`: the member of `limits` and `used` in /api/subscription. `advice`: what the 402 says after "The plan free has
    room for 5 API keys."
    """

    name: str
    limits: Mapping[Plan, int | None]
    advice: str = "Delete one, or change the plan."

    @property
    def noun(self) -> str:
        return self.name.replace("_", " ").replace("api", "API")


class Newest(NamedTuple):
    """How many of a user's rows that have ended are kept, by plan: the newest.

    `name`: the member of `limits` in /api/subscription. `meaning`: what /openapi.json says of it.
    """

    name: str
    kept: Mapping[Plan, int]
    meaning: str


@dataclass(frozen=True, kw_only=True)
class Owned:
    """A table whose rows belong to the user in their `user_id`.

    `is_belonging`: what a merge or a restore gives to another user, so it waits for that after its user was deleted.
    `when_moved`: what else is set in a row then, as SQL.
    `order`: the columns that follow user_id in an index, in which rows are found to be deleted, some at a time.
    `counted`: which rows count against the quota, as SQL. `held`: which ones are something to lose, as SQL: a user who
    has one makes no room for an older row in a link. `ended`: since when a row is good for nothing, as SQL with an
    index, and `kept`: how long it stays then.
    """

    model: type[Base]
    at_erasure: AtErasure
    is_belonging: bool = True
    when_moved: str = ""
    order: str = ""
    held: str = "true"
    quota: Quota | None = None
    counted: str = "true"
    newest: Newest | None = None
    ended: str | None = None
    kept: timedelta = timedelta()

    @property
    def table(self) -> str:
        return str(self.model.__tablename__)

    def counting(self, user_id: str) -> str:
        """The query for how many of a user's rows count against the quota. `user_id`: a column or parameter, as SQL."""
        return f"SELECT count(*) FROM {self.table} WHERE user_id = {user_id} AND {self.counted}"  # noqa: S608 - ours


CAMPAIGNS = Owned(
    model=Campaign,
    at_erasure=AtErasure.DELETE,
    order="deleted_at, created_at, campaign_id",
    quota=Quota(name="campaigns", limits={Plan.FREE: 3, Plan.PRO: 100, Plan.ENTERPRISE: None}),
    counted="deleted_at IS NULL",
    newest=Newest(
        name="deleted_campaigns",
        kept={Plan.FREE: 50, Plan.PRO: 200, Plan.ENTERPRISE: 1_000},
        meaning="Of the deleted ones the newest so many can be restored.",
    ),
    ended="deleted_at",
    kept=RESTORABLE,
)
TEMPLATES = Owned(
    model=CampaignTemplate,
    at_erasure=AtErasure.DELETE,
    order="template_id",
    quota=Quota(name="templates", limits={Plan.FREE: 10, Plan.PRO: 100, Plan.ENTERPRISE: 1_000}),
)
API_KEYS = Owned(
    model=ApiKey,
    # Until then whoever still sends one is told that the user was deleted.
    at_erasure=AtErasure.DELETE,
    # No credential begins to speak for somebody else, and none that was refused comes back.
    when_moved="revoked_at = coalesce(revoked_at, now())",
    order="key_id",
    quota=Quota(
        name="api_keys",
        # A script that makes keys in a loop stops here, on any plan (OWASP API6).
        limits={Plan.FREE: 5, Plan.PRO: 20, Plan.ENTERPRISE: 50},
        advice="Revoke one, or rotate one without overlap.",
    ),
    counted=IS_USABLE,
    newest=Newest(
        name="ended_api_keys",
        kept={Plan.FREE: 50, Plan.PRO: 200, Plan.ENTERPRISE: 1_000},
        meaning="Of the keys that were revoked or have expired the newest so many are listed.",
    ),
    # So long it is listed, and refused as revoked or expired; then it is one that never existed.
    ended=ENDED_AT,
    kept=timedelta(days=90),
)
KEPT_RESPONSES = Newest(
    name="kept_responses",
    kept={Plan.FREE: 500, Plan.PRO: 1_000, Plan.ENTERPRISE: 5_000},
    meaning="So many requests can be sent again with their Idempotency-Key.",
)
IDEMPOTENCY_KEYS = Owned(
    model=IdempotencyKey,
    at_erasure=AtErasure.DELETE,
    is_belonging=False,
    order="method, path, key",
    newest=KEPT_RESPONSES,
    # What those requests made, if anything, is in the other tables.
    held="false",
    ended="expires_at",
)

OWNED = [
    CAMPAIGNS,
    TEMPLATES,
    API_KEYS,
    IDEMPOTENCY_KEYS,
    Owned(
        model=Subscription,
        at_erasure=AtErasure.KEEP,
        is_belonging=False,
        held="plan <> 'free' OR num_nonnulls(stripe_customer_id, clerk_subscription_id) > 0",
    ),
    # Counted requests are nothing to lose: reading /auth/me until the profile comes must not prevent a link.
    Owned(
        model=UsageMetrics,
        at_erasure=AtErasure.KEEP,
        is_belonging=False,
        held="(tokens_used, campaigns_created) <> (0, 0)",
    ),
]


def quotas() -> list[tuple[Owned, Quota]]:
    """What the plans limit."""
    return [(owned, quota) for owned in OWNED if (quota := owned.quota)]


def row_limits(plan: Plan) -> dict[str, int | None]:
    """How many rows of each kind the plan allows, and how many of those that have ended are kept, by name."""
    allowed = {quota.name: quota.limits[plan] for _, quota in quotas()}
    return allowed | {owned.newest.name: owned.newest.kept[plan] for owned in OWNED if owned.newest}
