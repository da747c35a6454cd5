"""From a request to an identity: verify the token, then look at the user's state, each time."""

from typing import NamedTuple

from flask import Request

from backend.access.credentials import find_session_token, session_cookie_names
from backend.access.identity import Identity
from backend.errors import AppError, ErrorCode
from backend.extensions import in_transaction
from backend.services import users
from backend.services.core.claims import SessionClaims
from backend.services.core.clerk_service import ClerkService
from backend.services.database import ReadPool
from backend.services.provisioning import provision_for_request
from backend.services.user_sync import complete_from_clerk
from config import Settings


class Caller(NamedTuple):
    """An authenticated caller, with the account that the same statement read."""

    identity: Identity
    account: users.Account


class Authenticator:
    """Authenticates requests. One an application."""

    def __init__(self, settings: Settings, clerk: ClerkService, reads: ReadPool) -> None:
        self._clerk = clerk
        self._reads = reads
        self._cookie_names = session_cookie_names(settings.clerk_publishable_key)
        self._origins = frozenset(settings.allowed_origins)

    def authenticate(self, request: Request) -> Caller:
        """Raises AppError: 401 or 403 for the caller, 503 for our own trouble."""
        claims = self._clerk.verify(find_session_token(request, self._cookie_names, self._origins))
        account = self._read_account(claims)
        if account is None or not account.is_complete:
            account = self._provision(claims)
        _refuse_by_state(account)
        identity = Identity(
            kind="clerk",
            user_id=account.user_id,
            clerk_user_id=claims.clerk_user_id,
            session_id=claims.session_id,
            actor=claims.actor,
            role=account.role,
            plan=account.plan,
        )
        return Caller(identity, account)

    def _provision(self, claims: SessionClaims) -> users.Account:
        """The token came before the webhook: make the user now, with what Clerk's API tells if it may be asked."""
        is_new = in_transaction(
            lambda connection: provision_for_request(connection, claims.clerk_user_id, claims.session_id)
        )
        if is_new and self._clerk.can_read_users:
            complete_from_clerk(in_transaction, self._clerk, claims.clerk_user_id)
        account = self._read_account(claims)
        if account is None:
            # Only a session that was revoked before its user was ever seen leaves nothing behind.
            raise AppError(ErrorCode.SESSION_REVOKED, "The session has ended. Sign in again.")
        if not account.is_complete:
            # The month ended between making its row and reading it.
            raise AppError(ErrorCode.DATABASE_UNAVAILABLE, "A new month has just begun. Try again.")
        return account

    def _read_account(self, claims: SessionClaims) -> users.Account | None:
        row = self._reads.fetch_row(users.FIND_ACCOUNT, claims.clerk_user_id, claims.session_id)
        return None if row is None else users.Account._make(row)


def _refuse_by_state(account: users.Account) -> None:
    if account.deleted_at is not None:
        raise AppError(ErrorCode.USER_DELETED, "This user was deleted.")
    if account.session_revoked:
        raise AppError(ErrorCode.SESSION_REVOKED, "The session has ended. Sign in again.")
    if account.banned:
        raise AppError(ErrorCode.USER_BANNED, "This user is banned.")
    if not account.is_active:
        raise AppError(ErrorCode.FORBIDDEN, "This user was deactivated. Ask an administrator.")
