"""Metadata of users, organizations and memberships: changed by merging, and bounded as a whole."""

import json
import sqlite3
from typing import Any

from clerk_emulator.errors import invalid_parameter
from clerk_emulator.fields import METADATA_LIMIT


def merged_columns(row: sqlite3.Row, patches: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Merge patches, by column, into what a row has. Raises ClerkError when that grows too large."""
    merged = {name: _merge(json.loads(row[name]), patch) for name, patch in patches.items()}
    for name, value in merged.items():
        if len(json.dumps(value)) > METADATA_LIMIT:
            message = f"{name} may not exceed 8 KB."
            raise invalid_parameter(name, "form_param_exceeds_allowed_size", "is too large", message)
    return merged


def _merge(current: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """Merge at every depth; a null takes its key away."""
    merged = dict(current)
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict):
            inner = merged.get(key)
            merged[key] = _merge(inner if isinstance(inner, dict) else {}, value)
        else:
            merged[key] = value
    return merged
