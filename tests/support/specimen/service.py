"""Specimens of users. Another user's does not exist."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, delete, func, insert, select, update

from backend.database.rows import columns_of, read_row
from backend.errors import AppError, ErrorCode
from backend.services.pages import cut_page
from backend.services.plans.quotas import check_quota
from tests.support.specimen import model
from tests.support.specimen.resource import SPECIMENS


class Specimen(NamedTuple):
    """What its owner sees of it. The fields are columns of its model."""

    specimen_id: int
    name: str
    description: str | None
    version: int
    created_at: datetime
    updated_at: datetime


class SpecimenPage(NamedTuple):
    """`next_before`: the `before` of the next page; None at the end."""

    specimens: list[Specimen]
    next_before: int | None


Versions = frozenset[str] | None  # which a change may begin from; None: any

COLUMNS = columns_of(model.Specimen, Specimen)


def create_specimen(connection: Connection, user_id: int, given: Mapping[str, Any]) -> Specimen:
    """The caller holds the row of the user. Raises AppError: 402 for a plan that allows no more."""
    check_quota(connection, user_id, SPECIMENS)
    inserted = insert(model.Specimen).values({**given, "user_id": user_id}).returning(*COLUMNS)
    return read_row(Specimen, connection.execute(inserted).one())


def list_specimens(connection: Connection, user_id: int, *, limit: int, before: int) -> SpecimenPage:
    """At most `limit` of the user's, newest first: the highest ids below `before`."""
    own = select(*COLUMNS).where(model.Specimen.user_id == user_id, model.Specimen.specimen_id < before)
    # One more than asked for tells whether there is a next page.
    found = connection.execute(own.order_by(model.Specimen.specimen_id.desc()).limit(limit + 1))
    page, has_more = cut_page([read_row(Specimen, row) for row in found], limit)
    return SpecimenPage(page, page[-1].specimen_id if has_more else None)


def read_specimen(connection: Connection, user_id: int, specimen_id: int) -> Specimen:
    """Raises AppError (404): the same for another user's as for none."""
    return _read(connection, _select(user_id, specimen_id))


def change_specimen(
    connection: Connection, user_id: int, specimen_id: int, changes: Mapping[str, Any], versions: Versions
) -> Specimen:
    """Set the named columns. Raises AppError: 404; 412 when it has none of the versions."""
    specimen = _lock(connection, user_id, specimen_id, versions)
    if specimen._replace(**changes) == specimen:
        return specimen
    written = update(model.Specimen).where(model.Specimen.specimen_id == specimen_id)
    written = written.values({**changes, "version": specimen.version + 1, "updated_at": func.clock_timestamp()})
    return read_row(Specimen, connection.execute(written.returning(*COLUMNS)).one())


def delete_specimen(connection: Connection, user_id: int, specimen_id: int, versions: Versions) -> None:
    """Raises AppError: 404; 412 when it has none of the versions."""
    _lock(connection, user_id, specimen_id, versions)
    connection.execute(delete(model.Specimen).where(model.Specimen.specimen_id == specimen_id))


def _select(user_id: int, specimen_id: int) -> Select[*tuple[Any, ...]]:
    return select(*COLUMNS).where(model.Specimen.specimen_id == specimen_id, model.Specimen.user_id == user_id)


def _read(connection: Connection, found: Select[*tuple[Any, ...]]) -> Specimen:
    row = connection.execute(found).first()
    if row is None:
        raise AppError(ErrorCode.NOT_FOUND, "There is no such specimen: the list shows which there are.")
    return read_row(Specimen, row)


def _lock(connection: Connection, user_id: int, specimen_id: int, versions: Versions) -> Specimen:
    specimen = _read(connection, _select(user_id, specimen_id).with_for_update())
    if versions is not None and str(specimen.version) not in versions:
        raise AppError(ErrorCode.PRECONDITION_FAILED, "The specimen was changed meanwhile: read it again.")
    return specimen
