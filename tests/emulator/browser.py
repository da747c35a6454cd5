"""A browser as the Frontend API sees one: what Clerk's SDK would send, over real HTTP."""

from dataclasses import dataclass, field
from typing import Any, Self

import jwt
import requests

from tests.support.waiting import wait_for

from .harness import Delivery, EmulatorProcess, Receiver, refusal

CODE = "424242"
PASSWORD = "analytical engine"
ORIGIN = "http://localhost:8000"
SIGN_INS = "/client/sign_ins"

Json = dict[str, Any]


@dataclass
class Browser:
    """Proves which browser it is by `__clerk_db_jwt`, as with a development key; with `by_cookie` by `__client`."""

    emulator: EmulatorProcess
    by_cookie: bool = False
    token: str | None = None
    http: requests.Session = field(default_factory=requests.Session)

    def __enter__(self) -> Self:
        if not self.by_cookie:
            self.token = self.http.post(f"{self.emulator.url}/v1/dev_browser", timeout=5).json()["id"]
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def send(self, method: str, path: str, form: Json | None = None, **query: str) -> requests.Response:
        """Send a change as the SDK does: always a POST of a form, the method it means in the query."""
        if self.token:
            query["__clerk_db_jwt"] = self.token
        is_get = method == "GET"
        if not is_get and method != "POST":
            query["_method"] = method
        return self.http.request(
            "GET" if is_get else "POST",
            f"{self.emulator.url}/v1{path}",
            params=query,
            data=form,
            headers={} if is_get else {"Origin": ORIGIN},
            timeout=10,
        )

    def upload(self, content: bytes, name: str = "me.png", media_type: str = "image/png") -> requests.Response:
        return self.post_picture(files={"file": (name, content, media_type)})

    def post_picture(self, **options: Any) -> requests.Response:
        """What clerk-js sends with a picture: not the form that it sends otherwise."""
        headers = {"Origin": ORIGIN} | options.pop("headers", {})
        query = {"__clerk_db_jwt": self.token} if self.token else {}
        url = f"{self.emulator.url}/v1/me/profile_image"
        return self.http.post(url, params=query, headers=headers, timeout=10, **options)

    def call(self, method: str, path: str, form: Json | None = None, **query: str) -> Any:
        answer = self.send(method, path, form, **query)
        assert answer.ok, answer.text
        return answer.json()

    def refusal(self, method: str, path: str, form: Json | None = None, **query: str) -> tuple[int, str]:
        """The status and the code of a refusal, which must have Clerk's form."""
        return refusal(self.send(method, path, form, **query))

    def client(self) -> Json:
        client: Json = self.call("GET", "/client")["response"]
        return client

    def sign_up(self, email: str, **fields: str) -> Json:
        """Sign up by the code; the session."""
        path = self.begin_sign_up(email_address=email, **{"password": PASSWORD} | fields)
        answer = self.call("POST", f"{path}/attempt_verification", {"strategy": "email_code", "code": CODE})
        assert answer["response"]["status"] == "complete"
        session: Json = answer["client"]["sessions"][-1]
        return session

    def begin_sign_up(self, **form: str) -> str:
        """The path of a sign-up, whose code was sent if it has an address."""
        path = f"/client/sign_ups/{self.call('POST', '/client/sign_ups', form)['response']['id']}"
        if "email_address" in form:
            self.call("POST", f"{path}/prepare_verification", {"strategy": "email_code"})
        return path

    def begin_sign_in(self, identifier: str) -> str:
        """The path of a sign-in that wants its first factor."""
        answer = self.call("POST", SIGN_INS, {"identifier": identifier})
        assert answer["response"]["status"] == "needs_first_factor"
        return f"{SIGN_INS}/{answer['response']['id']}"

    def sign_in(self, email: str, password: str = PASSWORD) -> Json:
        answer = self.call("POST", SIGN_INS, {"identifier": email, "password": password})
        assert answer["response"]["status"] == "complete"
        session: Json = answer["client"]["sessions"][-1]
        return session

    def sign_out(self) -> None:
        self.call("DELETE", "/client/sessions")

    def session_token(self, session_id: str) -> str:
        token: str = self.call("POST", f"/client/sessions/{session_id}/tokens")["jwt"]
        return token


def claims(emulator: EmulatorProcess, token: str) -> Json:
    """The claims of a token whose signature is right."""
    key = jwt.PyJWKClient(emulator.keys["CLERK_JWKS_URL"]).get_signing_key_from_jwt(token)
    verified: Json = jwt.decode(token, key, algorithms=["RS256"])
    return verified


def told(receiver: Receiver, user_id: str, *types: str) -> list[Delivery]:
    """Wait until the application was told exactly these events of a user, in this order; its e-mails apart."""

    def about() -> list[Delivery]:
        events = [(delivery, delivery.event["data"]) for delivery in list(receiver.deliveries)]
        return [delivery for delivery, data in events if user_id in {data["id"], data.get("user_id")}]

    def heard() -> list[str]:
        return [delivery.event["type"] for delivery in about() if delivery.event["type"] != "email.created"]

    try:
        wait_for(lambda: heard() == list(types))
    except AssertionError:
        assert heard() == list(types)
    return about()


def sent_codes(receiver: Receiver, email: str) -> list[Json]:
    """Wait for the e-mails to an address; the data of their events."""

    def sent() -> list[Json]:
        events = [delivery.event for delivery in list(receiver.deliveries)]
        return [event["data"] for event in events if event["data"].get("to_email_address") == email]

    wait_for(lambda: bool(sent()))
    return sent()
