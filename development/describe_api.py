"""Prints the description of the API, as /openapi.json shows it: `python -m development.describe_api`."""

import json
import sys

from flask import Flask

from backend.api import register_routes
from backend.api.http.openapi_document import api_document


def describe() -> str:
    app = Flask("counterfoil", static_folder=None)
    register_routes(app)
    return json.dumps(api_document(app), indent=2) + "\n"


if __name__ == "__main__":
    sys.stdout.write(describe())
