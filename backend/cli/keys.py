"""`flask --app wsgi keys`: API keys of any user, for an operator."""

from datetime import UTC, datetime, timedelta

import click

from backend.cli.options import CommandGroup, find_user, line_for, one_of, print_table, show, transact
from backend.container import current_services
from backend.models.roles_plans_scopes import Scope
from backend.schemas.api_key import LONGEST_OVERLAP, OVERLAP, KeyIn
from backend.services.api_keys import keys as api_keys
from backend.services.api_keys.keys import LONGEST_LIFE, ApiKey, MintedKey
from backend.services.audit import CLI

HOUR = timedelta(hours=1)
HEADINGS = ("KEY_ID", "KEY", "NAME", "SCOPES", "STATE", "CREATED", "LAST_USED")
KEY_ID = click.IntRange(1, api_keys.NEWEST)

group = CommandGroup("keys", help="Make, list, rotate and revoke API keys. See: flask --app wsgi keys COMMAND --help")


@group.add_for_user(
    "create",
    "Make a key and print it, once.",
    "ada@example.com --name backup --scope profile:read --expires-in-days 90",
)
@click.option("--name", required=True, help="What its owner calls it.")
@click.option(
    "--scope",
    "scopes",
    required=True,
    multiple=True,
    type=one_of(Scope),
    help="What it may be used for; repeat for several. One that changes or spends includes the one that reads.",
)
@click.option("--expires-in-days", type=click.IntRange(1, LONGEST_LIFE.days), help="Without it, it never expires.")
def create(user: str, name: str, scopes: tuple[str, ...], expires_in_days: int | None) -> None:
    expires_at = datetime.now(UTC) + timedelta(days=expires_in_days) if expires_in_days else None
    with line_for("--name"):
        wanted = KeyIn(name=name, scopes=[Scope(scope) for scope in dict.fromkeys(scopes)], expires_at=expires_at)
    minted, values = _mint(), (wanted.name, wanted.scopes, wanted.expires_at)
    key = transact(
        lambda connection: api_keys.create_key(connection, CLI, find_user(connection, user), minted, *values)
    )
    _show_once(minted, f"Key {key.key_id} of user {key.user_id}.")


@group.add_for_user("list", "Show the keys of a user, newest first, also those that have ended.", "user_2abc")
def list_(user: str) -> None:
    keys = transact(lambda connection: api_keys.list_keys(connection, find_user(connection, user)))
    print_table([HEADINGS, *map(_row, keys)])


@group.add(
    "rotate",
    "Replace a key: print a new one, once, of the same name and scopes. The old one works on during the overlap.",
    "17 --overlap-hours 2",
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
    minted, overlap = _mint(), overlap_hours * HOUR
    key = transact(
        lambda connection: api_keys.rotate_key(
            connection, CLI, key_id, minted, owner=None, overlap=overlap, expires_at=None
        )
    )
    _show_once(minted, f"Key {key.key_id} of user {key.user_id}, in place of {key_id}.")


@group.add("revoke", "End a key at once and for good.", "17")
@click.argument("key_id", type=KEY_ID)
def revoke(key_id: int) -> None:
    transact(lambda connection: api_keys.revoke_key(connection, CLI, key_id, owner=None))
    click.echo(f"Key {key_id} is revoked.", err=True)


def _mint() -> MintedKey:
    return MintedKey.of(current_services().key_form)


def _show_once(minted: MintedKey, note: str) -> None:
    click.echo(minted.key)
    click.echo(f"{note} It is shown only this once.", err=True)


def _row(key: ApiKey) -> tuple[object, ...]:
    shown = f"{key.prefix}_…{key.last_four}"
    return key.key_id, shown, key.name, ",".join(key.scopes), _state(key), key.created_at, key.last_used_at


def _state(key: ApiKey) -> str:
    if key.revoked_at is not None:
        return f"revoked {show(key.revoked_at)}"
    if key.expires_at is None:
        return "usable"
    return f"{'usable until' if key.is_usable else 'expired'} {show(key.expires_at)}"
