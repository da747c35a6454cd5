"""Organization, features, plans and ages of the factors, from the claims of both token versions."""

import json
import string
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from backend.services.core.entitlements import MAX_ENTRIES, NO_ENTITLEMENTS, Entitlements, read_entitlements

TEXTS = st.text() | st.text(string.ascii_lowercase + string.digits + ":, \x00\ud800")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS | st.just(10**4000),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=10,
)
MEMBERS = ("id", "slg", "rol", "per", "fpm")
FLAT = ("org_id", "org_role", "org_slug", "org_permissions", "fea", "pla", "fva")
JUNK = [
    None, True, 0, 2, -1, 10**4000, 1.5, "", " ", "\x00", "\ud800", "é", "a b", "x" * 300, [], ["a"], [["a"]], {}, {"id": "a"},
]  # fmt: skip


def version_2(fea: str = "o:docs", **organization: Any) -> dict[str, Any]:
    return {"v": 2, "fea": fea, "o": {"id": "org_1", "slg": "acme", "rol": "admin", **organization}}


class TestVersion2:
    def test_reads_everything(self) -> None:
        claims = version_2("o:dashboard,o:teams,ou:chat,u:gold", per="manage,read", fpm="3,2,1,0")
        claims |= {"pla": "o:pro, u:free", "fva": [3, -1]}
        assert read_entitlements(claims) == Entitlements(
            org_id="org_1",
            org_slug="acme",
            org_role="org:admin",
            org_permissions=frozenset(
                {"org:dashboard:manage", "org:dashboard:read", "org:teams:read", "org:chat:manage"}
            ),
            features=frozenset({"o:dashboard", "o:teams", "o:chat", "u:chat", "u:gold"}),
            plans=frozenset({"o:pro", "u:free"}),
            factor_verification_age=(3, -1),
        )

    def test_ignores_the_flat_claims(self) -> None:
        flat = {"org_id": "org_2", "org_role": "org:admin", "org_slug": "b", "org_permissions": ["org:a:b"]}
        assert read_entitlements({"v": 2, **flat}) == NO_ENTITLEMENTS
        assert read_entitlements(version_2() | flat).org_id == "org_1"

    @pytest.mark.parametrize("version", [2, 2.0])
    def test_is_the_number_two(self, version: object) -> None:
        """JSON has one kind of number: Clerk's SDK takes 2.0 for version 2 too."""
        assert read_entitlements(version_2() | {"v": version, "org_id": "org_2"}).org_id == "org_1"

    @pytest.mark.parametrize("version", [None, True, "2", 1, 3, 2.5, [2], {"v": 2}])
    def test_is_nothing_else(self, version: object) -> None:
        assert read_entitlements(version_2() | {"v": version, "org_id": "org_2"}).org_id == "org_2"

    @pytest.mark.parametrize("organization", [*JUNK[:-1], {"slg": "acme", "rol": "admin"}, {"id": ""}])
    def test_without_id_no_organization(self, organization: object) -> None:
        assert read_entitlements({"v": 2, "o": organization}) == NO_ENTITLEMENTS

    @pytest.mark.parametrize("junk", [value for value in JUNK if value != "a"])
    @pytest.mark.parametrize("member", ["slg", "rol", "per", "fpm"])
    def test_a_malformed_member_grants_nothing_and_spares_the_rest(self, member: str, junk: object) -> None:
        whole = {"slg": "acme", "rol": "admin", "per": "read", "fpm": "1"}
        read = read_entitlements(version_2("o:docs", **whole | {member: junk}))
        assert read.org_id == "org_1"
        assert read.org_slug == (None if member == "slg" else "acme")
        assert read.org_role == (None if member == "rol" else "org:admin")
        assert read.org_permissions == (set() if member in ("per", "fpm") else {"org:docs:read"})
        assert read.features == {"o:docs"}


class TestVersion1:
    def test_reads_the_flat_claims_verbatim(self) -> None:
        claims = {
            "org_id": "org_1",
            "org_slug": "acme",
            "org_role": "org:admin",
            "org_permissions": ["org:docs:read", "org:sys_memberships:manage"],
        }
        assert read_entitlements(claims) == Entitlements(
            "org_1", "acme", "org:admin", frozenset({"org:docs:read", "org:sys_memberships:manage"})
        )

    def test_ignores_the_organization_of_version_2(self) -> None:
        assert read_entitlements(version_2(fea="", per="read", fpm="1") | {"v": 1}) == NO_ENTITLEMENTS

    def test_features_and_plans_do_not_depend_on_the_version(self) -> None:
        read = read_entitlements({"fea": "u:gold", "pla": "o:pro"})
        assert read.features == {"u:gold"}
        assert read.plans == {"o:pro"}

    @pytest.mark.parametrize("org_id", JUNK)
    def test_without_id_no_organization(self, org_id: object) -> None:
        claims = {"org_id": org_id, "org_role": "org:admin", "org_permissions": ["org:docs:read"]}
        assert read_entitlements(claims) == NO_ENTITLEMENTS

    def test_a_malformed_permission_spares_the_rest(self) -> None:
        read = read_entitlements({"org_id": "org_1", "org_permissions": [*JUNK, "org:docs:read"]})
        assert read.org_permissions == {"org:docs:read"}

    @pytest.mark.parametrize("listed", ["org:docs:read", {"org:docs:read": 1}, ["a"] * (MAX_ENTRIES + 1)])
    def test_permissions_are_a_list_of_bounded_length(self, listed: object) -> None:
        assert read_entitlements({"org_id": "org_1", "org_permissions": listed}).org_permissions == set()


