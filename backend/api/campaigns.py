"""The caller's campaigns."""

from http import HTTPStatus

from flask import Blueprint, url_for
from sqlalchemy import Connection

from backend.access.policy import get_current_user_id
from backend.api.http.etags import IF_MATCH, IF_NONE_MATCH, not_modified, read_if_match, tag
from backend.api.http.idempotency import Work, idempotent
from backend.api.http.operation import operation
from backend.container import in_transaction
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
def create(body: CampaignIn) -> Work:
    """Make a draft."""
    user_id = get_current_user_id()

    def work(connection: Connection) -> ApiResponse:
        campaign = campaigns.create_campaign(connection, user_id, body.columns)
        location = url_for(".show", campaign_id=campaign.campaign_id)
        return _answer(campaign)._replace(status=HTTPStatus.CREATED, location=location)

    return work


@blueprint.get("")
@operation(CampaignsOut)
def list_page(query: CampaignQuery) -> CampaignsOut:
    """One page of the caller's campaigns."""
    user_id = get_current_user_id()
    page = in_transaction(
        lambda connection: list_campaigns(
            connection, user_id, query.filter, query.order, limit=query.limit, after=query.after
        )
    )
    return CampaignsOut.of(page)


@blueprint.get("/<id:campaign_id>")
@operation(CampaignOut, is_tagged=True, takes=[IF_NONE_MATCH])
def show(campaign_id: int) -> ApiResponse:
    """One campaign of the caller, or 304 when the caller has this version."""
    user_id = get_current_user_id()
    campaign = in_transaction(lambda connection: campaigns.read_campaign(connection, user_id, campaign_id))
    return not_modified(campaign.version) or _answer(campaign)


@blueprint.patch("/<id:campaign_id>")
@operation(CampaignOut, is_tagged=True, takes=[IF_MATCH])
@idempotent
def change(campaign_id: int, body: CampaignChanges) -> Work:
    """Set the members that are sent."""
    return _changing(campaign_id, body.columns)


@blueprint.post("/<id:campaign_id>/archive")
@operation(CampaignOut, is_tagged=True, takes=[IF_MATCH])
@idempotent
def archive(campaign_id: int, body: Nothing) -> Work:  # noqa: ARG001 - nothing but an empty one is taken
    """Put it away. One that was archived before stays so."""
    return _changing(campaign_id, {"status": Status.ARCHIVED})


@blueprint.post("/<id:campaign_id>/restore")
@operation(CampaignOut, is_tagged=True, takes=[IF_MATCH], refuses=[ErrorCode.QUOTA_EXCEEDED])
@idempotent
def restore(campaign_id: int, body: Nothing) -> Work:  # noqa: ARG001
    """Bring back what was deleted, or take it out of the archive."""
    user_id, versions = get_current_user_id(), read_if_match()
    return lambda connection: _answer(campaigns.restore_campaign(connection, user_id, campaign_id, versions))


@blueprint.delete("/<id:campaign_id>")
@operation(takes=[IF_MATCH])
@idempotent
def delete(campaign_id: int) -> Work:
    """Hide it. It can be restored for 30 days."""
    user_id, versions = get_current_user_id(), read_if_match()

    def work(connection: Connection) -> ApiResponse:
        campaigns.delete_campaign(connection, user_id, campaign_id, versions)
        return ApiResponse(HTTPStatus.NO_CONTENT, "")

    return work


def _changing(campaign_id: int, changes: dict[str, object]) -> Work:
    user_id, versions = get_current_user_id(), read_if_match()
    return lambda connection: _answer(
        campaigns.change_campaign(connection, user_id, campaign_id, changes, versions)
    )


def _answer(campaign: Campaign) -> ApiResponse:
    body = CampaignOut.of(campaign).model_dump_json()
    return ApiResponse(HTTPStatus.OK, body, etag=tag(campaign.version))
