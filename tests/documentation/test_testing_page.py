"""The examples of docs/testing.md, as the tests of another application: with pytest's own defaults, beside nothing."""

import subprocess
import sys
from pathlib import Path

from config import PROJECT
from tests.documentation.pages import blocks
from tests.support.database import Sql
from tests.support.server import clean_environment

EXAMPLES = 4


def test_examples(tmp_path: Path, database_url: str, sql: Sql) -> None:
    conftest, *examples = (block.text for block in blocks("python", "docs/testing.md"))
    (tmp_path / "conftest.py").write_text(conftest)
    for number, example in enumerate(examples):
        (tmp_path / f"test_{number}.py").write_text(example)
    defaults = ("-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path))
    result = subprocess.run(
        [sys.executable, "-m", "pytest", *defaults],
        cwd=tmp_path,
        env=clean_environment(DATABASE_URL=database_url, PYTHONPATH=str(PROJECT)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert f"{EXAMPLES} passed" in result.stdout
    made = sql.rows("SELECT clerk_user_id FROM users WHERE clerk_user_id IN ('user_ada', 'user_grace', 'user_hedy')")
    assert len(made) == 3
