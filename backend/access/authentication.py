"""From a request to its caller: whichever credential it has, then the user's state, each time."""

from flask import Request

from backend.access.admission import Caller
from backend.access.api_keys import ApiKeys
from backend.access.credentials import Carriers
from backend.access.legacy_tokens import LegacyTokens
from backend.access.session_tokens import SessionTokens
from backend.database.prepared_reads import ReadPool
from backend.services.api_keys.form import KeyForm
from backend.services.clerk.mirror.apply import UserSync
from backend.services.core.clerk_service import ClerkService
from config import Settings


class Authenticator:
    """Authenticates requests. One an application."""

    def __init__(
        self, settings: Settings, clerk: ClerkService, reads: ReadPool, sync: UserSync, keys: KeyForm
    ) -> None:
        self._carriers = Carriers(settings)
        self._identify = {
            "clerk": SessionTokens(clerk, reads, sync).identify,
            "api-key": ApiKeys(keys, reads).identify,
        }
        if settings.accepts_legacy_tokens:
            self._identify["legacy"] = LegacyTokens(settings, reads).identify

    def authenticate(self, request: Request) -> Caller:
        """Raises AppError: 401 or 403 for the caller, 503 for our own trouble."""
        kind, value = self._carriers.find(request)
        return self._identify[kind](value)
