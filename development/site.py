"""What `make run` has gunicorn serve beside the local Clerk instance: the application, and that instance under one
path.

`wsgi:app`, for production, has no such path, and its page is told of none.
"""

from backend.app import create_app
from config import load_settings
from development.clerk_proxy import ClerkProxy

# In front of the local Clerk instance, whose host exists in no name server.
CLERK_PROXY = "/__clerk"

settings = load_settings()
app = create_app(settings)
app.config["CLERK_PROXY_URL"] = CLERK_PROXY
# Around the inside: gunicorn.conf.py needs the application itself.
app.wsgi_app = ClerkProxy(app.wsgi_app, CLERK_PROXY, settings.clerk_api_url)  # type: ignore[method-assign]
