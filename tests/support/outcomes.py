"""Who gets what: the outcome of every protected route for every credential in every state. docs/access.md shows it.

python -m tests.support.outcomes       writes the tables into docs/access.md
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

from config import PROJECT
from tests.support.markdown import between_marks, markdown_table

PAGE = PROJECT / "docs" / "access.md"
BEGIN, END = "<!-- outcomes -->", "<!-- end of outcomes -->"

YES = "yes"


class Call(NamedTuple):
    """A request to a route. `{key}`, `{user}`, `{session}`, … stand for one that the caller owns or administers."""

    method: str
    path: str
    body: Mapping[str, object] | None = None

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


GROUPS = {
    "own profile": (
        Call("GET", "/auth/me"),
        Call("GET", "/api/me"),
        Call("GET", "/api/me/events"),
        Call("GET", "/api/subscription"),
        Call("GET", "/protected"),
    ),
    "live check": (Call("GET", "/protected?session_id={session}"),),
    "profile change": (Call("PATCH", "/api/me", {"bio": "Hello"}),),
    "tokens": (Call("GET", "/api/tokens"), Call("POST", "/api/tokens/consume", {"amount": 1})),
    "campaigns": tuple(
        Call(method, f"{mount}{path}", body)
        for mount in ("/api/campaigns", "/campaigns")
        for method, path, body in (
            ("GET", "", None),
            ("POST", "", {"name": "Sale", "channel": "email"}),
            ("GET", "/{campaign}", None),
            ("PATCH", "/{campaign}", {"name": "Sale"}),
            ("DELETE", "/{campaign}", None),
            ("POST", "/{campaign}/archive", None),
            ("POST", "/{campaign}/restore", None),
        )
    ),
    "templates": (
        Call("GET", "/api/templates"),
        Call("POST", "/api/templates", {"name": "Sale", "channel": "email"}),
        Call("GET", "/api/templates/{template}"),
        Call("PATCH", "/api/templates/{template}", {"name": "Sale"}),
        Call("DELETE", "/api/templates/{template}"),
    ),
    "own session": (Call("POST", "/api/sessions/revoke"),),
    "API keys": (
        Call("GET", "/api/keys"),
        Call("POST", "/api/keys", {"name": "another", "scopes": ["profile:read"]}),
        Call("GET", "/api/keys/{key}"),
        Call("POST", "/api/keys/{key}/rotate"),
        Call("DELETE", "/api/keys/{key}"),
    ),
    "administration": (
        Call("GET", "/api/users"),
        Call("GET", "/api/users/{user}"),
        Call("PATCH", "/api/users/{user}", {"role": "developer"}),
        Call("POST", "/api/users/{user}/ban"),
        Call("POST", "/api/users/{user}/unban"),
    ),
}

# What a route makes, by its path.
MADE_BY = {call.path: call for calls in GROUPS.values() for call in calls if call.method == "POST" and call.body}

ALL = dict.fromkeys(GROUPS, YES)
# What each credential may do when nothing is wrong with it. All but the first are an admin's: what is refused there is
# refused because of the credential.
ACCESS = {
    "session of a user": ALL | {"administration": "forbidden"},
    "session of an admin": ALL,
    "session cookie, own page": ALL,
    "impersonated session": ALL | dict.fromkeys(("profile change", "API keys", "administration"), "forbidden"),
    **dict.fromkeys(
        ("API key", "legacy token"),
        # They name no session whose life Clerk could be asked for.
        ALL
        | dict.fromkeys(("own session", "API keys", "administration"), "forbidden")
        | {"live check": "session-revoked"},
    ),
}
# A foreign page makes the browser send the cookie: it reads nothing and changes nothing, whatever the state.
FOREIGN_PAGE = "session cookie, foreign page"
FOREIGN_READ, FOREIGN_CHANGE = "session-token-missing", "csrf"

SESSION_STATES = {
    "expired": "token-expired",
    "revoked": "session-revoked",
    "banned": "user-banned",
    "deprovisioned": "user-deprovisioned",
    "switched off": "forbidden",
    "deleted": "user-deleted",
}
# These come first, on every route. A legacy token was revoked by the old application.
STATE_OUTCOMES = dict.fromkeys(ACCESS, SESSION_STATES) | {
    "API key": SESSION_STATES | {"expired": "api-key-expired", "revoked": "api-key-revoked"}
}
# What belongs to somebody else does not exist. For admins every user does.
WRONG_OWNER = {
    word: "session-revoked" if word == "{session}" else "not-found"
    for calls in GROUPS.values()
    for call in calls
    for word in re.findall(r"\{\w+\}", call.path)
    if word != "{user}"
}

# Of a policy's `org_role` and `org_permission`: who meets them. The claims are those of a session.
ORG = {"org_id": "org_1", "v": 1}
MEMBERS: dict[str, dict[str, object]] = {
    "session without an organization": {},
    "session of an `org:member` who may read invoices": ORG
    | {"org_role": "org:member", "org_permissions": ["org:invoices:read"]},
    "session of an `org:admin` without permissions": ORG | {"org_role": "org:admin", "org_permissions": []},
    "session of an `org:admin` who may read invoices": ORG
    | {"org_role": "org:admin", "org_permissions": ["org:invoices:read"]},
}
NO_MEMBERS = ("API key", "legacy token")
ORG_DEMANDS: dict[str, tuple[dict[str, str], tuple[bool, ...]]] = {
    '`org_role="org:admin"`': ({"org_role": "org:admin"}, (False, False, True, True)),
    '`org_permission="org:invoices:read"`': ({"org_permission": "org:invoices:read"}, (False, True, False, True)),
    "both": ({"org_role": "admin", "org_permission": "invoices:read"}, (False, False, False, True)),
}


def org_outcomes(demand: str) -> dict[str, str]:
    """Of each caller under this demand."""
    met = (*ORG_DEMANDS[demand][1], *[False] * len(NO_MEMBERS))
    return {who: YES if is_met else "forbidden" for who, is_met in zip((*MEMBERS, *NO_MEMBERS), met, strict=True)}


AND_BESIDES = (
    f"What belongs to somebody else, such as an API key: `{WRONG_OWNER['{key}']}`, as one that never existed. "
    f"Another session than the caller's in `session_id`: `{WRONG_OWNER['{session}']}`. "
    "An API key without the scope: `insufficient-scope`. "
    f"The session cookie from a foreign page: `{FOREIGN_READ}`, and `{FOREIGN_CHANGE}` for whatever changes something."
)

CREDENTIALS = (*ACCESS, FOREIGN_PAGE)


def expected(group: str, call: Call, credential: str, state: str) -> str | None:
    """`yes`, the code of the refusal, or None where the state means nothing."""
    owned = next((word for word in WRONG_OWNER if word in call.path), "")
    if state == "wrong owner" and not owned:
        return None
    if credential == FOREIGN_PAGE:
        return FOREIGN_READ if call.method == "GET" else FOREIGN_CHANGE
    access = STATE_OUTCOMES[credential].get(state) or ACCESS[credential][group]
    if access == YES and state == "wrong owner":
        return WRONG_OWNER[owned]
    return access


def tables() -> str:
    """The outcomes as Markdown."""
    valid = [[credential, *(_cell(access[group]) for group in GROUPS)] for credential, access in ACCESS.items()]
    shown = ("session of a user", "API key", "legacy token")
    states = [
        ["any session" if name == shown[0] else name, *map(_cell, STATE_OUTCOMES[name].values())] for name in shown
    ]
    by_demand = {demand: org_outcomes(demand) for demand in ORG_DEMANDS}
    organization = [
        [who, *(_cell(by_demand[demand][who]) for demand in ORG_DEMANDS)] for who in (*MEMBERS, *NO_MEMBERS)
    ]
    return "\n".join(
        [
            "What a good credential may do:",
            "",
            markdown_table(["credential", *GROUPS], valid),
            "",
            "What comes before that, on every route:",
            "",
            markdown_table(["credential", *SESSION_STATES], states),
            "",
            "What a route of your own may demand of the active organization:",
            "",
            markdown_table(["credential", *ORG_DEMANDS], organization),
            "",
            AND_BESIDES,
        ]
    )


def _cell(outcome: str) -> str:
    return outcome if outcome == YES else f"`{outcome}`"


def page_with_tables(page: str) -> str:
    return between_marks(page, BEGIN, END, tables())


if __name__ == "__main__":
    PAGE.write_text(page_with_tables(PAGE.read_text()))
