"""`flask users merge`: campaigns are found by their tags at the new owner, too."""

from flask import Flask

from tests.support.campaigns import Owner
from tests.support.clerk import Instance
from tests.support.commands import run
from tests.support.database import Sql
from tests.support.server import Server


def test_tags_move(app: Flask, server: Server, clerk: Instance, sql: Sql) -> None:
    ada, bob = Owner(server, clerk), Owner(server, clerk, "user_2")
    kept, moved = bob.create(tags=["a"]), ada.create(tags=["a", "b"])
    assert run(app, "merge", str(moved["user_id"]), "--into", "user_2", "--yes").exit_code == 0
    found = bob.call("GET", params={"tag": "a"}).json()["campaigns"]
    assert {one["campaign_id"] for one in found} == {kept["campaign_id"], moved["campaign_id"]}
    assert sql.value("SELECT count(*) FROM campaign_tags WHERE user_id <> %s", kept["user_id"]) == 0
