"""`flask --app wsgi clerk …`: bring in what Clerk has, prove that the copy equals it, and say how old that proof is."""

import json
import random
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

import click

from backend.cli.options import CommandGroup, in_one_line, print_table, transact
from backend.cli.progress import Progress
from backend.container import current_services
from backend.services.clerk.client.http import FetchError
from backend.services.clerk.client.lists import Lists
from backend.services.clerk.mirror import runs
from backend.services.clerk.mirror.backfill import backfill
from backend.services.clerk.mirror.instance import WRONG, is_right_instance
from backend.services.clerk.mirror.kinds import KINDS
from backend.services.clerk.mirror.reconcile import DIFFERENCES, MAX_DELETES, Reconciler
from backend.services.clerk.mirror.status import LAST_RUNS, read_tables
from backend.services.doctor.finding import show_age

UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
JITTER = 0.1
EXAMPLES = 5


class Percent(click.ParamType[float]):
    name = "percent"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> float:
        found = re.fullmatch(r"(\d{1,3}(?:\.\d+)?)%", value)
        if not found or float(found[1]) > 100:  # noqa: PLR2004
            self.fail("is no percentage such as 5%", param, ctx)
        return float(found[1]) / 100


class Duration(click.ParamType[int]):
    name = "duration"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> int:
        found = re.fullmatch(r"([1-9]\d{0,4})([smhd])", value)
        if not found:
            self.fail("is no time such as 30m, 1h or 1d", param, ctx)
        return int(found[1]) * UNITS[found[2]]


group = CommandGroup("clerk", help="Our copy of what Clerk holds. See: flask --app wsgi clerk COMMAND --help")
only_option = click.option(
    "--only", type=click.Choice(list(KINDS)), multiple=True, help="This kind alone; may be given several times."
)


@group.add(
    "backfill",
    "Bring in all that Clerk has: users, organizations and what belongs to them. Newer state here is never "
    "overwritten. Stop it with Ctrl-C or kill it as you like: the next one goes on where it was, for a day.",
    "--only users",
)
@only_option
@click.option("--dry-run", is_flag=True, help="Only count what would be written.")
@click.option(
    "--since",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]),
    help="Of users only those who changed since then (UTC).",
)
def run_backfill(*, only: Sequence[str], dry_run: bool, since: datetime | None) -> None:
    services, progress = current_services(), Progress()
    since = None if since is None else since.replace(tzinfo=UTC)
    command: runs.Command = "backfill --dry-run" if dry_run else "backfill"
    with asking(command, only, since) as (run, lists):
        if run.is_continued:
            click.echo(f"Going on with run {run.run_id}, at {run.kind}.", err=True)
        transact_, mirror = services.database.transact, services.mirror
        backfill(transact_, mirror, lists, run, progress, since=since, dry_run=dry_run)
        run.end("finished")
    progress.end()
    headings = ("LISTED", "TO_WRITE" if dry_run else "WRITTEN", "UNUSABLE")
    print_counts(run, headings, ("listed", "written", "unusable"))
    if say_unusable(progress):
        raise SystemExit(1)


@group.add(
    "reconcile",
    "Compare our copy with Clerk, and say what is missing, stale, extra or diverged. The status is 0 only when nothing "
    "is left that differs.",
    "--apply",
)
@only_option
@click.option("--apply", "may_repair", is_flag=True, help="Repair what differs.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option(
    "--max-deletes",
    type=Percent(),
    default=f"{MAX_DELETES:.0%}",
    show_default=True,
    help="Stop when more of a kind than that would have to be deleted.",
)
@click.option("--every", type=Duration(), help="Repeat, each time after about so long: 30m, 1h, 1d.")
def run_reconcile(
    *, only: Sequence[str], may_repair: bool, as_json: bool, max_deletes: float, every: int | None
) -> None:
    while True:
        try:
            drift = reconcile_once(only, may_repair=may_repair, as_json=as_json, max_deletes=max_deletes)
        except click.ClickException as error:
            if every is None:
                raise
            error.show()
        else:
            if every is None:
                raise SystemExit(1 if drift else 0)
        # Nodes that were started together do not stay together.
        time.sleep(every * random.uniform(1 - JITTER, 1 + JITTER))  # noqa: S311 - no secret


def reconcile_once(only: Sequence[str], *, may_repair: bool, as_json: bool, max_deletes: float) -> int:
    services, progress = current_services(), Progress()
    with asking("reconcile", only) as (run, lists):
        reconciler = Reconciler(
            services.database.transact,
            services.mirror,
            lists,
            run,
            progress,
            may_repair=may_repair,
            max_deletes=max_deletes,
        )
        reconciler.reconcile()
    drift = reconciler.drift
    progress.end()
    if as_json:
        click.echo(json.dumps({"kinds": run.counts, "drift": drift}))
        return drift
    columns = ("checked", *DIFFERENCES, "repaired")
    print_counts(run, [name.upper() for name in columns], columns)
    for name, found in reconciler.found.items():
        for how, ids in found.items():
            if ids:
                click.echo(f"{name} {how}: {examples(ids)}")
    say_unusable(progress)
    click.echo(f"drift: {drift}")
    return drift


@group.add("status", "Say what our copy holds, and when it was last brought up to Clerk and compared with it.", "")
def show_status() -> None:
    tables = transact(read_tables)
    print_table([("KIND", "LIVE", "DELETED", "NEWEST_EVENT"), *tables])
    with in_one_line():
        last = current_services().reads.fetch(LAST_RUNS)
    by_command = (last.by_command if last else None) or {}
    for command in ("backfill", "reconcile"):
        found = by_command.get(command)
        if found is None:
            click.echo(f"{command}: never")
            continue
        drift = "" if found["drift"] is None else f", drift {found['drift']}"
        click.echo(f"{command}: {found['status']} {show_age(found['age'])} ago (run {found['run_id']}){drift}")


@contextmanager
def asking(
    command: runs.Command, only: Sequence[str], since: datetime | None = None
) -> Iterator[tuple[runs.Run, Lists]]:
    """A run, and Clerk's lists at its pace. Raises ClickException with one line for what goes wrong."""
    services = current_services()
    if not services.backend_api.is_configured:
        raise click.ClickException("CLERK_SECRET_KEY: not set. It is needed to ask Clerk.")
    try:
        with in_one_line():
            if not is_right_instance(services.backend_api, services.clerk):
                raise click.ClickException(f"{WRONG}.")
            kinds = [name for name in KINDS if name in only or not only]
            run = runs.begin(services.database.transact, command, kinds, since)
            key = services.settings.clerk_secret_key.get_secret_value()
            with run.asking(services.settings.clerk_api_url, key) as api:
                yield run, Lists(api)
    except FetchError as error:
        raise click.ClickException(f"Clerk's Backend API {error}. Run the command again.") from None
    except (runs.Busy, runs.Stopped, runs.TakenOver) as error:
        raise click.ClickException(str(error)) from None


def print_counts(run: runs.Run, headings: Sequence[str], columns: Sequence[str]) -> None:
    rows = ((kind, *(counts[name] for name in columns)) for kind, counts in run.counts.items())
    print_table([("KIND", *headings), *rows])


def say_unusable(progress: Progress) -> bool:
    """Whether there was anything."""
    for (kind, reason), ids in progress.unusable.items():
        click.echo(f"{kind} not usable, {reason}: {examples(ids)}", err=True)
    return bool(progress.unusable)


def examples(ids: Sequence[str]) -> str:
    more = len(ids) - EXAMPLES
    return ", ".join(ids[:EXAMPLES]) + (f" and {more:,} more" if more > 0 else "")
