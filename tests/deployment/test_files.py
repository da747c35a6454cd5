"""The files for containers and systemd, each read by its own tool: nothing here can build an image or start a unit."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from config import PROJECT
from tests.documentation.pages import blocks
from tests.support.server import clean_environment

TOOLS = Path(sys.executable).parent
PASSWORDS = dict.fromkeys(("SUPERUSER_PASSWORD", "OWNER_PASSWORD", "APP_PASSWORD"), "secret")
PAGE = "docs/production.md"
UNIT = "gunicorn.service"
# Of 100, by systemd's own count; a unit without a word about it has 96.
EXPOSED_AT_MOST = 20


def run(*command: str | Path, folder: Path = PROJECT, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=folder, env=clean_environment(**settings), capture_output=True, text=True, check=False
    )


def test_dockerfile() -> None:
    result = run(TOOLS / "hadolint", "Dockerfile")
    assert result.returncode == 0, result.stdout


def test_the_page_names_files_that_are_there() -> None:
    named = set(re.findall(r"deploy/[\w./]+\w", (PROJECT / PAGE).read_text()))
    assert named == {f"deploy/{file.name}" for file in (PROJECT / "deploy").iterdir() if file.is_file()}


class TestCompose:
    @pytest.fixture
    def project(self, tmp_path: Path) -> Path:
        """`.env` is there, as everywhere where it runs."""
        shutil.copy(PROJECT / "compose.yaml", tmp_path)
        (tmp_path / ".env").touch()
        return tmp_path

    def test_services(self, project: Path) -> None:
        result = run(TOOLS / "docker-compose", "config", "--format", "json", folder=project, **PASSWORDS)
        assert result.returncode == 0, result.stderr
        services = json.loads(result.stdout)["services"]
        assert set(services) == {"app", "database", "migrate", "nginx", "valkey"}
        assert services["app"]["depends_on"]["migrate"]["condition"] == "service_completed_successfully"
        # Only nginx is reached from outside, and only the step that migrates has the rights for it.
        assert [name for name, service in services.items() if "ports" in service] == ["nginx"]
        urls = {name: services[name]["environment"]["DATABASE_URL"] for name in ("app", "migrate")}
        assert "counterfoil_app:" in urls["app"]
        assert "counterfoil_owner:" in urls["migrate"]
        for service in services.values():
            for volume in service.get("volumes", ()):
                if volume["type"] == "bind" and "certificates" not in volume["source"]:
                    assert (PROJECT / Path(volume["source"]).relative_to(project)).is_file()

    def test_passwords_of_the_page(self, project: Path) -> None:
        (line,) = (line for block in blocks("sh", PAGE) for line in block.text.splitlines() if "_PASSWORD=$" in line)
        assert run("sh", "-c", line, folder=project).returncode == 0
        written = (project / ".passwords.env").read_text()
        assert set(re.findall("(.+)=[0-9a-f]{48}\n", written)) == set(PASSWORDS)
        result = run(TOOLS / "docker-compose", "--env-file", ".passwords.env", "config", "--quiet", folder=project)
        assert result.returncode == 0, result.stderr

    @pytest.mark.parametrize("missing", PASSWORDS)
    def test_a_password_that_is_missing_stops_it(self, project: Path, missing: str) -> None:
        result = run(TOOLS / "docker-compose", "config", "--quiet", folder=project, **PASSWORDS | {missing: ""})
        assert result.returncode != 0
        assert missing in result.stderr


class TestSystemd:
    @pytest.fixture
    def unit(self, tmp_path: Path) -> Path:
        """The unit, for a project that is here: systemd looks whether there is such a program."""
        if shutil.which("systemd-analyze") is None:
            pytest.skip("systemd-analyze is not installed (apt install systemd)")
        unit = tmp_path / UNIT
        programs = (PROJECT / "deploy" / UNIT).read_text().replace("/srv/counterfoil/.venv/bin", str(TOOLS))
        unit.write_text(programs)
        return unit

    def test_unit(self, unit: Path) -> None:
        result = run("systemd-analyze", "verify", unit)
        assert result.returncode == 0, result.stderr
        assert UNIT not in result.stderr

    def test_a_unit_is_judged(self, unit: Path) -> None:
        unit.write_text(unit.read_text().replace("[Service]", "[Service]\nRestrat=always"))
        assert "Restrat" in run("systemd-analyze", "verify", unit).stderr

    def test_little_of_the_machine_is_open_to_it(self, unit: Path) -> None:
        result = run("systemd-analyze", "security", "--offline=true", f"--threshold={EXPOSED_AT_MOST}", unit)
        found = re.search(r"Overall exposure level for .*", result.stdout)
        assert result.returncode == 0, found[0] if found else result.stderr
