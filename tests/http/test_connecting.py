"""Connections to the first server of DATABASE_URL that takes them."""

from collections.abc import Iterator

import psycopg2
import pytest
from sqlalchemy.engine import make_url

from backend.database.engine import connector
from tests.support.database_proxy import DatabaseProxy
from tests.support.ports import free_port

PASSWORD = "correct-horse"


@pytest.fixture
def proxy(database_url: str) -> Iterator[DatabaseProxy]:
    """The database, over TCP."""
    proxy = DatabaseProxy(database_url)
    yield proxy
    proxy.close()


def url_of(proxy: DatabaseProxy, *hosts: str) -> str:
    places = {"host": hosts, "sslmode": "disable"}
    parts = make_url(proxy.url).set(host=None, port=None, password=PASSWORD, query=places)
    return parts.render_as_string(hide_password=False)


def test_each_name_is_resolved_here_and_keeps_its_port(proxy: DatabaseProxy) -> None:
    """libpq gets numbers: while it asks a name server itself, a worker of gevent stands still."""
    port = make_url(proxy.url).port
    connection = connector(url_of(proxy, "nowhere.invalid:1", f"localhost:{free_port()}", f"localhost:{port}"))()
    used = connection.info.dsn_parameters
    assert (used["host"], used["hostaddr"], used["port"]) == ("localhost", "127.0.0.1", str(port))
    connection.close()


def test_error_says_what_each_server_did(proxy: DatabaseProxy) -> None:
    port = free_port()
    with pytest.raises(psycopg2.OperationalError) as caught:
        connector(url_of(proxy, "nowhere.invalid:1", f"127.0.0.1:{port}"))()
    said = str(caught.value)
    assert "\n" not in said
    assert said.index('"nowhere.invalid" was not resolved') < said.index(f"port {port} failed")
    assert PASSWORD not in said
