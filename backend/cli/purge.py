"""`flask --app wsgi purge`: delete what nothing needs any more, for an operator or cron."""

import sys
from datetime import timedelta
from functools import partial

import click
from flask.cli import with_appcontext

from backend.cli.options import show_example, transact
from backend.container import current_services
from backend.resources import OWNED, AtErasure, Owned
from backend.services.purge import (
    BATCH,
    GRACE,
    LEDGER_KEPT,
    OUTBOX_KEPT,
    PAYLOADS_KEPT,
    Purgeable,
    count_rows,
    delete_batch,
    find_purgeable,
)


def _describe(owned: Owned) -> str:
    since_when = " since DELETED_USER_RETENTION_DAYS" if owned.is_belonging else ""
    whose = [f"of users deleted{since_when}"] if owned.at_erasure is AtErasure.DELETE else []
    since = f" {owned.kept.days} days ago or earlier" if owned.kept else ""
    return f"{owned.table:<18} {'; '.join([*whose, *([f'ended{since}'] if owned.ended else [])])}"


OF_USERS = "\n".join(_describe(owned) for owned in OWNED if owned.ended or owned.at_erasure is AtErasure.DELETE)
HELP = f"""Delete what nothing needs any more, and say how much it was.

\b
{OF_USERS}
revoked_sessions  expired {GRACE.days} day ago or earlier
webhook_events    received {LEDGER_KEPT.days} days ago or earlier, but not dead or failed ones;
                  of ignored ones the payload {PAYLOADS_KEPT.days} days ago or earlier
handled_events    handled {LEDGER_KEPT.days} days ago or earlier
sync_runs         begun {LEDGER_KEPT.days} days ago or earlier
outbox            sent {OUTBOX_KEPT.days} days ago or earlier
audit_events      AUDIT_RETENTION_DAYS old or older

Each {BATCH:,} rows are a transaction: stop it with Ctrl-C and run it again as you like, also while another one runs.
"""


@click.command("purge", help=HELP, epilog=show_example("purge --dry-run"))
@click.option("--dry-run", is_flag=True, help="Only count.")
@with_appcontext
def command(*, dry_run: bool) -> None:
    settings = current_services().settings
    for rows in find_purgeable(timedelta(days=settings.audit_retention_days), settings.retention):
        if dry_run:
            click.echo(f"{rows.name}: {transact(partial(count_rows, rows=rows)):,} to delete")
        else:
            _delete(rows)


def _delete(rows: Purgeable) -> None:
    """Says how many, also when it is stopped on the way."""
    deleted = 0
    try:
        while batch := transact(partial(delete_batch, rows=rows)):
            deleted += batch
            if sys.stderr.isatty():
                click.echo(f"{rows.name}: {deleted:,}\r", nl=False, err=True)
    finally:
        click.echo(f"{rows.name}: {deleted:,} deleted")
