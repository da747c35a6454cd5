"""Pictures of users: from Clerk's own screen, from servers, and what anybody may see of them."""

import base64
from http import HTTPStatus
from typing import Any

import pytest
import requests
from clerk_backend_api import Clerk, models

from .browser import ORIGIN, Browser, Json, told
from .harness import EmulatorProcess, Receiver

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF"
MOST = 10_000_000
SIGNED_UP = ("user.created", "session.created", "user.updated")


def _post(browser: Browser, **options: Any) -> requests.Response:
    """What clerk-js sends: not the form that `Browser` sends otherwise."""
    url = f"{browser.emulator.url}/v1/me/profile_image"
    query = {"__clerk_db_jwt": browser.token} if browser.token else {}
    return browser.http.post(url, params=query, headers={"Origin": ORIGIN}, timeout=10, **options)


def _upload(browser: Browser, content: bytes, name: str = "me.png", media_type: str = "image/png") -> Any:
    answer = _post(browser, files={"file": (name, content, media_type)})
    assert answer.ok, answer.text
    return answer.json()


def _refusal(answer: requests.Response) -> tuple[int, str]:
    body = answer.json()
    assert set(body) == {"errors", "clerk_trace_id"}
    return answer.status_code, body["errors"][0]["code"]


class TestAnonymous:
    @pytest.mark.parametrize("by_cookie", [False, True])
    def test_is_signed_out(self, emulator: EmulatorProcess, by_cookie: bool) -> None:
        signed_out = (HTTPStatus.UNAUTHORIZED, "signed_out")
        with Browser(emulator, by_cookie=by_cookie) as stranger:
            assert _refusal(_post(stranger, files={"file": PNG})) == signed_out
            assert _refusal(_post(stranger)) == signed_out
            assert stranger.refusal("DELETE", "/me/profile_image") == signed_out

    @pytest.mark.parametrize("method", ["POST", "DELETE"])
    def test_needs_the_secret_key(self, emulator: EmulatorProcess, user: Json, method: str) -> None:
        url = f"{emulator.url}/v1/users/{user['id']}/profile_image"
        answer = requests.request(method, url, files={"file": PNG}, timeout=5)
        assert answer.status_code == HTTPStatus.UNAUTHORIZED


class TestUpload:
    def test_the_picture_is_shown(self, browser: Browser, user: Json, heard: Receiver) -> None:
        assert user["has_image"] is False
        answer = _upload(browser, PNG)
        image = answer["response"]
        assert (image["object"], image["public_url"].rpartition("/")[2]) == ("image", image["id"])
        [session] = answer["client"]["sessions"]
        for shown in (session["user"], session["public_user_data"], browser.call("GET", "/me")["response"]):
            assert shown["has_image"] is True
            assert {shown["image_url"], shown["profile_image_url"]} == {image["public_url"]}
        assert requests.get(image["public_url"], timeout=5).content == PNG
        *_, event = told(heard, user["id"], *SIGNED_UP, "user.updated")
        assert event.event["data"]["image_url"] == image["public_url"]

    def test_another_takes_its_place(self, browser: Browser, user: Json, heard: Receiver) -> None:
        first, second = (_upload(browser, content)["response"]["public_url"] for content in (PNG, JPEG))
        assert browser.call("GET", "/me")["response"]["image_url"] == second
        assert _refusal(requests.get(first, timeout=5)) == (HTTPStatus.NOT_FOUND, "image_not_found")
        assert requests.get(second, timeout=5).content == JPEG
        told(heard, user["id"], *SIGNED_UP, "user.updated", "user.updated")

    @pytest.mark.usefixtures("user")
    @pytest.mark.parametrize("before", [b"", b"data:image/png;base64,"])
    def test_base64_as_from_a_phone(self, browser: Browser, before: bytes) -> None:
        headers = {"Origin": ORIGIN, "Content-Type": "application/octet-stream"}
        url = f"{browser.emulator.url}/v1/me/profile_image?__clerk_db_jwt={browser.token}"
        body = before + base64.b64encode(PNG)
        answer = browser.http.post(url, data=body, headers=headers, timeout=5).json()
        assert requests.get(answer["response"]["public_url"], timeout=5).content == PNG
        bad = browser.http.post(url, data=b"data:image/png;base64,x", headers=headers, timeout=5)
        assert _refusal(bad) == (HTTPStatus.BAD_REQUEST, "request_body_invalid")

    @pytest.mark.usefixtures("user")
    @pytest.mark.parametrize(
        ("content", "media_type"),
        [
            (PNG, "image/png"),
            (JPEG, "image/jpeg"),
            (b"GIF87a\x01\x00", "image/gif"),
            (b"GIF89a\x01\x00", "image/gif"),
            (b"RIFF\n\x00\x00\x00WEBPVP8 ", "image/webp"),
        ],
        ids=["png", "jpeg", "gif87", "gif89", "webp"],
    )
    def test_its_bytes_say_what_it_is(self, browser: Browser, content: bytes, media_type: str) -> None:
        answer = _upload(browser, content, "page.html", "text/html")
        response = requests.get(answer["response"]["public_url"], timeout=5)
        assert response.headers["Content-Type"] == media_type

    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
            b"<!doctype html><script>alert(1)</script>",
            b" " + PNG,
            b"RIFF\n\x00\x00\x00WAVEfmt ",
            b"GIF88a",
        ],
        ids=["empty", "svg", "html", "png-after-a-space", "wave", "gif88"],
    )
    def test_other_files_are_refused(
        self, browser: Browser, user: Json, heard: Receiver, content: bytes
    ) -> None:
        answer = _post(browser, files={"file": ("me.png", content, "image/png")})
        assert _refusal(answer) == (HTTPStatus.BAD_REQUEST, "request_body_invalid")
        assert browser.call("GET", "/me")["response"]["has_image"] is False
        told(heard, user["id"], *SIGNED_UP)

    @pytest.mark.usefixtures("user")
    @pytest.mark.parametrize("form", [{}, {"data": {"file": "text"}}, {"files": {"picture": PNG}}])
    def test_there_must_be_one(self, browser: Browser, form: dict[str, Any]) -> None:
        assert _refusal(_post(browser, **form)) == (HTTPStatus.BAD_REQUEST, "form_param_missing")

    @pytest.mark.usefixtures("user")
    def test_ten_megabytes_are_enough(self, browser: Browser) -> None:
        answer = _upload(browser, PNG.ljust(MOST, b"\x00"))
        assert len(requests.get(answer["response"]["public_url"], timeout=5).content) == MOST
        for size in (MOST + 1, 2 * MOST):
            refused = _post(browser, files={"file": PNG.ljust(size, b"\x00")})
            assert _refusal(refused) == (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "image_too_large")

    @pytest.mark.usefixtures("user")
    def test_other_bodies_stay_small(self, browser: Browser) -> None:
        answer = browser.send("PATCH", "/me", {"first_name": "x" * 2_000_000})
        assert answer.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class TestRemove:
    def test_takes_it_away(self, browser: Browser, user: Json, heard: Receiver) -> None:
        image = _upload(browser, PNG)["response"]
        answer = browser.call("DELETE", "/me/profile_image")
        assert answer["response"] == {"object": "image", "id": image["id"], "deleted": True}
        shown = answer["client"]["sessions"][0]["user"]
        assert (shown["has_image"], shown["image_url"]) == (False, user["image_url"])
        assert requests.get(image["public_url"], timeout=5).status_code == HTTPStatus.NOT_FOUND
        told(heard, user["id"], *SIGNED_UP, "user.updated", "user.updated")

    def test_only_what_is_there(self, browser: Browser, user: Json, heard: Receiver) -> None:
        refusal = browser.refusal("DELETE", "/me/profile_image")
        assert refusal == (HTTPStatus.NOT_FOUND, "image_not_found")
        told(heard, user["id"], *SIGNED_UP)

    def test_goes_with_its_user(self, browser: Browser, user: Json, clerk: Clerk) -> None:
        url = _upload(browser, PNG)["response"]["public_url"]
        clerk.users.delete(user_id=user["id"])
        assert requests.get(url, timeout=5).status_code == HTTPStatus.NOT_FOUND

    def test_others_keep_theirs(self, emulator: EmulatorProcess, browser: Browser, user: Json) -> None:
        del user
        url = _upload(browser, PNG)["response"]["public_url"]
        with Browser(emulator) as other:
            other.sign_up(f"other-{url[-8:].lower()}@example.com")
            _upload(other, JPEG)
            other.call("DELETE", "/me/profile_image")
        assert requests.get(url, timeout=5).content == PNG


