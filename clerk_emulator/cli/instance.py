"""Commands about the instance as a whole."""

from datetime import UTC, datetime

import click

from clerk_emulator.cli.client import EmulatorClient
from clerk_emulator.cli.options import with_emulator
from clerk_emulator.cli.table import print_table

_BULK_TIMEOUT = 10 * 60  # 100,000 users take about half a minute


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


@click.command("bulk-seed")
@click.option("--users", type=click.IntRange(1, 1_000_000), default=100_000, show_default=True)
@click.option("--organizations", type=click.IntRange(0, 100_000), default=0, show_default=True)
@click.option("--memberships", type=click.IntRange(0, 1_000_000), default=0, show_default=True)
@click.option("--number", type=click.IntRange(0, 999), default=1, show_default=True, help="Another, other users.")
@click.option("--webhooks/--no-webhooks", default=True, help="Tell the application of each, or not.")
@with_emulator
def bulk_seed(emulator: EmulatorClient, /, **body: int) -> None:
    """Create users by the hundred thousand, the same for each number; those that are there stay.

    \b
    Example:
      flask --app clerk_emulator bulk-seed --users 100000 --organizations 1000 --memberships 50000 --no-webhooks
    """
    created = emulator.call("POST", "/emulator/bulk_seed", body=dict(body), timeout=_BULK_TIMEOUT)
    click.echo("created " + ", ".join(f"{count} {kind}" for kind, count in created.items()))


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


@click.command("faults")
@click.option("--fault", "faults", type=(str, float), multiple=True, metavar="NAME NUMBER", help="May be repeated.")
@click.option("--off", is_flag=True, help="Let nothing go wrong any more.")
@with_emulator
def faults(emulator: EmulatorClient, faults: tuple[tuple[str, float], ...], *, off: bool) -> None:
    """Show what goes wrong and how often, from 0 to 1, or choose it; what is not named is then off.

    \b
    Examples:
      flask --app clerk_emulator faults
      flask --app clerk_emulator faults --fault drop 0.05 --fault double 0.05 --fault reorder 1 --fault seed 7
      flask --app clerk_emulator faults --off
    """
    method, body = ("PUT", dict(faults)) if faults or off else ("GET", None)
    settings = emulator.call(method, "/emulator/faults", body=body)
    print_table(("FAULT", "NUMBER"), [(name, f"{value:g}") for name, value in settings.items()])


@click.command("clock")
@click.option("--offset", type=int, metavar="SECONDS", help="From the real time; fewer than none are behind it.")
@with_emulator
def clock(emulator: EmulatorClient, offset: int | None) -> None:
    """Show the emulator's time, or shift it.

    \b
    Example:
      flask --app clerk_emulator clock --offset -3600
    """
    method, body = ("GET", None) if offset is None else ("PUT", {"offset_seconds": offset})
    answer = emulator.call(method, "/emulator/clock", body=body)
    moment = datetime.fromtimestamp(answer["now"] // 1000, UTC).isoformat()
    click.echo(f"{moment}, {answer['offset_seconds']} seconds from the real time")
