"""The command about subscriptions."""

import click

from clerk_emulator.cli.client import EmulatorClient
from clerk_emulator.cli.options import with_emulator


@click.command("plan")
@click.argument("payer")
@click.argument("slug", required=False)
@click.option("--annual", is_flag=True, help="Paid by the year.")
@click.option("--change", type=click.Choice(("cancel", "end", "past_due")), help="What becomes of the one there is.")
@with_emulator
def plan(emulator: EmulatorClient, payer: str, slug: str | None, *, annual: bool, change: str | None) -> None:
    """Give a user (e-mail address) or an organization (slug) a plan of Clerk Billing, or another one.

    \b
    Examples:
      flask --app clerk_emulator plan ada@example.com pro
      flask --app clerk_emulator plan acme team --annual
      flask --app clerk_emulator plan ada@example.com --change cancel
    """
    if (slug is None) == (change is None):
        raise click.UsageError("give a plan, or --change")
    found = emulator.require_user(payer) if "@" in payer else emulator.call("GET", f"/v1/organizations/{payer}")
    path = f"/emulator/subscriptions/{found['id']}"
    item = (
        emulator.call("POST", f"{path}/{change}")
        if change
        else emulator.call("PUT", path, body={"plan": slug, "period": "annual" if annual else "month"})
    )
    click.echo(f"{item['plan']['slug']} of {found['id']} is {item['status']}")
