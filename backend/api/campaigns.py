"""The caller's campaigns."""

from flask import Blueprint, url_for
from sqlalchemy import Connection

from backend.access.policy import get_current_user_id
from backend.api.http.etags import IF_MATCH, IF_NONE_MATCH, read_if_match
from backend.api.http.operation import Created, operation
from backend.errors import ErrorCode
from backend.schemas.base import Nothing
from backend.schemas.campaign import CampaignChanges, CampaignIn, CampaignOut, CampaignQuery, CampaignsOut
from backend.services.campaigns import campaigns
from backend.services.campaigns.campaigns import Campaign, Status
from backend.services.campaigns.list import CampaignPage, list_campaigns

blueprint = Blueprint("campaigns", __name__)


@blueprint.post("")
@operation(CampaignOut, is_tagged=True, is_idempotent=True, refuses=[ErrorCode.QUOTA_EXCEEDED])
def create(connection: Connection, body: CampaignIn) -> Created:
    """Make a draft."""
    campaign = campaigns.create_campaign(connection, get_current_user_id(), body.columns)
    return Created(campaign, url_for(".show", campaign_id=campaign.campaign_id))


@blueprint.get("")
@operation(CampaignsOut)
def list_page(connection: Connection, query: CampaignQuery) -> CampaignPage:
    """One page of the caller's campaigns."""
    user_id = get_current_user_id()
    return list_campaigns(connection, user_id, query.filter, query.order, limit=query.limit, after=query.after)


@blueprint.get("/<id:campaign_id>")
@operation(CampaignOut, is_tagged=True, takes=[IF_NONE_MATCH])
def show(connection: Connection, campaign_id: int) -> Campaign:
    """One campaign of the caller, or 304 when the caller has this version."""
    return campaigns.read_campaign(connection, get_current_user_id(), campaign_id)


@blueprint.patch("/<id:campaign_id>")
@operation(CampaignOut, is_tagged=True, is_idempotent=True, takes=[IF_MATCH])
def change(connection: Connection, campaign_id: int, body: CampaignChanges) -> Campaign:
    """Set the members that are sent."""
    return _change(connection, campaign_id, body.columns)


@blueprint.post("/<id:campaign_id>/archive")
@operation(CampaignOut, is_tagged=True, is_idempotent=True, takes=[IF_MATCH])
def archive(connection: Connection, campaign_id: int, body: Nothing) -> Campaign:  # noqa: ARG001 - an empty one
    """Put it away. One that was archived before stays so."""
    return _change(connection, campaign_id, {"status": Status.ARCHIVED})


@blueprint.post("/<id:campaign_id>/restore")
@operation(CampaignOut, is_tagged=True, is_idempotent=True, takes=[IF_MATCH], refuses=[ErrorCode.QUOTA_EXCEEDED])
def restore(connection: Connection, campaign_id: int, body: Nothing) -> Campaign:  # noqa: ARG001 - an empty one
    """Bring back what was deleted, or take it out of the archive."""
    return campaigns.restore_campaign(connection, get_current_user_id(), campaign_id, read_if_match())


@blueprint.delete("/<id:campaign_id>")
@operation(is_idempotent=True, takes=[IF_MATCH])
def delete(connection: Connection, campaign_id: int) -> None:
    """Hide it. It can be restored for 30 days."""
    campaigns.delete_campaign(connection, get_current_user_id(), campaign_id, read_if_match())


def _change(connection: Connection, campaign_id: int, changes: dict[str, object]) -> Campaign:
    user_id = get_current_user_id()
    return campaigns.change_campaign(connection, user_id, campaign_id, changes, read_if_match())
