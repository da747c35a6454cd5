"""The local Clerk instance as an application's tests have it, and what its own tests need besides."""

import subprocess

from counterfoil_testing.emulator import ROOT, EmulatorProcess, clean_environment, refusal
from counterfoil_testing.receiver import Delivery, Receiver
from tests.support import commands

__all__ = ["ROOT", "Delivery", "EmulatorProcess", "Receiver", "clean_environment", "refusal", "run_module"]


def run_module(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """`python -m …`, until it ends."""
    return commands.run_module(*arguments, environment=clean_environment(**environment))
