"""The caller's specimens."""

from flask import Blueprint, url_for
from sqlalchemy import Connection

from backend.access.policy import get_current_user_id
from backend.api.http.etags import IF_MATCH, IF_NONE_MATCH, read_if_match
from backend.api.http.operation import Created, operation
from backend.errors import ErrorCode
from backend.models.base import LAST_ID
from backend.schemas.base import PageQuery
from tests.support.specimen import service
from tests.support.specimen.schema import SpecimenChanges, SpecimenIn, SpecimenOut, SpecimensOut
from tests.support.specimen.service import Specimen, SpecimenPage

blueprint = Blueprint("specimens", __name__)


@blueprint.post("")
@operation(SpecimenOut, is_tagged=True, is_idempotent=True, refuses=[ErrorCode.QUOTA_EXCEEDED])
def create(connection: Connection, body: SpecimenIn) -> Created:
    """Make a specimen."""
    specimen = service.create_specimen(connection, get_current_user_id(), body.model_dump())
    return Created(specimen, url_for(".show", specimen_id=specimen.specimen_id))


@blueprint.get("")
@operation(SpecimensOut)
def list_page(connection: Connection, query: PageQuery) -> SpecimenPage:
    """One page of the caller's specimens, newest first."""
    before = query.before or LAST_ID
    return service.list_specimens(connection, get_current_user_id(), limit=query.limit, before=before)


@blueprint.get("/<id:specimen_id>")
@operation(SpecimenOut, is_tagged=True, takes=[IF_NONE_MATCH])
def show(connection: Connection, specimen_id: int) -> Specimen:
    """One specimen of the caller, or 304 when the caller has this version."""
    return service.read_specimen(connection, get_current_user_id(), specimen_id)


@blueprint.patch("/<id:specimen_id>")
@operation(SpecimenOut, is_tagged=True, is_idempotent=True, takes=[IF_MATCH])
def change(connection: Connection, specimen_id: int, body: SpecimenChanges) -> Specimen:
    """Set the members that are sent."""
    user_id = get_current_user_id()
    return service.change_specimen(connection, user_id, specimen_id, body.columns, read_if_match())


@blueprint.delete("/<id:specimen_id>")
@operation(is_idempotent=True, takes=[IF_MATCH])
def delete(connection: Connection, specimen_id: int) -> None:
    """Delete it."""
    service.delete_specimen(connection, get_current_user_id(), specimen_id, read_if_match())
