"""How large a response can be: GET by somebody who has as much as can be, and more."""

from typing import Any

from backend.services.pages import PAGE_CHARACTERS
from tests.support.caller import Caller

ROWS = 120  # more than a page has
# No character takes more than four bytes, in UTF-8 or as JSON writes it. The row with which a page comes to so many
# characters is more, and so are members without text.
TEXTS = {"four bytes": "\U0001f600", "escaped": "\n"}
LARGEST = 4 * PAGE_CHARACTERS + 100_000


def check_one(caller: Caller) -> Any:
    answer = caller.call("GET")
    assert (answer.status_code, len(answer.content) < LARGEST) == (200, True), (caller.path, len(answer.content))
    return answer.json()


def check_list(caller: Caller, member: str) -> None:
    """Each page, and that all of them together have every row once."""
    query = {"limit": 100}
    answer = caller.call("GET", params=query)
    assert (answer.status_code, len(answer.content) < LARGEST) == (200, True), (caller.path, len(answer.content))
    assert answer.json()["next_cursor"] is not None
    pages = list(caller.listed(member, f"{member.removesuffix('s')}_id", **query))
    found = [one for page in pages for one in page]
    assert len(found) == len(set(found)) >= ROWS
    assert all(pages)
