from collections.abc import Iterator

import pytest

from tests.support.fixtures import StartServer
from tests.support.server import Server


@pytest.fixture(scope="package")
def json_server(start_server: StartServer) -> Iterator[Server]:
    with start_server(LOG_FORMAT="json", LOG_LEVEL="INFO") as running:
        yield running
