"""The caller's campaigns."""

from http import HTTPStatus

from flask import Blueprint, Response, url_for
from sqlalchemy import Connection

from backend.access.policies import get_current_user_id
from backend.api.etags import not_modified, read_if_match, tag
from backend.api.idempotency import Work, idempotent
from backend.api.parsing import read_body, read_query
from backend.extensions import in_transaction
from backend.schemas.base import Input
from backend.schemas.campaign import CampaignChanges, CampaignIn, CampaignOut, CampaignQuery, CampaignsOut
from backend.services import campaigns
from backend.services.campaign_list import list_campaigns
from backend.services.campaigns import Campaign, Status
from backend.services.idempotency import Answer

blueprint = Blueprint("campaigns", __name__)


@blueprint.post("")
@idempotent
def create() -> Work:
    """Make a draft."""
    given, user_id = read_body(CampaignIn).columns, get_current_user_id()

    def work(connection: Connection) -> Answer:
        campaign = campaigns.create_campaign(connection, user_id, given)
        location = url_for(".show", campaign_id=campaign.campaign_id)
        return _answer(campaign)._replace(status=HTTPStatus.CREATED, location=location)

    return work


@blueprint.get("")
def list_page() -> Response:
    """One page of the caller's campaigns."""
    query, user_id = read_query(CampaignQuery), get_current_user_id()
    page = in_transaction(
        lambda connection: list_campaigns(
            connection, user_id, query.filter, query.order, limit=query.limit, after=query.after
        )
    )
    return Response(CampaignsOut.of(page).model_dump_json(), content_type="application/json")


@blueprint.get("/<id:campaign_id>")
def show(campaign_id: int) -> Response:
    """One campaign of the caller, or 304 when the caller has this version."""
    user_id = get_current_user_id()
    campaign = in_transaction(lambda connection: campaigns.read_campaign(connection, user_id, campaign_id))
    return not_modified(campaign.version) or _respond(campaign)


@blueprint.patch("/<id:campaign_id>")
@idempotent
def change(campaign_id: int) -> Work:
    """Set the members that are sent."""
    return _changing(campaign_id, read_body(CampaignChanges).columns)


@blueprint.post("/<id:campaign_id>/archive")
@idempotent
def archive(campaign_id: int) -> Work:
    """Put it away. One that was archived before stays so."""
    read_body(Input)
    return _changing(campaign_id, {"status": Status.ARCHIVED})


@blueprint.post("/<id:campaign_id>/restore")
@idempotent
def restore(campaign_id: int) -> Work:
    """Bring back what was deleted, or take it out of the archive."""
    read_body(Input)
    user_id, versions = get_current_user_id(), read_if_match()
    return lambda connection: _answer(campaigns.restore_campaign(connection, user_id, campaign_id, versions))


@blueprint.delete("/<id:campaign_id>")
@idempotent
def delete(campaign_id: int) -> Work:
    """Hide it. It can be restored for 30 days."""
    user_id, versions = get_current_user_id(), read_if_match()

    def work(connection: Connection) -> Answer:
        campaigns.delete_campaign(connection, user_id, campaign_id, versions)
        return Answer(HTTPStatus.NO_CONTENT, "")

    return work


def _changing(campaign_id: int, changes: dict[str, object]) -> Work:
    user_id, versions = get_current_user_id(), read_if_match()
    return lambda connection: _answer(
        campaigns.change_campaign(connection, user_id, campaign_id, changes, versions)
    )


def _answer(campaign: Campaign) -> Answer:
    body = CampaignOut.of(campaign).model_dump_json()
    return Answer(HTTPStatus.OK, body, etag=tag(campaign.version))


def _respond(campaign: Campaign) -> Response:
    response = Response(CampaignOut.of(campaign).model_dump_json(), content_type="application/json")
    response.headers["ETag"] = tag(campaign.version)
    return response
