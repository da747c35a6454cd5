"""How pytest-xdist spreads the tests over its workers."""

from typing import Any

import pytest
from xdist.scheduler import LoadFileScheduling  # type: ignore[import-untyped]

TOGETHER = "tests/browser/"


class ByFile(LoadFileScheduling):  # type: ignore[misc]
    """A file at a time, so that what its tests share is started once; all that shares the browser is like one file.

    Not by the mark `xdist_group`: xdist 3.8 does not see it under pytest 9.2.
    """

    def __init__(self, config: pytest.Config, log: Any) -> None:
        super().__init__(config, log)
        # As collected, not the largest file first: last come the many short tests of unit/, so the workers end
        # together.
        config.option.loadscopereorder = False

    def _split_scope(self, nodeid: str) -> str:
        file, _, _ = nodeid.partition("::")
        return TOGETHER if file.startswith(TOGETHER) else file
