"""What the application itself does with events: a module for each matter, which is there by being here.

from backend.workflows import on_event, on_sign_up
"""

import pkgutil
from importlib import import_module

from backend.services.clerk.webhooks.events import ClerkEvent as ClerkEvent
from backend.services.clerk.webhooks.events import on_event as on_event
from backend.services.outbox.destinations import SignedUp as SignedUp
from backend.services.outbox.destinations import on_sign_up as on_sign_up


def load_workflows() -> None:
    """Import each module here, which registers its functions."""
    for module in pkgutil.iter_modules(__path__):
        import_module(f"{__name__}.{module.name}")
