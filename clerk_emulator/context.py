"""What a request handler works with: the emulator behind the application, and the change it is making."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from flask import Flask, current_app, request

from clerk_emulator.faults import Faults
from clerk_emulator.instance import Instance
from clerk_emulator.store import Store

_EXTENSION = "clerk_emulator"


@dataclass(frozen=True)
class Emulator:
    instance: Instance
    store: Store
    url: str
    bundles: Path
    faults: Faults
    multi_session: bool = False
    allowed_origins: tuple[str, ...] = ()  # besides those of this machine
    application_name: str = "My Application"


@dataclass(frozen=True)
class Change:
    """One transaction on behalf of one HTTP request: its writes and its webhooks happen together or not at all."""

    db: sqlite3.Connection
    emulator: Emulator
    client_ip: str
    user_agent: str
    origin: str | None  # of the page that asks; None when no browser does


def bind(app: Flask, emulator: Emulator) -> None:
    app.extensions[_EXTENSION] = emulator


def current_emulator() -> Emulator:
    return cast("Emulator", current_app.extensions[_EXTENSION])


@contextmanager
def begin_change() -> Iterator[Change]:
    emulator = current_emulator()
    with emulator.store.transaction() as db:
        yield Change(
            db,
            emulator,
            request.remote_addr or "",
            request.headers.get("User-Agent", ""),
            request.headers.get("Origin"),
        )
