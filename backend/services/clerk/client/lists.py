"""All that Clerk has of one kind: in pages, by id, and whether an object is gone."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, NamedTuple, Self, TypeVar
from urllib.parse import quote

from backend.services.clerk.client.bulk import BulkApi
from backend.services.clerk.client.http import FetchError
from backend.services.clerk.payloads import now_ms

T = TypeVar("T")
R = TypeVar("R")
Object = dict[str, Any]

LIMIT = 500
TRAIL = 10  # objects that two pages share: fewer that are deleted between the two leave nothing out
MOST_IDS = 100  # that a filter takes
AT_ONCE = 8
# Each costs a request: with a development key these take three seconds.
SUBSCRIPTIONS_AT_ONCE = 25
SWITCHED_OFF = (HTTPStatus.PAYMENT_REQUIRED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND)
NO_SUCH_CURSOR = (HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY)
# What is made meanwhile comes last, and moves nothing. Of subscription items Clerk lists the newest first.
OLDEST_FIRST = MappingProxyType({"order_by": "+created_at"})
ALL_ITEMS = MappingProxyType({"paginated": "true", "include_free": "true"})


class Listing(NamedTuple):
    """Where Clerk lists a kind. `one`: where an object is, or a list that it must be in; names in braces are those of
    the columns of our copy. `ids`: the parameter that names the objects wanted. `has_cursor`: beside the offset.
    `at_once`: how many, where that is fewer than LIMIT.
    """

    path: str
    one: str
    query: Mapping[str, str] = OLDEST_FIRST
    ids: str = ""
    has_cursor: bool = False
    at_once: int = LIMIT

    @property
    def limit(self) -> int:
        return min(self.at_once, LIMIT)


LISTS: Mapping[str, Listing] = {
    "users": Listing("users", "users/{id}", ids="user_id", has_cursor=True),
    "organizations": Listing("organizations", "organizations/{id}", ids="organization_id"),
    "organization_memberships": Listing(
        "organization_memberships", "organizations/{organization_id}/memberships?user_id={user_id}"
    ),
    "organization_invitations": Listing("organization_invitations", "organizations/{organization_id}/invitations/{id}"),
    "organization_domains": Listing(
        "organization_domains", f"organization_domains?organization_id={{organization_id}}&limit={LIMIT}"
    ),
    "roles": Listing("organization_roles", "organization_roles/{id}"),
    "permissions": Listing("organization_permissions", "organization_permissions/{id}"),
    # Of subscriptions there is no list: each payer of an item has one.
    **dict.fromkeys(
        ("subscriptions", "subscription_items"),
        Listing("billing/subscription_items", "{payer}/billing/subscription", ALL_ITEMS, at_once=SUBSCRIPTIONS_AT_ONCE),
    ),
    "waitlist_entries": Listing("waitlist_entries", "waitlist_entries?query={id}"),
}


class FeatureOff(Exception):
    """This Clerk instance has no such kind: the text is Clerk's code for that."""


class Cursor(NamedTuple):
    """Where a list goes on: how many objects came before, and the ids of the last of them."""

    done: int = 0
    trail: Sequence[str] = ()

    @classmethod
    def load(cls, kept: Mapping[str, Any]) -> Self:
        return cls(**kept)


START = Cursor()


class Page(NamedTuple):
    """`ids`: of what was listed, which may not be the objects themselves. `total`: of the list, where it says so.
    `as_of`: when Clerk was asked, Unix milliseconds.
    """

    objects: list[Object]
    ids: list[str]
    cursor: Cursor
    is_last: bool
    total: int | None
    as_of: int


