"""`flask --app wsgi users`: find and change users, for an operator."""

import json
from collections.abc import Callable, Sequence
from datetime import datetime

import click
from flask.cli import AppGroup
from pydantic import ValidationError

from backend.cli.options import USER_HELP, example, find_user, print_table, printable, show_time, transact
from backend.container import current_services
from backend.errors import AppError
from backend.models.choices import Plan, Role
from backend.schemas.user import UserQuery, UsersOut
from backend.services.audit import CLI
from backend.services.users.admin import Changes, UserRecord, change_user, read_user_record, set_banned
from backend.services.users.list import ListedUser, UserFilter, UserStatus, list_users

MOST = 10_000
HEADINGS = ("USER_ID", "CLERK_USER_ID", "EMAIL", "NAME", "ROLE", "PLAN", "STATE", "LAST_LOGIN")

group = AppGroup("users", help="Find users, change them. See: flask --app wsgi users COMMAND --help")


@group.command(
    "list",
    help="Show users, newest first.",
    epilog=example("users list --search ada --status banned"),
)
@click.option(
    "--search", help="Begins e-mail, username, first or last name; or is exactly a user_id or Clerk id."
)
@click.option("--role", type=click.Choice([role.value for role in Role]))
@click.option("--plan", type=click.Choice([plan.value for plan in Plan]))
@click.option(
    "--status",
    type=click.Choice([status.value for status in UserStatus]),
    help="Without it: all but the deleted ones.",
)
@click.option("--limit", type=click.IntRange(1, MOST), default=50, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="For programs: as GET /api/users answers.")
def list_(limit: int, *, as_json: bool, **filters: str | None) -> None:
    users = _check(filters)
    page = transact(lambda connection: list_users(connection, users, limit=limit))
    if as_json:
        click.echo(UsersOut.of(page).model_dump_json())
        return
    print_table([HEADINGS, *map(_row, page.users)])
    if page.next_before is not None:
        click.echo(f"There are more than {limit}: raise --limit, or narrow the search.", err=True)


@group.command(
    "show",
    help=f"Show a user, and what happened to it last.\n\n{USER_HELP}",
    epilog=example("users show ada@example.com"),
)
@click.argument("user")
def show(user: str) -> None:
    record = transact(lambda connection: read_user_record(connection, find_user(connection, user)))
    print_table(list(_facts(record).items()))
    if record.events:
        click.echo()
    print_table(
        [
            (
                show_time(event.occurred_at),
                event.action,
                event.source,
                _text(event.actor_user_id),
                json.dumps(event.details),
            )
            for event in record.events
        ]
    )


@group.command(
    "set-role",
    help=f"Make somebody a user, developer or admin.\n\n{USER_HELP}",
    epilog=example("users set-role ada@example.com admin", " (the first admin)"),
)
@click.argument("user")
@click.argument("role", type=click.Choice([role.value for role in Role]))
def set_role(user: str, role: str) -> None:
    _change(user, Changes(role=Role(role)), f"has the role {role}")


@group.command(
    "set-plan", help=f"Put a user on a plan.\n\n{USER_HELP}", epilog=example("users set-plan 17 pro")
)
@click.argument("user")
@click.argument("plan", type=click.Choice([plan.value for plan in Plan]))
def set_plan(user: str, plan: str) -> None:
    _change(user, Changes(plan=Plan(plan)), f"has the plan {plan}")


def _add(name: str, does: str, run: Callable[[str], None]) -> None:
    """A command whose one argument is the user."""
    group.command(name, help=f"{does}\n\n{USER_HELP}", epilog=example(f"users {name} ada@example.com"))(
        click.argument("user")(run)
    )


_add(
    "deactivate",
    "Keep a user out, here only: Clerk is not asked.",
    lambda user: _change(user, Changes(is_active=False), "is deactivated"),
)
_add(
    "activate",
    "Let a deactivated user in again.",
    lambda user: _change(user, Changes(is_active=True), "is active"),
)
_add(
    "ban",
    "Ban a user at Clerk, and here at once. Needs CLERK_SECRET_KEY.",
    lambda user: _set_banned(user, banned=True),
)
_add(
    "unban",
    "Take the ban of a user back, at Clerk and here. Needs CLERK_SECRET_KEY.",
    lambda user: _set_banned(user, banned=False),
)


def _check(filters: dict[str, str | None]) -> UserFilter:
    """The rules of the API, for the one option that click does not check."""
    try:
        given = {name: value for name, value in filters.items() if value is not None}
        return UserQuery.model_validate(given).filter
    except ValidationError:
        raise click.BadParameter("one line of 1 to 100 characters", param_hint="--search") from None


def _change(named: str, changes: Changes, state: str) -> None:
    user_id = transact(lambda connection: find_user(connection, named))
    transact(lambda connection: change_user(connection, CLI, user_id, changes))
    click.echo(f"User {user_id} {state}.", err=True)


def _set_banned(named: str, *, banned: bool) -> None:
    user_id = transact(lambda connection: find_user(connection, named))
    services = current_services()
    try:
        found = set_banned(transact, services.backend_api, services.mirror, CLI, user_id, banned=banned)
    except AppError as error:
        raise click.ClickException(error.detail) from None
    click.echo(f"User {found} is {'banned' if banned else 'not banned'}.", err=True)


def _row(user: ListedUser) -> Sequence[str]:
    states = {
        "deleted": user.deleted_at is not None,
        "banned": user.banned,
        "deactivated": not user.is_active and user.deleted_at is None,
        "locked": user.locked,
    }
    return (
        str(user.user_id),
        _text(user.clerk_user_id),
        _text(user.email),
        _text(" ".join(filter(None, (user.first_name, user.last_name))) or user.username),
        user.role,
        _text(user.plan),
        ",".join(name for name, is_so in states.items() if is_so) or "active",
        _text(user.last_login_at),
    )


def _facts(record: UserRecord) -> dict[str, str]:
    account = record.account
    profile = account.profile
    facts = {
        "user_id": account.user_id,
        "clerk_user_id": account.clerk_user_id,
        "external_id": record.external_id,
        "email": profile.email,
        "email_verified": profile.email_verified,
        "username": profile.username,
        "first_name": profile.first_name,
        "last_name": profile.last_name,
        "role": account.role,
        "is_active": account.is_active,
        "banned": account.banned,
        "locked": record.locked,
        "plan": account.plan,
        "plan_status": account.plan_status,
        "tokens_used": account.tokens_used,
        "tokens_limit": account.tokens_limit,
        "usable_api_keys": record.usable_api_keys,
        "provisioned_by": record.provisioned_by,
        "created_at": account.created_at,
        "last_login_at": account.last_login_at,
        "last_logout_at": record.last_logout_at,
        "clerk_updated_at": record.clerk_updated_at,
    }
    return {name: _text(value) for name, value in facts.items()}


def _text(value: object) -> str:
    if value is None:
        return "-"
    return show_time(value) if isinstance(value, datetime) else printable(str(value))
