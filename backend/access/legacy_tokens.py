"""From a legacy HS256 token to its caller."""

import time
from datetime import UTC, datetime

from backend.access.admission import Caller, admitted
from backend.access.identity import Identity
from backend.database.prepared_reads import ReadPool
from backend.errors import AppError, ErrorCode
from backend.services.legacy_tokens import LegacyClaims, LegacyRules, verify_legacy
from backend.services.users import accounts as users
from config import Settings
from settings.types import symmetric_secret_bytes


class LegacyTokens:
    """Verifies the tokens of the application as it was before Clerk. They name users who are here already."""

    def __init__(self, settings: Settings, reads: ReadPool) -> None:
        self._rules = LegacyRules(
            secret=symmetric_secret_bytes(settings.legacy_jwt_secret),
            issuer=settings.legacy_jwt_issuer,
            audience=settings.legacy_jwt_audience,
            email_claim=settings.legacy_jwt_email_claim,
        )
        self._sunset = settings.legacy_jwt_sunset
        self._reads = reads

    def identify(self, token: str) -> Caller:
        """Raises AppError: 401 for the token, 503 for our own trouble."""
        claims = verify_legacy(token, self._rules, time.time())
        if self._sunset is not None and self._sunset <= datetime.now(UTC):
            raise AppError(
                ErrorCode.LEGACY_TOKEN_RETIRED,
                "Tokens of the old login are no longer accepted. Sign in anew.",
            )
        account = admitted(self._find(claims), lambda: self._find(claims))
        identity = Identity(
            kind="legacy",
            user_id=account.user_id,
            clerk_user_id=account.clerk_user_id,
            role=account.role,
            plan=account.plan,
        )
        return Caller(identity, account)

    def _find(self, claims: LegacyClaims) -> users.Account:
        if claims.user_id is not None:
            account = users.read_account(self._reads, users.FIND_ACCOUNT_BY_ID, str(claims.user_id))
        else:
            account = users.read_account(self._reads, users.FIND_ACCOUNT_BY_LEGACY_EMAIL, claims.email)
        if account is None:
            raise AppError(ErrorCode.TOKEN_INVALID_CLAIMS, "The token names no user of this application.")
        return account
