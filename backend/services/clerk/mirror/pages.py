"""Bringing the copy up to many objects at once, as Clerk's Backend API lists them: one statement a table."""

from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import Connection, text
from sqlalchemy.exc import DataError, IntegrityError

from backend.database.locks import lock_users
from backend.services.clerk import billing
from backend.services.clerk.billing_payloads import read_report
from backend.services.clerk.mirror.apply import Mirror, owners_of
from backend.services.clerk.mirror.erase import erase_user
from backend.services.clerk.mirror.kinds import KINDS, Kind
from backend.services.clerk.mirror.objects import Ties, delete_objects, read_object, write_objects
from backend.services.clerk.mirror.projection import address_to_lock, write_rows
from backend.services.clerk.payloads import ClerkObject, Unprocessable, read_user
from backend.services.outbox.announcements import AppEvent, announce

T = TypeVar("T")

BILLING = ("subscriptions", "subscription_items")


class Written(NamedTuple):
    """What a page did: the ids that were new or changed, and why an object could not be used, by id."""

    newer: frozenset[str]
    unusable: dict[str, str]


def apply_page(
    mirror: Mirror,
    connection: Connection,
    kind: Kind,
    objects: Sequence[dict[str, Any]],
    *,
    source: str,
    as_of: int,
    ties: Ties = Ties.WIN_WHERE_OTHER,
) -> Written:
    """Write what is newer, and what follows from it. `as_of`: when Clerk said it, in Unix milliseconds.

    An object that cannot be used keeps no other away. `ties`: see Ties; Ties.WIN repairs what follows from the copy.
    """
    apply = _apply_users if kind.name == "users" else _apply_billing if kind.name in BILLING else _apply_others
    page = _Page(mirror.told_by(source), connection, kind, as_of, ties)
    try:
        with connection.begin_nested():
            return apply(page, objects)
    except (DataError, IntegrityError):
        # Whatever it is, of one of them: each for itself.
        newer: set[str] = set()
        unusable: dict[str, str] = {}
        for each in objects:
            try:
                with connection.begin_nested():
                    written = apply(page, [each])
            except (DataError, IntegrityError) as error:
                unusable[str(each.get("id"))] = type(error.orig).__name__
            else:
                newer |= written.newer
                unusable |= written.unusable
        return Written(frozenset(newer), unusable)


def delete_page(
    mirror: Mirror, connection: Connection, kind: Kind, ids: Collection[str], *, source: str
) -> frozenset[str]:
    """As the events of deletion do; return those that were live here."""
    if kind.name == "users":
        told = mirror.told_by(source)
        return frozenset(each for each in sorted(ids) if erase_user(told, connection, each))
    lock_users(connection, ids, ())
    users, organizations = _payers(connection, kind, ids) if kind.name in BILLING else ([], [])
    deleted = delete_objects(connection, kind, ids, source)
    _follow(connection, users)
    _announce_of_organizations(connection, organizations)
    return deleted


class _Page(NamedTuple):
    mirror: Mirror
    connection: Connection
    kind: Kind
    as_of: int
    ties: Ties

    def write(self, objects: Collection[ClerkObject]) -> frozenset[str]:
        return write_objects(self.connection, self.kind, objects, self.mirror.source, self.ties)


def _read(
    objects: Sequence[dict[str, Any]], read: Callable[[dict[str, Any]], T]
) -> tuple[dict[str, T], dict[str, str]]:
    """Each by its id, the last one counts; and what cannot be used."""
    usable: dict[str, T] = {}
    unusable: dict[str, str] = {}
    for each in objects:
        name = str(each.get("id"))
        try:
            usable[name] = read(each)
        except Unprocessable as error:
            unusable[name] = str(error)
    return usable, unusable


def _apply_users(page: _Page, objects: Sequence[dict[str, Any]]) -> Written:
    users, unusable = _read(objects, lambda data: read_user(data, page.as_of))
    connection = page.connection
    addresses = [address for user in users.values() if (address := address_to_lock(user))]
    lock_users(connection, users, addresses)
    newer = page.write([user.object for user in users.values()])
    news = [user for name, user in users.items() if name in newer]
    contested = page.mirror.find_contested(connection, news)
    write_rows(connection, [user for user in news if user.clerk_user_id not in contested], "backfill")
    for name in sorted(contested):
        page.mirror.apply_user(connection, users[name], ties=Ties.WIN)
    return Written(newer, unusable)


def _apply_billing(page: _Page, objects: Sequence[dict[str, Any]]) -> Written:
    """Of users whose plan is none of ours the plan stays as it is."""
    is_list = page.kind.name == "subscriptions"
    reports, unusable = _read(objects, lambda data: read_report(data, page.as_of, is_list=is_list))
    lock_users(page.connection, {report.payer for report in reports.values()}, ())
    if is_list:
        newer = page.write([report.subscription for report in reports.values() if report.subscription])
        items = [item for name in newer for item in reports[name].items]
        write_objects(page.connection, KINDS["subscription_items"], items, page.mirror.source, page.ties)
    else:
        newer = page.write([item for report in reports.values() for item in report.items])
    _follow(page.connection, sorted({reports[name].payer for name in newer if reports[name].is_of_user}))
    organizations = sorted({reports[name].payer for name in newer if not reports[name].is_of_user})
    _announce_of_organizations(page.connection, organizations)
    return Written(newer, unusable)


def _apply_others(page: _Page, objects: Sequence[dict[str, Any]]) -> Written:
    told, unusable = _read(objects, lambda data: read_object(data, page.as_of))
    lock_users(page.connection, {owner for each in told.values() for owner in owners_of(page.kind, each)}, ())
    return Written(page.write(list(told.values())), unusable)


def _payers(connection: Connection, kind: Kind, ids: Collection[str]) -> tuple[list[str], list[str]]:
    """The users, and the organizations."""
    found = text(f"SELECT user_id, organization_id FROM {kind.table} WHERE id = ANY (:ids)")  # noqa: S608
    rows = connection.execute(found, {"ids": list(ids)}).all()
    return sorted({row[0] for row in rows if row[0]}), sorted({row[1] for row in rows if row[1]})


def _announce_of_organizations(connection: Connection, ids: Sequence[str]) -> None:
    announce(connection, AppEvent.SUBSCRIPTION_CHANGED, *({"organization_id": each} for each in ids))


def _follow(connection: Connection, payers: Sequence[str]) -> None:
    found = text(
        "SELECT user_id FROM users WHERE clerk_user_id = ANY (:payers) AND deleted_at IS NULL ORDER BY user_id"
    )
    for user_id in connection.execute(found, {"payers": list(payers)}).scalars().all() if payers else ():
        if not billing.follow(connection, user_id):
            billing.take_back(connection, user_id)
