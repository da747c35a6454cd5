"""Options that commands share."""

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Concatenate, ParamSpec, TypedDict

import click

from clerk_emulator.cli.client import EmulatorClient

P = ParamSpec("P")
Decorated = Callable[..., None]


class WhoOptions(TypedDict):
    """What `with_who_options` adds."""

    sign_up: bool
    organization: str | None
    role: str | None
    actor: str | None


def with_emulator(function: Callable[Concatenate[EmulatorClient, P], None]) -> Decorated:
    """Give a command `--state`, and as its first argument the emulator that it leads to."""

    @click.option(
        "--state",
        type=click.Path(path_type=Path),
        envvar="CLERK_EMULATOR_STATE",
        show_envvar=True,
        default=Path(".local/clerk"),
        show_default=True,
        help="State folder of the emulator.",
    )
    @wraps(function)
    def command(state: Path, *args: P.args, **kwargs: P.kwargs) -> None:
        function(EmulatorClient(state), *args, **kwargs)

    return command


def with_who_options(function: Decorated) -> Decorated:
    """Give a command the options that say who signs in, and as what."""
    options: list[Callable[[Decorated], Decorated]] = [
        click.option("--sign-up", is_flag=True, help="Create the user first when there is none."),
        click.option(
            "--organization", metavar="SLUG", help="Be in this organization; it is founded and joined if need be."
        ),
        click.option(
            "--role", metavar="ROLE", help="In the organization; org:admin if nothing was said. Stays for later."
        ),
        actor_option,
    ]
    for option in reversed(options):
        function = option(function)
    return function


actor_option = click.option(
    "--actor", metavar="WHO", help="E-mail address or id of whoever acts as the user (impersonation)."
)
