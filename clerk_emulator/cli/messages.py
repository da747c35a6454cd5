"""Commands about webhook messages."""

import click

from clerk_emulator.cli.client import EmulatorClient
from clerk_emulator.cli.options import with_emulator
from clerk_emulator.cli.table import print_table


@click.command("messages")
@with_emulator
def messages(emulator: EmulatorClient) -> None:
    """List the last 100 webhook messages and what became of them, newest first.

    \b
    Example:
      flask --app clerk_emulator messages
    """
    columns = ("id", "type", "subject_id", "status", "attempts", "last_response_code")
    listed = emulator.call("GET", "/emulator/messages")
    print_table(
        ("ID", "TYPE", "SUBJECT", "STATUS", "ATTEMPTS", "LAST ANSWER"),
        [tuple("-" if row[name] is None else str(row[name]) for name in columns) for row in listed],
    )


@click.command("replay")
@click.argument("message_id", metavar="ID")
@with_emulator
def replay(emulator: EmulatorClient, message_id: str) -> None:
    """Send a webhook message again under the same id, delivered or not.

    \b
    Example:
      flask --app clerk_emulator replay msg_38aV2bQ0bKZpXmVv3kq0fX2sT1u
    """
    emulator.call("POST", f"/emulator/messages/{message_id}/replay")
    click.echo(f"replaying {message_id}")
