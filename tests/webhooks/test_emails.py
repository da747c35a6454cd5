"""POST /api/webhooks: two users and one e-mail address. The newest holder wins and no event is ever blocked."""

from functools import partial

import pytest

from tests.conftest import Deliver
from tests.support.clerk import Instance, user_data
from tests.support.database import Sql
from tests.support.server import Server
from tests.support.traffic import in_parallel, post_event

ADDRESS = "ada@example.com"


def holders(sql: Sql) -> list[str]:
    """Who holds a verified address, as `id address`."""
    rows = sql.rows("SELECT clerk_user_id, lower(email) AS email FROM users WHERE email_verified ORDER BY 1")
    return [f"{row['clerk_user_id']} {row['email']}" for row in rows]


class TestOneAddressTwoUsers:
    @pytest.mark.parametrize("order", [(1, 2), (2, 1)])
    @pytest.mark.parametrize("second", [ADDRESS, ADDRESS.upper()])
    def test_newest_wins(self, deliver: Deliver, sql: Sql, order: tuple[int, int], second: str) -> None:
        for number in order:
            email = ADDRESS if number == 1 else second
            data = user_data(f"user_{number}", updated_at=number * 1_000, email=email)
            assert deliver("user.created", data).json() == {"status": "applied"}
        assert holders(sql) == [f"user_2 {ADDRESS}"]
        assert sql.user("user_1")["email"] == ADDRESS  # kept, unverified

    @pytest.mark.parametrize("order", [(1, 2), (2, 1)])
    def test_same_time(self, deliver: Deliver, sql: Sql, order: tuple[int, int]) -> None:
        """Any rule will do that does not depend on the order: the later Clerk id wins."""
        for number in order:
            deliver("user.created", user_data(f"user_{number}", updated_at=1_000, email=ADDRESS))
        assert holders(sql) == [f"user_2 {ADDRESS}"]

    def test_unverified_ones_may_repeat(self, deliver: Deliver, sql: Sql) -> None:
        for number in range(3):
            data = user_data(f"user_{number}", email=ADDRESS)
            data["email_addresses"][0]["verification"] = None
            assert deliver("user.created", data).json() == {"status": "applied"}
        deliver("user.created", user_data("user_9", email=ADDRESS))
        assert holders(sql) == [f"user_9 {ADDRESS}"]
        assert sql.value("SELECT count(*) FROM users WHERE email = %s", ADDRESS) == 4

    def test_older_holder_is_not_asked(self, deliver: Deliver, sql: Sql) -> None:
        """A row of the password era has no time at Clerk: whoever proved the address there is newer."""
        sql.rows(
            "INSERT INTO users (email, email_verified, provisioned_by) VALUES (%s, true, 'legacy')", ADDRESS
        )
        assert deliver("user.created", user_data("user_1", email=ADDRESS)).json() == {"status": "applied"}
        assert holders(sql) == [f"user_1 {ADDRESS}"]
        assert sql.value("SELECT count(*) FROM users") == 2


class TestAtOnce:
    def test_two_users_exchange_their_addresses(self, server: Server, clerk: Instance, sql: Sql) -> None:
        """Ten pairs, both events of each at once, six times over: no error, and each holds what it should."""

        def claim(pair: int, side: int, at: int) -> str:
            email = f"{pair}-{(side + at) % 2}@example.com"
            data = user_data(f"user_{pair}_{side}", updated_at=at, email=email)
            return str(post_event(server, clerk, "user.updated", data).json().get("status"))

        sides = [(pair, side) for pair in range(10) for side in (0, 1)]
        for at in range(1_000, 1_006):
            statuses = in_parallel([partial(claim, pair, side, at) for pair, side in sides])
            assert statuses == ["applied"] * 20
        rows = sql.rows("SELECT clerk_user_id, email FROM users WHERE email_verified")
        assert {row["clerk_user_id"]: row["email"] for row in rows} == {
            f"user_{pair}_{side}": f"{pair}-{(side + 1) % 2}@example.com" for pair, side in sides
        }

    def test_many_claim_one_address(self, server: Server, clerk: Instance, sql: Sql) -> None:
        def claim(at: int) -> str:
            data = user_data(f"user_{at}", updated_at=at, email=ADDRESS)
            return str(post_event(server, clerk, "user.created", data).json().get("status"))

        assert in_parallel([partial(claim, at) for at in range(1_000, 1_020)]) == ["applied"] * 20
        assert holders(sql) == [f"user_1019 {ADDRESS}"]
