"""DATABASE_URL: one reading of it, SQLAlchemy's, for all that connect; refused where libpq could not use that.

What is refused is told by name. No value is repeated: it may be a part of the password.
"""

import os
import re
from ipaddress import ip_address
from pathlib import Path
from typing import Any, NamedTuple, cast

import psycopg2
from psycopg2.extensions import make_dsn
from pydantic import SecretStr
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

HOW_MANY = "several hosts are written /name?host=one:5432&host=two:5432"
# The application writes. And it tries one host after the other itself, in the order of the URL.
# What other libraries have after the ?, by what was meant with it.
MEANT = {
    **dict.fromkeys(("ssl", "tls", "sslaccept", "usessl"), "write sslmode=require"),
    **dict.fromkeys(("pgbouncer", "schema", "connection_limit", "pool_timeout", "prepared_statements"), "take it out"),
}
ONLY = {"target_session_attrs": {"any", "read-write", "primary"}, "load_balance_hosts": {"disable"}}


class DatabaseServer(NamedTuple):
    """As libpq names them. `hostaddr` is empty unless the URL has it."""

    host: str
    hostaddr: str
    port: str


def check_database_url(value: SecretStr) -> SecretStr:
    """Accept the `postgres://` of hosting services; the driver is always psycopg2. Raises ValueError."""
    text = value.get_secret_value()
    if re.search(r"[\0-\x1f\x7f]", text):
        raise ValueError("has a line break or another control character in it")
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise ValueError(f"is not a URL like postgresql://user:password@host:5432/name; {HOW_MANY}") from None
    if url.drivername not in {"postgres", "postgresql", "postgresql+psycopg2"}:
        raise ValueError("must begin with postgresql://")
    if text.count("@") > 1 and "@" in f"{url.host} {url.database} {text.partition('?')[2]}":
        # The rest of the password would count as host, and be repeated in every error of the driver.
        raise ValueError("has an @ in the password, or after the host: write it as %40")
    if "," in (url.host or ""):
        raise ValueError(f"has a comma in its host, and {HOW_MANY}")  # libpq would read its port as the last host's
    url = url.set(drivername="postgresql+psycopg2")
    cleaned = url.render_as_string(hide_password=False)
    try:
        arguments, servers = read_database_url(cleaned)
    except (ArgumentError, ValueError):
        raise ValueError(f"has hosts and ports that do not belong together; {HOW_MANY}") from None
    for server in servers:
        _check_server(server)
    given: dict[str, str] = {}
    for name in sorted(arguments, key=lambda name: name != "sslmode"):  # by which libpq measures others
        given[name] = arguments[name]
        _check_argument(name, given)
    _check_root_certificate(given)
    return SecretStr(cleaned)


def read_database_url(url: str) -> tuple[dict[str, str], list[DatabaseServer]]:
    """What libpq is to be given, and the servers to give it to, in order. Raises ArgumentError and ValueError."""
    # Not the URL as a text: SQLAlchemy writes a space in it as +, which libpq does not read.
    options = cast("dict[str, Any]", make_url(url).get_dialect()().create_connect_args(make_url(url))[1])
    arguments = {name: ",".join(value) if isinstance(value, tuple) else str(value) for name, value in options.items()}
    hosts, addresses, ports = (arguments.pop(name, "").split(",") for name in DatabaseServer._fields)
    count = max(len(hosts), len(addresses))
    each = [values * count if len(values) == 1 else values for values in (hosts, addresses, ports)]
    return arguments, [DatabaseServer(*values) for values in zip(*each, strict=True)]


def _check_server(server: DatabaseServer) -> None:
    if server.host[:1] not in {"", "/", "@"} and not _is_address(server.host) and not _is_name(server.host):
        raise ValueError(f"has a host that is no name, no address and no folder; {HOW_MANY}, a socket ?host=/folder")
    if server.hostaddr and not _is_address(server.hostaddr):
        raise ValueError("has a hostaddr that is no address")
    if server.port:
        _check_argument("port", {"port": server.port})


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _is_name(text: str) -> bool:
    """Else looking it up would raise something that is no OSError."""
    try:
        return bool(re.fullmatch(r"[\w.-]+", text) and text.encode("idna"))
    except UnicodeError:
        return False


def _check_root_certificate(given: dict[str, str]) -> None:
    """Without the file libpq refuses each connection, and only then."""
    root = given.get("sslrootcert") or os.environ.get("PGSSLROOTCERT") or "~/.postgresql/root.crt"
    if given.get("sslmode", "").startswith("verify-") and root != "system" and not Path(root).expanduser().is_file():
        raise ValueError("has no file for its sslmode to verify with: write sslrootcert=system, or sslrootcert=/file")


def _check_argument(name: str, given: dict[str, str]) -> None:
    """Libpq knows best what it takes: give it this, with those that were good, and a socket that is not there."""
    try:
        psycopg2.connect(make_dsn(None, host="/", hostaddr="", **given)).close()
    except psycopg2.OperationalError as error:
        if "/.s.PGSQL" not in str(error) or given[name] not in ONLY.get(name, {given[name]}):
            raise ValueError(f"has a value of {name} that cannot be used here") from None
    except (psycopg2.ProgrammingError, TypeError):
        raise ValueError(f"has a parameter after the ? that libpq does not know: {name}{_meant(name)}") from None


def _meant(name: str) -> str:
    return f"; {MEANT[name.lower()]}" if name.lower() in MEANT else ""
