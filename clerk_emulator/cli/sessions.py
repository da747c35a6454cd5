"""Commands about sessions and their tokens."""

import shlex
from typing import Unpack

import click

from clerk_emulator.cli.client import EmulatorClient
from clerk_emulator.cli.options import WhoOptions, actor_option, with_emulator, with_who_options

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
    click.echo(emulator.sign_in(emulator.require_user(email)))


@click.command("token")
@click.argument("email")
@with_who_options
@click.option("--expires-in", type=click.IntRange(30, 315_360_000), metavar="SECONDS", help="Instead of 60.")
@with_emulator
def token(emulator: EmulatorClient, /, email: str, expires_in: int | None, **who: Unpack[WhoOptions]) -> None:
    """Sign in and print nothing but the token.

    \b
    Examples:
      TOKEN=$(flask --app clerk_emulator token ada@example.com --sign-up --expires-in 3600)
      flask --app clerk_emulator token ada@example.com --organization acme --role org:member
      flask --app clerk_emulator token ada@example.com --actor grace@example.com
    """
    click.echo(_sign_in_as(emulator, email, who, expires_in=expires_in))


@click.command("curl")
@click.argument("email")
@click.argument("path", default="/auth/me")
@click.option("--api", default="http://localhost:8000", show_default=True, help="Where the application runs.")
@with_who_options
@with_emulator
def curl(emulator: EmulatorClient, /, email: str, path: str, api: str, **who: Unpack[WhoOptions]) -> None:
    """Sign in and print a curl command, good for an hour, that calls PATH (by default /auth/me).

    \b
    Example:
      flask --app clerk_emulator curl ada@example.com /campaigns --sign-up
    """
    jwt = _sign_in_as(emulator, email, who, expires_in=_CURL_LIFETIME)
    url = f"{api.rstrip('/')}/{path.lstrip('/')}"
    click.echo(shlex.join(["curl", "-H", f"Authorization: Bearer {jwt}", url]))


@click.command("ticket")
@click.argument("email")
@actor_option
@with_emulator
def ticket(emulator: EmulatorClient, email: str, actor: str | None) -> None:
    """Print a ticket that signs a browser in once, within an hour: ?__clerk_ticket=TICKET on the sign-in page.

    \b
    Example:
      flask --app clerk_emulator ticket ada@example.com --actor grace@example.com
    """
    body = {"user_id": emulator.require_user(email)["id"], "expires_in_seconds": _CURL_LIFETIME}
    sub = _find_actor(emulator, actor)
    created = (
        emulator.call("POST", "/v1/actor_tokens", body=body | {"actor": {"sub": sub}})
        if sub
        else emulator.call("POST", "/v1/sign_in_tokens", body=body)
    )
    click.echo(created["token"])


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


def _sign_in_as(emulator: EmulatorClient, email: str, who: WhoOptions, *, expires_in: int | None = None) -> str:
    """Sign a user in as the options say, and return the token."""
    slug, role = who["organization"], who["role"]
    if role and not slug:
        raise click.UsageError("--role is one in an --organization")
    user = emulator.find_user(email) if who["sign_up"] else emulator.require_user(email)
    user = user or emulator.sign_up(email)
    return emulator.sign_in(
        user,
        expires_in=expires_in,
        organization_id=emulator.join(user, slug, role) if slug else None,
        actor=_find_actor(emulator, who["actor"]),
    )


def _find_actor(emulator: EmulatorClient, who: str | None) -> str | None:
    """Give the id of an actor, who may be named by address; any other text is taken for an id."""
    if who is None or "@" not in who:
        return who
    return str(emulator.require_user(who)["id"])
