"""Keep-alive load from this process, and the CPU it costs the server."""

import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

CONNECTIONS = 16


class WrongAnswer(Exception):
    """The server did not answer 200: what was measured is not what was meant."""


def cpu_seconds(pid: int) -> float:
    """CPU time of one process so far, all its threads, exact to the nanosecond (/proc/PID/stat counts in 10 ms)."""
    return sum(int(file.read_text().split()[0]) for file in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


def run(port: int, path: str, tokens: list[str], count: int) -> None:
    """Send `count` requests over CONNECTIONS connections, the tokens in turn."""
    share = count // CONNECTIONS
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        jobs = [pool.submit(_client, port, path, tokens[start::CONNECTIONS], share) for start in range(CONNECTIONS)]
        for job in jobs:
            job.result()


def _client(port: int, path: str, tokens: list[str], count: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as connection, connection.makefile("rb") as answers:
        for number in range(count):
            head = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n"
            if tokens:
                head += f"Authorization: Bearer {tokens[number % len(tokens)]}\r\n"
            connection.sendall(f"{head}\r\n".encode())
            status = answers.readline()
            if b" 200 " not in status:
                raise WrongAnswer(f"{path}: {status.decode().strip()}")
            length = 0
            while (line := answers.readline()) != b"\r\n":
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            answers.read(length)
