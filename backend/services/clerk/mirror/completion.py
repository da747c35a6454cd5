"""Filling in users of whom only a token is known yet, from Clerk's Backend API."""

import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from sqlalchemy import Connection, select

from backend.database.locks import lock_user
from backend.database.transactions import Transact
from backend.errors import AppError
from backend.models import User
from backend.services import audit
from backend.services.clerk.client.backend_api import BackendApi
from backend.services.clerk.client.http import FetchError
from backend.services.clerk.mirror.apply import Mirror
from backend.services.clerk.mirror.erase import erase_user
from backend.services.clerk.mirror.instance import is_right_instance
from backend.services.clerk.mirror.objects import Ties
from backend.services.clerk.payloads import ClerkUser, Unprocessable, read_user
from backend.services.core.clerk_service import ClerkService

SECOND_LOOK_SECONDS = 2.0  # a user who was made just now may not be visible there yet
FIRST_PAUSE = 10.0
MAX_PAUSE = 3_600.0
MAX_NOTED = 10_000  # about 2 MB

log = logging.getLogger(__name__)


class _Next(NamedTuple):
    """When to ask for a user again, and how long we waited for that."""

    at: float
    pause: float


class Completion:
    """Asks for the profiles of users that have none here. One a worker.

    A failure is harmless: the webhook will come, and the user's requests ask again, with growing pauses. Without a
    secret key nothing is asked.
    """

    def __init__(
        self,
        transact: Transact,
        api: BackendApi,
        mirror: Mirror,
        clerk: ClerkService,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._transact = transact
        self._api = api
        self._mirror = mirror.told_by("request")
        self._clerk = clerk
        self._clock = clock
        self._next: OrderedDict[str, _Next] = OrderedDict()

    def ask_when_due(self, clerk_user_id: str) -> bool:
        """Ask, unless it was done or noted lately. False when nothing was asked.

        The first time it is only noted: of all first requests of a user, only the one that made the row asks at once.
        """
        if not self._api.is_configured:
            return False
        known = self._next.get(clerk_user_id)
        if known is None:
            self._note(clerk_user_id, FIRST_PAUSE)
        if known is None or self._clock() < known.at:
            return False
        self._ask(clerk_user_id, min(2 * known.pause, MAX_PAUSE))
        return True

    def ask(self, clerk_user_id: str) -> None:
        """Ask for the profile of a new user. A call to Clerk takes at most 3 s. Raises database errors.

        A user whom Clerk does not know, asked twice, is deleted here as by `user.deleted`.
        """
        if self._api.is_configured:
            self._ask(clerk_user_id, FIRST_PAUSE)

    def _ask(self, clerk_user_id: str, pause: float) -> None:
        self._note(clerk_user_id, pause)
        try:
            user = self._look(clerk_user_id)
            if user is None:
                time.sleep(SECOND_LOOK_SECONDS)
                user = self._look(clerk_user_id)
            is_unknown = user is None and is_right_instance(self._api, self._clerk)
        except (AppError, FetchError, Unprocessable) as error:
            log.info("User %s was not completed from Clerk's Backend API: %s.", clerk_user_id, error)
            return
        if user is not None and user.clerk_user_id == clerk_user_id:
            self._transact(
                lambda connection: self._mirror.apply_user(connection, user, ties=Ties.WIN), user=clerk_user_id
            )
        elif is_unknown and self._transact(
            lambda connection: _erase_unknown(self._mirror, connection, clerk_user_id), user=clerk_user_id
        ):
            log.warning("User %s had a valid token, and Clerk does not know the id: deleted here.", clerk_user_id)

    def _note(self, clerk_user_id: str, pause: float) -> None:
        """Bounded: the oldest goes first."""
        self._next.pop(clerk_user_id, None)
        self._next[clerk_user_id] = _Next(self._clock() + pause, pause)
        if len(self._next) > MAX_NOTED:
            self._next.popitem(last=False)

    def _look(self, clerk_user_id: str) -> ClerkUser | None:
        """None: Clerk itself says that there is no such user. Raises FetchError, Unprocessable."""
        try:
            return read_user(self._api.get_user(clerk_user_id))
        except FetchError as error:
            if not error.is_not_found:
                raise
        return None


def _erase_unknown(mirror: Mirror, connection: Connection, clerk_user_id: str) -> bool:
    """Make a tombstone of the user. False when a profile has come meanwhile: then Clerk knows the user."""
    lock_user(connection, clerk_user_id)
    incomplete = (User.clerk_user_id == clerk_user_id) & User.clerk_updated_at.is_(None) & User.deleted_at.is_(None)
    user_id = connection.execute(select(User.user_id).where(incomplete)).scalar()
    if user_id is None:
        return False
    audit.record(connection, audit.SYNC, audit.Action.USER_DELETED, user_id, reason="unknown at Clerk")
    return erase_user(mirror, connection, clerk_user_id)
