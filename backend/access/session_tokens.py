"""From a Clerk session token to its caller."""

import logging

from backend.access.admission import Caller, admitted
from backend.access.identity import Identity
from backend.database.engine import in_transaction
from backend.database.prepared_reads import ReadPool
from backend.errors import AppError, ErrorCode
from backend.request_id import request_id
from backend.services import audit
from backend.services.clerk.mirror.apply import UserSync
from backend.services.core.claims import SessionClaims
from backend.services.core.clerk_service import ClerkService
from backend.services.users import accounts as users
from backend.services.users.provisioning import provision_for_request

MAX_NOTED = 1_000

log = logging.getLogger(__name__)


class SessionTokens:
    """Verifies session tokens, and makes the user of one whose webhook has not come yet."""

    def __init__(self, clerk: ClerkService, reads: ReadPool, sync: UserSync) -> None:
        self._clerk = clerk
        self._reads = reads
        self._sync = sync
        self._impersonated: set[str] = set()

    def identify(self, token: str) -> Caller:
        """Raises AppError: 401 for the token, 503 for our own trouble."""
        claims = self._clerk.verify(token)
        account = self._read(claims) or self._provision(claims)
        if claims.actor is not None:
            self._note_impersonation(account.user_id, claims, claims.actor)
        account = admitted(account, lambda: self._read(claims))
        identity = Identity(
            kind="clerk",
            user_id=account.user_id,
            clerk_user_id=claims.clerk_user_id,
            session_id=claims.session_id,
            actor=claims.actor,
            role=account.role,
            plan=account.plan,
            entitlements=claims.entitlements,
        )
        return Caller(identity, account)

    def _read(self, claims: SessionClaims) -> users.Account | None:
        return users.read_account(self._reads, users.FIND_ACCOUNT, claims.clerk_user_id, claims.session_id)

    def _provision(self, claims: SessionClaims) -> users.Account:
        """The token came before the webhook: make the user now, with what Clerk's API tells if it may be asked."""
        is_new = in_transaction(
            lambda connection: provision_for_request(connection, claims.clerk_user_id, claims.session_id)
        )
        if is_new and self._clerk.can_read_users:
            self._sync.complete_from_clerk(in_transaction, self._clerk, claims.clerk_user_id)
        account = self._read(claims)
        if account is None:
            # Only a session that was revoked before its user was ever seen leaves nothing behind.
            raise AppError(ErrorCode.SESSION_REVOKED, "The session has ended. Sign in again.")
        return account

    def _note_impersonation(self, user_id: int, claims: SessionClaims, actor: str) -> None:
        """Each request in the log, each session once in the audit trail: without that entry it does nothing."""
        log.info("Request %s: user %s, impersonated by %s.", request_id(), user_id, actor)
        session = claims.session_id or f"none: {actor} as {claims.clerk_user_id}"
        if session in self._impersonated:
            return
        who = audit.Actor("api", user_id, actor, request_id())
        action = audit.Action.SESSION_IMPERSONATED
        in_transaction(lambda connection: audit.record(connection, who, action, user_id, session_id=session))
        if len(self._impersonated) >= MAX_NOTED:
            self._impersonated.clear()
        self._impersonated.add(session)
