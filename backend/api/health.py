"""Is it alive, is it ready."""

from flask import Blueprint

from backend.api.http.operation import operation
from backend.container import current_services
from backend.errors import AppError, ErrorCode
from backend.schemas.site import ChecksOut, ReadyOut, StatusOut, SyncOut

blueprint = Blueprint("health", __name__)

# What is said of a check that is not ok.
TROUBLE = {
    "reads": "The database cannot be read.",
    "writes": "The database takes no writes.",
    "migrations": "The database is not migrated: run alembic upgrade head.",
    "keys": "Clerk's public keys cannot be fetched.",
}


@blueprint.get("/healthz")
@operation(StatusOut)
def healthz() -> StatusOut:
    """The process answers. Asks nobody else: a database that is away is no reason to restart it."""
    return StatusOut(status="ok")


@blueprint.get("/readyz")
@operation(ReadyOut, refuses=[ErrorCode.DATABASE_UNAVAILABLE, ErrorCode.JWKS_UNAVAILABLE])
def readyz() -> ReadyOut:
    """Requests can be served: the database can be read and written and is migrated, and tokens can be verified. Else
    503. What was seen in the last 5 seconds counts, after a failure in the last second.
    """
    services = current_services()
    readiness, limiter = services.readiness, services.rate_limiter
    checks = readiness.look()
    failed = [name for name, state in checks._asdict().items() if state == "failed"]
    if failed:
        code = ErrorCode.JWKS_UNAVAILABLE if failed == ["keys"] else ErrorCode.DATABASE_UNAVAILABLE
        raise AppError(code, " ".join(TROUBLE[name] for name in failed), members={"checks": checks._asdict()})
    return ReadyOut(
        status="ready",
        revision=readiness.revision,
        checks=ChecksOut(**checks._asdict()),
        clock=services.clock.state,
        sync=SyncOut.model_validate(readiness.last_runs),
        rate_limits=limiter.place if limiter else "off",
    )
