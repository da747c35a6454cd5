"""Commands about users."""

from typing import Any

import click

from clerk_emulator.cli.client import EmulatorClient
from clerk_emulator.cli.options import with_emulator
from clerk_emulator.cli.table import print_table

_PAGE = 500


@click.command("sign-up")
@click.argument("email")
@click.option("--first-name")
@click.option("--last-name")
@click.option("--password")
@with_emulator
def sign_up(emulator: EmulatorClient, /, email: str, **fields: str | None) -> None:
    """Create a user and print the new id.

    \b
    Example:
      flask --app clerk_emulator sign-up ada@example.com --first-name Ada
    """
    click.echo(emulator.sign_up(email, **fields)["id"])


@click.command("users")
@with_emulator
def list_users(emulator: EmulatorClient) -> None:
    """List the users, newest first.

    \b
    Example:
      flask --app clerk_emulator users
    """
    headings = ("ID", "EMAIL", "NAME", "STATUS")
    print_table(headings, [_row(user) for user in _all_users(emulator)])


@click.command("update")
@click.argument("email")
@click.option("--first-name")
@click.option("--last-name")
@click.option("--username")
@with_emulator
def update(emulator: EmulatorClient, /, email: str, **fields: str | None) -> None:
    """Change a user's profile; the application hears of it as user.updated.

    \b
    Example:
      flask --app clerk_emulator update ada@example.com --last-name Lovelace
    """
    changes = {name: value for name, value in fields.items() if value is not None}
    if not changes:
        raise click.ClickException("nothing to change; give --first-name, --last-name or --username")
    user = emulator.require_user(email)
    emulator.call("PATCH", f"/v1/users/{user['id']}", body=changes)
    click.echo(f"updated {user['id']}")


@click.command("ban")
@click.argument("email")
@with_emulator
def ban(emulator: EmulatorClient, email: str) -> None:
    """Ban a user and revoke every session of theirs.

    \b
    Example:
      flask --app clerk_emulator ban ada@example.com
    """
    _act(emulator, email, "ban", "banned")


@click.command("unban")
@click.argument("email")
@with_emulator
def unban(emulator: EmulatorClient, email: str) -> None:
    """Let a banned user sign in again.

    \b
    Example:
      flask --app clerk_emulator unban ada@example.com
    """
    _act(emulator, email, "unban", "unbanned")


@click.command("lock")
@click.argument("email")
@with_emulator
def lock(emulator: EmulatorClient, email: str) -> None:
    """Keep a user from signing in, as Clerk does after too many wrong passwords; sessions go on.

    \b
    Example:
      flask --app clerk_emulator lock ada@example.com
    """
    _act(emulator, email, "lock", "locked")


@click.command("unlock")
@click.argument("email")
@with_emulator
def unlock(emulator: EmulatorClient, email: str) -> None:
    """Let a locked user sign in again.

    \b
    Example:
      flask --app clerk_emulator unlock ada@example.com
    """
    _act(emulator, email, "unlock", "unlocked")


@click.command("deprovision")
@click.argument("email")
@with_emulator
def deprovision(emulator: EmulatorClient, email: str) -> None:
    """Switch a user off as the directory of a company does, and revoke every session of theirs.

    \b
    Example:
      flask --app clerk_emulator deprovision ada@example.com
    """
    _act(emulator, email, "deprovision", "deprovisioned", under="/emulator")


@click.command("merge")
@click.argument("email")
@click.option("--into", required=True, metavar="EMAIL", help="Address of the user who is kept.")
@with_emulator
def merge(emulator: EmulatorClient, email: str, into: str) -> None:
    """Merge a user into another one, who gets what they have; then they are deleted.

    \b
    Example:
      flask --app clerk_emulator merge ada@work.example --into ada@example.com
    """
    duplicate, kept = emulator.require_user(email), emulator.require_user(into)
    emulator.call("POST", f"/v1/users/{kept['id']}/merge", body={"from_user_id": duplicate["id"]})
    click.echo(f"merged {duplicate['id']} into {kept['id']}")


@click.command("delete")
@click.argument("email")
@with_emulator
def delete(emulator: EmulatorClient, email: str) -> None:
    """Delete a user, which ends their sessions first.

    \b
    Example:
      flask --app clerk_emulator delete ada@example.com
    """
    user = emulator.require_user(email)
    emulator.call("DELETE", f"/v1/users/{user['id']}")
    click.echo(f"deleted {user['id']}")


def _act(emulator: EmulatorClient, email: str, action: str, done: str, *, under: str = "/v1") -> None:
    user = emulator.require_user(email)
    emulator.call("POST", f"{under}/users/{user['id']}/{action}")
    click.echo(f"{done} {user['id']}")


def _all_users(emulator: EmulatorClient) -> list[dict[str, Any]]:
    users: list[dict[str, Any]] = []
    while True:
        page = emulator.call("GET", "/v1/users", params={"limit": _PAGE, "offset": len(users)})
        users += page
        if len(page) < _PAGE:
            return users


def _row(user: dict[str, Any]) -> tuple[str, ...]:
    emails = ", ".join(email["email_address"] for email in user["email_addresses"])
    name = " ".join(filter(None, (user["first_name"], user["last_name"])))
    status = "banned" if user["banned"] else "locked" if user["locked"] else "active"
    return user["id"], emails or "-", name or "-", status
