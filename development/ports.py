"""Are the ports free? Asked before anything starts, so that the answer is one line."""

import itertools
import socket
import time
from collections.abc import Mapping

import psutil

from development.parts import RunError

HAND_OVER_SECONDS = 3  # a run that was just ended may still be closing


def check(ports: Mapping[str, int]) -> None:
    """`ports` maps the make variable that moves a port to the port. Raises RunError for the first one in use."""
    if len(set(ports.values())) < len(ports):
        raise RunError(f"{' and '.join(ports)} must differ")
    give_up = time.monotonic() + HAND_OVER_SECONDS
    for variable, port in ports.items():
        try:
            while not _is_free(port):
                if time.monotonic() > give_up:
                    raise RunError(
                        f"Port {port} is in use{_by_whom(port)}. Stop that, or choose another: "
                        f"make run {variable}={_other(port + 1, ports)}"
                    )
                time.sleep(0.1)
        except PermissionError:
            raise RunError(
                f"Port {port} needs root. Choose one from 1024 on: make run {variable}={_other(8000, ports)}"
            ) from None


def _other(port: int, ports: Mapping[str, int]) -> int:
    """The next port that this command does not use already."""
    return next(other for other in itertools.count(port) if other not in ports.values())


def _is_free(port: int) -> bool:
    """Raises PermissionError for a port that is root's."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except PermissionError:
            raise
        except OSError:
            return False
    # `localhost` may mean ::1 first: a frontend server that listens there would get our callers.
    try:
        socket.create_connection(("::1", port), timeout=0.2).close()
    except OSError:
        return True
    return False


def _by_whom(port: int) -> str:
    """Name the program when the system tells; macOS and other users' programs need root."""
    try:
        for connection in psutil.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr[1:] == (port,) and connection.pid:
                return f" by {psutil.Process(connection.pid).name()} (process {connection.pid})"
    except psutil.Error:
        pass
    return ""
