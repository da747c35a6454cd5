"""Users as JSON text, kept beside their rows: lists of 100,000 are read as fast as Clerk allows."""

import json
import sqlite3
from typing import Any

from clerk_emulator import users
from clerk_emulator.payloads import user_payload


def forget_all(db: sqlite3.Connection) -> None:
    """Forget what an earlier start kept: it was another version perhaps, or had another port in its links."""
    db.execute("UPDATE users SET document = NULL WHERE document IS NOT NULL")


def of_user(db: sqlite3.Connection, user: sqlite3.Row, base_url: str) -> str:
    """Give a user, of whom `id` and `document` were read, as JSON; what is not there is made and kept."""
    document: str | None = user["document"]
    if document is None:
        payload = user_payload(db, users.find(db, user["id"]), base_url)
        document = json.dumps(payload, ensure_ascii=False, separators=(",", ":"))
        if _is_settled(payload):
            db.execute("UPDATE users SET document = ? WHERE id = ?", (document, user["id"]))
    return document


def _is_settled(payload: dict[str, Any]) -> bool:
    """Tell whether only a change of the user changes the payload: a proof that is asked for expires by itself."""
    proofs = [owned["verification"] for owned in (*payload["email_addresses"], *payload["phone_numbers"])]
    return all(proof and proof["status"] == "verified" for proof in proofs)
