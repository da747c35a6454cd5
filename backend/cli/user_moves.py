"""`flask --app wsgi users merge|restore|relink`: belongings go to another user, or a user to another Clerk id."""

import csv
import sys
from collections.abc import Callable
from functools import partial
from typing import TextIO

import click
from sqlalchemy import Connection

from backend.cli.options import find_user, print_table, printable, rehearse, transact
from backend.cli.users import group
from backend.container import current_services
from backend.models.base import read_id
from backend.services.audit import CLI
from backend.services.clerk.webhooks.named_users import CLERK_USER_ID
from backend.services.users.merge import Moved, merge_users, restore_user
from backend.services.users.relink import relink_user

COLUMNS = ["user_id", "clerk_user_id"]
KEPT_HELP = (
    "Of a deleted user this works for DELETED_USER_RETENTION_DAYS. Quotas are not checked: nothing is lost where both "
    "have more than a plan allows. API keys arrive revoked. Profile and role do not move."
)

dry_run_option = click.option("--dry-run", is_flag=True, help="Only say what would be done.")
yes_option = click.option("--yes", is_flag=True, help="Do not ask.")


def _read_clerk_id(text: str) -> str:
    if not CLERK_USER_ID.fullmatch(text):
        raise click.BadParameter("the Clerk id of a user is user_… with letters and digits")
    return text


@group.add_for_user("merge", f"Move what a user has, and the usage, to another user. {KEPT_HELP}", "12 --into 7")
@click.option("--into", required=True, metavar="USER", help="The live user who gets it; named like USER.")
@dry_run_option
@yes_option
def merge(user: str, into: str, *, dry_run: bool, yes: bool) -> None:
    def work(connection: Connection) -> tuple[int, Moved]:
        source, target = find_user(connection, user, is_deleted_meant=True), find_user(connection, into)
        return target, merge_users(connection, CLI, source, target, current_services().settings.retention)

    _move(work, dry_run=dry_run, yes=yes)


@group.add_for_user(
    "restore",
    f"Move what a deleted user had to the user who is the same person at Clerk now. {KEPT_HELP}",
    "12 user_2abc",
)
@click.argument("clerk_user_id", type=_read_clerk_id)
@dry_run_option
@yes_option
def restore(user: str, clerk_user_id: str, *, dry_run: bool, yes: bool) -> None:
    def work(connection: Connection) -> tuple[int, Moved]:
        source = find_user(connection, user, is_deleted_meant=True)
        return restore_user(connection, CLI, source, clerk_user_id, current_services().settings.retention)

    _move(work, dry_run=dry_run, yes=yes)


def _move(work: Callable[[Connection], tuple[int, Moved]], *, dry_run: bool, yes: bool) -> None:
    """Show what it does, and do it if that is wanted."""
    if dry_run or not yes:
        _show(*rehearse(work), "would get")
        if dry_run:
            return
        click.confirm("Move it?", abort=True, err=True)
    _show(*transact(work), "has got")


def _show(user_id: int, moved: Moved, verb: str) -> None:
    rows = [*moved.rows.items(), *([("plan", moved.plan)] if moved.plan else [])]
    click.echo(f"User {user_id} {verb}:" if rows else f"There is nothing that user {user_id} {verb}.")
    if rows:
        print_table(rows)
    for table, number in moved.left.items():
        click.echo(f"{number:,} of {table} stay where they are: user {user_id} has the like.", err=True)


@group.add(
    "relink",
    "Give live users another Clerk id, after a move to another Clerk instance. Nothing of them ends.\n\n"
    f"A CSV has the columns {','.join(COLUMNS)}. Either all of its rows can be done or nothing is; stopped on the way, "
    "it goes on when it is run again.",
    "12 user_2abc",
)
@click.argument("user_id", type=int, required=False)
@click.argument("clerk_user_id", type=_read_clerk_id, required=False)
@click.option("--csv", "file", type=click.File(encoding="utf-8-sig"), help="Many at once.")
@dry_run_option
def relink(user_id: int | None, clerk_user_id: str | None, file: TextIO | None, *, dry_run: bool) -> None:
    if (file is None) == (clerk_user_id is None) or (file is not None and user_id is not None):
        raise click.UsageError("Either USER_ID and CLERK_USER_ID, or --csv FILE.")
    pairs = _read_pairs(file) if file else [("", user_id or 0, clerk_user_id or "")]
    refusals = []
    with _progress(pairs, "Checking") as checked:
        for place, user, to in checked:
            try:
                rehearse(partial(_relink, user_id=user, clerk_user_id=to))
            except click.ClickException as error:
                refusals.append(f"{place}{error.message}")
    _refuse(refusals)
    if dry_run:
        click.echo(f"{len(pairs):,} can be relinked.")
        return
    done = 0
    try:
        with _progress(pairs, "Relinking") as left:
            for _, user, to in left:
                done += transact(partial(_relink, user_id=user, clerk_user_id=to))
    finally:
        click.echo(f"{done:,} relinked, of {len(pairs):,}.")


def _relink(connection: Connection, *, user_id: int, clerk_user_id: str) -> bool:
    return relink_user(current_services().mirror, connection, CLI, user_id, clerk_user_id)


def _progress(pairs: list[tuple[str, int, str]], label: str) -> "click._termui_impl.ProgressBar[tuple[str, int, str]]":
    return click.progressbar(pairs, label=label, file=sys.stderr, hidden=not sys.stderr.isatty())


def _read_pairs(file: TextIO) -> list[tuple[str, int, str]]:
    """The rows, each with where it stands. Raises ClickException that tells of each that is none."""
    refusals, pairs = [], []
    seen: set[int | str] = set()
    try:
        reader = csv.DictReader(file)
        if reader.fieldnames != COLUMNS:
            raise click.ClickException(f"The first line of the CSV must be {','.join(COLUMNS)}.")
        for row in reader:
            place, user_id, clerk_user_id = f"Line {reader.line_num}: ", read_id(row["user_id"]), row["clerk_user_id"]
            if user_id is None or not CLERK_USER_ID.fullmatch(clerk_user_id or "") or None in row:
                refusals.append(f"{place}not a user_id and a Clerk id (user_…).")
            elif {user_id, clerk_user_id} & seen:
                refusals.append(f"{place}one of the two was there before.")
            else:
                seen |= {user_id, clerk_user_id}
                pairs.append((place, user_id, clerk_user_id))
    except (csv.Error, UnicodeDecodeError):
        raise click.ClickException("This is no CSV file in UTF-8.") from None
    _refuse(refusals)
    return pairs


def _refuse(refusals: list[str]) -> None:
    if refusals:
        for line in refusals[:-1]:
            click.echo(printable(line), err=True)
        raise click.ClickException(f"{printable(refusals[-1])}\nNothing was changed.")
