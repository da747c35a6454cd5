"""The tables. Importing this package registers all of them on `Base.metadata`."""

from backend.models.base import Base
from backend.models.revoked_session import RevokedSession
from backend.models.subscription import Subscription
from backend.models.usage_metrics import UsageMetrics
from backend.models.user import User
from backend.models.webhook_event import WebhookEvent

__all__ = ["Base", "RevokedSession", "Subscription", "UsageMetrics", "User", "WebhookEvent"]
