"""docs/make-it-yours.md adds a resource as it says, in a copy of the project; and what is forgotten fails a test."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.commands import run_module
from tests.support.project import copy_project, link_packages, link_programs
from tests.support.server import PROJECT, clean_environment

HALF_AN_HOUR = 1_800  # for a suite of tests
PAGE = "docs/make-it-yours.md"
# Where the lines of a block belong that are no imports: before which text of the file.
PLACES = {
    "backend/models/__init__.py": "\n# The revision",
    "backend/models/roles_plans_scopes.py": "    TOKENS_SPEND",
    "backend/resources.py": "\nOWNED = [",
    "backend/api/__init__.py": "    Route(webhooks,",
    "tests/support/outcomes.py": "# What a route makes",
}
# On the page, which has its own words for each.
SCOPE_NAMES = '"projects:read": "read projects", "projects:write": "change projects",'


def run(project: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return run_module(*command, environment=clean_environment(), folder=project, timeout=HALF_AN_HOUR)


def section() -> str:
    """The lines that the page leaves to whoever adds the resource."""
    return (PROJECT / PAGE).read_text().partition("<!-- projects -->")[2].partition("<!-- end of projects -->")[0]


def must(project: Path, *command: str) -> str:
    result = run(project, *command)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert text.count(old) == 1, (file.name, old)
    file.write_text(text.replace(old, new))


def add_lines(project: Path, block: str) -> None:
    """The lines of one block of the page, to the file that its first line names."""
    named, _, text = block.partition("\n")
    name = named.removeprefix("# ")
    file = project / name
    imports = "".join(re.findall(r"^from .*\n", text, re.MULTILINE))
    rest = text.replace(imports, "").strip("\n")
    if name == "backend/models/__init__.py":
        revision = max(path.name[:3] for path in (project / "migrations" / "versions").glob("0*.py"))
        file.write_text(re.sub(r'SCHEMA_REVISION = "\d+"', f'SCHEMA_REVISION = "{revision}"', file.read_text()))
        rest = ""
    if name == "backend/models/roles_plans_scopes.py":
        rest = "".join(f"    {line}\n" for line in rest.splitlines()).rstrip()
    if name == "backend/resources.py":
        edit(file, "OWNED = [", "OWNED = [\n    PROJECTS,")
        edit(file, "import ApiKey,", "import Project, ApiKey,")
    if name == "backend/api/__init__.py":
        rest = f"    {rest},"
    place = PLACES[name]
    edit(file, place, f"{rest}\n{place}" if rest else place)
    first = re.search(r"^from backend.*$", file.read_text(), re.MULTILINE)
    if imports and first:
        edit(file, first[0], imports + first[0])


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """With projects, but for what programs write."""
    folder = tmp_path / "project"
    copy_project(folder, without=())
    link_programs(folder)
    link_packages(folder)
    must(folder, "development.new_resource", "project", "projects")
    for block in re.findall(r"```python\n(.*?)```", section(), re.DOTALL):
        add_lines(folder, block)
    must(folder, "ruff", "check", "--fix", "--quiet", "--no-cache")
    must(folder, "ruff", "format", "--quiet", "--no-cache")
    return folder


def test_it_is_described(project: Path) -> None:
    described = must(project, "development.describe_api")
    for said in ('"/api/projects/{project_id}"', '"projects:write"', '"ProjectsOut"'):
        assert said in described
    again = run(project, "development.new_resource", "project", "projects")
    assert (again.returncode, "is there already" in again.stderr) == (1, True)


def forget_owned(project: Path) -> None:
    edit(project / "backend" / "resources.py", "    PROJECTS,\n", "")


def forget_erasure(project: Path) -> None:
    file = project / "backend" / "resources.py"
    file.write_text(re.sub(r"(model=Project,\n    at_erasure=AtErasure\.)DELETE", r"\1KEEP", file.read_text()))


def forget_link(project: Path) -> None:
    file = project / "backend" / "resources.py"
    file.write_text(re.sub(r'(    order="project_id",)', r'\1\n    held="false",', file.read_text()))


def forget_quota(project: Path) -> None:
    edit(project / "backend" / "services" / "projects.py", "    check_quota(connection, user_id, PROJECTS)\n", "")


def forget_owner(project: Path) -> None:
    edit(
        project / "backend" / "services" / "projects.py",
        ".where(model.Project.project_id == project_id, model.Project.user_id == user_id)",
        ".where(model.Project.project_id == project_id)",
    )


def forget_scope(project: Path) -> None:
    edit(
        project / "backend" / "api" / "__init__.py",
        "Policy(read=Scope.PROJECTS_READ, write=Scope.PROJECTS_WRITE)",
        "Policy(read=Scope.PROFILE_READ, write=Scope.PROFILE_WRITE)",
    )


def forget_calls(project: Path) -> None:
    file = project / "tests" / "support" / "outcomes.py"
    file.write_text(
        re.sub(r'^GROUPS\["projects"\] = \(\n.*?^\)\n', "", file.read_text(), flags=re.MULTILINE | re.DOTALL)
    )


# What a test says of each.
FORGOTTEN: dict[Callable[[Path], None], tuple[str, str]] = {
    forget_owned: ("TestDeclaration", "OWNED of backend/resources.py"),
    forget_erasure: ("TestDeclaration", "of a deleted user"),
    forget_link: ("TestLink", "`held` in backend/resources.py"),
    forget_quota: ("TestQuota", "is check_quota() called?"),
    forget_owner: ("TestStranger", "is user_id in the WHERE?"),
    forget_scope: ("test_of_a_key_with_one_scope", "name it in ROUTES"),
    forget_calls: ("test_every_protected_route_is_there", "GROUPS of tests/support/outcomes.py"),
}


@pytest.mark.slow
def test_all_of_it_is_green(project: Path) -> None:
    """But for what programs write, which is written first."""
    edit(
        project / "frontend" / "src" / "components" / "NewKeyForm.tsx",
        '  "tokens:read"',
        f'  {SCOPE_NAMES}\n  "tokens:read"',
    )
    for module in ("tests.support.outcomes", "tests.support.plans", "development.generate_client"):
        must(project, module)
    must(project, "pytest", "-q", "tests/projects", "--snapshot-update")
    must(project, "ruff", "check", "--no-cache")
    must(project, "mypy")
    tests = ("access", "projects", "openapi", "migrations/test_schema.py", "documentation", "purge", "plans", "account")
    must(project, "pytest", "-q", "-n", "2", *(f"tests/{name}" for name in tests))


@pytest.mark.slow
@pytest.mark.parametrize("forget", FORGOTTEN, ids=lambda forget: forget.__name__.removeprefix("forget_"))
def test_what_is_forgotten_fails_a_test(project: Path, forget: Callable[[Path], None]) -> None:
    forget(project)
    which, said = FORGOTTEN[forget]
    result = run(
        project, "pytest", "-q", "-x", "tests/access/test_belongings.py", "tests/access/test_outcomes.py", "-k", which
    )
    assert result.returncode == 1, result.stdout[-2_000:]
    assert said in result.stdout


@pytest.mark.slow
def test_scopes_that_the_page_does_not_know(project: Path) -> None:
    result = run(project, "development.generate_client")
    assert (result.returncode, "projects:read" in result.stderr) == (1, True)
