"""`GET /v1/users` and `/v1/users/count`: query parameters to SQL."""

import json
import re
import sqlite3

from flask import request

from clerk_emulator import users
from clerk_emulator.backend_api.pages import (
    invalid_value,
    read_limit,
    read_list,
    read_number,
    read_offset,
    read_order,
    refuse_unknown,
)
from clerk_emulator.errors import ClerkError, invalid_parameter

_FILTERS = frozenset(
    {"email_address", "phone_number", "user_id", "external_id", "username", "organization_id", "query"}
)
_PAGING = frozenset({"limit", "offset", "order_by", "starting_after"})

# Clerk's names of an order, and the expression that makes it. Nobody has a wallet here.
_ORDERS = {
    "created_at": "created_at",
    "updated_at": "updated_at",
    "email_address": "(SELECT email_address FROM email_addresses WHERE id = primary_email_address_id)",
    "web3wallet": "NULL",
    "first_name": "first_name",
    "last_name": "last_name",
    "phone_number": "(SELECT phone_number FROM phone_numbers WHERE id = primary_phone_number_id)",
    "username": "username",
    "last_active_at": "last_active_at",
    "last_sign_in_at": "last_sign_in_at",
}

# What each filter demands; the lists are bound as JSON. A name that begins with not_ is a value with a minus sign.
_CONDITIONS = {
    "email_address": """id IN (
        SELECT user_id FROM email_addresses WHERE email_address IN (SELECT value FROM json_each(:email_address)))""",
    "phone_number": """id IN (
        SELECT user_id FROM phone_numbers WHERE phone_number IN (SELECT value FROM json_each(:phone_number)))""",
    "username": "lower(username) IN (SELECT value FROM json_each(:username))",
    "user_id": "id IN (SELECT value FROM json_each(:user_id))",
    "not_user_id": "id NOT IN (SELECT value FROM json_each(:not_user_id))",
    "external_id": "external_id IN (SELECT value FROM json_each(:external_id))",
    "not_external_id": """(
        external_id IS NULL OR external_id NOT IN (SELECT value FROM json_each(:not_external_id)))""",
    "organization_id": """id IN (SELECT user_id FROM organization_memberships
        WHERE organization_id IN (SELECT value FROM json_each(:organization_id)))""",
    "not_organization_id": """id NOT IN (SELECT user_id FROM organization_memberships
        WHERE organization_id IN (SELECT value FROM json_each(:not_organization_id)))""",
}
# What contains a text. Not LIKE: it would read % and _ as wildcards, and fails on a long pattern.
_TEXTS = {
    "email_address_query": """id IN (
        SELECT user_id FROM email_addresses WHERE instr(email_address, lower(:email_address_query)))""",
    "phone_number_query": """id IN (
        SELECT user_id FROM phone_numbers WHERE instr(phone_number, :phone_number_query))""",
    "username_query": "instr(lower(username), lower(:username_query))",
    "name_query": "instr(lower(coalesce(first_name, '') || ' ' || coalesce(last_name, '')), lower(:name_query))",
}
_TEXTS["query"] = re.sub(r":\w+", ":query", f"({' OR '.join(_TEXTS.values())} OR instr(lower(id), lower(:query)))")
_TIMES = {
    f"{column}_{word}": f"{column} {sign} :{column}_{word}"
    for column in ("created_at", "last_active_at", "last_sign_in_at")
    for word, sign in (("before", "<"), ("after", ">"))
} | {"last_active_at_since": "last_active_at >= :last_active_at_since"}
_FILTERS = frozenset(
    {
        "email_address",
        "phone_number",
        "user_id",
        "external_id",
        "username",
        "organization_id",
        "banned",
        *_TEXTS,
        *_TIMES,
    }
)
_AFTER_CURSOR = {
    "ASC": "(created_at, id) > (:after_time, :after_id)",
    "DESC": "(created_at, id) < (:after_time, :after_id)",
}


class Selection:
    """The users a request asks for. Conditions are constants of this file, values are always bound."""

    def __init__(self) -> None:
        self._conditions: list[str] = []
        self._values: dict[str, str | int] = {}
        for name in ("email_address", "username"):
            self._add_list(name, [value.lower() for value in read_list(name)])
        # A plus sign that was not percent-encoded arrives as a space, and the number is Clerk's with one.
        self._add_list("phone_number", [f"+{value.lstrip('+ ')}" for value in read_list("phone_number")])
        for name in ("user_id", "external_id", "organization_id"):
            values = read_list(name)
            # A plus sign that was not percent-encoded arrives as a space.
            self._add_list(name, [value.lstrip("+ ") for value in values if not value.startswith("-")])
            self._add_list(f"not_{name}", [value[1:] for value in values if value.startswith("-")])
        for name, condition in _TEXTS.items():
            if text := request.args.get(name):
                self._add(condition, **{name: text})
        for name, condition in _TIMES.items():
            if name in request.args:
                self._add(condition, **{name: read_number(name, 0)})
        if "banned" in request.args:
            self._add("banned = :banned", banned=request.args["banned"] == "true")

    def count(self, db: sqlite3.Connection) -> int:
        """Count the users that match."""
        refuse_unknown(_FILTERS)
        count: int = db.execute(f"SELECT count(*) FROM users {self._where()}", self._values).fetchone()[0]  # noqa: S608
        return count

    def page(self, db: sqlite3.Connection) -> list[sqlite3.Row]:
        """Read one page of their ids and documents, in the order that was asked for."""
        refuse_unknown(_FILTERS | _PAGING)
        name, direction = read_order(_ORDERS)
        if cursor := request.args.get("starting_after"):
            self._continue_after(db, cursor, name, direction)
        self._values |= {"limit": read_limit(), "offset": read_offset()}
        return db.execute(
            f"SELECT id, document FROM users {self._where()} ORDER BY {_ORDERS[name]} {direction}, id {direction}"  # noqa: S608
            " LIMIT :limit OFFSET :offset",
            self._values,
        ).fetchall()

    def _continue_after(self, db: sqlite3.Connection, cursor: str, order: str, direction: str) -> None:
        for conflicting, present in {"order_by": order != "created_at", "offset": read_offset() > 0}.items():
            if present:
                raise _not_together("starting_after", conflicting)
        try:
            last = users.find(db, cursor)
        except ClerkError:
            raise invalid_value("starting_after") from None
        self._add(_AFTER_CURSOR[direction], after_time=last["created_at"], after_id=last["id"])

    def _add_list(self, name: str, values: list[str]) -> None:
        if values:
            self._add(_CONDITIONS[name], **{name: json.dumps(values)})

    def _add(self, condition: str, **values: str | int) -> None:
        self._conditions.append(condition)
        self._values |= values

    def _where(self) -> str:
        return f"WHERE {' AND '.join(self._conditions)}" if self._conditions else ""


def _not_together(param: str, other: str) -> ClerkError:
    return invalid_parameter(
        param, "form_conditional_param_disallowed", "is not allowed", f"`{param}` isn't allowed with this `{other}`."
    )
