"""Waiting for what another process or thread does, from the kit that other tests take too."""

from counterfoil_testing.waiting import wait_for

__all__ = ["wait_for"]
