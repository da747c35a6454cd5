"""The declarative base, plain and typed: models know no Flask. And the ids of our own rows, written as text."""

import re
from datetime import datetime

from sqlalchemy import BigInteger, DateTime, MetaData, Text
from sqlalchemy.orm import DeclarativeBase

# Names that a migration can rely on, and that a SQL admin can read in an error message.
NAMING_CONVENTION = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


# In a text: what PostgreSQL does not hold (NUL), and UTF-8 has no form for (half of a surrogate pair).
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")

# Marks a column that holds personal data: it is erased with its user, unless the whole row goes.
PERSONAL = {"personal": True}
# Marks a column that lets nobody in, but that nobody needs to read either.
SECRET = {"secret": True}


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMING_CONVENTION)
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads this name
        int: BigInteger,
        str: Text,
        datetime: DateTime(timezone=True),
    }


# What clients and operators may write: decimal, no sign, no leading zero; within PostgreSQL's bigint, and far beyond
# any real id.
ID = "[1-9][0-9]{0,17}"
LARGEST = 10**18 - 1
LAST_ID = 2**63 - 1
_BIGINT = re.compile("[1-9][0-9]{0,18}")


def read_id(text: str | None) -> int | None:
    """The id that the text is the one spelling of. "007" or "1e3" of another system must not hit a row by chance."""
    if text is None or not _BIGINT.fullmatch(text) or int(text) > LAST_ID:
        return None
    return int(text)
