"""Pictures of users: from Clerk's own screen, from servers, and what anybody may see of them."""

import base64
from typing import Any

import pytest
import requests
from clerk_backend_api import Clerk, models

from .browser import Browser, Json, told
from .harness import EmulatorProcess, Receiver, refusal

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF"
MOST = 10_000_000
SIGNED_UP = ("user.created", "session.created", "user.updated")
NO_IMAGE = (404, "image_not_found")


def _upload(browser: Browser, content: bytes, *kind: str) -> Any:
    answer = browser.upload(content, *kind)
    assert answer.ok, answer.text
    return answer.json()


def _upload_url(browser: Browser, content: bytes = PNG) -> str:
    url: str = _upload(browser, content)["response"]["public_url"]
    return url


def test_nobody_is_refused(emulator: EmulatorProcess) -> None:
    signed_out = (401, "signed_out")
    for by_cookie in (False, True):
        with Browser(emulator, by_cookie=by_cookie) as stranger:
            assert refusal(stranger.post_picture(files={"file": PNG})) == signed_out
            assert refusal(stranger.post_picture()) == signed_out
            assert stranger.refusal("DELETE", "/me/profile_image") == signed_out
    user_id = emulator.create_user("nobody@example.com")["id"]
    for method in ("POST", "DELETE"):
        url = f"{emulator.url}/v1/users/{user_id}/profile_image"
        assert requests.request(method, url, files={"file": PNG}, timeout=5).status_code == 401


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
        first, second = _upload_url(browser), _upload_url(browser, JPEG)
        assert browser.call("GET", "/me")["response"]["image_url"] == second
        assert refusal(requests.get(first, timeout=5)) == NO_IMAGE
        assert requests.get(second, timeout=5).content == JPEG
        told(heard, user["id"], *SIGNED_UP, "user.updated", "user.updated")

    @pytest.mark.usefixtures("user")
    def test_base64_as_from_a_phone(self, browser: Browser) -> None:
        headers = {"Content-Type": "application/octet-stream"}
        for before in (b"", b"data:image/png;base64,"):
            answer = browser.post_picture(data=before + base64.b64encode(PNG), headers=headers).json()
            assert requests.get(answer["response"]["public_url"], timeout=5).content == PNG
        bad = browser.post_picture(data=b"data:image/png;base64,x", headers=headers)
        assert refusal(bad) == (400, "request_body_invalid")

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

    def test_other_files_are_refused(self, browser: Browser, user: Json, heard: Receiver) -> None:
        for content in (
            b"",
            b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
            b"<!doctype html><script>alert(1)</script>",
            b" " + PNG,
            b"RIFF\n\x00\x00\x00WAVEfmt ",
            b"GIF88a",
        ):
            assert refusal(browser.upload(content)) == (400, "request_body_invalid"), content
        for form in ({}, {"data": {"file": "text"}}, {"files": {"picture": PNG}}):
            assert refusal(browser.post_picture(**form)) == (400, "form_param_missing")
        assert browser.call("GET", "/me")["response"]["has_image"] is False
        told(heard, user["id"], *SIGNED_UP)

    @pytest.mark.usefixtures("user")
    def test_ten_megabytes_are_enough(self, browser: Browser) -> None:
        answer = _upload(browser, PNG.ljust(MOST, b"\x00"))
        assert len(requests.get(answer["response"]["public_url"], timeout=5).content) == MOST
        for size in (MOST + 1, 2 * MOST):
            assert refusal(browser.upload(PNG.ljust(size, b"\x00"))) == (413, "image_too_large")
        other_body = browser.send("PATCH", "/me", {"first_name": "x" * 2_000_000})
        assert other_body.status_code == 413


class TestRemove:
    def test_takes_it_away(self, browser: Browser, user: Json, heard: Receiver) -> None:
        image = _upload(browser, PNG)["response"]
        answer = browser.call("DELETE", "/me/profile_image")
        assert answer["response"] == {"object": "image", "id": image["id"], "deleted": True}
        shown = answer["client"]["sessions"][0]["user"]
        assert (shown["has_image"], shown["image_url"]) == (False, user["image_url"])
        assert requests.get(image["public_url"], timeout=5).status_code == 404
        assert browser.refusal("DELETE", "/me/profile_image") == NO_IMAGE
        told(heard, user["id"], *SIGNED_UP, "user.updated", "user.updated")

    def test_goes_with_its_user(self, browser: Browser, user: Json, clerk: Clerk) -> None:
        url = _upload_url(browser)
        clerk.users.delete(user_id=user["id"])
        assert requests.get(url, timeout=5).status_code == 404

    def test_others_keep_theirs(self, emulator: EmulatorProcess, browser: Browser, user: Json) -> None:
        del user
        url = _upload_url(browser)
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

    def test_unknown_user(self, emulator: EmulatorProcess) -> None:
        for method in ("POST", "DELETE"):
            answer = emulator.request(method, "/v1/users/user_0/profile_image", files={"file": PNG})
            assert refusal(answer) == (404, "resource_not_found")

    def test_no_file(self, emulator: EmulatorProcess, user_id: str) -> None:
        path = f"/v1/users/{user_id}/profile_image"
        assert emulator.refusal("POST", path, {"file": "x"}) == (400, "form_param_missing")


class TestAddress:
    @pytest.mark.usefixtures("user")
    def test_is_everybodys_for_ever(self, browser: Browser) -> None:
        url = _upload_url(browser)
        headers = requests.get(f"{url}?width=160", timeout=5).headers
        assert headers["Access-Control-Allow-Origin"] == "*"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "public, max-age=31536000, immutable"

    def test_who_has_none_has_a_placeholder(self, emulator: EmulatorProcess, user: Json) -> None:
        # By this name Clerk's screens know that there is nothing to remove.
        assert "avatar_placeholder" in user["image_url"]
        response = requests.get(user["image_url"], timeout=5)
        assert response.url.startswith(emulator.url)
        assert response.headers["Content-Type"].startswith("image/svg+xml")
        assert response.headers["Access-Control-Allow-Origin"] == "*"
