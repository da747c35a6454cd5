"""From which device a session is used, as far as the browser says."""

import re
import sqlite3
from typing import Any

# In this order: Edge and Opera name Chrome too, and Chrome names Safari.
_BROWSERS = (
    ("Microsoft Edge", re.compile(r"\bEdg/([\d.]+)")),
    ("Opera", re.compile(r"\bOPR/([\d.]+)")),
    ("Firefox", re.compile(r"\bFirefox/([\d.]+)")),
    ("Chrome", re.compile(r"\b(?:Headless)?Chrome/([\d.]+)")),
    ("Safari", re.compile(r"\bVersion/([\d.]+).* Safari/")),
)
_DEVICES = ("iPhone", "iPad", "Android", "Macintosh", "Windows", "Linux")


def activity_payload(session: sqlite3.Row) -> dict[str, Any] | None:
    """Describe the device that signed in; None when no browser did."""
    agent = session["user_agent"]
    if session["origin"] is None or not agent:
        return None
    browser, version = next(
        ((name, found[1]) for name, pattern in _BROWSERS if (found := pattern.search(agent))), (None, None)
    )
    activity = {
        "object": "session_activity",
        "id": f"sess_activity_{session['id'].removeprefix('sess_')}",
        "device_type": next((name for name in _DEVICES if name in agent), None),
        "is_mobile": "Mobile" in agent,
        "browser_name": browser,
        "browser_version": version,
        "ip_address": session["client_ip"],
        "city": "this machine",
    }
    return {name: value for name, value in activity.items() if value is not None}
