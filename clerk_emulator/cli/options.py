"""Options that commands share."""

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Concatenate, ParamSpec

import click

from clerk_emulator.cli.client import EmulatorClient

P = ParamSpec("P")


def with_emulator(function: Callable[Concatenate[EmulatorClient, P], None]) -> Callable[..., None]:
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


sign_up_option = click.option("--sign-up", is_flag=True, help="Create the user first when there is none.")
