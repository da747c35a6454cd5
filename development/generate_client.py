"""`make client`: write the API's description into frontend/ and, from it, the types of the TypeScript client."""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from development.describe_api import describe
from development.node import FRONTEND, NodeError, install, run_tool

DESCRIPTION = FRONTEND / "openapi.json"
TYPES = FRONTEND / "src" / "api" / "schema.d.ts"


def main() -> int:
    try:
        install()
        DESCRIPTION.write_text(describe())
        generate(DESCRIPTION, TYPES)
        run_tool("tsc", "--project", str(FRONTEND))
    except (NodeError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted. The next run finishes it.", file=sys.stderr)
        return 130
    print("The TypeScript client in frontend/ is up to date.")
    return 0


def generate(description: Path, types: Path) -> None:
    """Write the TypeScript types of a description."""
    document = json.loads(description.read_text())
    schemas = document["components"]["schemas"]
    document["components"]["schemas"] = {name: _spell_out(schema) for name, schema in schemas.items()}
    with tempfile.TemporaryDirectory() as folder:
        spelled_out = Path(folder) / "openapi.json"
        spelled_out.write_text(json.dumps(document))
        # A member with a default may be left out of a request.
        run_tool("openapi-typescript", str(spelled_out), "--default-non-nullable=false", "--output", str(types))


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
