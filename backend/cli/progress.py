"""How far a long command is: a bar on a terminal, and a line now and then elsewhere. On stderr."""

import sys
import time
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import click

from backend.services.clerk.mirror import backfill

LINE_EVERY = 10.0  # seconds


class Progress(backfill.Progress):
    """Also notes what could not be used: by kind and reason, the ids."""

    def __init__(self) -> None:
        self._is_terminal = sys.stderr.isatty()
        self._bar: Any = None
        self._kind = ""
        self.unusable: dict[tuple[str, str], list[str]] = defaultdict(list)

    def begin(self, kind: str, done: int, total: int | None) -> None:
        self.end()
        self._kind, self._done, self._first, self._total = kind, done, done, total
        self._began_at = self._line_at = time.monotonic()
        if self._is_terminal:
            self._bar = click.progressbar(
                length=total or 0, label=f"{kind:25}", item_show_func=self._rate, file=sys.stderr, show_pos=True
            )
            self._bar.update(done)

    def add(self, count: int, total: int | None) -> None:
        self._done += count
        self._total = total or self._total
        if self._bar is not None:
            self._bar.length = max(self._total or 0, self._done)
            self._bar.update(count, True)
        elif time.monotonic() - self._line_at >= LINE_EVERY:
            self._line_at = time.monotonic()
            self._say()

    def end(self) -> None:
        """The kind is done."""
        if self._bar is not None:
            self._bar.render_finish()
            self._bar = None
        elif self._kind:
            self._say()
        self._kind = ""

    def skip(self, kind: str, code: str) -> None:
        self._kind = ""
        self.end()
        click.echo(f"{kind}: left out, this Clerk instance has none ({code})", err=True)

    def refuse(self, kind: str, unusable: Mapping[str, str]) -> None:
        for object_id, reason in unusable.items():
            self.unusable[kind, reason].append(object_id)

    def _say(self) -> None:
        of = f" of {self._total:,}" if self._total else ""
        click.echo(f"{self._kind}: {self._done:,}{of}, {self._rate()}", err=True)

    def _rate(self, _item: object = True) -> str:
        seconds = max(time.monotonic() - self._began_at, 0.001)
        rate = (self._done - self._first) / seconds
        left = max((self._total or 0) - self._done, 0)
        return f"{rate:,.0f}/s" + (f", {left / rate:,.0f} s left" if rate and left else "")
