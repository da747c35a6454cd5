"""The tables. Importing this package registers all of them on `Base.metadata`."""

from backend.models.api_key import ApiKey as ApiKey
from backend.models.audit_event import AuditEvent as AuditEvent
from backend.models.base import Base as Base
from backend.models.campaign import Campaign as Campaign
from backend.models.campaign import CampaignTag as CampaignTag
from backend.models.campaign_template import CampaignTemplate as CampaignTemplate
from backend.models.clerk_object import CLERK_TABLES as CLERK_TABLES
from backend.models.handled_event import HandledEvent as HandledEvent
from backend.models.idempotency_key import IdempotencyKey as IdempotencyKey
from backend.models.outbox import OutboxEvent as OutboxEvent
from backend.models.revoked_session import RevokedSession as RevokedSession
from backend.models.subscription import Subscription as Subscription
from backend.models.sync_run import SyncRun as SyncRun
from backend.models.sync_seen import SyncSeen as SyncSeen
from backend.models.usage_metrics import UsageMetrics as UsageMetrics
from backend.models.user import User as User
from backend.models.webhook_event import WebhookEvent as WebhookEvent

# Made by migrations, for people who read by SQL.
ADMIN_VIEWS = ("admin_users", "admin_organizations", "admin_usage", "admin_webhook_health", "admin_sync_drift")

# The revision of the schema these tables need, or a later one: the head of migrations/ (a test compares).
SCHEMA_REVISION = "020"
