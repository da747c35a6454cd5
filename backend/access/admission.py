"""An authenticated caller: who it is, and the account that the same statement read."""

from collections.abc import Callable
from typing import NamedTuple

from backend.access.identity import Identity
from backend.database.engine import in_transaction
from backend.errors import AppError, ErrorCode
from backend.services.plans.subscriptions import settle
from backend.services.users.accounts import Account


class Caller(NamedTuple):
    identity: Identity
    account: Account


def admitted(account: Account, read_again: Callable[[], Account | None]) -> Account:
    """The account of a user who may come in, with subscription and the usage row of this month: made now if
    missing. A plan that was canceled and has come to its end is taken back now.

    Raises AppError: 401 or 403 by the state of the user, whatever the credential.
    """
    _refuse_by_state(account)
    if account.is_complete:
        return account
    in_transaction(lambda connection: settle(connection, account.user_id))
    again = read_again()
    if again is None or not again.is_complete:
        # The month ended between making its row and reading it.
        raise AppError(ErrorCode.DATABASE_UNAVAILABLE, "A new month has just begun. Try again.")
    return again


def _refuse_by_state(account: Account) -> None:
    if account.deleted_at is not None:
        raise AppError(ErrorCode.USER_DELETED, "This user was deleted.")
    if account.session_revoked:
        raise AppError(ErrorCode.SESSION_REVOKED, "The session has ended. Sign in again.")
    if account.banned:
        raise AppError(ErrorCode.USER_BANNED, "This user is banned.")
    if not account.is_active:
        raise AppError(ErrorCode.FORBIDDEN, "This user was deactivated. Ask an administrator.")
