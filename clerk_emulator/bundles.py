"""Clerk's own scripts for the browser, where Clerk's Frontend API has them. They are files of two npm packages."""

import json
from http import HTTPStatus
from pathlib import Path

from flask import Blueprint, Response, send_from_directory

from clerk_emulator.context import current_emulator
from clerk_emulator.errors import ClerkError

blueprint = Blueprint("bundles", __name__, url_prefix="/npm")

# `@clerk/ui@1` means the newest 1.x: another one after the next fetch.
_SHORT = "public, max-age=60"
_FOREVER = "public, max-age=31536000, immutable"


@blueprint.get("/@clerk/<any('clerk-js', 'ui'):package>@<version>/dist/<path:name>")
def get_bundle(package: str, version: str, name: str) -> Response:
    """A file of the one version that is there, whichever version is asked for."""
    folder = current_emulator().bundles / "@clerk" / package
    there = _version(folder)
    response = send_from_directory((folder / "dist").absolute(), name)
    response.headers["Cache-Control"] = _FOREVER if version == there else _SHORT
    response.headers["Access-Control-Allow-Origin"] = "*"
    return response


def _version(folder: Path) -> str:
    try:
        return str(json.loads((folder / "package.json").read_bytes())["version"])
    except (OSError, ValueError, KeyError, TypeError):
        raise ClerkError(
            HTTPStatus.NOT_FOUND,
            "resource_not_found",
            "browser bundles are missing",
            "Clerk's scripts for the browser were not fetched. Run: make frontend",
        ) from None
