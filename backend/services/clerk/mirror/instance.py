"""Whether Clerk's Backend API may speak of our users."""

import logging

from backend.services.clerk.client.backend_api import BackendApi
from backend.services.clerk.client.http import FetchError
from backend.services.core.clerk_service import ClerkService

WRONG = "CLERK_SECRET_KEY is of another Clerk instance than the session tokens"

log = logging.getLogger(__name__)


def is_right_instance(api: BackendApi, clerk: ClerkService) -> bool:
    """Another instance's secret key makes all users unknown. Raises FetchError, and AppError without keys of ours."""
    clerk.check_keys()
    try:
        key_set = api.get_key_set()
    except FetchError as error:
        if not error.is_not_found:
            raise
        return True  # whatever stands for Clerk here has no keys to compare
    is_same = clerk.shares_key(key_set)
    if not is_same:
        log.error("%s.", WRONG)
    return is_same
