"""An application with Inngest, in this process."""

import pytest
from flask import Flask

from tests.support.commands import make_app
from tests.support.database import Sql
from tests.support.inngest import SETTINGS, Inngest
from tests.support.server import in_process


@pytest.fixture(scope="session")
def inngest_app(settings: dict[str, str]) -> Flask:
    return make_app(settings | SETTINGS)


@pytest.fixture
def inngest(inngest_app: Flask, sql: Sql) -> Inngest:  # noqa: ARG001 - the tables are to be empty
    return Inngest(in_process(inngest_app))
