"""From a Clerk session token to its caller."""

from collections.abc import Callable
from functools import partial

from flask import g

from backend.access.active_organization import ActiveOrganization
from backend.access.authentication import admit
from backend.access.identity import Identity
from backend.access.rate_limits import RequestLimits
from backend.database.prepared_reads import ReadPool
from backend.database.transactions import Transact
from backend.errors import AppError, ErrorCode
from backend.services import audit
from backend.services.clerk.mirror.completion import Completion
from backend.services.core.claims import SessionClaims
from backend.services.core.clerk_service import ClerkService
from backend.services.rate_limits.table import Group
from backend.services.users.accounts import FIND_BY_CLERK_ID, Account, provision_for_request

MAX_NOTED = 1_000


class SessionTokens:
    """Verifies session tokens, and makes the user of one whose webhook has not come yet."""

    def __init__(
        self,
        clerk: ClerkService,
        reads: ReadPool,
        transact: Transact,
        completion: Completion,
        rate_limits: RequestLimits,
        note_provisioned: Callable[[], object],
    ) -> None:
        """`note_provisioned`: told of each user that it makes."""
        self._clerk = clerk
        self._reads = reads
        self._transact = transact
        self._completion = completion
        self._rate_limits = rate_limits
        self._note_provisioned = note_provisioned
        self._impersonated: set[str] = set()

    def identify(self, token: str) -> Identity:
        """Raises AppError: 401 for the token, 429 where too many new users come from, 503 for our own trouble."""
        claims = self._clerk.verify(token)
        find = partial(self._reads.fetch, FIND_BY_CLERK_ID, claims.clerk_user_id, claims.session_id)
        account = find()
        if account is None:
            account = self._provision(claims, find)
        elif (
            not account.has_profile
            and account.deleted_at is None
            and self._completion.ask_when_due(claims.clerk_user_id)
        ):
            account = find() or account
        if claims.actor is not None:
            self._note_impersonation(account.user_id, claims, claims.actor)
        return admit(
            "clerk",
            account,
            self._transact,
            find,
            session_id=claims.session_id,
            actor=claims.actor,
            entitlements=claims.entitlements,
            organization=self._organization(claims),
        )

    def _organization(self, claims: SessionClaims) -> ActiveOrganization | None:
        org_id = claims.entitlements.org_id
        return None if org_id is None else ActiveOrganization(org_id, claims, self._reads)

    def _provision(self, claims: SessionClaims, find: Callable[[], Account | None]) -> Account:
        """The token came before the webhook: make the user now, with what Clerk's API tells if it may be asked.

        Counted by users and not by requests: a page of a new user begins with several at once.
        """
        self._rate_limits.spend(Group.NEW_USERS, None, cost=0)
        is_new = self._transact(
            lambda connection: provision_for_request(connection, claims.clerk_user_id, claims.session_id),
            user=claims.clerk_user_id,
        )
        if is_new:
            self._rate_limits.spend(Group.NEW_USERS, None)
            self._note_provisioned()
            self._completion.ask(claims.clerk_user_id)
        account = find()
        if account is None:
            # Only a session that was revoked before its user was ever seen leaves nothing behind.
            raise AppError(ErrorCode.SESSION_REVOKED, "The session has ended. Sign in again.")
        return account

    def _note_impersonation(self, user_id: int, claims: SessionClaims, actor: str) -> None:
        """Each session is once in the audit trail. If that entry fails, the request fails."""
        session = claims.session_id or f"none: {actor} as {claims.clerk_user_id}"
        if session in self._impersonated:
            return
        who = audit.Actor("api", user_id, actor, g.request_id)
        action = audit.Action.SESSION_IMPERSONATED
        self._transact(
            lambda connection: audit.record(connection, who, action, user_id, session_id=session),
            user=claims.clerk_user_id,
        )
        if len(self._impersonated) >= MAX_NOTED:
            self._impersonated.clear()
        self._impersonated.add(session)
