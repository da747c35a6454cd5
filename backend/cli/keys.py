"""`flask --app wsgi keys`: API keys of any user, for an operator."""

from datetime import UTC, datetime, timedelta

import click
from flask.cli import AppGroup
from pydantic import ValidationError

from backend.cli.options import USER_HELP, example, find_user, print_table, printable, show_time, transact
from backend.container import current_services
from backend.models.choices import Scope
from backend.schemas.api_key import LONGEST_OVERLAP, OVERLAP, KeyIn
from backend.services.api_keys import keys as api_keys
from backend.services.api_keys.keys import LONGEST_LIFE, ApiKey, MintedKey
from backend.services.audit import CLI

HOUR = timedelta(hours=1)
HEADINGS = ("KEY_ID", "KEY", "NAME", "SCOPES", "STATE", "CREATED", "LAST_USED")
KEY_ID = click.IntRange(1, api_keys.NEWEST)

group = AppGroup(
    "keys", help="Make, list, rotate and revoke API keys. See: flask --app wsgi keys COMMAND --help"
)


@group.command(
    "create",
    help=f"Make a key and print it, once.\n\n{USER_HELP}",
    epilog=example("keys create ada@example.com --name backup --scope profile:read --expires-in-days 90"),
)
@click.argument("user")
@click.option("--name", required=True, help="What its owner calls it.")
@click.option(
    "--scope",
    "scopes",
    required=True,
    multiple=True,
    type=click.Choice([scope.value for scope in Scope]),
    help="What it may be used for; repeat for several.",
)
@click.option(
    "--expires-in-days", type=click.IntRange(1, LONGEST_LIFE.days), help="Without it, it never expires."
)
def create(user: str, name: str, scopes: tuple[str, ...], expires_in_days: int | None) -> None:
    wanted = _check(name, scopes, expires_in_days)
    minted = _mint()
    key = transact(
        lambda connection: api_keys.create_key(
            connection,
            CLI,
            find_user(connection, user),
            minted,
            wanted.name,
            wanted.scopes,
            wanted.expires_at,
        )
    )
    _show_once(minted, f"Key {key.key_id} of user {key.user_id}.")


@group.command(
    "list",
    help=f"Show the keys of a user, newest first, also those that have ended.\n\n{USER_HELP}",
    epilog=example("keys list user_2abc"),
)
@click.argument("user")
def list_(user: str) -> None:
    keys = transact(lambda connection: api_keys.list_keys(connection, find_user(connection, user)))
    print_table([HEADINGS, *map(_row, keys)])


@group.command(
    "rotate",
    help="Replace a key: print a new one, once, of the same name and scopes. The old one works "
    "on during the overlap.",
    epilog=example("keys rotate 17 --overlap-hours 2"),
)
@click.argument("key_id", type=KEY_ID)
@click.option(
    "--overlap-hours",
    type=click.IntRange(0, LONGEST_OVERLAP // HOUR),
    default=OVERLAP // HOUR,
    show_default=True,
    help="How long the old one works on.",
)
def rotate(key_id: int, overlap_hours: int) -> None:
    minted = _mint()
    key = transact(
        lambda connection: api_keys.rotate_key(
            connection,
            CLI,
            key_id,
            minted,
            owner=None,
            overlap=overlap_hours * HOUR,
            expires_at=None,
        )
    )
    _show_once(minted, f"Key {key.key_id} of user {key.user_id}, in place of {key_id}.")


@group.command("revoke", help="End a key at once and for good.", epilog=example("keys revoke 17"))
@click.argument("key_id", type=KEY_ID)
def revoke(key_id: int) -> None:
    transact(lambda connection: api_keys.revoke_key(connection, CLI, key_id, owner=None))
    click.echo(f"Key {key_id} is revoked.", err=True)


def _check(name: str, scopes: tuple[str, ...], expires_in_days: int | None) -> KeyIn:
    """The rules of the API, for the one option that click does not check."""
    expires_at = datetime.now(UTC) + timedelta(days=expires_in_days) if expires_in_days else None
    try:
        return KeyIn(
            name=name, scopes=[Scope(scope) for scope in dict.fromkeys(scopes)], expires_at=expires_at
        )
    except ValidationError:
        raise click.BadParameter("one line of 1 to 100 characters", param_hint="--name") from None


def _mint() -> MintedKey:
    return MintedKey.of(current_services().key_form)


def _show_once(minted: MintedKey, note: str) -> None:
    click.echo(minted.key)
    click.echo(f"{note} It is shown only this once.", err=True)


def _row(key: ApiKey) -> tuple[str, ...]:
    return (
        str(key.key_id),
        f"{key.prefix}_…{key.last_four}",
        printable(key.name),
        ",".join(key.scopes),
        _state(key),
        show_time(key.created_at),
        show_time(key.last_used_at) if key.last_used_at else "-",
    )


def _state(key: ApiKey) -> str:
    if key.revoked_at is not None:
        return f"revoked {show_time(key.revoked_at)}"
    if key.expires_at is None:
        return "usable"
    return f"{'usable until' if key.is_usable else 'expired'} {show_time(key.expires_at)}"
