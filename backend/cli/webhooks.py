"""`flask --app wsgi webhooks`: what came from Clerk and what became of it, and applying it again."""

import json
import re
import sys
from collections import Counter
from datetime import datetime
from functools import partial

import click
from sqlalchemy import Connection, select

from backend.cli.options import SINCE, CommandGroup, find_user, in_one_line, print_table, printable, transact
from backend.container import current_services
from backend.models import User
from backend.services.clerk.mirror.apply import Outcome
from backend.services.clerk.webhooks.ledger import UNRESOLVED
from backend.services.clerk.webhooks.list import EventFilter, ListedEvent, list_events, read_payload_of
from backend.services.clerk.webhooks.named_users import find_ids, read_named_users
from backend.services.clerk.webhooks.replay import REPLAYABLE, count_kept, replay_all

MOST = 10_000
STATUSES = (*(outcome.value for outcome in Outcome), *UNRESOLVED)
COLUMNS = ListedEvent._fields[:7]
CLERK_ID = re.compile(r"[a-z]+_[A-Za-z0-9]+")

group = CommandGroup("webhooks", help="Events of Clerk. See: flask --app wsgi webhooks COMMAND --help")


@group.add(
    "list", "Show events, newest first. Without their payload, which is personal data.", "--status dead --since 7d"
)
@click.option("--status", "statuses", type=click.Choice(STATUSES), multiple=True, help="Repeat for several.")
@click.option("--type", "kind", help="As Clerk names it: user.created")
@click.option("--user", help="A user_id, a verified e-mail address, or a Clerk id: also of an organization and so on.")
@click.option("--since", type=SINCE, help="Received since then.")
@click.option("--limit", type=click.IntRange(1, MOST), default=50, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def list_(
    statuses: tuple[str, ...], kind: str | None, user: str | None, since: datetime | None, limit: int, *, as_json: bool
) -> None:
    def read(connection: Connection) -> list[ListedEvent]:
        subject_id = None if user is None else _find_subject(connection, user)
        return list_events(connection, EventFilter((), statuses, kind, subject_id, since), limit)

    events = transact(read)
    if as_json:
        click.echo(json.dumps({"events": [event._asdict() for event in events]}, default=datetime.isoformat))
        return
    print_table([[name.upper() for name in COLUMNS], *(event[: len(COLUMNS)] for event in events)])
    if len(events) == limit:
        click.echo(f"There may be more than {limit}: raise --limit, or narrow the search.", err=True)


@group.add("show", "Show an event: what became of it, and the Clerk ids in it.", "msg_2abc")
@click.argument("event_id")
@click.option("--payload", "with_payload", is_flag=True, help="Its body too, while it is kept. It is personal data.")
def show(event_id: str, *, with_payload: bool) -> None:
    event = _read_event(event_id)
    payload = transact(partial(read_payload_of, event_id=event.event_id))
    print_table(
        [*event._asdict().items(), ("payload", "not kept" if payload is None else f"{len(payload):,} characters")]
    )
    if payload is None:
        return
    if ids := find_ids(payload):
        click.echo()
        print_table(ids)
    users = transact(partial(read_named_users, payload=payload))
    if here := [(each.clerk_user_id, f"user {each.user_id}", each.is_deleted) for each in users if each.user_id]:
        click.echo()
        print_table([(*known, "deleted" if is_deleted else "live") for *known, is_deleted in here])
    if with_payload:
        click.echo(f"\n{printable(payload)}")


@group.add(
    "replay",
    "Apply events again, as if Clerk had sent them once more: those of these ids, or all of a status. Newer state is "
    "never overwritten, so it does no harm to replay too many. An ignored one counts if something is done with its "
    "type now.",
    "--status dead --since 7d",
)
@click.argument("event_ids", nargs=-1, metavar="[EVENT_ID]...")
@click.option("--status", "statuses", type=click.Choice(REPLAYABLE), multiple=True, help="Repeat for several.")
@click.option("--type", "kind", help="As Clerk names it: user.created")
@click.option("--since", type=SINCE, help="Received since then.")
@click.option("--dry-run", is_flag=True, help="Only count.")
def replay(
    event_ids: tuple[str, ...], statuses: tuple[str, ...], kind: str | None, since: datetime | None, *, dry_run: bool
) -> None:
    if not event_ids and not statuses:
        raise click.UsageError(f"Name events by their ids, or all with --status ({', '.join(REPLAYABLE)}).")
    events = EventFilter(tuple(map(printable, event_ids)), statuses, kind, None, since)
    number = transact(partial(count_kept, events=events))
    if dry_run:
        click.echo(f"{number:,} to apply again")
        return
    if len(event_ids) == 1 and not number:
        event = _read_event(event_ids[0])
        raise click.ClickException(
            f"It is {event.status}, and cannot be applied again: its payload is not kept, or nothing is done with its "
            "type."
        )
    _replay(events)


def _replay(events: EventFilter) -> None:
    """Says what became of them, also when it is stopped on the way."""
    services = current_services()
    counts: Counter[str] = Counter()
    try:
        with in_one_line():
            services.clerk.check_keys()  # by which events of another Clerk instance are told
            for _, status in replay_all(
                services.database.transact, services.mirror, events, services.clerk.instance_ids
            ):
                counts[status] += 1
    finally:
        click.echo(", ".join(f"{count:,} {status}" for status, count in sorted(counts.items())) or "none")
    if not counts.keys().isdisjoint(UNRESOLVED):
        sys.exit(1)


def _read_event(event_id: str) -> ListedEvent:
    found = transact(lambda connection: list_events(connection, EventFilter(ids=(printable(event_id),)), 1))
    if not found:
        raise click.ClickException("There is no such event. Look for one: flask --app wsgi webhooks list")
    return found[0]


def _find_subject(connection: Connection, named: str) -> str:
    """The Clerk id that is meant. Not looked for among users: events of deleted ones are there as well."""
    if CLERK_ID.fullmatch(named):
        return named
    of_user = select(User.clerk_user_id).where(User.user_id == find_user(connection, named))
    clerk_user_id: str | None = connection.execute(of_user).scalar()
    if clerk_user_id is None:
        raise click.ClickException("This user is not at Clerk.")
    return clerk_user_id
