"""POST /api/keys/<id>/rotate."""

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from tests.support.api_keys import ALL_ROWS, SHOWN, KeyOwner, at, in_days
from tests.support.caller import is_problem
from tests.support.database import Sql
from tests.support.traffic import in_parallel


class TestRotate:
    def test_valid(self, owner: KeyOwner, sql: Sql) -> None:
        old = owner.create(name="ci", scopes=["profile:read", "tokens:spend"])
        answer = owner.rotate(old)
        new = answer.json()
        assert answer.status_code == 201
        assert answer.headers["Location"] == f"/api/keys/{new['key_id']}"
        assert set(new) == SHOWN | {"key"}
        assert new["key"] != old["key"]
        assert (new["name"], new["scopes"], new["expires_at"]) == (old["name"], old["scopes"], None)
        ends_at = at(owner.show(old)["expires_at"])
        assert ends_at - at(new["created_at"]) == timedelta(days=1)
        assert [owner.use(key).status_code for key in (old, new)] == [200, 200], "both, during the overlap"
        row = sql.row("SELECT * FROM audit_events WHERE action = 'api_key.rotated'")
        assert row["details"] == {
            "key_id": new["key_id"],
            "last_four": new["last_four"],
            "scopes": new["scopes"],
            "replaced_key_id": old["key_id"],
            "replaced_last_four": old["last_four"],
        }

    def test_without_a_body(self, owner: KeyOwner) -> None:
        assert owner.call("POST", f"/{owner.create()['key_id']}/rotate").status_code == 201

    def test_without_overlap_the_old_one_ends_at_once(self, owner: KeyOwner) -> None:
        old = owner.create()
        new = owner.rotate(old, overlap_seconds=0).json()
        is_problem(owner.use(old), 401, "api-key-expired")
        assert owner.use(new).status_code == 200

    def test_overlap_never_makes_a_life_longer(self, owner: KeyOwner) -> None:
        old = owner.create(expires_at=in_days(0.5))
        owner.rotate(old, overlap_seconds=604_800)
        assert owner.show(old)["expires_at"] == old["expires_at"]

    def test_same_length_of_life_again(self, owner: KeyOwner, sql: Sql) -> None:
        old = owner.create(expires_at=in_days(30))
        sql.rows(
            "UPDATE api_keys SET created_at = created_at - interval '20 days', "
            "expires_at = expires_at - interval '20 days'"
        )
        new = owner.rotate(old).json()
        life = at(old["expires_at"]) - at(old["created_at"])
        assert at(new["expires_at"]) - at(new["created_at"]) == life

    def test_other_expiry(self, owner: KeyOwner) -> None:
        """Any offset may be sent; answers are in UTC."""
        expires_at = datetime.now(timezone(timedelta(hours=2))) + timedelta(days=90)
        new = owner.rotate(owner.create(expires_at=in_days(30)), expires_at=expires_at.isoformat()).json()
        assert at(new["expires_at"]) == expires_at

    def test_one_that_is_being_replaced(self, owner: KeyOwner) -> None:
        """Its end is not the one it was made with any more: a second successor would live a day."""
        old = owner.create()
        new = owner.rotate(old).json()
        body = is_problem(owner.rotate(old), 409, "conflict")
        assert f"see key {new['key_id']}" in body["detail"]
        assert owner.rotate(new).json()["expires_at"] is None

    @pytest.mark.parametrize("overlap", [0, 86_400])
    def test_ten_at_once(self, owner: KeyOwner, sql: Sql, overlap: int) -> None:
        """The one that waited must not take the other's `now()` for its own."""
        old = owner.create()
        answers = in_parallel([lambda: owner.rotate(old, overlap_seconds=overlap)] * 10)
        statuses = sorted(answer.status_code for answer in answers)
        assert statuses == [201] + [409] * 9
        assert sql.value("SELECT count(*) FROM api_keys") == 2

    @pytest.mark.parametrize("end", ["revoked_at", "expires_at"])
    def test_one_that_ended(self, owner: KeyOwner, key: dict[str, Any], sql: Sql, end: str) -> None:
        sql.rows(f"UPDATE api_keys SET {end} = now()")
        is_problem(owner.rotate(key), 409, "conflict")
        assert sql.value("SELECT count(*) FROM api_keys") == 1

    def test_wrong_value(self, owner: KeyOwner, key: dict[str, Any], sql: Sql) -> None:
        before = sql.row(ALL_ROWS)
        wrong: list[dict[str, Any]] = [
            *({"overlap_seconds": value} for value in (-1, 604_801, 1.5, "60", None, True, 10**30)),
            *({"expires_at": in_days(days)} for days in (-1, 4_000)),
            *({"name": "x"}, {"scopes": ["tokens:spend"]}),
        ]
        for body in wrong:
            is_problem(owner.rotate(key, **body), 422, "validation")
            assert sql.row(ALL_ROWS) == before, body
