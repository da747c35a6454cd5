"""What the command groups share: help with examples, naming a user, transactions whose trouble is one line, tables."""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import ClassVar, TypeVar

import click
import psycopg2
from flask.cli import AppGroup
from pydantic import ValidationError
from sqlalchemy import Connection, and_, func, literal, select
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from backend.container import in_transaction
from backend.errors import AppError
from backend.models import User
from backend.models.base import ID

T = TypeVar("T")
Decorator = Callable[[Callable[..., None]], click.Command]

USER_HELP = "USER is a user_id, a Clerk id (user_…) or a live user's verified e-mail address."


class Since(click.ParamType[datetime]):
    """A time, or how long ago."""

    name = "time"
    units: ClassVar = {"min": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        try:
            if ago := re.fullmatch(r"([0-9]{1,5})(min|h|d)", value):
                return datetime.now(UTC) - int(ago[1]) * self.units[ago[2]]
            at = datetime.fromisoformat(value)
            return at if at.tzinfo else at.replace(tzinfo=UTC)
        except ValueError:
            self.fail("takes 30min, 12h, 7d, or a time like 2026-03-04T05:06Z (UTC)", param, ctx)


SINCE = Since()


class CommandGroup(AppGroup):
    """Commands whose --help ends with an example."""

    def add(self, name: str, does: str, example: str, note: str = "") -> Decorator:
        """Make a function the command `name`. `example`: what may stand after it."""
        return self.command(name, help=does, epilog=show_example(f"{self.name} {name} {example}", note))

    def add_for_user(self, name: str, does: str, example: str = "ada@example.com", note: str = "") -> Decorator:
        """The same for a function whose first argument is the text that names a user."""
        command = self.add(name, f"{does}\n\n{USER_HELP}", example, note)
        return lambda function: command(click.argument("user")(function))


def show_example(command: str, note: str = "") -> str:
    """The end of a command's --help."""
    return f"\b\nExample{note}:\n  flask --app wsgi {command}"


def one_of(choices: type[StrEnum]) -> click.Choice[str]:
    return click.Choice([choice.value for choice in choices])


@contextmanager
def line_for(option: str) -> Iterator[None]:
    """The rules of the API, for the one option that click does not check."""
    try:
        yield
    except ValidationError:
        raise click.BadParameter("one line of 1 to 100 characters", param_hint=option) from None


def find_user(connection: Connection, named: str, *, is_deleted_meant: bool = False) -> int:
    """The `users.user_id` of the live user meant (see USER_HELP). Raises ClickException when there is none.

    `is_deleted_meant`: an id may be that of a deleted user, too.
    """
    # printable: bytes that are no text in the terminal's encoding come as what PostgreSQL does not take.
    name = printable(named)
    if re.fullmatch(ID, named):
        is_meant = User.user_id == int(named)
    elif named.startswith("user_"):
        is_meant = User.clerk_user_id == name
    else:
        # Anybody can give an address that is not theirs, or a look-alike of one ("C" folds ASCII letters only), and
        # would be made admin by the operator who means its owner.
        is_same = func.lower(User.email) == func.lower(name)
        is_same_ascii = func.lower(User.email.collate("C")) == func.lower(literal(name).collate("C"))
        is_meant = and_(is_same, is_same_ascii, User.email_verified)
    is_known = is_meant if is_deleted_meant else and_(is_meant, User.deleted_at.is_(None))
    found = connection.execute(select(User.user_id).where(is_known)).scalar()
    if found is None:
        raise click.ClickException(
            f"There is no live user {name}; an address counts only when it is verified. "
            "Look for one: flask --app wsgi users list --search TEXT"
        )
    return found


def transact(work: Callable[[Connection], T], *, user: str | int | None = None) -> T:
    """Run `work` and commit, as `in_transaction`. Raises ClickException with one line for what goes wrong."""
    with in_one_line():
        return in_transaction(work, user=user)


@contextmanager
def in_one_line() -> Iterator[None]:
    """Make a ClickException of a refusal of ours and of the database's trouble."""
    try:
        yield
    except AppError as error:
        raise click.ClickException(error.detail) from None
    except (SQLAlchemyError, psycopg2.Error) as error:
        raise click.ClickException(
            f"The database cannot be used: {_reason(error)}. Look at DATABASE_URL, and whether PostgreSQL runs "
            "and is migrated (alembic upgrade head)."
        ) from None


def rehearse(work: Callable[[Connection], T]) -> T:
    """Run `work` and take it back, to see what it would do."""

    def undone(connection: Connection) -> T:
        savepoint = connection.begin_nested()
        result = work(connection)
        savepoint.rollback()
        return result

    return transact(undone)


def print_table(rows: Sequence[Sequence[object]]) -> None:
    """Print rows of equal length in columns."""
    cells = [[show(value) for value in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        click.echo("  ".join(map(str.ljust, row, widths)).rstrip())


def show(value: object) -> str:
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%dT%H:%MZ}"
    return "-" if value is None else printable(str(value))


def printable(text: str) -> str:
    """Text of a user without what would steer the operator's terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _reason(error: Exception) -> str:
    """The first line of what PostgreSQL or libpq says: no statement, no values."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    return f"{type(cause).__name__}: {str(cause).strip().partition(chr(10))[0].rstrip('.')}"
