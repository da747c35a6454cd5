"""Reading rows by the names of their columns, into the typed rows that services work with."""

from typing import Any, TypeVar

from sqlalchemy import Column, Row

from backend.models.base import Base

T = TypeVar("T")


def columns_of(model: type[Base], row_type: Any) -> list[Column[Any]]:  # noqa: ANN401 - NamedTuples have no common type
    """The columns of the model that the fields of a NamedTuple name."""
    return [model.__table__.c[name] for name in row_type._fields]


def read_row(row_type: type[T], row: Row[Any]) -> T:
    """The row as a NamedTuple of that type, whose fields are its columns by name."""
    return row_type(**row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for it
