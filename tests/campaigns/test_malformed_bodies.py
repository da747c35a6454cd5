"""Bodies that are no JSON object of ours."""

import pytest

from tests.support.campaigns import Owner
from tests.support.database import Sql
from tests.support.malformed_bodies import BODIES, check_refused


@pytest.mark.parametrize("path", ["/api/campaigns", "/api/templates"])
def test_refused(owner: Owner, sql: Sql, path: str) -> None:
    resource = Owner(owner.server, owner.clerk, path=path)
    resource.create()
    check_refused(resource, sql, "POST", "")
    # An empty change is one that changes nothing.
    check_refused(resource, sql, "PATCH", "/1", [sent for sent in BODIES if sent[0]])
