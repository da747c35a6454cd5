"""Clerk's events by way of Inngest: checked, applied and noted as those that come to /api/webhooks."""

from typing import Any

import inngest

from backend.container import current_services
from backend.errors import AppError
from backend.services.clerk.payloads import Unprocessable
from backend.services.clerk.webhooks.events import EVENT_TYPES
from backend.services.clerk.webhooks.inngest import read_delivery
from backend.services.clerk.webhooks.ledger import DEAD, FAILED, receive_event
from backend.workflows.inngest import workflow

# The most that Inngest tries, over a day or so, as Svix does: no outage of ours that is shorter loses an event.
RETRIES = 20
# Inngest takes ten triggers a function: one for all events of an object, which also brings those that we ignore.
OTHER_OBJECTS = sorted({kind.partition(".")[0] for kind in EVENT_TYPES} - {"user"})


class EventFailed(Exception):
    """Trouble of ours. The event is in the ledger, and is to be sent again."""


def _on(*names: str) -> dict[str, Any]:
    """One event of an object at a time, over all functions; others would only wait for its lock here. Not
    `idempotency`: a run that failed would use up the key, and the event that is sent again would be dropped.
    """
    return {
        "trigger": [inngest.TriggerEvent(event=f"clerk/{name}") for name in names],
        "retries": RETRIES,
        "concurrency": [inngest.Concurrency(limit=1, key="event.data.id", scope="env")],
    }


@workflow(**_on("user.created"))
def sync_user_from_clerk(ctx: inngest.ContextSync) -> dict[str, str]:
    return _receive(ctx.event)


@workflow(**_on("user.updated"))
def update_user_from_clerk(ctx: inngest.ContextSync) -> dict[str, str]:
    return _receive(ctx.event)


@workflow(**_on("user.deleted"))
def delete_user_with_clerk(ctx: inngest.ContextSync) -> dict[str, str]:
    return _receive(ctx.event)


@workflow(**_on(*(f"{name}.*" for name in OTHER_OBJECTS)))
def copy_from_clerk(ctx: inngest.ContextSync) -> dict[str, str]:
    return _receive(ctx.event)


def _receive(event: inngest.Event) -> dict[str, str]:
    """Raises NonRetriableError for what no repetition can cure, anything else to be called again."""
    services = current_services()
    try:
        delivery = read_delivery(services.webhook_verifier, event.id, event.name, event.ts, event.data)
    except AppError as error:
        if error.code.status >= 500:  # noqa: PLR2004 - a setting is missing here
            raise
        raise inngest.NonRetriableError(error.detail) from None
    except Unprocessable as error:
        raise inngest.NonRetriableError(str(error)) from None
    status = receive_event(
        services.database.transact,
        services.mirror,
        delivery.event_id,
        "inngest",
        delivery.body,
        signed_at=delivery.signed_at,
        instance_ids=services.clerk.instance_ids,
    )
    if status == FAILED:
        raise EventFailed
    if status == DEAD:
        raise inngest.NonRetriableError("The event can never be applied. webhook_events has it, with the reason.")
    return {"status": status}
