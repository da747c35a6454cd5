"""`flask --app wsgi doctor`: what is wrong with this installation, and how to mend it."""

import json

import click
from flask.cli import with_appcontext

from backend.cli.options import printable, show_example
from backend.container import current_services
from backend.services.doctor.checks import CHECKS, examine
from backend.services.doctor.finding import State, Subject

MARKS = {State.OK: "✓", State.FAILED: "✗", State.OFF: "–"}  # noqa: RUF001 - the dash is meant
WIDTH = max(len(check.name) for check in CHECKS)
HELP = """Look for what is wrong: settings, database, keys, clocks, webhooks. Changes nothing.

Each line is ✓, ✗ with how to mend it, or a dash for what is not set up or could not be looked at. Exit code 1 when
there is a ✗. A setting that keeps the application from starting ends this command, too, with one line that says which.
"""


@click.command("doctor", help=HELP, epilog=show_example("doctor"))
@click.option("--json", "as_json", is_flag=True, help="For programs: one object with all checks.")
@click.pass_context
@with_appcontext
def command(context: click.Context, *, as_json: bool) -> None:
    services = current_services()
    checks = []
    for name, finding in examine(Subject(services.settings, services.database.read, services.backend_api)):
        checks.append({"name": name, **finding._asdict()})
        if not as_json:
            line = f"{MARKS[finding.state]} {name:<{WIDTH}}  {finding.says}"
            click.echo(printable(f"{line}. {finding.mend}" if finding.mend else line))
    is_ok = all(check["state"] is not State.FAILED for check in checks)
    if as_json:
        click.echo(json.dumps({"ok": is_ok, "checks": checks}))
    context.exit(0 if is_ok else 1)