class TestSdk:
    """Clerk's Python SDK, which a server uses."""

    def test_sets_and_removes(self, clerk: Clerk, browser: Browser, user: Json, heard: Receiver) -> None:
        file = models.File(file_name="me.png", content=PNG, content_type="image/png")
        with_image = clerk.users.set_profile_image(user_id=user["id"], file=file)
        assert with_image.has_image is True
        assert with_image.image_url == browser.call("GET", "/me")["response"]["image_url"]
        assert requests.get(str(with_image.image_url), timeout=5).content == PNG
        without = clerk.users.delete_profile_image(user_id=user["id"])
        assert (without.has_image, without.image_url) == (False, user["image_url"])
        told(heard, user["id"], *SIGNED_UP, "user.updated", "user.updated")

    def test_an_unknown_user(self, emulator: EmulatorProcess) -> None:
        for method in ("POST", "DELETE"):
            answer = emulator.request(method, "/v1/users/user_0/profile_image", files={"file": PNG})
            assert _refusal(answer) == (HTTPStatus.NOT_FOUND, "resource_not_found")

    def test_no_file(self, emulator: EmulatorProcess, user: Json) -> None:
        answer = emulator.request("POST", f"/v1/users/{user['id']}/profile_image", json={"file": "x"})
        assert _refusal(answer) == (HTTPStatus.BAD_REQUEST, "form_param_missing")


class TestAddress:
    @pytest.mark.usefixtures("user")
    def test_is_everybodys_for_ever(self, browser: Browser) -> None:
        url = _upload(browser, PNG)["response"]["public_url"]
        headers = requests.get(f"{url}?width=160", timeout=5).headers
        assert headers["Access-Control-Allow-Origin"] == "*"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "public, max-age=31536000, immutable"

    def test_who_has_none_has_a_placeholder(self, user: Json) -> None:
        # By this name Clerk's screens know that there is nothing to remove.
        assert "avatar_placeholder" in user["image_url"]
        response = requests.get(user["image_url"], timeout=5)
        assert response.headers["Content-Type"].startswith("image/svg+xml")
        assert response.headers["Access-Control-Allow-Origin"] == "*"

    def test_it_survives_a_restart(self, own_emulator: EmulatorProcess, email: str) -> None:
        with Browser(own_emulator) as browser:
            browser.sign_up(email)
            url = _upload(browser, PNG)["response"]["public_url"]
        own_emulator.stop()
        own_emulator.start()
        assert requests.get(url, timeout=5).content == PNG
