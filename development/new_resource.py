"""`python -m development.new_resource project projects`: begin a resource, with the files of the tests' own one.

Writes them under these names. docs/make-it-yours.md says which lines are left to add by hand.
"""

import re
import subprocess
import sys

from backend.models import SCHEMA_REVISION
from config import PROJECT

SPECIMEN = PROJECT / "tests" / "support" / "specimen"
PLACES = {
    SPECIMEN / "model.py": "backend/models/{one}.py",
    SPECIMEN / "schema.py": "backend/schemas/{one}.py",
    SPECIMEN / "service.py": "backend/services/{many}.py",
    SPECIMEN / "api.py": "backend/api/{many}.py",
    SPECIMEN / "migration.py": "migrations/versions/{revision}_{many}.py",
    PROJECT / "tests" / "http" / "test_specimen.py": "tests/{many}/test_{many}.py",
}
NAMES = re.compile("[a-z]+(_[a-z]+)* [a-z]+(_[a-z]+)*")
PACKAGE = "tests.support.specimen"


def main(arguments: list[str]) -> int:
    if not NAMES.fullmatch(" ".join(arguments)):
        print("usage: python -m development.new_resource ONE MANY    such as: project projects", file=sys.stderr)
        return 2
    one, many = arguments
    revision = f"{int(SCHEMA_REVISION) + 1:03}"
    written = {PROJECT / place.format(one=one, many=many, revision=revision): file for file, place in PLACES.items()}
    if there := [path for path in written if path.exists()]:
        print(f"{there[0].relative_to(PROJECT)} is there already: nothing was written.", file=sys.stderr)
        return 1
    for path, file in written.items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(
            _renamed(file.read_text(), one, many).replace("NEXT", revision).replace("HEAD", SCHEMA_REVISION)
        )
        print(path.relative_to(PROJECT))
    # Other names sort and wrap in another way.
    for command in (("check", "--fix"), ("format",)):
        subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--quiet", "--no-cache", *written], cwd=PROJECT, check=True
        )
    print("Now add the lines of docs/make-it-yours.md.")
    return 0


def _renamed(text: str, one: str, many: str) -> str:
    class_name = "".join(word.capitalize() for word in one.split("_"))
    classes_name = "".join(word.capitalize() for word in many.split("_"))
    for old, new in {
        f"{PACKAGE} import model": f"backend.models import {one} as model",
        f"{PACKAGE} import service": f"backend.services import {many} as service",
        f"{PACKAGE}.base": "backend.models.base",
        f"{PACKAGE}.resource": "backend.resources",
        f"{PACKAGE}.schema": f"backend.schemas.{one}",
        f"{PACKAGE}.service": f"backend.services.{many}",
        f', app="{PACKAGE}.wsgi:app"': "",
        "specimen_server": "server",
        "SPECIMENS": many.upper(),
        "Specimens": classes_name,
        "Specimen": class_name,
        "specimens": many,
        "specimen": one,
    }.items():
        text = text.replace(old, new)
    return text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
