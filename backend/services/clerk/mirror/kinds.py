"""The kinds of objects that are copied from Clerk."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from backend.models.clerk_object import LOOKED_FOR, SCHEMA


class Kind(NamedTuple):
    """`name`: of its table, and on the command line. `event`: what its events begin with.

    `user_id`, `organization_id`: the members that lead to the Clerk id of whom the object belongs to.
    """

    name: str
    event: str
    user_id: tuple[str, ...] = ()
    organization_id: tuple[str, ...] = ()

    @property
    def table(self) -> str:
        return f"{SCHEMA}.{self.name}"

    def owner_of(self, data: Mapping[str, Any]) -> str | None:
        """The Clerk id of the user that the object is or belongs to. What an organization pays for is no user's."""
        if self.name == "users":
            return follow(data, ("id",))
        is_paid = self.user_id[:1] == ("payer",)
        return None if is_paid and self.organization_of(data) else follow(data, self.user_id)

    def organization_of(self, data: Mapping[str, Any]) -> str | None:
        return follow(data, self.organization_id)


def follow(data: object, members: tuple[str, ...]) -> str | None:
    """The text that the members lead to, if there is one that is not empty."""
    for member in members:
        data = data.get(member) if isinstance(data, Mapping) else None
    return data if members and isinstance(data, str) and data else None


def _kind(name: str, event: str) -> Kind:
    paths = LOOKED_FOR[name]
    user_id, organization_id = (
        tuple(re.sub(r" \? .*\)", "", paths[column]).removeprefix("$.").split(".")) if column in paths else ()
        for column in ("user_id", "organization_id")
    )
    return Kind(name, event, user_id, organization_id)


# In the order in which they are filled: what others belong to comes first.
KINDS: Mapping[str, Kind] = {
    name: _kind(name, event)
    for name, event in {
        "users": "user",
        "organizations": "organization",
        "organization_memberships": "organizationMembership",
        "organization_invitations": "organizationInvitation",
        "organization_domains": "organizationDomain",
        "roles": "role",
        "permissions": "permission",
        "subscriptions": "subscription",
        "subscription_items": "subscriptionItem",
        "waitlist_entries": "waitlistEntry",
    }.items()
}
