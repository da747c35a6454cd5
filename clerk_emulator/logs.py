"""Log lines in the form of the application's, text or JSON, so that both can be read as one."""

import json
import logging
import os
from datetime import UTC, datetime


def configure() -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(_Form())
    logging.basicConfig(level=logging.INFO, handlers=[handler])


class _Form(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        exception = self.formatException(record.exc_info) if record.exc_info else ""
        if os.environ.get("LOG_FORMAT", "").strip() == "json":
            line = {"event": record.getMessage(), "level": record.levelname.lower(), "logger": record.name}
            return json.dumps(line | {"timestamp": at} | ({"exception": exception} if exception else {}))
        first = f"{at} {record.levelname} {record.name} {_escape(record.getMessage())}"
        return "\n".join((first, *(f"    {_escape(line)}" for line in exception.splitlines())))


def _escape(text: str) -> str:
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)
