"""Counting the requests of each user: noted in memory while a request runs, written behind its back."""

import contextlib
import logging
import time
from collections import Counter, deque
from threading import Event, Lock, Thread

import psycopg2
from sqlalchemy.exc import SQLAlchemyError

from backend.database.transactions import Transact, UnknownOutcomeError, describe_fault
from backend.deadline import Deadline, RequestTimeout
from backend.services.plans.usage import add_requests

FLUSH_SECONDS = 10.0
# A worker that ends does not wait longer for the database: gunicorn would kill it.
LAST_FLUSH_SECONDS = 5.0
RETRY_SECONDS = 0.1
# 100,000 users take 12 MB. More come together only while the database is away.
MOST_USERS = 100_000
# So many come in ten seconds at no rate that a worker reaches. Where nobody writes them (a command, a script) the
# oldest go.
MOST_REQUESTS = 1_000_000

log = logging.getLogger(__name__)


class RequestCounter:
    """Counts for one worker, and writes once the worker says `start`: a command or a script needs no such thread."""

    def __init__(self, transact: Transact) -> None:
        self._transact = transact
        self._noted: deque[int] = deque(maxlen=MOST_REQUESTS)
        # One call in C for each request: a hook after it would cost thirty times as much.
        self.count = self._noted.append
        self._counts: Counter[int] = Counter()
        self._flushing = Lock()

    @property
    def backlog(self) -> int:
        """How many are counted and not written yet."""
        return len(self._noted) + self._counts.total()

    def flush(self) -> bool:
        """Write what was counted. Returns whether something is left: what cannot be written now is kept, beyond
        MOST_USERS the newest.

        Raises SQLAlchemyError, psycopg2.Error.
        """
        with self._flushing:
            self._counts.update(self._noted.popleft() for _ in range(len(self._noted)))
            if dropped := list(self._counts)[: max(0, len(self._counts) - MOST_USERS)]:
                log.error("The counted requests of %d users were dropped.", len(dropped))
                for user_id in dropped:
                    del self._counts[user_id]
            if self._counts:
                counts = dict(self._counts)
                try:
                    left = self._transact(lambda connection: add_requests(connection, counts))
                except UnknownOutcomeError:
                    # Better a few too few than a request that counts twice.
                    self._counts.clear()
                    raise
                self._counts = Counter(left)
            return bool(self._counts)

    def start(self) -> None:
        """Write every FLUSH_SECONDS until the process ends. After the fork of a worker: threads do not outlive it."""
        Thread(target=self._run, name="request-counts", daemon=True).start()

    def stop(self) -> None:
        """The last flush of a worker that ends, after its last request.

        In a thread: gunicorn's gevent worker throws SystemExit into the main one a moment after SIGQUIT, wherever that
        is by then, and what it had not written yet would be lost. Not join(): interrupted, it takes the thread for
        ended.
        """
        is_done = Event()
        Thread(target=self._flush_last, args=(is_done,), name="last-request-counts").start()
        while not is_done.is_set():
            with contextlib.suppress(SystemExit):
                is_done.wait()

    def _flush_last(self, is_done: Event) -> None:
        deadline = Deadline(LAST_FLUSH_SECONDS)
        try:
            while self.flush():
                time.sleep(RETRY_SECONDS)
        except (RequestTimeout, SQLAlchemyError, psycopg2.Error) as error:
            log.error("The last counted requests were lost: %s.", type(error).__name__)  # noqa: TRY400
        finally:
            deadline.end()
            is_done.set()

    def _run(self) -> None:
        while True:
            time.sleep(FLUSH_SECONDS)
            try:
                self.flush()
            except (SQLAlchemyError, psycopg2.Error) as error:
                log.warning("Counted requests will be written later: %s.", describe_fault(error))
