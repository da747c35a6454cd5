"""What users have, as the documents describe it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

Kept = tuple[int, str, str | None, str | None]  # status, text, ETag, Location


class Refusal(Exception):
    """What the application refuses. `members`: what its answer says besides the code."""

    def __init__(self, status: int, code: str, **members: object) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.members = members


class Labelled:
    """Where a failure is told a label stands for the whole: ids differ from run to run."""

    label: str

    def _repr_pretty_(self, printer: Any, _cycle: object) -> None:
        printer.text(self.label)


@dataclass
class Resource(Labelled):
    """One of /api/<name>, with an id and a version. `name`: of its quota, too."""

    name: ClassVar[str]
    label: str
    owner: str
    values: dict[str, Any]
    number: int = 0
    version: int = 1
    is_deleted: bool = False

    @classmethod
    def id_name(cls) -> str:
        return f"{cls.name.removesuffix('s')}_id"

    @property
    def path(self) -> str:
        return f"/api/{self.name}/{self.number}"

    @property
    def is_counted(self) -> bool:
        return not self.is_deleted

    def shown(self) -> dict[str, Any]:
        return self.values | {"version": self.version, self.id_name(): self.number}

    def check_version(self, versions: set[str] | None) -> None:
        """`versions`: what If-Match names; None for any."""
        if versions is not None and str(self.version) not in versions:
            raise Refusal(412, "precondition-failed")

    def check_change(self, _wanted: Mapping[str, Any]) -> None:
        """Some become only what their state allows."""

    def change(self, changes: Mapping[str, Any], versions: set[str] | None) -> None:
        if self.is_deleted:
            raise Refusal(404, "not-found")
        self.check_version(versions)
        wanted = {**self.values, **changes}
        if wanted != self.values:
            self.check_change(wanted)
            self.values = wanted
            self.version += 1

    def delete(self, versions: set[str] | None) -> None:
        if self.is_deleted:
            raise Refusal(404, "not-found")
        self.check_version(versions)
        self.is_deleted = True
        self.version += 1


class Specimen(Resource):
    name = "specimens"


@dataclass
class Key(Labelled):
    label: str
    owner: str
    secret: str
    key_id: int
    is_revoked: bool = False

    @property
    def is_counted(self) -> bool:
        return not self.is_revoked


@dataclass
class Answered(Labelled):
    """What was sent under an Idempotency-Key, and what is kept of the answer."""

    label: str
    body: str | None
    if_match: str | None
    kept: Kept
