"""The application with the specimen in it, for gunicorn."""

from backend.resources import OWNED
from tests.support.specimen.resource import SPECIMENS

# Before all else: the limits of /api/subscription are made from the list.
OWNED.append(SPECIMENS)

from backend.access.policy import Policy, policies_of  # noqa: E402
from backend.app import create_app  # noqa: E402
from backend.models.roles_plans_scopes import Scope  # noqa: E402
from tests.support.specimen.api import blueprint  # noqa: E402

app = create_app()
app.register_blueprint(blueprint, url_prefix="/api/specimens")
policies_of(app)[blueprint.name] = Policy(read=Scope.PROFILE_READ, write=Scope.PROFILE_WRITE)
