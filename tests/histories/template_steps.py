"""Templates are made, shared, changed and deleted; writes come again."""

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from tests.histories.belongings import PRESET, Answered, Template
from tests.histories.machine import IDEMPOTENCY_KEYS, PEOPLE, Machine, check_repetition, check_shown, drawn_from
from tests.histories.presets import PRESETS, SOME_MEMBERS
from tests.histories.world import Person
from tests.support.caller import is_problem

ADMIN_TOO = PEOPLE | st.just("admin")


class TemplateSteps(Machine):
    @rule(name=PEOPLE, body=PRESETS, key=IDEMPOTENCY_KEYS)
    def create_template(self, name: str, body: dict[str, Any], key: str | None) -> None:
        person = self.world[name]
        self._create_template(person, body, key, person.templates)

    @rule(name=ADMIN_TOO, body=PRESETS)
    def share_template(self, name: str, body: dict[str, Any]) -> None:
        person = self.world[name]
        if person.is_admin:
            self._create_template(person, body | {"is_shared": True}, None, self.world.shared)
        else:
            text = '{"name": "x", "channel": "sms", "is_shared": true}'
            is_problem(self.send(person, "POST", "/api/templates", text), 403, "forbidden")

    def _create_template(
        self, person: Person, body: dict[str, Any], key: str | None, templates: list[Template]
    ) -> None:
        def work() -> Template:
            given = dict(body)
            owner = None if given.pop("is_shared", False) else person.sub
            if owner is not None:
                person.check_room_for_template()
            template = Template(f"template {len(templates) + 1} of {owner}", owner, {**PRESET, **given})
            templates.append(template)
            return template

        done = self.write(person, "POST", "/api/templates", work, body=body, key=key)
        if done is not None:
            template, answer = done
            template.template_id = answer.json()["template_id"]
            assert (answer.status_code, answer.headers["Location"]) == (201, template.path)
            check_shown(template, answer.json())

    @precondition(lambda self: self.world.templates)
    @rule(
        name=ADMIN_TOO, template=drawn_from(lambda world: world.templates), changes=SOME_MEMBERS, key=IDEMPOTENCY_KEYS
    )
    def change_template(self, name: str, template: Template, changes: dict[str, Any], key: str | None) -> None:
        person = self.world[name]

        def work() -> None:
            template.check_change(person.sub, is_admin=person.is_admin)
            template.values = template.values | changes

        done = self.write(person, "PATCH", template.path, work, body=changes, key=key)
        if done is not None:
            check_shown(template, done[1].json())

    @precondition(lambda self: self.world.templates)
    @rule(name=ADMIN_TOO, template=drawn_from(lambda world: world.templates))
    def delete_template(self, name: str, template: Template) -> None:
        """What was made from it stays as it is."""
        person = self.world[name]

        def work() -> None:
            template.check_change(person.sub, is_admin=person.is_admin)
            (self.world.shared if template.owner is None else person.templates).remove(template)

        self.write(person, "DELETE", template.path, work)

    @rule(name=PEOPLE)
    def list_templates(self, name: str) -> None:
        """Their own and the shared ones, newest first."""
        person = self.world[name]
        usable = [*person.templates, *self.world.shared]
        shown = self.get(person, "/api/templates", limit="100")["templates"]
        expected = sorted(usable, key=lambda template: -template.template_id)
        assert [one["template_id"] for one in shown] == [template.template_id for template in expected]
        for template, one in zip(expected, shown, strict=True):
            check_shown(template, one)


class RepetitionSteps(Machine):
    @precondition(lambda self: self.world.answers)
    @rule(repeated=drawn_from(lambda world: world.answers), is_changed=st.booleans())
    def repeat(self, repeated: tuple[Person, Answered], *, is_changed: bool) -> None:
        """Whatever happened since: the answer of the time, or a refusal of another body."""
        person, earlier = repeated
        body = earlier.body
        if is_changed:
            body = '{"name": "Other", "channel": "push"}' if "consume" not in earlier.path else '{"amount": 7}'
            body = body if earlier.method == "POST" and earlier.body is not None else "{ }"
        answer = self.send(
            person,
            earlier.method,
            earlier.path,
            body,
            headers={"Idempotency-Key": earlier.key, "If-Match": earlier.if_match},
        )
        check_repetition(answer, earlier, body, earlier.if_match)
