"""`flask --app wsgi users`: find and change users, for an operator."""

import json
from functools import partial

import click

from backend.cli.options import CommandGroup, find_user, line_for, one_of, print_table, transact
from backend.container import current_services
from backend.errors import AppError
from backend.models.roles_plans_scopes import Plan, Role
from backend.schemas.user import UserQuery, UsersOut
from backend.services.audit import CLI
from backend.services.users.admin import Changes, change_user, read_user_record, set_banned
from backend.services.users.list import ListedUser, UserFilter, UserPage, UserStatus, list_users

MOST = 10_000
HEADINGS = ("USER_ID", "CLERK_USER_ID", "EMAIL", "NAME", "ROLE", "PLAN", "STATE", "LAST_LOGIN")
# What `show` says of a user: who it is, what it may, what it has, what happened.
FACTS = (
    *("user_id", "clerk_user_id", "external_id", "email", "email_verified", "phone", "phone_verified"),
    *("username", "first_name", "last_name"),
    *("role", "is_active", "banned", "deprovisioned", "locked"),
    *("plan", "plan_status", "tokens_used", "tokens_limit", "usable_api_keys"),
    *("provisioned_by", "created_at", "last_login_at", "last_logout_at", "clerk_updated_at"),
)

group = CommandGroup("users", help="Find users, change them. See: flask --app wsgi users COMMAND --help")


@group.add("list", "Show users, newest first.", "--search ada --status banned")
@click.option(
    "--search", help="Begins e-mail, phone, username, first or last name; or is exactly a user_id or Clerk id."
)
@click.option("--role", type=one_of(Role))
@click.option("--plan", type=one_of(Plan))
@click.option("--status", type=one_of(UserStatus), help="Without it: all but the deleted ones.")
@click.option("--limit", type=click.IntRange(1, MOST), default=50, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="For programs: as GET /api/users answers.")
def list_(limit: int, *, as_json: bool, **filters: str | None) -> None:
    with line_for("--search"):
        given = {name: value for name, value in filters.items() if value is not None}
        wanted = UserQuery.model_validate(given).filter
    page = _read_pages(wanted, limit)
    if as_json:
        click.echo(UsersOut.model_validate(page).model_dump_json())
        return
    print_table([HEADINGS, *map(_row, page.users)])
    if page.next_before is not None:
        click.echo(f"There are more than {limit}: raise --limit, or narrow the search.", err=True)


def _read_pages(wanted: UserFilter, limit: int) -> UserPage:
    """As one page, however many the texts make of it."""
    page = UserPage([], None)
    while len(page.users) < limit:
        left, before = limit - len(page.users), page.next_before
        following = transact(partial(list_users, users=wanted, limit=left, before=before))
        page = UserPage(page.users + following.users, following.next_before)
        if page.next_before is None:
            break
    return page


@group.add_for_user("show", "Show a user, and what happened to it last.")
def show(user: str) -> None:
    record = transact(lambda connection: read_user_record(connection, find_user(connection, user)))
    account = record.account
    known = account._asdict() | account.profile._asdict() | record._asdict()
    print_table([(name, known[name]) for name in FACTS])
    if record.events:
        click.echo()
    print_table(
        [
            (event.occurred_at, event.action, event.source, event.actor_user_id, json.dumps(event.details))
            for event in record.events
        ]
    )


@group.add_for_user(
    "set-role", "Make somebody a user, developer or admin.", "ada@example.com admin", " (the first admin)"
)
@click.argument("role", type=one_of(Role))
def set_role(user: str, role: str) -> None:
    _change(user, Changes(role=Role(role)), f"has the role {role}")


@group.add_for_user("set-plan", "Put a user on a plan.", "17 pro")
@click.argument("plan", type=one_of(Plan))
def set_plan(user: str, plan: str) -> None:
    _change(user, Changes(plan=Plan(plan)), f"has the plan {plan}")


@group.add_for_user("deactivate", "Keep a user out, here only: Clerk is not asked.")
def deactivate(user: str) -> None:
    _change(user, Changes(is_active=False), "is deactivated")


@group.add_for_user("activate", "Let a deactivated user in again.")
def activate(user: str) -> None:
    _change(user, Changes(is_active=True), "is active")


@group.add_for_user("ban", "Ban a user at Clerk, and here at once. Needs CLERK_SECRET_KEY.")
def ban(user: str) -> None:
    _set_banned(user, banned=True)


@group.add_for_user("unban", "Take the ban of a user back, at Clerk and here. Needs CLERK_SECRET_KEY.")
def unban(user: str) -> None:
    _set_banned(user, banned=False)


def _change(named: str, changes: Changes, state: str) -> None:
    user_id = transact(lambda connection: find_user(connection, named))
    transact(lambda connection: change_user(connection, CLI, user_id, changes))
    click.echo(f"User {user_id} {state}.", err=True)


def _set_banned(named: str, *, banned: bool) -> None:
    user_id = transact(lambda connection: find_user(connection, named))
    services = current_services()
    try:
        record = set_banned(transact, services.backend_api, services.mirror, CLI, user_id, banned=banned)
    except AppError as error:
        raise click.ClickException(error.detail) from None
    click.echo(f"User {record.account.user_id} is {'banned' if banned else 'not banned'}.", err=True)


def _row(user: ListedUser) -> tuple[object, ...]:
    states = {
        "deleted": user.deleted_at is not None,
        "banned": user.banned,
        "deprovisioned": user.deprovisioned,
        "deactivated": not user.is_active and user.deleted_at is None,
        "locked": user.locked,
    }
    state = ",".join(name for name, is_so in states.items() if is_so) or "active"
    name = " ".join(filter(None, (user.first_name, user.last_name))) or user.username
    return (*(user.user_id, user.clerk_user_id, user.email, name), *(user.role, user.plan, state, user.last_login_at))
