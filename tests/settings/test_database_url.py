"""Forms of DATABASE_URL: each is read as SQLAlchemy reads it, or refused at the start with the part that is wrong."""

import re

import pytest
from pydantic import SecretStr

from config import PROJECT
from settings.database_url import check_database_url, read_database_url

SECRET = "hush-hush"

# After postgresql://u:hush-hush@, and what the line says.
REFUSED = {
    # libpq's own form of several hosts, which SQLAlchemy does not read, or with the port of the last for all
    "one:5432,two:5433/d": "several hosts are written",
    "one,two:5433/d": "comma",
    # SQLAlchemy's, mixed or with more than it understands
    "/d?host=one:1&host=two:2&port=3": "hosts and ports",
    "/d?host=one,two&port=1,2,3": "hosts and ports",
    "/d?host=one,two&port=1": "hosts and ports",
    "/d?host=one:1,two:2": "a host that is no name",
    "/d?host=[::1]:1&host=two:2": "a host that is no name",
    "one..two/d": "a host that is no name",
    "%2Frun%2Fpostgresql/d": "?host=/folder",
    # what SQLAlchemy hands on and libpq refuses
    "h/d?bogus=1": "does not know: bogus",
    "h/d?ssl=true": "does not know: ssl",
    "h/d?sslmode=bogus": "value of sslmode",
    "h/d?sslmode=require&sslmode=require": "value of sslmode",
    "h/d?sslrootcert=system&sslmode=require": "value of sslrootcert",
    "h/d?sslnegotiation=direct": "value of sslnegotiation",
    "h:70000/d": "value of port",
    "/d?host=one,two&port=5432,70000": "value of port",
    "h/d?hostaddr=two": "a hostaddr that is no address",
    # what psycopg2 would take for arguments of its own
    "h/d?async=1": "does not know: async",
    "h/d?connection_factory=x": "does not know: connection_factory",
    "h/d?dsn=host%3Dx": "does not know: dsn",
    # what cannot work: the application writes, and tries hosts in the order of the URL
    "h/d?target_session_attrs=read-only": "value of target_session_attrs",
    "h/d?target_session_attrs=prefer-standby": "value of target_session_attrs",
    "h/d?load_balance_hosts=random": "value of load_balance_hosts",
}
# Each server as host, hostaddr and port.
READ = {
    "h/d": [("h", "", "")],
    "h:5433/d?sslmode=require&target_session_attrs=read-write": [("h", "", "5433")],
    "h/d?sslnegotiation=direct&sslmode=require": [("h", "", "")],
    "h/d?sslrootcert=system&sslmode=verify-full": [("h", "", "")],
    "[::1]:5433/d": [("::1", "", "5433")],
    "/d?host=/run/postgresql&port=5433": [("/run/postgresql", "", "5433")],
    "/d?host=one:5432&host=two:5433": [("one", "", "5432"), ("two", "", "5433")],
    "/d?host=one,::1&port=5432,5433": [("one", "", "5432"), ("::1", "", "5433")],
    "/d?host=one&host=two": [("one", "", ""), ("two", "", "")],
    "h/d?hostaddr=10.0.0.1,10.0.0.2": [("h", "10.0.0.1", ""), ("h", "10.0.0.2", "")],
}


@pytest.mark.parametrize("rest", REFUSED)
def test_is_refused_with_the_part_that_is_wrong(rest: str) -> None:
    with pytest.raises(ValueError, match=r"^[^\n]+$") as refusal:
        check_database_url(SecretStr(f"postgresql://u:{SECRET}@{rest}"))
    assert REFUSED[rest] in str(refusal.value)
    assert SECRET not in str(refusal.value)


@pytest.mark.parametrize("rest", READ)
def test_servers_in_order(rest: str) -> None:
    url = check_database_url(SecretStr(f"postgresql://u:{SECRET}@{rest}")).get_secret_value()
    arguments, servers = read_database_url(url)
    assert list(map(tuple, servers)) == READ[rest]
    assert (arguments["user"], arguments["password"], arguments["dbname"]) == ("u", SECRET, "d")


def test_form_that_the_documentation_shows() -> None:
    (url,) = re.findall(r"`(postgresql://.+)`", (PROJECT / "docs" / "operations.md").read_text())
    arguments, servers = read_database_url(check_database_url(SecretStr(url)).get_secret_value())
    assert [server.host for server in servers] == ["one", "two"]
    assert arguments["target_session_attrs"] == "read-write"
