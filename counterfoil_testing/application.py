"""An application to call: at its address, or in this process."""

from collections.abc import Callable
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, Self

import requests
from flask import Flask
from requests.adapters import BaseAdapter


@dataclass
class Application:
    """`connect` gives a session of one's own with it; `http` is one that all share."""

    url: str
    connect: Callable[[], requests.Session] = field(default=requests.Session, kw_only=True)
    http: requests.Session = field(init=False)

    def __post_init__(self) -> None:
        self.http = self.connect()

    @classmethod
    def in_process(cls, app: Flask) -> Self:
        """Called without a server, which saves its start."""
        url = "http://localhost"

        def connect() -> requests.Session:
            session = requests.Session()
            session.mount(url, InProcess(app))
            return session

        return cls(url, connect=connect)

    def get(self, path: str, token: str | None = None, **options: Any) -> requests.Response:
        return self.request("GET", path, token, **options)

    def request(self, method: str, path: str, token: str | None = None, **options: Any) -> requests.Response:
        headers = dict(options.pop("headers", {}))
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        return self.http.request(
            method,
            self.url + path,
            headers=headers,
            allow_redirects=False,
            timeout=options.pop("timeout", 30),
            **options,
        )


class InProcess(BaseAdapter):
    """Gives the requests of a session to an application in this process."""

    def __init__(self, app: Flask) -> None:
        super().__init__()
        self._client = app.test_client(use_cookies=False)

    def send(self, request: requests.PreparedRequest, **_options: Any) -> requests.Response:  # type: ignore[override]
        headers = [
            (name, value.decode("latin-1") if isinstance(value, bytes) else value)
            for name, value in request.headers.items()
        ]
        told = self._client.open(request.path_url, method=request.method, headers=headers, data=request.body)
        answer = requests.Response()
        answer.status_code, answer.request = told.status_code, request
        answer.headers.update(told.headers)
        answer.raw = BytesIO(told.data)
        return answer

    def close(self) -> None:
        return
