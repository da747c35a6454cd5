"""The commands' way to a running emulator: HTTP, with the key that it left in its state folder."""

from pathlib import Path
from typing import Any

import click
import requests

from clerk_emulator.faults import EXEMPT_HEADERS
from clerk_emulator.keys_file import read_access

_START_HINT = "start it with `make run` or `python -m clerk_emulator`"
_TIMEOUT = 10
_PAGE = 500
_FIRST_ROLE = "org:admin"


class EmulatorClient:
    """Calls the emulator of one state folder; every failure is one line that says what to do."""

    def __init__(self, state: Path) -> None:
        try:
            self._access = read_access(state)
        except (OSError, KeyError, ValueError):
            raise click.ClickException(f"no emulator has run in {state}; {_START_HINT}") from None

    def call(
        self,
        method: str,
        path: str,
        *,
        body: dict[str, Any] | None = None,
        params: dict[str, str | int | None] | None = None,
        timeout: float = _TIMEOUT,
    ) -> Any:  # noqa: ANN401 - it is what JSON decodes to
        """Make one request and return the JSON of its answer."""
        try:
            with requests.Session() as http:
                # A proxy of the developer's network cannot reach this machine's loopback.
                http.trust_env = False
                response = http.request(
                    method,
                    f"{self._access.url}{path}",
                    headers={"Authorization": f"Bearer {self._access.secret_key}"} | EXEMPT_HEADERS,
                    json=body,
                    params=params,
                    timeout=timeout,
                )
            answer = response.json()
            refusal = None if response.ok else answer["errors"][0]["long_message"]
        except (requests.RequestException, LookupError, TypeError):
            raise click.ClickException(f"no emulator answers at {self._access.url}; {_START_HINT}") from None
        if refusal:
            raise click.ClickException(refusal)
        return answer

    def find_user(self, email: str) -> dict[str, Any] | None:
        """Find the user who has this address."""
        found: list[dict[str, Any]] = self.call("GET", "/v1/users", params={"email_address": email})
        return found[0] if found else None

    def require_user(self, email: str) -> dict[str, Any]:
        user = self.find_user(email)
        if user is None:
            raise click.ClickException(
                f"nobody has the address {email}; create a user with `flask --app clerk_emulator sign-up {email}`"
            )
        return user

    def sign_up(self, email: str, **fields: str | None) -> dict[str, Any]:
        given = {name: value for name, value in fields.items() if value is not None}
        user: dict[str, Any] = self.call("POST", "/v1/users", body={"email_address": [email], **given})
        return user

    def sign_in(
        self,
        user: dict[str, Any],
        *,
        expires_in: int | None = None,
        organization_id: str | None = None,
        actor: str | None = None,
    ) -> str:
        """Create a session and return its token. `actor` is the id of who acts as the user."""
        session = self.call(
            "POST",
            "/emulator/sessions",
            body={
                "user_id": user["id"],
                "active_organization_id": organization_id,
                "actor": {"sub": actor} if actor else None,
            },
        )
        body = {"expires_in_seconds": expires_in}
        jwt: str = self.call("POST", f"/v1/sessions/{session['id']}/tokens", body=body)["jwt"]
        return jwt

    def join(self, user: dict[str, Any], slug: str, role: str | None) -> str:
        """Make the user a member of an organization, which is founded if there is none; return its id.

        Whoever is a member already keeps the role, unless one is named.
        """
        found = self.call("GET", "/v1/organizations", params={"query": slug, "limit": _PAGE})["data"]
        organization = next((each for each in found if each["slug"] == slug), None) or self.call(
            "POST", "/v1/organizations", body={"name": slug, "slug": slug}
        )
        path = f"/v1/organizations/{organization['id']}/memberships"
        member = self.call("GET", path, params={"user_id": user["id"]})["data"]
        if not member:
            self.call("POST", path, body={"user_id": user["id"], "role": role or _FIRST_ROLE})
        elif role:
            self.call("PATCH", f"{path}/{user['id']}", body={"role": role})
        organization_id: str = organization["id"]
        return organization_id
