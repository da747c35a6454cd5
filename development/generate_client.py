"""`make client`: write the API's description into frontend/ and, from it, the types of the TypeScript client."""

import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from config import PROJECT
from development.describe_api import describe
from development.setup_venv import OneAtATime

FRONTEND = PROJECT / "frontend"
DESCRIPTION = FRONTEND / "openapi.json"
TYPES = FRONTEND / "src" / "api" / "schema.d.ts"
LOCK = FRONTEND / "package-lock.json"
PACKAGES = FRONTEND / "node_modules"
INSTALLED = PACKAGES / ".installed"  # holds the fingerprint of the lock that npm was done with

OLDEST_NODE = 18
UNREACHABLE = re.compile(
    r"npm error code (EAI_AGAIN|ECONN\w+|ENOTFOUND|ENETUNREACH|E?TIMEDOUT|ERR_SOCKET_TIMEOUT)"
)


class ClientError(Exception):
    """The text is what a developer needs to read."""


class ToolsMissingError(ClientError):
    """This machine cannot do it: no Node.js, or no way to its packages."""


def main() -> int:
    try:
        install()
        DESCRIPTION.write_text(describe())
        generate(DESCRIPTION, TYPES)
        run_tool("tsc", "--project", str(FRONTEND))
    except ClientError as error:
        print(error, file=sys.stderr)
        return 1
    print("The TypeScript client in frontend/ is up to date.")
    return 0


def install() -> None:
    """Bring node_modules to what the lock says. Costs one hash when it is; may be called twice at once."""
    _check_node()
    if not _is_installed():
        with OneAtATime():
            if not _is_installed():  # somebody else may have done it while this one waited
                _install_packages()


def generate(description: Path, types: Path) -> None:
    """Write the TypeScript types of a description."""
    document = json.loads(description.read_text())
    schemas = document["components"]["schemas"]
    document["components"]["schemas"] = {name: _spell_out(schema) for name, schema in schemas.items()}
    with tempfile.TemporaryDirectory() as folder:
        spelled_out = Path(folder) / "openapi.json"
        spelled_out.write_text(json.dumps(document))
        # A member with a default may be left out of a request.
        run_tool(
            "openapi-typescript", str(spelled_out), "--default-non-nullable=false", "--output", str(types)
        )


def run_tool(name: str, *arguments: str) -> None:
    """Run a program of node_modules."""
    command = (str(PACKAGES / ".bin" / name), *arguments)
    result = subprocess.run(command, cwd=FRONTEND, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise ClientError(f"{name} failed:\n{result.stdout}{result.stderr}".rstrip())


def _check_node() -> None:
    if not (shutil.which("node") and shutil.which("npm")):
        raise ToolsMissingError(
            f"Node.js {OLDEST_NODE} or newer with npm is needed for the TypeScript client."
        )
    version = subprocess.check_output(("node", "--version"), text=True).strip()
    if int(version.removeprefix("v").partition(".")[0]) < OLDEST_NODE:
        raise ToolsMissingError(
            f"Node.js {OLDEST_NODE} or newer is needed for the TypeScript client; this is {version}."
        )


def _is_installed() -> bool:
    try:
        return INSTALLED.read_text() == _fingerprint()
    except OSError:
        return False


def _fingerprint() -> str:
    return hashlib.sha256(LOCK.read_bytes()).hexdigest()


def _install_packages() -> None:
    print("Installing the packages of frontend/ ...", flush=True)
    # No package here needs its install scripts, which are how a bad one would begin. Without a network npm's own
    # number of retries takes more than a minute.
    command = ("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1")
    result = subprocess.run(command, cwd=FRONTEND, capture_output=True, text=True, check=False)
    if unreachable := UNREACHABLE.search(result.stderr):
        raise ToolsMissingError(
            f"npm cannot reach its registry ({unreachable[1]}): check the network or the proxy."
        )
    if result.returncode != 0:
        raise ClientError(f"npm could not install {LOCK.name}:\n{result.stderr}".rstrip())
    INSTALLED.write_text(_fingerprint())


def _spell_out(schema: dict[str, Any]) -> dict[str, Any]:
    """openapi-typescript makes `unknown` of alternatives that only name required members: repeat the others in each."""
    alternatives = schema.get("anyOf", [])
    if not alternatives or any("required" not in one for one in alternatives):
        return schema
    shared = {name: value for name, value in schema.items() if name not in {"anyOf", "title", "description"}}
    said = {name: schema[name] for name in ("title", "description") if name in schema}
    members = schema["properties"]
    return said | {
        "anyOf": [shared | one | {"properties": members | one.get("properties", {})} for one in alternatives]
    }


if __name__ == "__main__":
    sys.exit(main())
