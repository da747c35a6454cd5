"""`flask --app wsgi purge`: delete what nothing needs any more, for an operator or cron."""

import sys
from functools import partial

import click
from flask.cli import with_appcontext

from backend.cli.options import show_example, transact
from backend.services.campaigns.campaigns import RESTORABLE
from backend.services.purge import ALL_DUE, BATCH, GRACE, LEDGER_KEPT, Due, count_due, delete_batch

HELP = f"""Delete what nothing needs any more, and say how much it was.

\b
campaigns         of deleted users; deleted by their owners {RESTORABLE.days} days ago or earlier
idempotency_keys  expired
revoked_sessions  expired {GRACE.days} day ago or earlier
webhook_events    received {LEDGER_KEPT.days} days ago or earlier, but not dead or failed ones

Each {BATCH:,} rows are a transaction: stop it with Ctrl-C and run it again as you like, also while another one runs.
"""


@click.command("purge", help=HELP, epilog=show_example("purge --dry-run"))
@click.option("--dry-run", is_flag=True, help="Only count.")
@with_appcontext
def command(*, dry_run: bool) -> None:
    for due in ALL_DUE:
        if dry_run:
            click.echo(f"{due.name}: {transact(partial(count_due, due=due)):,} to delete")
        else:
            _delete(due)


def _delete(due: Due) -> None:
    """Says how many, also when it is stopped on the way."""
    deleted = 0
    try:
        while batch := transact(partial(delete_batch, due=due)):
            deleted += batch
            if sys.stderr.isatty():
                click.echo(f"{due.name}: {deleted:,}\r", nl=False, err=True)
    finally:
        click.echo(f"{due.name}: {deleted:,} deleted")
