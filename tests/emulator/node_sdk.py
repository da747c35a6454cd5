"""Clerk's own Node.js packages, installed from the lock in `node/`, as child programs."""

import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any, Self

from development.node import check_node, npm
from development.setup_venv import OneAtATime

from .harness import EmulatorProcess, clean_environment

FOLDER = Path(__file__).parent / "node"
PACKAGES = FOLDER / "node_modules"
LOCK = FOLDER / "package-lock.json"
FOR_CLERK = ((20, 9),)  # what @clerk/backend asks for


def install() -> None:
    """Bring node_modules to what the lock says. Raises ToolsMissingError."""
    check_node(FOR_CLERK)
    finished = PACKAGES / ".installed"
    fingerprint = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    with OneAtATime():
        if not finished.exists() or finished.read_text() != fingerprint:
            npm("ci", cwd=FOLDER)
            finished.write_text(fingerprint)


def environment(emulator: EmulatorProcess) -> dict[str, str]:
    """What a developer of another application sets: the keys, and the address in place of api.clerk.com."""
    return clean_environment(CLERK_TELEMETRY_DISABLED="1", **emulator.keys)


class NodeSdk:
    """`@clerk/backend` in one process for all calls."""

    def __init__(self, emulator: EmulatorProcess) -> None:
        self._process = subprocess.Popen(
            ("node", "sdk.mjs"),
            cwd=FOLDER,
            env=environment(emulator),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=10)  # it ends with its stdin

    def call(self, name: str, **given: Any) -> Any:
        """What the call returns. Fails when it throws."""
        answer = self._run(name, given)
        assert "error" not in answer, answer
        return answer.get("result")

    def refusal(self, name: str, **given: Any) -> dict[str, Any]:
        """What the call throws: `reason`, `status`, `codes`, `message`."""
        error: dict[str, Any] = self._run(name, given)["error"]
        return error

    def _run(self, name: str, given: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([name, given]) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer
