# The application with its page. Built by: docker build -t counterfoil .
FROM node:24-slim AS page
WORKDIR /page
COPY frontend/package.json frontend/package-lock.json ./
RUN npm ci
COPY frontend ./
RUN npm run build

FROM python:3.13-slim AS packages
WORKDIR /build
COPY requirements.txt ./
# Wheels alone: a package that would have to be compiled is a mistake, found here.
RUN python -m venv /venv && \
    /venv/bin/pip install --no-cache-dir --only-binary :all: --require-hashes -r requirements.txt

FROM python:3.13-slim
RUN useradd --system --uid 10001 counterfoil && \
    install --directory --owner=counterfoil --mode=0700 /var/cache/counterfoil
WORKDIR /srv/counterfoil
COPY --from=packages /venv /venv
COPY alembic.ini config.py gunicorn.conf.py wsgi.py ./
COPY backend ./backend
COPY migrations ./migrations
COPY settings ./settings
COPY --from=page /page/dist ./frontend/dist
# What is printed is seen at once. The public keys of Clerk outlive the container in a volume on /var/cache/counterfoil.
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 CLERK_JWKS_DIR=/var/cache/counterfoil
USER 10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
CMD ["gunicorn", "wsgi:app", "-b", "0.0.0.0:8000"]
