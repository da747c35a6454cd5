"""The form of every log line, ours and those of gunicorn, SQLAlchemy and all others: text or JSON, by one pipeline.

Imported by gunicorn's master before gevent patches the standard library, so it imports nothing of the application.
"""

import json
import logging
import threading
import traceback
from collections.abc import MutableMapping
from typing import Any

import structlog
from gunicorn.glogging import Logger  # type: ignore[import-untyped]
from pydantic import SecretStr
from structlog.stdlib import ProcessorFormatter
from structlog.typing import Processor

from backend.server.redaction import Redaction

Event = MutableMapping[str, Any]
# Their errors repeat values of rows and of statements in their text.
TELLING = ("psycopg2", "sqlalchemy", "pydantic")


def configure(settings: Any) -> None:  # noqa: ANN401 - Settings: see above
    """Log to stderr, as the settings say. A program that has handlers of its own, such as a test, keeps them."""
    handler = logging.StreamHandler()
    handler.setFormatter(make_formatter(settings))
    logging.basicConfig(level=settings.log_level, handlers=[handler])
    logging.captureWarnings(capture=True)
    # At DEBUG it logs the path of each request, and Inngest has its key there.
    logging.getLogger("urllib3").setLevel(logging.INFO)
    threading.excepthook = _log_end_of_thread


def make_formatter(settings: Any) -> logging.Formatter:  # noqa: ANN401 - Settings: see above
    hide = Redaction(settings.api_key_prefix, _secrets(settings)).hide
    render: Processor = structlog.processors.JSONRenderer() if settings.log_format == "json" else _render_text
    add: list[Processor] = [
        structlog.processors.TimeStamper(fmt="iso"),
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.contextvars.merge_contextvars,
        _add_fields,
        _add_exception,
    ]
    written: list[Processor] = [ProcessorFormatter.remove_processors_meta, render, lambda _, __, line: hide(str(line))]
    return ProcessorFormatter(foreign_pre_chain=add, processors=written)


class GunicornLogger(Logger):  # type: ignore[misc]
    """`logger_class` of gunicorn.conf.py: its lines go where its options say, in our form."""

    def setup(self, cfg: Any) -> None:  # noqa: ANN401 - gunicorn has no types
        """At the start and at each SIGHUP. Raises ConfigError."""
        from config import load_settings  # noqa: PLC0415 - the one that counts now: see reload.py

        super().setup(cfg)
        formatter = make_formatter(load_settings())
        for handler in (*self.error_log.handlers, *self.access_log.handlers):
            handler.setFormatter(formatter)


def _secrets(settings: Any) -> list[str]:  # noqa: ANN401 - Settings: see above
    """What the settings keep secret, and the password in an address among them."""
    values = [value for _, value in settings]
    each = [one for value in values for one in (value if isinstance(value, tuple) else (value,))]
    texts = [one.get_secret_value() for one in each if isinstance(one, SecretStr)]
    return [*texts, *(text.partition("://")[2].partition("@")[0].partition(":")[2] for text in texts)]


def _add_fields(_logger: Any, _name: str, event: Event) -> Event:  # noqa: ANN401
    """What was logged with `extra={"fields": …}`."""
    event.update(getattr(event["_record"], "fields", ()))
    return event


def _add_exception(_logger: Any, _name: str, event: Event) -> Event:  # noqa: ANN401
    if info := event.pop("exc_info", None):
        event["exception"] = "\n".join(_describe(info[1]))
    return event


def _describe(error: BaseException | None) -> list[str]:
    """Where it was raised and what it says, its cause before it. Of a database's error only the kind."""
    if error is None:
        return []
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    kind = type(error)
    if kind.__module__.partition(".")[0].startswith(TELLING):
        code = getattr(getattr(error, "orig", error), "pgcode", None) or ""
        says = [f"{kind.__module__}.{kind.__qualname__} {code}".rstrip()]
    else:
        says = "".join(traceback.format_exception_only(error)).splitlines()
    frames = "".join(traceback.format_tb(error.__traceback__)).splitlines()
    return [*_describe(before), "Traceback (most recent call last):", *frames, *says]


def _render_text(_logger: Any, _name: str, event: Event) -> str:  # noqa: ANN401
    """`time LEVEL logger event name=value …`; below it, indented, an exception. No value can look like another line."""
    exception = event.pop("exception", "")
    at, level, logger, says = (event.pop(name) for name in ("timestamp", "level", "logger", "event"))
    fields = [f"{name}={_show(value)}" for name, value in event.items()]
    line = " ".join((at, level.upper(), logger, _escape(str(says)), *fields))
    return "\n".join((line, *(f"    {_escape(each)}" for each in exception.splitlines())))


def _show(value: object) -> str:
    text = str(value)
    return text if text.isascii() and text.isprintable() and not {" ", '"', "="} & set(text) else json.dumps(text)


def _escape(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def _log_end_of_thread(end: threading.ExceptHookArgs) -> None:
    if end.exc_value is not None:
        error = (end.exc_type, end.exc_value, end.exc_traceback)
        logging.getLogger(__name__).error("A thread ended by an error.", exc_info=error)
