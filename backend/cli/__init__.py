"""`flask --app wsgi …`: what an operator does on the server."""

from flask import Flask

from backend.cli import user_moves  # noqa: F401 - adds its commands to those of users
from backend.cli.clerk import group as clerk
from backend.cli.doctor import command as doctor
from backend.cli.keys import group as keys
from backend.cli.outbox import group as outbox
from backend.cli.purge import command as purge
from backend.cli.readonly_role import command as readonly_role
from backend.cli.users import group as users
from backend.cli.webhooks import group as webhooks


def register_commands(app: Flask) -> None:
    """Add the commands."""
    for command in (clerk, doctor, keys, outbox, purge, readonly_role, users, webhooks):
        app.cli.add_command(command)
