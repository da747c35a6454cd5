"""What a sender of webhooks sends and gets back, and what the user that an event is about sees of it."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel

from backend.schemas.base import Output


class ClerkEventIn(BaseModel):
    """The envelope of Clerk's events. There are more members, which nothing looks at."""

    type: str
    data: dict[str, object]


class ReceivedOut(BaseModel):
    """What became of the event. `dead`: it was kept, and cannot be applied as it is."""

    status: Literal["applied", "duplicate", "stale", "ignored", "dead"]


class EventOut(Output):
    """`occurred_at`: at Clerk. `processed_at`: when the outcome was decided and the rows were written."""

    event_id: str
    type: str
    status: Literal["applied", "stale", "ignored", "dead", "failed"]
    occurred_at: datetime | None
    received_at: datetime
    processed_at: datetime | None


class EventsOut(BaseModel):
    """Newest first, at most 20."""

    data: list[EventOut]
