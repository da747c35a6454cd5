"""From a legacy HS256 token to its caller."""

import time
from datetime import UTC, datetime

from backend.access.authentication import admit
from backend.access.identity import Identity
from backend.database.prepared_reads import ReadPool
from backend.database.transactions import Transact
from backend.errors import AppError, ErrorCode
from backend.models.revoked_session import REVOKED_JTI
from backend.services.legacy_tokens import LegacyClaims, LegacyRules, verify_legacy
from backend.services.users.accounts import FIND_BY_LEGACY_EMAIL, FIND_BY_LEGACY_ID, Account
from config import Settings
from settings.keys import symmetric_secret_bytes


class LegacyTokens:
    """Verifies the tokens of the application as it was before Clerk. They name users who signed in there."""

    def __init__(self, settings: Settings, reads: ReadPool, transact: Transact) -> None:
        self._rules = LegacyRules(
            secret=symmetric_secret_bytes(settings.legacy_jwt_secret),
            issuer=settings.legacy_jwt_issuer,
            audience=settings.legacy_jwt_audience,
            email_claim=settings.legacy_jwt_email_claim,
            max_age=settings.legacy_jwt_max_age,
        )
        self._sunset = settings.legacy_jwt_sunset
        self._reads = reads
        self._transact = transact

    def identify(self, token: str) -> Identity:
        """Raises AppError: 401 for the token, 503 for our own trouble."""
        claims = verify_legacy(token, self._rules, time.time())
        if self._sunset is not None and self._sunset <= datetime.now(UTC):
            raise AppError(
                ErrorCode.LEGACY_TOKEN_RETIRED, "Tokens of the old login are no longer accepted. Sign in anew."
            )
        return admit("legacy", self._find(claims), self._transact, lambda: self._find(claims))

    def _find(self, claims: LegacyClaims) -> Account:
        revoked = None if claims.jti is None else f"{REVOKED_JTI}{claims.jti}"
        if claims.user_id is not None:
            account = self._reads.fetch(FIND_BY_LEGACY_ID, str(claims.user_id), revoked)
        else:
            account = self._reads.fetch(FIND_BY_LEGACY_EMAIL, claims.email, revoked)
        if account is None:
            raise AppError(ErrorCode.TOKEN_INVALID_CLAIMS, "The token names no user of this application.")
        return account
