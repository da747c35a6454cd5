"""From a request to its caller: whose its credential is, and the state of that user, each time."""

from collections.abc import Callable, Mapping
from typing import Any

from flask import Request

from backend.access.credentials import CredentialFinder, Kind
from backend.access.identity import Identity
from backend.database.transactions import Transact
from backend.errors import AppError, ErrorCode
from backend.services.legacy_tokens import has_legacy_shape
from backend.services.plans.renewal import settle
from backend.services.users.accounts import Account
from config import Settings


class Authenticator:
    """Authenticates requests. One an application."""

    def __init__(
        self, settings: Settings, identify: Mapping[Kind, Callable[[str], Identity]], count: Callable[[int], object]
    ) -> None:
        """`identify`: of each kind, from a credential's text to its identity. `count`: told who made a good request."""
        self._identify = identify
        self._count = count
        self._find_credential = CredentialFinder(
            settings.clerk_publishable_key,
            settings.allowed_origins,
            f"{settings.api_key_prefix}_",
            has_legacy_shape if settings.accepts_legacy_tokens else None,
        ).find

    def authenticate(self, request: Request) -> Identity:
        """Raises AppError: 401 or 403 for the caller, 503 for our own trouble."""
        kind, value = self._find_credential(request)
        identity = self._identify[kind](value)
        if identity.user_id is not None:
            self._count(identity.user_id)
        return identity


def admit(
    kind: Kind,
    account: Account,
    transact: Transact,
    read_again: Callable[[], Account | None],
    **of_credential: Any,  # noqa: ANN401 - fields of Identity
) -> Identity:
    """The identity of a user who may come in. `of_credential`: what its fields are by the credential alone.

    Subscription and the usage row of this month are made now if missing. A plan that was canceled and has come to its
    end is taken back now.

    Raises AppError: 401 or 403 by the state of the user, whatever the credential.
    """
    if account.deleted_at is not None:
        raise AppError(ErrorCode.USER_DELETED, "This user was deleted.")
    if account.session_revoked:
        raise AppError(ErrorCode.SESSION_REVOKED, "The session has ended. Sign in again.")
    if account.banned:
        raise AppError(ErrorCode.USER_BANNED, "This user is banned.")
    if account.deprovisioned:
        raise AppError(ErrorCode.USER_DEPROVISIONED, "Your organization's directory switched this user off.")
    if not account.is_active:
        raise AppError(ErrorCode.FORBIDDEN, "This user was deactivated. Ask an administrator.")
    if not account.is_settled:
        user_id = account.user_id
        transact(lambda connection: settle(connection, user_id), user=account.key)
        again = read_again()
        if again is None or not again.is_settled:
            # The month ended between making its row and reading it.
            raise AppError(ErrorCode.DATABASE_UNAVAILABLE, "A new month has just begun. Try again.")
        account = again
    return Identity(
        kind=kind,
        account=account,
        user_id=account.user_id,
        clerk_user_id=account.clerk_user_id,
        role=account.role,
        plan=account.plan,
        **of_credential,
    )
