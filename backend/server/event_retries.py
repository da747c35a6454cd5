"""Events that could not be applied are taken up again by themselves: beside the requests of a worker, as they are
counted.
"""

import logging
import time
from datetime import timedelta
from threading import Thread

import psycopg2
from sqlalchemy.exc import SQLAlchemyError
from structlog.contextvars import clear_contextvars

from backend.database.transactions import Transact, describe_fault
from backend.errors import AppError
from backend.services.clerk.mirror.apply import Mirror
from backend.services.clerk.webhooks.ledger import FAILED, UNRESOLVED
from backend.services.clerk.webhooks.replay import replay, take_due
from backend.services.core.clerk_service import ClerkService

LOOK_SECONDS = 10.0
# 20 a second take a worker some percent of its time, however many wait.
TAKEN_AT_ONCE = 20
PAUSE_SECONDS = 1.0

log = logging.getLogger(__name__)


class EventRetries:
    """Of one worker. All that waits is tried once from its start on, and again what failed, with growing pauses.

    Any number of workers and nodes may do this: each takes what nobody else has taken.
    """

    def __init__(self, transact: Transact, mirror: Mirror, clerk: ClerkService) -> None:
        self._transact = transact
        self._mirror = mirror
        self._clerk = clerk
        self._statuses: tuple[str, ...] = UNRESOLVED
        self._began_at = time.monotonic()

    def start(self) -> None:
        """Until the process ends. After the fork of a worker: threads do not outlive it."""
        Thread(target=self._run, name="event-retries", daemon=True).start()

    def take_up(self) -> bool:
        """Apply some of those that are due. Returns whether there may be more.

        Raises AppError while it is not known which Clerk instance counts; SQLAlchemyError, psycopg2.Error.
        """
        due = self._transact(lambda connection: take_due(connection, self._statuses, self._running, TAKEN_AT_ONCE))
        if due:  # else nobody is asked for keys: a look every 10 s would fetch them for no request
            self._clerk.check_keys()
        for event in due:
            replay(self._transact, self._mirror, event, self._clerk.instance_ids)
            log.info("A kept event was taken up.")  # which one and its outcome, replay() adds
        clear_contextvars()
        if len(due) < TAKEN_AT_ONCE:
            self._statuses = (FAILED,)
            return False
        return True

    @property
    def _running(self) -> timedelta:
        return timedelta(seconds=time.monotonic() - self._began_at)

    def _run(self) -> None:
        pause = PAUSE_SECONDS
        while True:
            time.sleep(pause)
            try:
                pause = PAUSE_SECONDS if self.take_up() else LOOK_SECONDS
            except (AppError, SQLAlchemyError, psycopg2.Error) as error:
                log.warning("Events will be taken up later: %s.", describe_fault(error))
                # What was taken and not tried is due again.
                self._statuses, self._began_at = UNRESOLVED, time.monotonic()
                pause = LOOK_SECONDS
