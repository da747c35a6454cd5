"""Commands about webhook messages."""

from datetime import datetime
from typing import get_args

import click

from clerk_emulator.cli.client import EmulatorClient
from clerk_emulator.cli.options import with_emulator
from clerk_emulator.cli.table import print_table
from clerk_emulator.outbox import Status


@click.command("messages")
@click.option("--status", type=click.Choice(get_args(Status)), help="Only those.")
@click.option("--limit", type=int, default=100, show_default=True)
@with_emulator
def messages(emulator: EmulatorClient, status: Status | None, limit: int) -> None:
    """List the last webhook messages and what became of them, newest first.

    \b
    Examples:
      flask --app clerk_emulator messages
      flask --app clerk_emulator messages --status dropped --limit 1000
    """
    columns = ("id", "type", "subject_id", "status", "attempts", "last_response_code")
    listed = emulator.call("GET", "/emulator/messages", params={"limit": limit, "status": status})
    print_table(
        ("ID", "TYPE", "SUBJECT", "STATUS", "ATTEMPTS", "LAST ANSWER"),
        [tuple("-" if row[name] is None else str(row[name]) for name in columns) for row in listed],
    )


@click.command("replay")
@click.argument("message_id", metavar="[ID]", required=False)
@click.option("--failed", is_flag=True, help="All whose last attempt failed, without waiting for the next.")
@click.option("--type", "event_type", metavar="TYPE", help="All of this type, as user.created.")
@click.option(
    "--since", metavar="TIME", type=click.DateTime(), help="All since then, as 2026-01-31T09:00:00, in local time."
)
@with_emulator
def replay(
    emulator: EmulatorClient, message_id: str | None, event_type: str | None, since: datetime | None, *, failed: bool
) -> None:
    """Send webhook messages again under the same ids: one, delivered or not, or all that the options choose.

    \b
    Examples:
      flask --app clerk_emulator replay msg_38aV2bQ0bKZpXmVv3kq0fX2sT1u
      flask --app clerk_emulator replay --failed
      flask --app clerk_emulator replay --type user.deleted --since 2026-01-31T09:00:00
    """
    is_choice = failed or event_type is not None or since is not None
    if is_choice == (message_id is not None):
        raise click.UsageError("give the ID of a message, or --failed, --type or --since")
    if message_id:
        emulator.call("POST", f"/emulator/messages/{message_id}/replay")
        click.echo(f"replaying {message_id}")
        return
    moment = int(since.timestamp() * 1000) if since else 0
    body = {"failed": failed, "type": event_type, "since": moment}
    replayed = emulator.call("POST", "/emulator/messages/replay", body=body)["replayed"]
    click.echo(f"replaying {replayed} message{'' if replayed == 1 else 's'}")
