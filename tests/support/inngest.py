"""Inngest as the application sees it, from the kit that other tests take too."""

from counterfoil_testing.inngest import (
    APP,
    BY_VERB,
    IN_BAND,
    KEY,
    ORIGIN,
    PATH,
    SETTINGS,
    Inngest,
    inngest_event,
    is_signed,
    sign,
    with_signature,
)

__all__ = [
    "APP",
    "BY_VERB",
    "IN_BAND",
    "KEY",
    "ORIGIN",
    "PATH",
    "SETTINGS",
    "Inngest",
    "inngest_event",
    "is_signed",
    "sign",
    "with_signature",
]