class TestFeaturesAndPlans:
    @pytest.mark.parametrize("claim", ["fea", "pla"])
    @pytest.mark.parametrize(
        ("text", "names"),
        [
            ("u:gold,o:dashboard", {"u:gold", "o:dashboard"}),
            ("ou:a,uo:b", {"o:a", "u:a", "o:b", "u:b"}),
            (" u:gold , o:a ", {"u:gold", "o:a"}),
            ("u:gold,x:a,U:b,user:c,org:d,:e", {"u:gold"}),
            ("u:gold,u:,o:a:b", {"u:gold"}),
            ("u:gold,dashboard", set()),  # Clerk's SDK raises
            ("u:gold,", set()),
            ("u:gold,u:é", set()),
            ("u:gold,\tu:silver", set()),
            (",".join(["u:a"] * MAX_ENTRIES), {"u:a"}),
            (",".join(["u:a"] * (MAX_ENTRIES + 1)), set()),
            ("u:" + "a" * 255, {"u:" + "a" * 255}),
            ("u:gold,u:" + "a" * 256, {"u:gold"}),
            ("u:gold,u:a b,u: c", {"u:gold"}),
            ("u:gold" + " " * 8186, {"u:gold"}),
            ("u:gold" + " " * 8187, set()),
        ],
    )
    def test_holds_scope_and_slug(self, claim: str, text: str, names: set[str]) -> None:
        read = read_entitlements({"v": 2, claim: text})
        assert (read.features if claim == "fea" else read.plans) == names
        assert (read.plans if claim == "fea" else read.features) == set()

    @pytest.mark.parametrize("claim", ["fea", "pla"])
    @pytest.mark.parametrize("junk", [*JUNK, ["u:gold"], {"u:gold": 1}, "u:a,\x00", "u:a\ud800"])
    def test_what_is_no_list_grants_nothing(self, claim: str, junk: object) -> None:
        assert read_entitlements({claim: junk}) == NO_ENTITLEMENTS


class TestFactorVerificationAge:
    @pytest.mark.parametrize("ages", [[0, 0], [3, -1], [-1, 3], [-1, -1], [10**6, 5]])
    def test_reads_two_ages(self, ages: list[int]) -> None:
        assert read_entitlements({"fva": ages}).factor_verification_age == tuple(ages)

    @pytest.mark.parametrize(
        "ages",
        [
            *JUNK, [1], [1, 2, 3], "12", [True, 1], [1, False], [-2, 1], [1, -2], [1.5, 1], ["1", 1], [None, 1],
            [10**4000, 1], [float("nan"), 1], [float("inf"), 1], [[1], [2]], {"0": 1, "1": 2},
        ],
    )  # fmt: skip
    def test_anything_else_is_no_age(self, ages: object) -> None:
        assert read_entitlements({"fva": ages}) == NO_ENTITLEMENTS


class TestAnyClaims:
    def test_most_tokens_share_one_object(self) -> None:
        claims = {"sub": "user_1", "sid": "sess_1", "v": 2, "sts": "active"}
        assert read_entitlements(claims) is NO_ENTITLEMENTS

    @given(
        st.fixed_dictionaries(
            {"v": st.sampled_from([1, 2]) | JSON},
            optional={
                "o": st.fixed_dictionaries({}, optional=dict.fromkeys(MEMBERS, JSON)) | JSON,
                **dict.fromkeys(FLAT, JSON),
            },
        )
    )
    @example({"v": 2, "o": {"id": "org_1", "per": "read", "fpm": "9" * 100_000}, "fea": "o:a"})
    @example(json.loads('{"v": 2, "o": {"id": "org_1", "rol": "\\ud800"}, "fea": "o:\\u0000"}'))
    @example({"v": 10**4000, "fva": [10**4000, -(10**4000)], "org_id": float("nan")})
    def test_never_raises_and_holds_only_clean_names(self, claims: dict[str, object]) -> None:
        read = read_entitlements(claims)
        held = [read.org_id, read.org_slug, read.org_role, *read.org_permissions, *read.features, *read.plans]
        assert all(name.isascii() and name.isprintable() for name in held if name is not None)
        if read.org_id is None:
            assert (read.org_slug, read.org_role, read.org_permissions) == (None, None, frozenset())
