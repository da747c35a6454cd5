"""Whoever writes users, subscriptions or memberships announces it: found in the source, so that nobody is forgotten."""

import ast
import re
from collections.abc import Iterator

from config import PROJECT

TABLES = r"(?:users|subscriptions|clerk\.organization_memberships)"
# Also those whose tables are made by a loop over the kinds.
WRITES = re.compile(
    rf"\b(?:INSERT INTO|UPDATE|DELETE FROM) {TABLES}\b|\b(?:update|insert|delete)\((?:User|Subscription)\)"
    r"|\b(?:UPSERTS|DELETES)\["
)
ANNOUNCES = re.compile(r"\bannounce\w*\(")
EXEMPT = {
    "clerk.linking.delete_placeholder": "only makes the statement, for link() and relink_user()",
    "clerk.linking.link": "the profile follows, with write_rows()",
    "clerk.mirror.projection.lock_rows": "of users alone: what follows from the copy is written by write_rows()",
    "clerk.sessions._note_time": "when somebody came: of each session that would be two events",
    "users.accounts.completing": "only makes the statement: a user who has what each user has is no other",
    "users.accounts.insert_user": "only the id is known: the sign-up is announced with the first profile",
    "users.merge._move_plan": "set_plan() and change_plan() announce it",
}


def writers() -> Iterator[tuple[str, bool]]:
    """Each function with what it writes by, its own text or a statement of its module; whether it announces."""
    services = PROJECT / "backend"
    for path in sorted(services.rglob("*.py")):
        source = path.read_text()
        module = ast.parse(source)
        text = {
            node: ast.get_source_segment(source, node) or "" for node in ast.walk(module) if hasattr(node, "lineno")
        }
        statements = [
            re.escape(ast.unparse(target))
            for node in module.body
            if isinstance(node, ast.Assign) and WRITES.search(text[node])
            for target in node.targets
        ]
        uses = re.compile(rf"\b(?:{'|'.join(statements)})\b" if statements else r"(?!)")
        name = path.relative_to(services).with_suffix("").as_posix().replace("/", ".").removeprefix("services.")
        for node in ast.walk(module):
            if isinstance(node, ast.FunctionDef) and (WRITES.search(text[node]) or uses.search(text[node])):
                yield f"{name}.{node.name}", bool(ANNOUNCES.search(text[node]))


def test_each_announces_or_says_why_not() -> None:
    found = dict(writers())
    assert {
        "users.admin.change_user",
        "clerk.mirror.erase.erase_user",
        "clerk.mirror.objects.write_objects",
    } <= found.keys()
    assert {name for name, announces in found.items() if not announces} == EXEMPT.keys()
