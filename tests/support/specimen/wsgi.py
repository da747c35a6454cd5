"""The application with the specimen in it, for gunicorn."""

from backend.resources import OWNED
from tests.support.specimen.resource import SPECIMENS

# Before all else: the limits of /api/subscription are made from the list.
OWNED.append(SPECIMENS)

from backend.app import create_app  # noqa: E402
from tests.support.specimen.routes import add_routes  # noqa: E402

app = create_app()
add_routes(app)
