"""A local Clerk instance for development and tests.

The server is `python -m clerk_emulator`; this module carries its command line, `flask --app clerk_emulator`.
"""

from flask import Flask

from clerk_emulator.cli import COMMANDS

__all__ = ["create_app"]


def create_app() -> Flask:
    """Give flask the commands. They talk to a running emulator over HTTP, so nothing is opened here."""
    app = Flask(__name__, static_folder=None)
    for command in COMMANDS:
        app.cli.add_command(command)
    return app
