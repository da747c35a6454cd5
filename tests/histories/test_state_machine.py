"""Whatever is done in whatever order, the application is in the state that its documents describe."""

from hypothesis import settings

from tests.histories.account_steps import KeySteps, RepetitionSteps
from tests.histories.machine import SHORT_AND_LONG, run
from tests.histories.specimen_steps import SpecimenSteps
from tests.support.clerk import Instance
from tests.support.database import Sql
from tests.support.server import Server


class Histories(SpecimenSteps, KeySteps, RepetitionSteps):
    """All steps."""


@SHORT_AND_LONG
def test_histories(specimen_server: Server, clerk: Instance, sql: Sql, profile: settings) -> None:
    run(Histories, profile, specimen_server, clerk, sql)
