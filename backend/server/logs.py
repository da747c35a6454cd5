"""The form of every log line, ours and those of gunicorn, SQLAlchemy and all others: text or JSON, by one pipeline.

Imported by gunicorn's master before gevent patches the standard library, so it imports nothing of the application.
"""

import contextlib
import json
import logging
import threading
import traceback
from collections.abc import Callable, Mapping, MutableMapping
from functools import partial
from typing import Any, TextIO

import structlog
from gunicorn.glogging import Logger  # type: ignore[import-untyped]
from pydantic import SecretStr
from structlog.contextvars import get_contextvars
from structlog.stdlib import ProcessorFormatter
from structlog.typing import Processor

from backend.server.redaction import Redaction

Event = MutableMapping[str, Any]
WriteAccessLine = Callable[[int, Mapping[str, object]], None]
# Their errors repeat values of rows and of statements in their text.
TELLING = ("psycopg2", "sqlalchemy", "pydantic")

access = logging.getLogger("access")
_add_time = structlog.processors.TimeStamper(fmt="iso")


class Form:
    """How a line is made of what is known."""

    def __init__(self, settings: Any) -> None:  # noqa: ANN401 - Settings: see above
        self._hide = Redaction(settings.api_key_prefix, _secrets(settings)).hide
        encode = json.JSONEncoder(default=str).encode
        self._render: Callable[[Event], str] = encode if settings.log_format == "json" else _render_text

    def write(self, event: Event) -> str:
        return self._hide(self._render(event))

    def formatter(self) -> logging.Formatter:
        """For what comes by way of `logging`."""
        add: list[Processor] = [
            _add_time,
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.contextvars.merge_contextvars,
            _add_fields,
            _add_exception,
        ]
        write: list[Processor] = [ProcessorFormatter.remove_processors_meta, lambda _, __, event: self.write(event)]
        return ProcessorFormatter(foreign_pre_chain=add, processors=write)


def configure(settings: Any) -> WriteAccessLine:  # noqa: ANN401 - Settings: see above
    """Log to stderr, as the settings say. A program that has handlers of its own, such as a test, keeps them.

    Returns what writes the line of a request. By way of `logging` it would cost three times as much.
    """
    form = Form(settings)
    handler = logging.StreamHandler()
    handler.setFormatter(form.formatter())
    is_ours = not logging.getLogger().handlers
    logging.basicConfig(level=settings.log_level, handlers=[handler])
    logging.captureWarnings(capture=True)
    # At DEBUG it logs the path of each request, and Inngest has its key there.
    logging.getLogger("urllib3").setLevel(logging.INFO)
    threading.excepthook = _log_end_of_thread
    return partial(_write_access_line, form, handler.stream) if is_ours else _log_access_line


def _log_access_line(level: int, fields: Mapping[str, object]) -> None:
    access.log(level, "request", extra={"fields": fields})


def _write_access_line(form: Form, stream: TextIO, level: int, fields: Mapping[str, object]) -> None:
    if not access.isEnabledFor(level):
        return
    event: Event = {"event": "request", "level": logging.getLevelName(level).lower(), "logger": access.name}
    _add_time(None, "", event)
    line = form.write({**event, **get_contextvars(), **fields})
    # A full disk keeps nobody from being served.
    with contextlib.suppress(OSError):
        stream.write(f"{line}\n")


class GunicornLogger(Logger):  # type: ignore[misc]
    """`logger_class` of gunicorn.conf.py: its lines go where its options say, in our form."""

    def setup(self, cfg: Any) -> None:  # noqa: ANN401 - gunicorn has no types
        """At the start and at each SIGHUP. Raises ConfigError."""
        from config import load_settings  # noqa: PLC0415 - the one that counts now: see reload.py

        super().setup(cfg)
        formatter = Form(load_settings()).formatter()
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


def _render_text(event: Event) -> str:
    """`time LEVEL logger event name=value …`; below it, indented, an exception. No value can look like another line."""
    at, level, logger, says = (event.pop(name) for name in ("timestamp", "level", "logger", "event"))
    exception = event.pop("exception", "")
    fields = " ".join([f"{name}={value}" for name, value in event.items()])
    # One look at all of them, as they nearly always are.
    count = len(event)
    if not (_is_plain(fields) and fields.count("=") == count and fields.count(" ") == max(count - 1, 0)):
        fields = " ".join([f"{name}={_show(str(value))}" for name, value in event.items()])
    line = f"{at} {level.upper()} {logger} {_escape(str(says))} {fields}".rstrip()
    return "\n".join((line, *(f"    {_escape(each)}" for each in exception.splitlines()))) if exception else line


def _is_plain(text: str) -> bool:
    return text.isascii() and text.isprintable() and '"' not in text


def _show(text: str) -> str:
    return text if _is_plain(text) and " " not in text and "=" not in text else json.dumps(text)


def _escape(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def _log_end_of_thread(end: threading.ExceptHookArgs) -> None:
    if end.exc_value is not None:
        error = (end.exc_type, end.exc_value, end.exc_traceback)
        logging.getLogger(__name__).error("A thread ended by an error.", exc_info=error)
