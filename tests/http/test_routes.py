"""What all routes have in common, and `/protected`."""

import pytest

from tests.conftest import Deliver
from tests.support.clerk import Instance, user_data
from tests.support.database import Sql
from tests.support.server import Server


class TestProtected:
    def test_greets_by_name(self, server: Server, clerk: Instance, deliver: Deliver, sql: Sql) -> None:
        deliver("user.created", user_data("user_1", first_name="Ada"))
        answer = server.get("/protected", clerk.token(sub="user_1"))
        assert answer.status_code == 200
        assert answer.json()["message"] == "Hello Ada"
        assert answer.json()["user_id"] == sql.user("user_1")["user_id"]

    def test_banned(self, server: Server, clerk: Instance, deliver: Deliver) -> None:
        token = clerk.token(sub="user_1")
        deliver("user.created", user_data("user_1", updated_at=1_000))
        assert server.get("/protected", token).status_code == 200
        deliver("user.updated", user_data("user_1", updated_at=2_000, banned=True))
        answer = server.get("/protected", token)
        assert (answer.status_code, answer.json()["code"]) == (403, "user-banned")
        deliver("user.updated", user_data("user_1", updated_at=3_000))
        assert server.get("/protected", token).status_code == 200

    def test_locked_user_goes_on(self, server: Server, clerk: Instance, deliver: Deliver) -> None:
        """Clerk locks the next sign-in, not the session that is there."""
        deliver("user.created", user_data("user_1", locked=True))
        assert server.get("/protected", clerk.token(sub="user_1")).status_code == 200

    def test_head_is_authenticated(self, server: Server) -> None:
        assert server.request("HEAD", "/protected").status_code == 401


class TestRefusals:
    @pytest.mark.parametrize(
        ("method", "path", "status", "code"),
        [
            ("GET", "/nowhere", 404, "not-found"),
            ("POST", "/auth/nowhere", 404, "not-found"),
            ("POST", "/auth/me", 405, "method-not-allowed"),
            ("DELETE", "/healthz", 405, "method-not-allowed"),
        ],
    )
    def test_form(self, server: Server, method: str, path: str, status: int, code: str) -> None:
        answer = server.request(method, path)
        assert answer.headers["Content-Type"] == "application/problem+json"
        body = answer.json()
        assert set(body) == {"type", "title", "status", "code", "detail", "request_id"}
        assert (answer.status_code, body["status"], body["code"]) == (status, status, code)
        assert body["type"].endswith(code)
        assert body["request_id"] == answer.headers["X-Request-ID"]

    def test_says_what_is_allowed(self, server: Server) -> None:
        allowed = server.request("PUT", "/auth/me").headers["Allow"]
        assert set(allowed.split(", ")) == {"GET", "HEAD", "OPTIONS"}


class TestRequestId:
    def test_plain_word_is_kept(self, server: Server) -> None:
        for given in ("abc", "A-1_b", "0" * 64):
            answer = server.get("/nowhere", headers={"X-Request-ID": given})
            assert answer.headers["X-Request-ID"] == answer.json()["request_id"] == given

    def test_anything_else_is_not(self, server: Server) -> None:
        for given in ("", "a b", "a;b", "0" * 65, "<script>", "a\tb", "é", '"', "../x"):
            answer = server.get("/nowhere", headers={"X-Request-ID": given.encode("latin-1")})
            own = answer.headers["X-Request-ID"]
            assert own != given
            assert len(own) == 16
            assert answer.json()["request_id"] == own

    def test_differs(self, server: Server) -> None:
        assert len({server.get("/healthz").headers["X-Request-ID"] for _ in range(5)}) == 5


class TestHeaders:
    def test_on_every_answer(self, server: Server) -> None:
        for path in ("/config.json", "/healthz", "/nowhere", "/auth/me", "/api/webhooks"):
            headers = server.get(path).headers
            assert headers["X-Content-Type-Options"] == "nosniff", path
            assert headers["Cache-Control"] == "no-store", path
