"""What a client writes about scheme and path is believed only through TRUSTED_PROXIES."""

from collections.abc import Iterator

import pytest

from tests.support.clerk import Instance
from tests.support.server import Server, running_server


@pytest.fixture(scope="module")
def behind_a_proxy(settings: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("behind-a-proxy")
    with running_server(folder, {**settings, "TRUSTED_PROXIES": "1"}) as running:
        yield running


class TestScheme:
    """Our own https origin counts for the cookie when we know that we are https."""

    @staticmethod
    def me(server: Server, clerk: Instance) -> int:
        origin = server.url.replace("http://", "https://")
        headers = {"X-Forwarded-Proto": "https", "Origin": origin, "Cookie": f"__session={clerk.token()}"}
        return server.get("/auth/me", headers=headers).status_code

    def test_no_proxy_of_ours(self, server: Server, clerk: Instance) -> None:
        assert self.me(server, clerk) == 401

    def test_one_proxy_of_ours(self, behind_a_proxy: Server, clerk: Instance) -> None:
        assert self.me(behind_a_proxy, clerk) == 200


@pytest.mark.parametrize("name", ["SCRIPT_NAME", "PATH_INFO", "X-Forwarded-Prefix", "X-Original-URL"])
class TestPath:
    def test_is_not_steered(self, server: Server, clerk: Instance, name: str) -> None:
        token = clerk.token()
        assert server.get("/x/auth/me", token, headers={name: "/x"}).status_code == 404
        assert server.get("/healthz", headers={name: "/x"}).status_code in {200, 400}
