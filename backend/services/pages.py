"""How much a page of a list holds: so many rows, and so much text."""

from collections.abc import Sequence
from typing import Any, TypeVar

R = TypeVar("R", bound=tuple[Any, ...])

# A hundred rows with as much text as they may have would be 2.5 MB of JSON; this is 500 kB at most.
PAGE_CHARACTERS = 100_000


def cut_page(rows: Sequence[R], limit: int) -> tuple[list[R], bool]:
    """The page that the rows begin with, and whether there is a next one. Whoever reads them asks for one more than
    `limit`.

    It ends after `limit` rows, or after the row with which its texts come to PAGE_CHARACTERS.
    """
    page: list[R] = []
    characters = 0
    for row in rows[:limit]:
        page.append(row)
        for value in row:
            if type(value) is str:
                characters += len(value)
            elif type(value) is list:
                characters += sum(map(len, value))
        if characters >= PAGE_CHARACTERS:
            break
    return page, len(rows) > len(page)
