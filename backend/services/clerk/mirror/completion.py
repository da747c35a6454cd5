"""Filling in users of whom only a token is known yet, from Clerk's Backend API."""

import logging

from backend.database.transactions import Transact
from backend.services.clerk.client.backend_api import BackendApi
from backend.services.clerk.client.http import FetchError
from backend.services.clerk.mirror.apply import Mirror
from backend.services.clerk.payloads import Unprocessable, read_user

log = logging.getLogger(__name__)


def complete_profile(transact: Transact, backend_api: BackendApi, mirror: Mirror, clerk_user_id: str) -> None:
    """Ask once for a user's profile. A failure is harmless: the webhook will come.

    Takes as long as a call to Clerk, at most 3 s. Without a secret key it does nothing. Raises database errors.
    """
    if not backend_api.is_configured:
        return
    try:
        user = read_user(backend_api.get_user(clerk_user_id))
    except (FetchError, Unprocessable) as error:
        log.info("User %s was not completed from Clerk's Backend API: %s.", clerk_user_id, error)
        return
    if user.clerk_user_id == clerk_user_id:
        transact(lambda connection: mirror.apply_user(connection, user, wins_ties=True))
