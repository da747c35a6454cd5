"""Templates are made, shared, changed and deleted."""

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import rule

from tests.campaigns.histories.belongings import PRESET, Template
from tests.campaigns.histories.presets import PRESETS, SOME_MEMBERS
from tests.histories.machine import IDEMPOTENCY_KEYS, PEOPLE, check_shown, rule_about
from tests.histories.resource_steps import ResourceSteps
from tests.support.caller import is_problem

ADMIN_TOO = PEOPLE | st.just("admin")


class TemplateSteps(ResourceSteps):
    def __init__(self, *application: Any) -> None:
        super().__init__(*application)
        self.shared: list[Template] = []

    @property
    def templates(self) -> list[Template]:
        return [*self.shared, *self.world.those(Template)]

    @rule(name=PEOPLE, body=PRESETS, key=IDEMPOTENCY_KEYS)
    def create_template(self, name: str, body: dict[str, Any], key: str | None) -> None:
        person = self.world[name]
        self.make(person, Template, lambda: person.make(Template, {**PRESET, **body}), body, key)

    @rule(name=ADMIN_TOO, body=PRESETS)
    def share_template(self, name: str, body: dict[str, Any]) -> None:
        person = self.world[name]
        if person.is_admin:
            template = Template(f"shared template {len(self.shared) + 1}", "", {**PRESET, **body})
            self.make(person, Template, lambda: template, body | {"is_shared": True})
            self.shared.append(template)
        else:
            text = '{"name": "x", "channel": "sms", "is_shared": true}'
            is_problem(self.send(person, "POST", "/api/templates", text), 403, "forbidden")

    @rule_about(lambda machine: machine.templates, name=ADMIN_TOO, changes=SOME_MEMBERS, key=IDEMPOTENCY_KEYS)
    def change_template(self, one: Template, name: str, changes: dict[str, Any], key: str | None) -> None:
        person = self.world[name]

        def work() -> None:
            one.check_writer(person)
            one.values = one.values | changes

        done = self.write(person, "PATCH", one.path, work, body=changes, key=key)
        if done is not None:
            check_shown(one, done[1].json())

    @rule_about(lambda machine: machine.templates, name=ADMIN_TOO)
    def delete_template(self, one: Template, name: str) -> None:
        """What was made from it stays as it is."""
        person = self.world[name]

        def work() -> None:
            one.check_writer(person)
            (person.belongings[Template.name] if one.owner else self.shared).remove(one)

        self.write(person, "DELETE", one.path, work)

    @rule(name=PEOPLE)
    def list_templates(self, name: str) -> None:
        """Their own and the shared ones, newest first."""
        person = self.world[name]
        usable = [*person.belongings[Template.name], *self.shared]
        self.walk_through(person, Template, sorted(usable, key=lambda one: -one.number), limit=100)
