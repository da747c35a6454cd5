"""The caller's campaigns."""

from http import HTTPStatus

from flask import Blueprint, url_for
from sqlalchemy import Connection

from backend.access.policy import get_current_user_id
from backend.api.http.etags import IF_MATCH, IF_NONE_MATCH, not_modified, read_if_match, tag
from backend.api.http.idempotency import idempotent
from backend.api.http.operation import operation
from backend.errors import ErrorCode
from backend.schemas.base import Nothing
from backend.schemas.campaign import CampaignChanges, CampaignIn, CampaignOut, CampaignQuery, CampaignsOut
from backend.services.campaigns import campaigns
from backend.services.campaigns.campaigns import Campaign, Status
from backend.services.campaigns.list import list_campaigns
from backend.services.idempotency import ApiResponse

blueprint = Blueprint("campaigns", __name__)


@blueprint.post("")
@operation(CampaignOut, HTTPStatus.CREATED, is_tagged=True, refuses=[ErrorCode.QUOTA_EXCEEDED])
@idempotent
def create(connection: Connection, body: CampaignIn) -> ApiResponse:
    """Make a draft."""
    campaign = campaigns.create_campaign(connection, get_current_user_id(), body.columns)
    location = url_for(".show", campaign_id=campaign.campaign_id)
    return _respond(campaign)._replace(status=HTTPStatus.CREATED, location=location)


@blueprint.get("")
@operation(CampaignsOut)
def list_page(connection: Connection, query: CampaignQuery) -> CampaignsOut:
    """One page of the caller's campaigns."""
    page = list_campaigns(
        connection, get_current_user_id(), query.filter, query.order, limit=query.limit, after=query.after
    )
    return CampaignsOut.of(page)


@blueprint.get("/<id:campaign_id>")
@operation(CampaignOut, is_tagged=True, takes=[IF_NONE_MATCH])
def show(connection: Connection, campaign_id: int) -> ApiResponse:
    """One campaign of the caller, or 304 when the caller has this version."""
    campaign = campaigns.read_campaign(connection, get_current_user_id(), campaign_id)
    return not_modified(campaign.version) or _respond(campaign)


@blueprint.patch("/<id:campaign_id>")
@operation(CampaignOut, is_tagged=True, takes=[IF_MATCH])
@idempotent
def change(connection: Connection, campaign_id: int, body: CampaignChanges) -> ApiResponse:
    """Set the members that are sent."""
    return _change(connection, campaign_id, body.columns)


@blueprint.post("/<id:campaign_id>/archive")
@operation(CampaignOut, is_tagged=True, takes=[IF_MATCH])
@idempotent
def archive(connection: Connection, campaign_id: int, body: Nothing) -> ApiResponse:  # noqa: ARG001 - an empty one
    """Put it away. One that was archived before stays so."""
    return _change(connection, campaign_id, {"status": Status.ARCHIVED})


@blueprint.post("/<id:campaign_id>/restore")
@operation(CampaignOut, is_tagged=True, takes=[IF_MATCH], refuses=[ErrorCode.QUOTA_EXCEEDED])
@idempotent
def restore(connection: Connection, campaign_id: int, body: Nothing) -> ApiResponse:  # noqa: ARG001 - an empty one
    """Bring back what was deleted, or take it out of the archive."""
    user_id = get_current_user_id()
    return _respond(campaigns.restore_campaign(connection, user_id, campaign_id, read_if_match()))


@blueprint.delete("/<id:campaign_id>")
@operation(takes=[IF_MATCH])
@idempotent
def delete(connection: Connection, campaign_id: int) -> ApiResponse:
    """Hide it. It can be restored for 30 days."""
    campaigns.delete_campaign(connection, get_current_user_id(), campaign_id, read_if_match())
    return ApiResponse(HTTPStatus.NO_CONTENT, "")


def _change(connection: Connection, campaign_id: int, changes: dict[str, object]) -> ApiResponse:
    user_id = get_current_user_id()
    return _respond(campaigns.change_campaign(connection, user_id, campaign_id, changes, read_if_match()))


def _respond(campaign: Campaign) -> ApiResponse:
    body = CampaignOut.of(campaign).model_dump_json()
    return ApiResponse(HTTPStatus.OK, body, etag=tag(campaign.version))
