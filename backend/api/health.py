"""Is it alive, is it ready."""

from flask import Blueprint, current_app

from backend.api.http.operation import operation
from backend.database.prepared_reads import HotRead, ReadPool
from backend.errors import AppError, ErrorCode
from backend.models import SCHEMA_REVISION
from backend.schemas.health import ReadyOut, StatusOut
from backend.services.core.clerk_service import ClerkService

blueprint = Blueprint("health", __name__)

# Revisions are numbered with leading zeros. A later one is fine: while nodes are replaced, the schema is ahead.
REVISION = HotRead("SELECT version_num FROM alembic_version")


@blueprint.get("/healthz")
@operation(StatusOut)
def healthz() -> StatusOut:
    """The process answers. Asks nobody else: a database that is away is no reason to restart it."""
    return StatusOut(status="ok")


@blueprint.get("/readyz")
@operation(ReadyOut, refuses=[ErrorCode.DATABASE_UNAVAILABLE, ErrorCode.JWKS_UNAVAILABLE])
def readyz() -> ReadyOut:
    """Requests can be served: the database answers and is migrated, and tokens can be verified. Else 503."""
    reads: ReadPool = current_app.extensions["reads"]
    row = reads.fetch_row(REVISION)
    if row is None or row[0] < SCHEMA_REVISION:
        raise AppError(
            ErrorCode.DATABASE_UNAVAILABLE, "The database is not migrated: run alembic upgrade head."
        )
    clerk: ClerkService = current_app.extensions["clerk"]
    clerk.check_keys()
    return ReadyOut(status="ready", revision=row[0])
