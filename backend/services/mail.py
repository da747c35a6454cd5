"""Writing mail: to the server of SMTP_URL, or in development to files."""

import smtplib
import ssl
import time
from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

TIMEOUT_SECONDS = 5  # less than a request has
PORTS = {"smtp": 587, "smtps": 465}
# Where nobody can listen, TLS is not needed.
OWN_HOSTS = ("localhost", "127.0.0.1", "::1")

Send = Callable[[EmailMessage], object]


class Mailer(Protocol):
    """Where mail goes."""

    sender: str

    @abstractmethod
    @contextmanager
    def connect(self) -> Iterator[Send]:
        """Something to send by. What can go wrong before that has gone wrong then: raises OSError, SMTPException."""


class SmtpServer:
    """`url`: smtp://user:password@host:587, with STARTTLS, or smtps://…:465."""

    def __init__(self, url: str, sender: str) -> None:
        self._url = urlsplit(url)
        self.sender = sender

    @contextmanager
    def connect(self) -> Iterator[Send]:
        host, port = self._url.hostname or "", self._url.port or PORTS[self._url.scheme]
        context = ssl.create_default_context()
        if self._url.scheme == "smtps":
            smtp: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=TIMEOUT_SECONDS, context=context)
        else:
            smtp = smtplib.SMTP(host, port, timeout=TIMEOUT_SECONDS)
        with smtp:
            if self._url.scheme == "smtp" and host not in OWN_HOSTS:
                smtp.starttls(context=context)
            if self._url.username:
                smtp.login(unquote(self._url.username), unquote(self._url.password or ""))
            yield smtp.send_message


class MailFolder:
    """A file for each message."""

    def __init__(self, folder: Path, sender: str) -> None:
        self._folder = folder
        self.sender = sender

    @contextmanager
    def connect(self) -> Iterator[Send]:
        self._folder.mkdir(parents=True, exist_ok=True)
        yield lambda message: (self._folder / f"{time.time_ns()}.eml").write_bytes(bytes(message))