class Lists:
    """One a run. Everything raises FetchError."""

    def __init__(self, api: BulkApi) -> None:
        self._api = api
        self._subscriptions: dict[str, Object | None] = {}  # by payer

    def count_users(self) -> int:
        answer = self._api.get("users/count")
        total = answer.get("total_count") if isinstance(answer, dict) else None
        if not isinstance(total, int):
            raise FetchError("answered with something other than a number of users")
        return total

    def pages(self, kind: str, cursor: Cursor = START, since: int | None = None) -> Iterator[Page]:
        """All of the kind, page after page. An object may come twice, none is left out. Raises FeatureOff.

        `since`: of users only those who changed since then (Unix milliseconds), the newest first.
        """
        listing = LISTS[kind]
        is_partial = since is not None and kind == "users"
        if is_partial:
            listing = listing._replace(query={"order_by": "-updated_at"}, has_cursor=False)
        if kind == "subscriptions":
            self._subscriptions.clear()
        try:
            for page in self._walk(listing, cursor):
                yield page._replace(objects=self._complete(kind, page.objects))
                if is_partial and page.objects and page.objects[-1].get("updated_at", 0) < since:
                    return
        except FetchError as error:
            # An instance without users is none, and without a code of Clerk's something else has answered.
            if kind != "users" and error.status in SWITCHED_OFF and error.code:
                raise FeatureOff(error.code) from None
            raise

    def named(self, kind: str, ids: Sequence[str]) -> Page:
        """Those of these ids, at most MOST_IDS, that there are now. Only of kinds whose listing takes ids."""
        listing = LISTS[kind]
        return self._ask(listing, {listing.ids: list(ids)}, START)

    def find_gone(self, kind: str, rows: Iterable[Mapping[str, str | None]]) -> list[str]:
        """The ids of those of whom Clerk itself says that there are none. `rows`: id, user_id, organization_id."""
        return [found for found in _each(lambda row: self._gone_id(LISTS[kind], row), rows) if found]

    def _gone_id(self, listing: Listing, row: Mapping[str, str | None]) -> str | None:
        values = {name: quote(value, safe="") for name, value in row.items() if value}
        if payer := _payer_path(row):
            values["payer"] = payer
        try:
            answer = self._api.get(listing.one.format_map(values))
        except KeyError:
            return None  # we do not know where to ask
        except FetchError as error:
            if not error.is_not_found:
                raise
            return row["id"]
        if "{id}" in listing.one.partition("?")[0]:
            return None
        held = answer if isinstance(answer, dict) else {}
        lists = (held.get(name) for name in ("data", "subscription_items"))
        there = {str(each.get("id")) for some in lists if isinstance(some, list) for each in some} | {held.get("id")}
        return None if row["id"] in there else row["id"]

    def _walk(self, listing: Listing, cursor: Cursor) -> Iterator[Page]:
        previous: list[str] = []
        while True:
            page = (self._page_after if listing.has_cursor else self._page_at)(listing, cursor)
            if page.ids == previous and not page.is_last:
                raise FetchError("answered with the same page twice")
            cursor, previous = page.cursor, page.ids
            yield page
            if page.is_last:
                return

    def _page_after(self, listing: Listing, cursor: Cursor) -> Page:
        """Whoever it names may have been deleted: then the one before, and at last from the beginning."""
        for last in reversed(cursor.trail):
            try:
                return self._ask(listing, {"starting_after": last}, cursor)
            except FetchError as error:
                if error.status not in NO_SUCH_CURSOR:
                    raise
        return self._ask(listing, {}, START)

    def _page_at(self, listing: Listing, cursor: Cursor) -> Page:
        """With one of the trail, or what was deleted meanwhile has moved others to where we have been already."""
        offset = max(0, cursor.done - len(cursor.trail))
        while True:
            page = self._ask(listing, {"offset": str(offset)}, cursor._replace(done=offset))
            if not offset or not set(cursor.trail).isdisjoint(page.ids):
                return page
            offset = max(0, offset - listing.limit + TRAIL)

    def _ask(self, listing: Listing, query: Mapping[str, str | list[str]], cursor: Cursor) -> Page:
        as_of = now_ms()
        listed, total = _read(self._api.get(listing.path, {**listing.query, "limit": str(listing.limit), **query}))
        objects = {str(each["id"]): each for each in listed}
        after = Cursor(cursor.done + len(listed), list(objects)[-TRAIL:] or cursor.trail)
        return Page(list(objects.values()), list(objects), after, len(listed) < listing.limit, total, as_of)

    def _complete(self, kind: str, objects: list[Object]) -> list[Object]:
        """Of billing in the form of its events: a subscription has `payer` and `items`, an item its subscription."""
        if kind not in ("subscriptions", "subscription_items"):
            return objects
        payers = {path: each["payer"] for each in objects if (path := _payer_path(each.get("payer") or {}))}
        asked = [path for path in payers if path not in self._subscriptions]
        self._subscriptions |= zip(asked, _each(self._subscription_of, asked), strict=True)
        if kind == "subscriptions":
            found = ((self._subscriptions[path], payers[path]) for path in asked)
            return [_as_event(subscription, payer) for subscription, payer in found if subscription]
        whole = ((each, self._subscriptions.get(_payer_path(each.get("payer") or {}))) for each in objects)
        return [each | ({"subscription_id": found["id"]} if found else {}) for each, found in whole]

    def _subscription_of(self, payer: str) -> Object | None:
        try:
            answer = self._api.get(f"{payer}/billing/subscription")
        except FetchError as error:
            if not error.is_not_found:
                raise
            return None
        return answer if isinstance(answer, dict) and "id" in answer else None


def _payer_path(payer: Mapping[str, str | None]) -> str:
    """What an organization pays for names its user, too."""
    for name, path in (("organization_id", "organizations"), ("user_id", "users")):
        if value := payer.get(name):
            return f"{path}/{quote(value, safe='')}"
    return ""


def _as_event(subscription: Object, payer: Object) -> Object:
    items = subscription.get("subscription_items", [])
    return {name: value for name, value in subscription.items() if name != "subscription_items"} | {
        "items": items,
        "payer": payer,
    }


def _read(answer: object) -> tuple[list[Object], int | None]:
    """The objects, and how many there are in all. Users come as a plain list."""
    total = answer.get("total_count") if isinstance(answer, dict) else None
    listed = answer.get("data") if isinstance(answer, dict) else answer
    if not isinstance(listed, list) or not all(isinstance(each, dict) and each.get("id") for each in listed):
        raise FetchError("answered with something other than a list of objects")
    return listed, total if isinstance(total, int) else None


def _each(work: Callable[[T], R], values: Iterable[T]) -> list[R]:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(work, values))
