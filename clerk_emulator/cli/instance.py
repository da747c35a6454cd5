"""Commands about the instance as a whole."""

import click

from clerk_emulator.cli.client import EmulatorClient
from clerk_emulator.cli.options import with_emulator


@click.command("seed")
@with_emulator
def seed(emulator: EmulatorClient) -> None:
    """Create the demo users that are not there, and say how to sign in as one.

    \b
    Example:
      flask --app clerk_emulator seed
    """
    answer = emulator.call("POST", "/emulator/seed")
    created = ", ".join(answer["planted"]) or "nobody, all are there"
    click.echo(f"created {created}; the password is {answer['password']}")


@click.command("reset")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--webhooks/--no-webhooks", default=True, help="Tell the application of each deletion, or not.")
@with_emulator
def reset(emulator: EmulatorClient, *, yes: bool, webhooks: bool) -> None:
    """Forget all users, sessions, browsers, organizations and messages. The keys stay.

    The application hears of it as user.deleted and organization.deleted, for it keeps copies of its own;
    --no-webhooks leaves these as they are.

    \b
    Example:
      flask --app clerk_emulator reset --yes
    """
    if not yes:
        click.confirm("Forget all users, sessions, organizations and messages?", abort=True)
    forgotten = emulator.call("POST", "/emulator/reset", body={"webhooks": webhooks})["forgotten_users"]
    click.echo(f"forgot {forgotten} user{'' if forgotten == 1 else 's'}")


@click.command("role")
@click.argument("key")
@click.option("--permission", "permissions", multiple=True, metavar="PERMISSION", help="May be repeated.")
@with_emulator
def role(emulator: EmulatorClient, key: str, permissions: tuple[str, ...]) -> None:
    """Define an organization role, or what one permits besides Clerk's own permissions; print all it permits.

    \b
    Example:
      flask --app clerk_emulator role org:billing --permission org:invoices:read --permission org:invoices:manage
    """
    answer = emulator.call("PUT", f"/emulator/roles/{key}", body={"permissions": permissions})
    click.echo("\n".join(answer["permissions"]))
