"""The yardstick: Flask and nothing else, on the same server."""

from flask import Flask

app = Flask(__name__, static_folder=None)


@app.get("/")
def bare() -> dict[str, str]:
    return {"status": "ok"}
