"""What all routes have in common, and `/protected`."""

import pytest

from tests.conftest import Deliver
from tests.support.clerk import Instance, user_data
from tests.support.database import Sql
from tests.support.server import Server
from tests.support.traffic import exchange, raw_request


class TestProtected:
    def test_anonymous(self, server: Server) -> None:
        answer = server.get("/protected")
        assert (answer.status_code, answer.json()["code"]) == (401, "session-token-missing")

    def test_bad_token(self, server: Server) -> None:
        answer = server.get("/protected", Instance().token())
        assert (answer.status_code, answer.json()["code"]) == (401, "token-invalid-signature")
        assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]

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

    def test_deactivated(self, server: Server, clerk: Instance, deliver: Deliver, sql: Sql) -> None:
        deliver("user.created", user_data("user_1"))
        sql.rows("UPDATE users SET is_active = false")
        answer = server.get("/protected", clerk.token(sub="user_1"))
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


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
        assert set(server.request("PUT", "/auth/me").headers["Allow"].split(", ")) == {
            "GET",
            "HEAD",
            "OPTIONS",
        }


class TestRequestId:
    @pytest.mark.parametrize("given", ["abc", "A-1_b", "0" * 64])
    def test_plain_word_is_kept(self, server: Server, given: str) -> None:
        answer = server.get("/nowhere", headers={"X-Request-ID": given})
        assert answer.headers["X-Request-ID"] == given
        assert answer.json()["request_id"] == given

    @pytest.mark.parametrize("given", ["", "a b", "a;b", "0" * 65, "<script>", "a\tb", "é", '"', "../x"])
    def test_anything_else_is_not(self, server: Server, given: str) -> None:
        answer = server.get("/nowhere", headers={"X-Request-ID": given.encode("latin-1")})
        own = answer.headers["X-Request-ID"]
        assert own != given
        assert len(own) == 16
        assert answer.json()["request_id"] == own

    def test_differs(self, server: Server) -> None:
        assert len({server.get("/healthz").headers["X-Request-ID"] for _ in range(5)}) == 5


class TestHeaders:
    @pytest.mark.parametrize("path", ["/config.json", "/healthz", "/nowhere", "/auth/me", "/api/webhooks"])
    def test_on_every_answer(self, server: Server, path: str) -> None:
        headers = server.get(path).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-store"


class TestPathTricks:
    """A proxy and the application may read a path differently; here that opens no door."""

    @pytest.mark.parametrize("method", ["GET", "POST"])
    @pytest.mark.parametrize(
        "target",
        [
            "//auth/me",
            "/auth//me",
            "/auth/%6de",
            "/%61uth/me",
            "/auth%2fme",
            "/auth/./me",
            "/healthz/../auth/me",
            "/healthz/..;/auth/me",
            "/healthz%2f..%2fauth/me",
            "/auth/me/",
            "/auth/me;x=1",
            "/auth/me%00",
            "/auth/me%20",
            "/auth/me.json",
            "/AUTH/ME",
            "/protected?x=/healthz",
            "/protected#/healthz",
            "/healthz/auth/me",
            "http://testserver/auth/me",
            "http://other/healthz/../protected",
            "\\auth\\me",
            "*",
        ],
    )
    def test_anonymous(self, server: Server, sql: Sql, method: str, target: str) -> None:
        status, _, body = exchange(server, raw_request(method, target, {"Content-Length": "0"}))
        assert status in {400, 401, 404, 405}
        assert b'"user"' not in body
        assert sql.value("SELECT count(*) FROM users") == 0

    @pytest.mark.parametrize(
        "name", ["X-Original-URL", "X-Rewrite-URL", "X-Forwarded-Path", "X-HTTP-Method-Override"]
    )
    def test_headers_that_some_frameworks_obey(self, server: Server, name: str) -> None:
        value = "GET" if name.endswith("Override") else "/healthz"
        assert server.get("/auth/me", headers={name: value}).status_code == 401
        assert server.request("POST", "/auth/me", headers={name: value}).status_code == 405

    def test_preflight_runs_no_handler(self, server: Server, clerk: Instance, sql: Sql) -> None:
        answer = server.request("OPTIONS", "/auth/me", clerk.token(sub="user_1"))
        assert answer.status_code == 200
        assert answer.content == b""
        assert sql.value("SELECT count(*) FROM users") == 0

    def test_head_is_authenticated(self, server: Server) -> None:
        assert server.request("HEAD", "/auth/me").status_code == 401
