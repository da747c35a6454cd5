"""What `make run` has gunicorn serve beside the local Clerk instance: the application, and that instance under one path.

`wsgi:app`, for production, has no such path.
"""

from backend import create_app
from backend.api.site import CLERK_PROXY
from config import load_settings
from development.clerk_proxy import ClerkProxy

settings = load_settings()
app = create_app(settings)
# Around the inside: gunicorn.conf.py needs the application itself.
app.wsgi_app = ClerkProxy(app.wsgi_app, CLERK_PROXY, settings.clerk_api_url)  # type: ignore[method-assign]
