"""Is it alive, is it ready."""

from typing import NamedTuple

from flask import Blueprint

from backend.api.http.operation import operation
from backend.container import current_services
from backend.database.prepared_reads import PreparedRead
from backend.errors import AppError, ErrorCode
from backend.models import SCHEMA_REVISION
from backend.schemas.site import ReadyOut, StatusOut

blueprint = Blueprint("health", __name__)


class Schema(NamedTuple):
    version_num: str


# Revisions are numbered with leading zeros. A later one is fine: while nodes are replaced, the schema is ahead.
SCHEMA = PreparedRead[Schema]("SELECT version_num FROM alembic_version", Schema)


@blueprint.get("/healthz")
@operation(StatusOut)
def healthz() -> StatusOut:
    """The process answers. Asks nobody else: a database that is away is no reason to restart it."""
    return StatusOut(status="ok")


@blueprint.get("/readyz")
@operation(ReadyOut, refuses=[ErrorCode.DATABASE_UNAVAILABLE, ErrorCode.JWKS_UNAVAILABLE])
def readyz() -> ReadyOut:
    """Requests can be served: the database answers and is migrated, and tokens can be verified. Else 503."""
    services = current_services()
    schema = services.reads.fetch(SCHEMA)
    if schema is None or schema.version_num < SCHEMA_REVISION:
        raise AppError(ErrorCode.DATABASE_UNAVAILABLE, "The database is not migrated: run alembic upgrade head.")
    services.clerk.check_keys()
    return ReadyOut(status="ready", revision=schema.version_num)
