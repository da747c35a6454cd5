"""Routes that Clerk does not have: what a directory, an invitation's link or a checkout would do."""

from typing import Annotated

from flask import Blueprint, Response, jsonify
from pydantic import Field, StringConstraints

from clerk_emulator import accounts, billing, billing_payloads, invitations, users
from clerk_emulator.backend_api.authorization import require_secret_key
from clerk_emulator.backend_api.bodies import Body, read_body
from clerk_emulator.context import begin_change
from clerk_emulator.errors import not_found
from clerk_emulator.payloads import user_payload

blueprint = Blueprint("dashboard", __name__)
blueprint.before_request(require_secret_key)

_CHANGES = {"cancel": billing.cancel, "end": billing.end, "past_due": billing.fall_due}


class PlanBody(Body):
    plan: Annotated[str, StringConstraints(pattern=r"^[a-z0-9_-]{1,64}$")]
    period: billing.Period = "month"
    amount: Annotated[int, Field(ge=0, le=1_000_000)] = 1000


@blueprint.post("/users/<user_id>/deprovision")
def deprovision_user(user_id: str) -> Response:
    """Switch a user off as an identity provider does."""
    with begin_change() as change:
        user = accounts.deprovision(change, users.find(change.db, user_id))
        return jsonify(user_payload(change.db, user, change.emulator.url))


@blueprint.post("/organization_invitations/<invitation_id>/accept")
def accept_invitation(invitation_id: str) -> Response:
    with begin_change() as change:
        invitation = invitations.accept(change, invitations.find(change.db, invitation_id))
        return jsonify(invitations.payload(change.db, invitation, change.emulator.url))


@blueprint.put("/subscriptions/<payer>")
def subscribe(payer: str) -> Response:
    """Give a user or an organization a plan, or another one."""
    body = read_body(PlanBody)
    with begin_change() as change:
        item = billing.subscribe(change, payer, body.plan, body.period, body.amount)
        return jsonify(billing_payloads.item_event(change.db, item, change.emulator.url))


@blueprint.post("/subscriptions/<payer>/<what>")
def change_subscription(payer: str, what: str) -> Response:
    """Cancel or end the plan, or have its payment fail."""
    if what not in _CHANGES:
        raise not_found("change of a subscription", what)
    with begin_change() as change:
        item = billing.current_item(change.db, billing.find_subscription(change.db, payer))
        changed = _CHANGES[what](change, item)
        return jsonify(billing_payloads.item_event(change.db, changed, change.emulator.url))
