"""Clerk's lists of every kind, from what a test puts there; and everything that may go wrong with them."""

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

from backend.services.clerk.client.lists import LISTS
from tests.support.billing import item, payer
from tests.support.clerk import user_data
from tests.support.clerk_api import ApiServer, Handler, answer_with, refuse_with

AT = 1_700_000_000_000
Object = dict[str, Any]
Query = dict[str, list[str]]
NOT_FOUND = refuse_with("resource_not_found", 404)


class Source(ApiServer):
    """`held`: by Clerk's path, the objects in the order in which they were made.

    `before` is asked first: with the path and the query; it may change things, and give another answer.
    """

    def __init__(self) -> None:
        super().__init__(self._answer)
        self.held: dict[str, list[Object]] = {listing.path: [] for listing in LISTS.values()}
        self.before: Callable[[str, Query], Any] = lambda _path, _query: None

    def put(self, kind: str, *objects: Object) -> None:
        """Add objects, or put them in the place of those with their ids."""
        held = self.held[LISTS[kind].path]
        for each in objects:
            ids = [one["id"] for one in held]
            held[
                slice(*(ids.index(each["id"]) + n for n in (0, 1))) if each["id"] in ids else slice(len(ids), None)
            ] = [each]

    def remove(self, kind: str, *ids: str) -> None:
        held = self.held[LISTS[kind].path]
        held[:] = [each for each in held if each["id"] not in ids]

    def asked_for(self, path: str) -> list[str]:
        return [one.path for one in self.asked if one.path.startswith(f"/v1/{path}")]

    def _answer(self, handler: Handler) -> None:
        parts = urlsplit(handler.path)
        path, query = parts.path.removeprefix("/v1/"), parse_qs(parts.query)
        (self.before(path, query) or self._find(path, query))(handler)

    def _find(self, path: str, query: Query) -> Any:
        if path == "users/count":
            return answer_with({"object": "total_count", "total_count": len(self.held["users"])})
        if path in self.held:
            return self._list(path, query)
        parts = path.split("/")
        if path.endswith("/billing/subscription"):
            return self._subscription(parts[1])
        if parts[-1] == "memberships":
            members = [
                each
                for each in self.held["organization_memberships"]
                if each["organization"]["id"] == parts[1] and each["public_user_data"]["user_id"] in query["user_id"]
            ]
            return answer_with({"data": members, "total_count": len(members)})
        found = [each for objects in self.held.values() for each in objects if each["id"] == parts[-1]]
        return answer_with(found[0]) if found else NOT_FOUND

    def _list(self, path: str, query: Query) -> Any:
        objects = self.held[path][:: -1 if path.startswith("billing") else 1]
        if query.get("order_by") == ["-updated_at"]:
            objects = sorted(objects, key=lambda each: -each["updated_at"])
        wanted = query.get({"users": "user_id", "organizations": "organization_id"}.get(path, "query"))
        if wanted:
            objects = [each for each in objects if each["id"] in wanted]
        start = int(query.get("offset", ["0"])[0])
        if "starting_after" in query:
            ids = [each["id"] for each in objects]
            if query["starting_after"][0] not in ids:
                return refuse_with("form_param_value_invalid", 422)
            start = ids.index(query["starting_after"][0]) + 1
        page = objects[start : start + int(query.get("limit", ["10"])[0])]
        return answer_with(page if path == "users" else {"data": page, "total_count": len(objects)})

    def _subscription(self, payer_id: str) -> Any:
        items = [each for each in self.held["billing/subscription_items"] if payer_id in each["payer"].values()]
        status = {"id": f"csub_{payer_id}", "status": "active", "updated_at": AT, "subscription_items": items}
        return answer_with(status) if items else NOT_FOUND


def make_user(number: int, *, at: int | None = None, **changes: Any) -> Object:
    name = f"user_{number:05}"
    return user_data(name, updated_at=at or AT + number, email=f"{number}@example.com", **changes)


def make_item(user_id: str, **changes: Any) -> Object:
    """As the Backend API lists it: it does not say of which subscription it is."""
    listed = item(at=AT, **{"id": f"csubitem_{user_id}", "payer": payer(user_id)} | changes)
    del listed["subscription_id"]
    return listed


def some_of_each_kind() -> dict[str, list[Object]]:
    """Two objects of each, which belong together."""
    ids = [(f"user_{number:05}", f"org_{number}") for number in (1, 2)]
    time = {"created_at": AT, "updated_at": AT}
    return {
        "users": [make_user(1), make_user(2)],
        "organizations": [{"id": org, "name": org, "slug": org, **time} for _, org in ids],
        "organization_memberships": [
            {
                "id": f"orgmem_{org}",
                "role": "org:admin",
                "organization": {"id": org},
                "public_user_data": {"user_id": user},
            }
            | time
            for user, org in ids
        ],
        "organization_invitations": [
            {
                "id": f"orginv_{org}",
                "organization_id": org,
                "email_address": "x@example.org",
                "status": "pending",
                **time,
            }
            for _, org in ids
        ],
        "organization_domains": [
            {"id": f"orgdmn_{org}", "organization_id": org, "name": f"{org}.example.com", **time} for _, org in ids
        ],
        "roles": [{"id": f"role_{number}", "key": f"org:{number}", "name": "Role", **time} for number in (1, 2)],
        "permissions": [{"id": f"perm_{number}", "key": f"org:a:{number}", "name": "P", **time} for number in (1, 2)],
        "subscription_items": [make_item(user) for user, _ in ids],
        "waitlist_entries": [
            {"id": f"wait_{number}", "email_address": "y@example.org", "status": "pending", **time} for number in (1, 2)
        ],
    }
