"""The tables. Importing this package registers all of them on `Base.metadata`."""

from backend.models.api_key import ApiKey
from backend.models.audit_event import AuditEvent
from backend.models.base import Base
from backend.models.campaign import Campaign, CampaignTag
from backend.models.campaign_template import CampaignTemplate
from backend.models.clerk_billing import ClerkBilling
from backend.models.idempotency_key import IdempotencyKey
from backend.models.revoked_session import RevokedSession
from backend.models.subscription import Subscription
from backend.models.usage_metrics import UsageMetrics
from backend.models.user import User
from backend.models.webhook_event import WebhookEvent

# The revision of the schema these tables need, or a later one: the head of migrations/ (a test compares).
SCHEMA_REVISION = "010"

__all__ = [
    "SCHEMA_REVISION",
    "ApiKey",
    "AuditEvent",
    "Base",
    "Campaign",
    "CampaignTag",
    "CampaignTemplate",
    "ClerkBilling",
    "IdempotencyKey",
    "RevokedSession",
    "Subscription",
    "UsageMetrics",
    "User",
    "WebhookEvent",
]
