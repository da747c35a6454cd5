"""Sending what the outbox holds, beside the requests of a worker."""

import logging
import time
from collections.abc import Sequence
from threading import Thread

import psycopg2
from sqlalchemy.exc import SQLAlchemyError

from backend.database.transactions import Transact, describe_fault
from backend.services.outbox.deliveries import Destination, deliver_next

# How often each destination's thread looks for something new. It costs the database 0.1 ms.
LOOK_SECONDS = 1.0

log = logging.getLogger(__name__)


class OutboxPublisher:
    """Sends for one worker, once the worker says `start`. Without a destination nothing runs."""

    def __init__(self, transact: Transact, destinations: Sequence[Destination]) -> None:
        self._transact = transact
        self.destinations = destinations

    def start(self) -> None:
        """A thread for each destination: one that does not answer keeps no other waiting. After the fork of a worker.

        They end with the process, wherever they are: what was not marked as sent is sent again.
        """
        for destination in self.destinations:
            Thread(target=self._run, args=(destination,), name=f"outbox-{destination.name}", daemon=True).start()

    def _run(self, destination: Destination) -> None:
        while True:
            try:
                is_sent = deliver_next(self._transact, destination)
            except (SQLAlchemyError, psycopg2.Error) as error:
                log.warning("The outbox will be sent later: %s.", describe_fault(error))
                is_sent = False
            if not is_sent:
                time.sleep(LOOK_SECONDS)
