"""`/v1/organization_roles` and `/v1/organization_permissions`."""

import sqlite3
from http import HTTPStatus
from typing import Annotated, Any

from flask import Blueprint, Response, jsonify
from pydantic import AfterValidator, Field, StringConstraints

from clerk_emulator import permissions, roles
from clerk_emulator.backend_api.bodies import Body, read_body
from clerk_emulator.backend_api.pages import like_query, select_page
from clerk_emulator.context import Change, begin_change, current_emulator
from clerk_emulator.errors import ClerkError
from clerk_emulator.fields import ShortText

blueprint = Blueprint("roles", __name__)

_ORDERS = {"created_at": "created_at", "name": "name", "key": "key"}
_FILTERS = {"query": like_query("id", "name", "key")}
_ROLE = "/organization_roles/<role_id>"
_ROLES_PERMISSION = f"{_ROLE}/permissions/<permission_id>"
_PERMISSION = "/organization_permissions/<permission_id>"


def _not_of_the_system(key: str) -> str:
    if key.startswith(roles.SYSTEM_PREFIX):
        raise ValueError(f"{roles.SYSTEM_PREFIX} is for Clerk's own permissions")
    return key


RoleKey = Annotated[str, StringConstraints(pattern=r"^org:[a-z0-9_]{1,64}$")]
PermissionKey = Annotated[
    str, StringConstraints(pattern=r"^org:[a-z0-9_]{1,64}:[a-z0-9_]{1,64}$"), AfterValidator(_not_of_the_system)
]


class RoleChangesBody(Body):
    name: ShortText | None = None
    key: RoleKey | None = None
    description: ShortText | None = None
    permissions: Annotated[list[str], Field(max_length=100)] | None = None  # ids

    def columns(self, db: sqlite3.Connection) -> dict[str, Any]:
        columns = self.model_dump(exclude_none=True, exclude={"include_in_initial_role_set"})
        if self.permissions is not None:
            columns["permissions"] = [permissions.find(db, each)["key"] for each in self.permissions]
        return columns


class NewRoleBody(RoleChangesBody):
    name: ShortText
    key: RoleKey
    include_in_initial_role_set: bool | None = None  # there is one set of roles here, and all are in it


class PermissionChangesBody(Body):
    name: ShortText | None = None
    key: PermissionKey | None = None
    description: ShortText | None = None


class NewPermissionBody(PermissionChangesBody):
    name: ShortText
    key: PermissionKey


@blueprint.get("/organization_roles")
def list_roles() -> Response:
    with current_emulator().store.transaction() as db:
        page, total = select_page(db, "roles", _ORDERS, _FILTERS)
        return jsonify(data=[roles.payload(db, roles.of_row(row)) for row in page], total_count=total)


@blueprint.post("/organization_roles")
def create_role() -> Response:
    body = read_body(NewRoleBody)
    with begin_change() as change:
        return _answer(change.db, roles.create(change, body.columns(change.db)))


@blueprint.get(_ROLE)
def get_role(role_id: str) -> Response:
    with current_emulator().store.transaction() as db:
        return _answer(db, roles.find_by_id(db, role_id))


@blueprint.patch(_ROLE)
def update_role(role_id: str) -> Response:
    body = read_body(RoleChangesBody)
    with begin_change() as change:
        role = roles.find_by_id(change.db, role_id)
        return _answer(change.db, roles.update(change, role, body.columns(change.db)))


@blueprint.delete(_ROLE)
def delete_role(role_id: str) -> Response:
    with begin_change() as change:
        return jsonify(roles.delete(change, roles.find_by_id(change.db, role_id)))


@blueprint.post(_ROLES_PERMISSION)
def assign_permission(role_id: str, permission_id: str) -> Response:
    with begin_change() as change:
        role, key = _find_both(change, role_id, permission_id)
        if key in role.permissions:
            message = "The role has this permission already."
            raise ClerkError(HTTPStatus.CONFLICT, "organization_role_permission_exists", "is assigned", message)
        return _answer(change.db, roles.update(change, role, {"permissions": [*role.permissions, key]}))


@blueprint.delete(_ROLES_PERMISSION)
def remove_permission(role_id: str, permission_id: str) -> Response:
    with begin_change() as change:
        role, key = _find_both(change, role_id, permission_id)
        left = [each for each in role.permissions if each != key]
        return _answer(change.db, roles.update(change, role, {"permissions": left}))


@blueprint.get("/organization_permissions")
def list_permissions() -> Response:
    with current_emulator().store.transaction() as db:
        page, total = select_page(db, "permissions", _ORDERS, _FILTERS)
        return jsonify(data=[permissions.payload(row) for row in page], total_count=total)


@blueprint.post("/organization_permissions")
def create_permission() -> Response:
    columns = read_body(NewPermissionBody).model_dump(exclude_none=True)
    with begin_change() as change:
        return jsonify(permissions.payload(permissions.create(change, columns)))


@blueprint.get(_PERMISSION)
def get_permission(permission_id: str) -> Response:
    with current_emulator().store.transaction() as db:
        return jsonify(permissions.payload(permissions.find(db, permission_id)))


@blueprint.patch(_PERMISSION)
def update_permission(permission_id: str) -> Response:
    columns = read_body(PermissionChangesBody).model_dump(exclude_none=True)
    with begin_change() as change:
        permission = permissions.find(change.db, permission_id)
        return jsonify(permissions.payload(permissions.update(change, permission, columns)))


@blueprint.delete(_PERMISSION)
def delete_permission(permission_id: str) -> Response:
    with begin_change() as change:
        return jsonify(permissions.delete(change, permissions.find(change.db, permission_id)))


def _find_both(change: Change, role_id: str, permission_id: str) -> tuple[roles.Role, str]:
    return roles.find_by_id(change.db, role_id), permissions.find(change.db, permission_id)["key"]


def _answer(db: sqlite3.Connection, role: roles.Role) -> Response:
    return jsonify(roles.payload(db, role))
