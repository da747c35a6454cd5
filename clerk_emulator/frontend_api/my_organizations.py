"""`/v1/me/organization_…`: what the user belongs to, and is asked to. Nobody is asked here: memberships are made by the
Backend API.
"""

from typing import Any

from flask import Blueprint, Response

from clerk_emulator import memberships
from clerk_emulator.context import begin_change
from clerk_emulator.frontend_api.answers import answer
from clerk_emulator.frontend_api.identity import require_user
from clerk_emulator.frontend_api.payloads import membership_payload

blueprint = Blueprint("my_organizations", __name__, url_prefix="/me")


@blueprint.get("/organization_memberships")
def list_memberships() -> Response:
    with begin_change() as change:
        rows = memberships.of_user(change.db, require_user(change.db)["id"])
        return _page([membership_payload(change, row) for row in rows])


@blueprint.get("/organization_invitations")
@blueprint.get("/organization_suggestions")
def list_none() -> Response:
    with begin_change() as change:
        require_user(change.db)
        return _page([])


def _page(data: list[dict[str, Any]]) -> Response:
    return answer({"data": data, "total_count": len(data)})
