"""Ids of our own rows, written as text. One id has one spelling: decimal, no sign, no leading zero."""

import re

# What clients and operators may write: within PostgreSQL's bigint, and far beyond any real one.
ID = "[1-9][0-9]{0,17}"
LARGEST = 10**18 - 1
LAST_ID = 2**63 - 1
_BIGINT = re.compile("[1-9][0-9]{0,18}")


def read_id(text: str | None) -> int | None:
    """The id that the text is the one spelling of. "007" or "1e3" of another system must not hit a row by chance."""
    if text is None or not _BIGINT.fullmatch(text) or int(text) > LAST_ID:
        return None
    return int(text)
