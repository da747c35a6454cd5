"""The commands of the emulator's README, typed one after the other, and its facts that a program can check."""

import re
import shlex
import subprocess
import sys

from .harness import ROOT, EmulatorProcess

README = (ROOT / "clerk_emulator" / "README.md").read_text()
PROMPT = ".venv/bin/flask --app clerk_emulator "


def test_every_command_works(emulator: EmulatorProcess) -> None:
    blocks = re.findall(r"^```sh\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    commands = [line for block in blocks for line in block.splitlines() if line.startswith(PROMPT)]
    assert len(commands) > 15
    for command in commands:
        result = emulator.cli(*shlex.split(command.removeprefix(PROMPT)))
        assert result.returncode == 0, f"{command}\n{result.stderr}"
        assert result.stdout, command


def test_every_option_and_command_is_named(emulator: EmulatorProcess) -> None:
    commands = emulator.cli("--help").stdout.partition("Commands:\n")[2]
    names = set(re.findall(r"^  ([a-z-]+)", commands, re.MULTILINE)) - {"routes", "run", "shell"}
    assert len(names) > 15
    assert {name for name in names if not re.search(rf"emulator {name}\b|`{name}`", README)} == set()
    server = subprocess.run(
        [sys.executable, "-m", "clerk_emulator", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    options = set(re.findall(r"^  (--[a-z-]+)", server.stdout, re.MULTILINE)) - {"--help"}
    assert options == set(re.findall(r"^\| `(--[a-z-]+)`", README, re.MULTILINE))


def test_the_publishable_key_is_the_one(emulator: EmulatorProcess) -> None:
    assert f"`{emulator.keys['CLERK_PUBLISHABLE_KEY']}`" in README
