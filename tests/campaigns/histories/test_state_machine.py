"""Whatever is done with campaigns and templates in whatever order, they are as the documents describe them."""

from hypothesis import settings

from tests.campaigns.histories.campaign_steps import CampaignSteps
from tests.histories.account_steps import RepetitionSteps
from tests.histories.machine import SHORT_AND_LONG, run
from tests.support.clerk import Instance
from tests.support.database import Sql
from tests.support.server import Server


class Histories(CampaignSteps, RepetitionSteps):
    """All steps."""


@SHORT_AND_LONG
def test_histories(specimen_server: Server, clerk: Instance, sql: Sql, profile: settings) -> None:
    run(Histories, profile, specimen_server, clerk, sql)
