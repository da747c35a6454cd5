"""What a sender of webhooks sends, and is answered."""

from typing import Literal

from pydantic import BaseModel


class ClerkEventIn(BaseModel):
    """The envelope of Clerk's events. There are more members, which nothing looks at."""

    type: str
    data: dict[str, object]


class ReceivedOut(BaseModel):
    """What became of the event. `dead`: it was kept, and cannot be applied as it is."""

    status: Literal["applied", "duplicate", "stale", "ignored", "dead"]
