"""The worker process: what gunicorn and gevent need beside the application."""
