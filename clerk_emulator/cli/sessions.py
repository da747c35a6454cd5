"""Commands about sessions and their tokens."""

import shlex

import click

from clerk_emulator.cli.client import EmulatorClient
from clerk_emulator.cli.options import sign_up_option, with_emulator

# A line on a clipboard outlives the minute of a normal session token.
_CURL_LIFETIME = 60 * 60


@click.command("sign-in")
@click.argument("email")
@with_emulator
def sign_in(emulator: EmulatorClient, email: str) -> None:
    """Create a session and print its token, which lives for 60 seconds.

    \b
    Example:
      flask --app clerk_emulator sign-in ada@example.com
    """
    click.echo(emulator.sign_in(email))


@click.command("token")
@click.argument("email")
@sign_up_option
@click.option("--expires-in", type=click.IntRange(30, 315_360_000), metavar="SECONDS", help="Instead of 60.")
@with_emulator
def token(emulator: EmulatorClient, email: str, *, sign_up: bool, expires_in: int | None) -> None:
    """Sign in and print nothing but the token.

    \b
    Example:
      TOKEN=$(flask --app clerk_emulator token ada@example.com --sign-up --expires-in 3600)
    """
    click.echo(emulator.sign_in(email, sign_up=sign_up, expires_in=expires_in))


@click.command("curl")
@click.argument("email")
@click.argument("path", default="/auth/me")
@click.option("--api", default="http://localhost:8000", show_default=True, help="Where the application runs.")
@sign_up_option
@with_emulator
def curl(emulator: EmulatorClient, email: str, path: str, api: str, *, sign_up: bool) -> None:
    """Sign in and print a curl command, good for an hour, that calls PATH (by default /auth/me).

    \b
    Example:
      flask --app clerk_emulator curl ada@example.com /campaigns --sign-up
    """
    jwt = emulator.sign_in(email, sign_up=sign_up, expires_in=_CURL_LIFETIME)
    url = f"{api.rstrip('/')}/{path.lstrip('/')}"
    click.echo(shlex.join(["curl", "-H", f"Authorization: Bearer {jwt}", url]))


@click.command("sign-out")
@click.argument("email")
@with_emulator
def sign_out(emulator: EmulatorClient, email: str) -> None:
    """End every active session of a user.

    \b
    Example:
      flask --app clerk_emulator sign-out ada@example.com
    """
    user = emulator.require_user(email)
    ended = 0
    while active := emulator.call("GET", "/v1/sessions", params={"user_id": user["id"], "status": "active"}):
        for session in active:
            emulator.call("POST", f"/emulator/sessions/{session['id']}/end")
        ended += len(active)
    click.echo(f"ended {ended} session{'' if ended == 1 else 's'}")
