"""Whatever is done in whatever order, the application is in the state that its documents describe."""

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from tests.histories.account_steps import KeySteps
from tests.histories.machine import Application
from tests.histories.quota_steps import QuotaSteps
from tests.histories.template_steps import RepetitionSteps, TemplateSteps
from tests.support.clerk import Instance
from tests.support.database import Sql
from tests.support.server import Server

# The same histories each time: what fails on the build server fails here too.
SHORT = settings(max_examples=10, stateful_step_count=30, deadline=None, database=None, derandomize=True)
LONG = settings(max_examples=100, stateful_step_count=50, deadline=None, database=None, print_blob=True)


class Histories(QuotaSteps, KeySteps, TemplateSteps, RepetitionSteps):
    """All steps."""


@pytest.mark.parametrize(
    "profile", [pytest.param(SHORT, id="short"), pytest.param(LONG, id="long", marks=pytest.mark.slow)]
)
def test_histories(server: Server, clerk: Instance, sql: Sql, profile: settings) -> None:
    class HistoriesHere(Histories):
        def __init__(self) -> None:
            super().__init__(Application(server, clerk, sql))

    run_state_machine_as_test(HistoriesHere, settings=profile)
