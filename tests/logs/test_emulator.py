"""The local Clerk instance writes as the application does: `time LEVEL logger event`, or JSON."""

import json
import logging
from typing import Any

import pytest
from structlog.contextvars import clear_contextvars

from backend.server.logs import Form
from clerk_emulator import logs
from config import Settings


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize("message", ["said", "said ä \n\x1b[31m\u2028"])
def test_one_form(monkeypatch: pytest.MonkeyPatch, form: str, message: str) -> None:
    monkeypatch.setenv("LOG_FORMAT", form)
    clear_contextvars()  # of a request that was made in this process
    error = ValueError("first\nsecond")
    record = logging.LogRecord("tests", logging.WARNING, __file__, 1, message, (), (ValueError, error, None))
    theirs, ours = logs._Form().format(record), Form(Settings(log_format=form)).formatter().format(record)
    assert _without_time(theirs, form) == _without_time(ours, form)


def _without_time(line: str, form: str) -> Any:
    if form == "text":
        return line.partition(" ")[2].replace("    Traceback (most recent call last):\n", "")
    told = json.loads(line)
    del told["timestamp"]
    return told | {"exception": told["exception"].removeprefix("Traceback (most recent call last):\n")}
