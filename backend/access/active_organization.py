"""What our copy says of the organization that a session is active in."""

from functools import cached_property

from backend.access.authorization import is_authorized
from backend.database.prepared_reads import ReadPool
from backend.services.clerk.billing import FIND_TOLD, organization_plan
from backend.services.clerk.memberships import FIND_MEMBERSHIP, Membership
from backend.services.core.claims import SessionClaims


class ActiveOrganization:
    """One a request; each thing is looked up when it is asked for, and once.

    By prepared reads: the view that asks may hold a connection, and must not wait for a second one of its kind.
    """

    def __init__(self, organization_id: str, claims: SessionClaims, reads: ReadPool) -> None:
        self._id = organization_id
        self._claims = claims
        self._reads = reads

    @cached_property
    def membership(self) -> Membership | None:
        return self._reads.fetch(FIND_MEMBERSHIP, self._claims.clerk_user_id, self._id)

    @cached_property
    def plan(self) -> str | None:
        told = self._reads.fetch(FIND_TOLD, self._id)
        return organization_plan(told) if told else None

    def grants(self, *, role: str | None, permission: str | None) -> bool:
        """Whether the caller is a member and has all that is named, by the copy or the token, whichever is newer.

        A token says for a minute what was so when it was made; a promotion may be in it before the webhook is here.
        """
        member = self.membership
        if member is None:
            return False
        entitlements = self._claims.entitlements
        if member.updated_at.timestamp() >= self._claims.as_of:
            entitlements = entitlements._replace(org_role=member.role, org_permissions=frozenset(member.permissions))
        is_enough = role is None and permission is None
        return is_enough or is_authorized(
            user_is_signed_in=True, entitlements=entitlements, role=role, permission=permission
        )
