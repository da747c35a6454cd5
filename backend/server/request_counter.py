"""Counting the requests of each user: in memory while a request runs, written behind its back."""

import contextlib
import logging
import time
from threading import Event, Lock, Thread

import psycopg2
from flask import Flask, Request
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from backend.access.admission import Caller
from backend.access.authentication import Authenticator
from backend.database.engine import in_transaction
from backend.database.prepared_reads import describe_fault
from backend.deadline import RequestTimeout, request_deadline
from backend.services.plans.usage import OnlyOnce, RequestCounts, add_requests

FLUSH_SECONDS = 10.0
# So many users do not wait for the time to come.
MANY_USERS = 1_000
# A worker that ends does not wait longer for the database: gunicorn would kill it.
LAST_FLUSH_SECONDS = 5.0
RETRY_SECONDS = 0.1

log = logging.getLogger(__name__)


def register_request_counts(app: Flask) -> None:
    """Count every request whose caller is authenticated, also one that is refused afterwards."""
    counter = app.extensions["request_counter"] = RequestCounter(app)
    app.extensions["authenticator"] = CountingAuthenticator(app.extensions["authenticator"], counter)


class CountingAuthenticator:
    """Asked once a request, and only where it needs a caller. A hook after each request would cost three times as much."""

    def __init__(self, authenticator: Authenticator, counter: "RequestCounter") -> None:
        self._authenticate = authenticator.authenticate
        self._count = counter.count

    def authenticate(self, request: Request) -> Caller:
        """Raises AppError, and counts nothing then."""
        caller = self._authenticate(request)
        self._count(caller.account.user_id)
        return caller


class RequestCounter:
    """Counts for one worker, and writes once the worker says `start`: a command or a script needs no such thread."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._counts = RequestCounts()
        self._is_due = Event()
        self._flushing = Lock()

    def count(self, user_id: int) -> None:
        if self._counts.add_one(user_id) == MANY_USERS:
            self._is_due.set()

    def flush(self) -> bool:
        """Write what was counted; what cannot be written now is kept. Returns whether something is left.

        Raises SQLAlchemyError, psycopg2.Error.
        """
        with self._flushing:
            left = taken = self._counts.take()
            try:
                if taken:
                    left = self._write(taken)
            finally:
                if dropped := self._counts.put_back(dict(left)):
                    log.error("The counted requests of %d users were dropped.", dropped)
            return bool(left)

    def stop(self) -> None:
        """The last flush of a worker that ends, after its last request.

        In a thread: gunicorn's gevent worker throws SystemExit into the main one a moment after SIGQUIT, wherever that
        is by then, and what it had not written yet would be lost. Not join(): interrupted, it takes the thread for ended.
        """
        is_done = Event()
        Thread(target=self._flush_last, args=(is_done,), name="last-request-counts").start()
        while not is_done.is_set():
            with contextlib.suppress(SystemExit):
                is_done.wait()

    def _flush_last(self, is_done: Event) -> None:
        try:
            with request_deadline(LAST_FLUSH_SECONDS):
                while self.flush():
                    time.sleep(RETRY_SECONDS)
        except (RequestTimeout, SQLAlchemyError, psycopg2.Error) as error:
            log.error("The last counted requests were lost: %s.", type(error).__name__)  # noqa: TRY400
        finally:
            is_done.set()

    def start(self) -> None:
        """Write every FLUSH_SECONDS until the process ends. After the fork of a worker: threads do not outlive it."""
        Thread(target=self._run, name="request-counts", daemon=True).start()

    def _run(self) -> None:
        while True:
            self._is_due.wait(FLUSH_SECONDS)
            self._is_due.clear()
            try:
                self.flush()
            except (SQLAlchemyError, psycopg2.Error) as error:
                log.warning("Counted requests will be written later: %s.", describe_fault(error))

    def _write(self, taken: dict[int, int]) -> dict[int, int]:
        """Returns what is left."""
        once = OnlyOnce()
        left: dict[int, int] = {}

        def write(connection: Connection) -> None:
            nonlocal left
            if not once.is_done(connection):
                left = add_requests(connection, taken)

        with self._app.app_context():
            in_transaction(write)
        return left
