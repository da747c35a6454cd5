"""What users do with a resource, whatever it is: rules are made of these."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from hypothesis import strategies as st

from tests.histories.belongings import Resource
from tests.histories.machine import Machine, check_shown
from tests.histories.world import Person
from tests.support.caller import is_problem, is_same_refusal

UNKNOWN = 999_999_999_999
IF_MATCH = st.sampled_from([None, None, "*", '"{}"', '"{}"', '"0", "{}"', 'W/"{}"', '"{}0"', "{}", '"0"'])
BODIES = {"PATCH": '{"name": "x"}'}

R = TypeVar("R", bound=Resource)


def read_if_match(header: str | None, version: int) -> tuple[str | None, set[str] | None]:
    """The header, and the versions that it names; None for any. Werkzeug reads a tag without its quotes too."""
    if header is None:
        return None, None
    own = {str(version)}
    versions = {"*": None, '"{}"': own, "{}": own, '"0", "{}"': own, '"{}0"': {f"{version}0"}}
    return header.format(version), versions.get(header, set())


class ResourceSteps(Machine):
    def make(
        self, person: Person, kind: type[R], work: Callable[[], R], body: dict[str, Any], key: str | None = None
    ) -> None:
        done = self.write(person, "POST", f"/api/{kind.name}", work, body=body, key=key)
        if done is not None:
            made, answer = done
            made.number = answer.json()[kind.id_name()]
            assert (answer.status_code, answer.headers["Location"]) == (201, made.path)
            check_shown(made, answer.json())

    def alter(
        self, one: Resource, changes: dict[str, Any], if_match: str | None = None, key: str | None = None
    ) -> None:
        self.act(one, "PATCH", lambda versions: one.change(changes, versions), body=changes, if_match=if_match, key=key)

    def act(
        self,
        one: Resource,
        method: str,
        work: Callable[[set[str] | None], None],
        action: str = "",
        *,
        body: dict[str, Any] | None = None,
        if_match: str | None = None,
        key: str | None = None,
    ) -> None:
        """By its owner. `work` takes the versions that If-Match names."""
        owner = self.world.people[one.owner]
        header, versions = read_if_match(if_match, one.version)
        done = self.write(owner, method, one.path + action, lambda: work(versions), body=body, key=key, if_match=header)
        if done is not None and method != "DELETE":
            check_shown(one, done[1].json())
            assert done[1].headers["ETag"] == f'"{one.version}"'

    def look_at(self, one: Resource) -> None:
        owner = self.world.people[one.owner]
        answer = self.send(owner, "GET", one.path)
        if one.is_deleted:
            is_problem(answer, 404, "not-found")
            return
        check_shown(one, answer.json())
        tag = answer.headers["ETag"]
        assert tag == f'"{one.version}"'
        assert self.send(owner, "GET", one.path, headers={"If-None-Match": tag}).status_code == 304

    def meddle_with(self, one: Resource, actions: Iterable[tuple[str, str]] = ()) -> None:
        """Somebody else's is as one that never existed."""
        stranger = next(person for person in self.world.living if person.sub != one.owner and not person.is_admin)
        for method, action in (("GET", ""), ("PATCH", ""), ("DELETE", ""), *actions):
            answers = [
                self.send(stranger, method, f"/api/{one.name}/{number}{action}", BODIES.get(method))
                for number in (one.number, UNKNOWN)
            ]
            is_problem(answers[0], 404, "not-found")
            assert is_same_refusal(*answers)

    def walk_through(
        self, person: Person, kind: type[R], expected: Sequence[R], *, limit: int, query: dict[str, str] | None = None
    ) -> None:
        """Page by page: each once, in order."""
        found: list[dict[str, Any]] = []
        cursor: dict[str, str] = {}
        while True:
            page = self.get(person, f"/api/{kind.name}", limit=str(limit), **(query or {}), **cursor)
            found += page[kind.name]
            if page["next_cursor"] is None:
                break
            assert len(page[kind.name]) == limit
            assert len(found) < len(expected)
            cursor = {"cursor": page["next_cursor"]}
        assert [shown[kind.id_name()] for shown in found] == [one.number for one in expected]
        for one, shown in zip(expected, found, strict=True):
            check_shown(one, shown)
