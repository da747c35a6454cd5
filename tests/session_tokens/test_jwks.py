"""A server that fetches Clerk's keys: how often it asks, what it takes, what it forgets."""

import json
import secrets
import time
from collections.abc import Iterator

import pytest

from tests.support.attacks import GOOD_HEADER, PATH, check_refusal
from tests.support.clerk import Instance, KeyServer, b64url
from tests.support.clerk_api import SECRET_KEY, ApiServer, Handler, answer_with, refuse_with
from tests.support.fixtures import StartApp, StartServer
from tests.support.server import Server
from tests.support.traffic import get_me, in_parallel

FLOOD = 200


@pytest.fixture
def keys(clerk: Instance) -> Iterator[KeyServer]:
    with KeyServer(clerk.jwk) as running:
        yield running


def _flood(server: Server, tokens: Iterator[str], code: str) -> None:
    for token in tokens:
        answer = server.get(PATH, token)
        assert (answer.status_code, answer.json()["code"]) == (401, code)


class TestBackendApi:
    """Clerk's own SDKs take the keys from there. It gives them to nobody without the secret key."""

    def test_gets_the_secret_key(self, start_app: StartApp, clerk: Instance) -> None:
        def answer(handler: Handler) -> None:
            is_allowed = handler.headers["Authorization"] == f"Bearer {SECRET_KEY}" and handler.path == "/v1/jwks"
            (answer_with({"keys": [clerk.jwk]}) if is_allowed else refuse_with("clerk_key_invalid", 401))(handler)

        with ApiServer(answer) as api:
            own = {"CLERK_API_URL": f"{api.url}/v1", "CLERK_SECRET_KEY": SECRET_KEY}
            server = start_app(CLERK_JWT_KEY="", CLERK_JWKS_URL=f"{api.url}/v1/jwks", **own)
            assert server.get(PATH, clerk.token()).status_code == 200

    def test_alone_gets_it(self, start_app: StartApp, keys: KeyServer, clerk: Instance) -> None:
        """Neither another host with the same path, nor another path of the same host."""
        elsewhere = keys.url.removesuffix("/.well-known/jwks.json")
        own = {"CLERK_JWT_KEY": "", "CLERK_SECRET_KEY": SECRET_KEY}
        with ApiServer(answer_with({}, 401)) as api:
            for api_url, url in ((api.url, f"{elsewhere}/v1/jwks"), (elsewhere, keys.url)):
                server = start_app(**own, CLERK_API_URL=api_url, CLERK_JWKS_URL=url)
                assert server.get(PATH, clerk.token()).status_code == 200
        fetches = [asked for asked in keys.requests if asked["path"].endswith(("/jwks", "/jwks.json"))]
        assert len(fetches) == 2
        assert not [asked for asked in fetches if "Authorization" in asked]


class TestFetches:
    def test_neither_a_crowd_nor_a_flood_causes_more_than_one(
        self, start_server: StartServer, keys: KeyServer, clerk: Instance
    ) -> None:
        """Nor do forged tokens and invented key ids: each would make our server a weapon against Clerk's."""
        answer_now = keys.answer

        def answer_slowly(handler: object) -> None:
            time.sleep(1)
            answer_now(handler)

        keys.answer = answer_slowly
        with start_server(CLERK_JWT_KEY="", CLERK_JWKS_URL=keys.url) as server:
            good = clerk.token()
            crowd = in_parallel([lambda: get_me(server, good)] * 12)
            assert [answer.status_code for answer in crowd] == [200] * 12
            assert len(keys.requests) == 1
            tail = good.partition(".")[2]
            signed = good.rpartition(".")[0]
            forged = (f"{signed}.{b64url(secrets.token_bytes(256)).decode()}" for _ in range(FLOOD))
            _flood(server, forged, "token-invalid-signature")
            assert len(keys.requests) == 1
            invented = (
                b64url(json.dumps({**GOOD_HEADER, "kid": secrets.token_hex(8)}).encode()).decode() for _ in range(FLOOD)
            )
            _flood(server, (f"{header}.{tail}" for header in invented), "jwk-kid-mismatch")
            assert len(keys.requests) <= 2
            assert server.get(PATH, good).status_code == 200
            assert server.get(PATH, clerk.token()).status_code == 200

    def test_how_it_asks(self, refetching_server: Server, key_server: KeyServer, clerk: Instance) -> None:
        key_server.serve(clerk.jwk)
        assert refetching_server.get(PATH, clerk.token()).status_code == 200
        asked = key_server.requests[-1]
        assert asked["path"] == "/.well-known/jwks.json"
        assert asked["User-Agent"].startswith("counterfoil/")
        assert asked["Accept-Encoding"] == "identity", "a compressed answer could unpack to any size"
        assert not {"Authorization", "Cookie"} & asked.keys()


class TestRotation:
    @pytest.mark.parametrize("keeps_kid", [False, True])
    def test_new_key(self, refetching_server: Server, key_server: KeyServer, clerk: Instance, keeps_kid: bool) -> None:
        """The old key's tokens end with it, those too that were verified before and are remembered."""
        new = Instance()
        new.kid = clerk.kid if keeps_kid else new.kid
        key_server.serve(clerk.jwk)
        used = clerk.token()
        assert refetching_server.get(PATH, used).status_code == 200
        key_server.serve(new.jwk)
        assert refetching_server.get(PATH, new.token(iss=clerk.issuer)).status_code == 200
        code = "token-invalid-signature" if keeps_kid else "jwk-kid-mismatch"
        check_refusal(refetching_server.get(PATH, used), code)
        check_refusal(refetching_server.get(PATH, clerk.token()), code)

    def test_both_keys_count_while_both_are_served(
        self, refetching_server: Server, key_server: KeyServer, clerk: Instance
    ) -> None:
        new = Instance()
        key_server.serve(clerk.jwk, new.jwk)
        for token in (clerk.token(), new.token(iss=clerk.issuer)):
            assert refetching_server.get(PATH, token).status_code == 200
        unnamed = clerk.token(headers={"kid": ...})
        check_refusal(refetching_server.get(PATH, unnamed), "jwk-kid-mismatch")

    def test_a_lone_key_needs_no_name(self, refetching_server: Server, key_server: KeyServer, clerk: Instance) -> None:
        key_server.serve(clerk.jwk)
        assert refetching_server.get(PATH, clerk.token(headers={"kid": ...})).status_code == 200

    def test_lifetime(self, start_app: StartApp, keys: KeyServer, clerk: Instance) -> None:
        new = Instance()
        server = start_app(CLERK_JWT_KEY="", CLERK_JWKS_URL=keys.url, CLERK_JWKS_TTL="1")
        used = clerk.token()
        assert server.get(PATH, used).status_code == 200
        keys.serve(new.jwk)
        check_refusal(server.get(PATH, new.token(iss=clerk.issuer)), "jwk-kid-mismatch")
        time.sleep(1.1)
        assert server.get(PATH, new.token(iss=clerk.issuer)).status_code == 200
        check_refusal(server.get(PATH, used), "jwk-kid-mismatch")
        assert len(keys.requests) == 2

    def test_a_pem_needs_no_network(self, start_app: StartApp, keys: KeyServer, clerk: Instance) -> None:
        """CLERK_JWT_KEY counts before CLERK_JWKS_URL, which is then never asked."""
        server = start_app(CLERK_JWKS_URL=keys.url, CLERK_JWKS_TTL="0")
        assert server.get("/readyz").status_code == 200
        assert server.get(PATH, clerk.token()).status_code == 200
        check_refusal(server.get(PATH, Instance().token()), "token-invalid-signature")
        assert keys.requests == []
