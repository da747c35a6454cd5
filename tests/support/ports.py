"""Ports on which nobody listens, from the kit that other tests take too."""

from counterfoil_testing.ports import free_port, free_ports

__all__ = ["free_port", "free_ports"]
