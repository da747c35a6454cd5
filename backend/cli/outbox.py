"""`flask --app wsgi outbox`: the events on their way to others, for an operator."""

from functools import partial

import click

from backend.cli.options import CommandGroup, print_table, transact
from backend.container import current_services
from backend.services.outbox.deliveries import MAX_ATTEMPTS
from backend.services.outbox.inspection import OutboxEntry, count_replay, list_entries, replay

MOST = 10_000
HEADINGS = ("EVENT_ID", "TYPE", "DESTINATION", "STATUS", "ATTEMPTS", "CREATED", "NEXT", "ERROR")

group = CommandGroup(
    "outbox", help="See what is on its way to others, send it again. See: flask --app wsgi outbox COMMAND --help"
)


@group.add("list", "Show events that were not sent yet or were given up, newest first.", "--status dead")
@click.option("--status", type=click.Choice(["pending", "sent", "dead"]), help="Only these.")
@click.option("--limit", type=click.IntRange(1, MOST), default=50, show_default=True)
def list_(status: str | None, limit: int) -> None:
    entries = transact(partial(list_entries, status=status, limit=limit))
    print_table([HEADINGS, *map(_row, entries)])
    unknown = {entry.destination for entry in entries if entry.status == "pending"} - _destinations()
    for name in sorted(unknown):
        click.echo(f"Nothing is sent to {name}: these settings, or this release, do not have it.", err=True)


@group.add(
    "replay",
    f"Send events again, to each of their destinations, in up to {MAX_ATTEMPTS} attempts: those that are named, or all "
    "that were given up. Whoever gets one twice sees the same id.",
    "evt_0f8fad5bd9cb469fa16570867728950e",
)
@click.argument("event_ids", nargs=-1, metavar="[EVENT_ID]...")
@click.option("--dead", is_flag=True, help="All that were given up.")
@click.option("--dry-run", is_flag=True, help="Only count.")
def replay_(event_ids: tuple[str, ...], *, dead: bool, dry_run: bool) -> None:
    if dead == bool(event_ids):
        raise click.UsageError("Name events, or say --dead.")
    if dry_run:
        click.echo(f"{transact(partial(count_replay, event_ids=event_ids)):,} to send again")
        return
    count = transact(partial(replay, event_ids=event_ids))
    if not count:
        raise click.ClickException("There is none. Look: flask --app wsgi outbox list --status sent")
    click.echo(f"{count:,} will be sent again by the running workers.")


def _destinations() -> set[str]:
    return {each.name for each in current_services().outbox_publisher.destinations}


def _row(entry: OutboxEntry) -> tuple[object, ...]:
    due = entry.next_at if entry.status == "pending" else None
    who = (entry.event_id, entry.type, entry.destination)
    return (*who, entry.status, entry.attempts, entry.created_at, due, entry.error)
