"""`flask --app wsgi readonly-role`: the PostgreSQL role of SQL admins, for whoever migrates."""

import click
from flask.cli import with_appcontext

from backend.cli.options import show_example, transact
from backend.models import ADMIN_VIEWS
from backend.services.readonly_role import ROLE, ReadonlyRoleError, grant_reading

HELP = f"""Make the PostgreSQL role {ROLE}, or bring it up to date after a migration.

It reads the views {", ".join(ADMIN_VIEWS)}, and of each table all but secrets and what users wrote or are called. It
changes nothing, and nobody signs in as it: give it to those who do, by GRANT {ROLE} TO name.

What it was granted beside that is revoked. A new table, column or view stays closed until this runs again.
"""


@click.command("readonly-role", help=HELP, epilog=show_example("readonly-role"))
@with_appcontext
def command() -> None:
    try:
        transact(grant_reading)
    except ReadonlyRoleError as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"{ROLE} reads what it may. Give it to somebody: GRANT {ROLE} TO name;", err=True)
