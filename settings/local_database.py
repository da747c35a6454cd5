"""The database of a running `make run`."""

import socket
from pathlib import Path

from dotenv import dotenv_values
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError


def local_database_url(file: Path) -> str:
    """What `file` says of it, empty when none is served.

    The file alone proves nothing: it stays after a crash of the machine. So its socket is tried.
    """
    try:
        url = dotenv_values(file)["DATABASE_URL"] or ""
        place = make_url(url).query
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(5)
            connection.connect(f"{place['host']}/.s.PGSQL.{place['port']}")
    except (OSError, KeyError, ArgumentError):
        return ""
    return url
