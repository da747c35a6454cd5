"""What the service says of itself: whether it lives and can serve, what it is, and what its page must know."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from backend.services.rate_limits.limiter import Place
from backend.services.readiness import State


class StatusOut(BaseModel):
    status: Literal["ok"]


class ChecksOut(BaseModel):
    """`unknown`: not tried, because it cannot work without another one that failed."""

    reads: State
    writes: State
    migrations: State
    keys: State


class LastRunOut(BaseModel):
    """A backfill or reconcile that came to its end. `drift`: differences from Clerk that were left. `age`: seconds."""

    run_id: int
    status: Literal["finished", "stopped"]
    drift: int | None
    finished_at: datetime
    age: int


class SyncOut(BaseModel):
    """The last runs of `flask clerk`; null where there was none."""

    backfill: LastRunOut | None = None
    reconcile: LastRunOut | None = None


class ReadyOut(BaseModel):
    """`schema`: the migration that the database is at. `clock`: whether the clock of this server agrees with Clerk's.
    `sync`: how true our copy of Clerk is. `rate_limits`: where this worker counts requests now; `process`, where Redis
    is set up, means that it is away. None of the three makes anybody unready.
    """

    model_config = ConfigDict(serialize_by_alias=True)

    status: Literal["ready"]
    revision: str = Field(serialization_alias="schema")
    checks: ChecksOut
    clock: State
    sync: SyncOut
    rate_limits: Place


class IndexOut(BaseModel):
    name: str
    version: str
    links: dict[str, str]


class SiteConfigOut(BaseModel):
    """`publishable_key`: null where Clerk is known by its public key alone, so that nobody can sign in on the page."""

    publishable_key: str | None
    proxy_url: str | None
