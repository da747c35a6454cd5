"""The pages of the documentation and the code blocks in them."""

import re
from pathlib import Path
from typing import NamedTuple

from config import PROJECT

PAGES = [
    PROJECT / "README.md",
    PROJECT / "CONTRIBUTING.md",
    *sorted((PROJECT / "docs").glob("*.md")),
    PROJECT / "clerk_emulator" / "README.md",
    PROJECT / "examples" / "README.md",
    PROJECT / "frontend" / "README.md",
]
FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A fenced block. `page`: from the folder of the project."""

    page: str
    language: str
    text: str


def name_of(page: Path) -> str:
    return page.relative_to(PROJECT).as_posix()


BLOCKS = [
    Block(name_of(page), language, text) for page in PAGES for _, language, text in FENCE.findall(page.read_text())
]


def blocks(language: str, page: str | None = None) -> list[Block]:
    """The blocks in one language, of all pages or of one."""
    return [block for block in BLOCKS if block.language == language and page in {None, block.page}]
