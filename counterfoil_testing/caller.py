"""Somebody who is signed in, and calls with session tokens."""

from collections.abc import Iterable, Iterator
from http import HTTPStatus
from typing import Any

import requests

from clerk_emulator import roles
from counterfoil_testing.application import Application
from counterfoil_testing.clerk import Instance


class Caller:
    """A user, the path below which they call, and claims of their tokens other than the usual ones.

    Each call has a token and a connection of its own: tokens do not expire, and threads may call.
    """

    def __init__(
        self, server: Application, clerk: Instance, sub: str = "user_1", path: str = "", **claims: Any
    ) -> None:
        self.server, self.clerk, self.sub, self.path, self.claims = server, clerk, sub, path, claims

    def call(
        self, method: str, path: str = "", *, claims: dict[str, Any] | None = None, **options: Any
    ) -> requests.Response:
        """`claims`: others for this call alone. `options`: those of requests, as `json` and `params`."""
        with self.server.connect() as session:
            return session.request(
                method,
                f"{self.server.url}{self.path}{path}",
                headers=self._bearer(claims or {}) | options.pop("headers", {}),
                timeout=30,
                **options,
            )

    def page(self, **query: Any) -> Any:
        answer = self.call("GET", params=query)
        assert answer.status_code == HTTPStatus.OK, answer.text
        return answer.json()

    def listed(self, member: str, field: str, **query: Any) -> Iterator[list[Any]]:
        """Page after page: this field of what each has in `member`."""
        cursor: dict[str, str] = {}
        while True:
            page = self.page(**query, **cursor)
            yield [one[field] for one in page[member]]
            if page["next_cursor"] is None:
                return
            assert page["next_cursor"] != cursor.get("cursor"), "the same page for ever"
            cursor = {"cursor": page["next_cursor"]}

    def make_key(self, *scopes: str) -> dict[str, str]:
        """The header of a new API key."""
        body = {"name": "k", "scopes": scopes}
        made = self.server.request("POST", "/api/keys", headers=self._bearer({}), json=body)
        return {"X-API-Key": made.json()["key"]}

    def _bearer(self, claims: dict[str, Any]) -> dict[str, str]:
        token = self.clerk.token(**{"sub": self.sub} | self.claims | claims)
        return {"Authorization": f"Bearer {token}"}


def organization_claims(
    org_id: str, role: str = "org:member", permissions: Iterable[str] = (), *, slug: str = "acme"
) -> dict[str, Any]:
    """The claims of a session whose active organization this is: `o`, and `fea` for the permissions."""
    features, granted = roles.token_claims(permissions)
    return features | {"o": {"id": org_id, "rol": role.removeprefix("org:"), "slg": slug} | granted}
