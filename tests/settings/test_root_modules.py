"""What the modules beside the packages import of ours. import-linter cannot check them: it takes packages."""

import ast

import pytest

from tests.support.server import PROJECT

OURS = {path.stem for path in PROJECT.glob("*.py")} | {path.parent.name for path in PROJECT.glob("*/__init__.py")}
MAY_IMPORT = {
    "config.py": {"settings", "backend.services.core.clerk_keys"},
    "gunicorn.conf.py": {"backend", "config"},
    "wsgi.py": {"backend"},
}


def imported(file: str) -> set[str]:
    """The modules that a file imports anywhere, in a function too."""
    names: set[str] = set()
    for node in ast.walk(ast.parse((PROJECT / file).read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return names


@pytest.mark.parametrize(("file", "allowed"), MAY_IMPORT.items())
def test_imports_of_ours(file: str, allowed: set[str]) -> None:
    ours = {name for name in imported(file) if name.partition(".")[0] in OURS}
    assert [name for name in ours if not any(f"{name}.".startswith(f"{one}.") for one in allowed)] == []


def test_each_is_in_the_list() -> None:
    assert {path.name for path in PROJECT.glob("*.py")} == set(MAY_IMPORT)
