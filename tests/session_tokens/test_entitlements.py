"""Organization, permissions, features, plans and ages of the factors, from the claims of both token versions."""

import json
import string
from collections.abc import Set as AbstractSet
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from backend.services.core.entitlements import MAX_ENTRIES, NO_ENTITLEMENTS, Entitlements, read_entitlements
from tests.support.tables import check_each

TEXTS = st.text() | st.text(string.ascii_lowercase + string.digits + ":, \x00\ud800")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS | st.just(10**4000),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=10,
)
MEMBERS = ("id", "slg", "rol", "per", "fpm")
FLAT = ("org_id", "org_role", "org_slug", "org_permissions", "fea", "pla", "fva")
JUNK = [
    None, True, 0, 2, -1, 10**4000, 1.5, "", " ", "\x00", "\ud800", "é", "a b", "x" * 300,
    [], ["a"], [["a"]], {}, {"id": "a"},
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

    def test_is_the_number_two(self) -> None:
        """JSON has one kind of number: Clerk's SDK takes 2.0 for version 2 too."""

        def org_id(version: object) -> str | None:
            return read_entitlements(version_2() | {"v": version, "org_id": "org_2"}).org_id

        check_each((2, 2.0), org_id, "org_1")
        check_each((None, True, "2", 1, 3, 2.5, [2], {"v": 2}), org_id, "org_2")

    def test_without_id_no_organization(self) -> None:
        organizations = (*JUNK[:-1], {"slg": "acme", "rol": "admin"}, {"id": ""})
        check_each(organizations, lambda one: read_entitlements({"v": 2, "o": one}), NO_ENTITLEMENTS)

    @pytest.mark.parametrize("member", ["slg", "rol", "per", "fpm"])
    def test_a_malformed_member_grants_nothing_and_spares_the_rest(self, member: str) -> None:
        whole = {"slg": "acme", "rol": "admin", "per": "read", "fpm": "1"}
        expected = Entitlements(
            "org_1",
            None if member == "slg" else "acme",
            None if member == "rol" else "org:admin",
            frozenset() if member in ("per", "fpm") else frozenset({"org:docs:read"}),
            frozenset({"o:docs"}),
        )
        check_each(JUNK, lambda junk: read_entitlements(version_2("o:docs", **whole | {member: junk})), expected)


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

    def test_without_id_no_organization(self) -> None:
        claims = {"org_role": "org:admin", "org_permissions": ["org:docs:read"]}
        check_each(JUNK, lambda junk: read_entitlements(claims | {"org_id": junk}), NO_ENTITLEMENTS)

    def test_a_malformed_permission_spares_the_rest(self) -> None:
        read = read_entitlements({"org_id": "org_1", "org_permissions": [*JUNK, "org:docs:read"]})
        assert read.org_permissions == {"org:docs:read"}

    def test_permissions_are_a_list_of_bounded_length(self) -> None:
        def permissions_of(listed: object) -> frozenset[str]:
            return read_entitlements({"org_id": "org_1", "org_permissions": listed}).org_permissions

        check_each(("org:docs:read", {"org:docs:read": 1}, ["a"] * (MAX_ENTRIES + 1)), permissions_of, set())


SCOPED: tuple[tuple[str, AbstractSet[str]], ...] = (
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
)


class TestFeaturesAndPlans:
    def test_hold_scope_and_slug(self) -> None:
        for text, names in SCOPED:
            features, plans = (read_entitlements({"v": 2, "fea": text}), read_entitlements({"v": 2, "pla": text}))
            assert (features.features, features.plans) == (names, frozenset()), text
            assert (plans.features, plans.plans) == (frozenset(), names), text

    @pytest.mark.parametrize("claim", ["fea", "pla"])
    def test_what_is_no_list_grants_nothing(self, claim: str) -> None:
        junk = (*JUNK, ["u:gold"], {"u:gold": 1}, "u:a,\x00", "u:a\ud800")
        check_each(junk, lambda value: read_entitlements({claim: value}), NO_ENTITLEMENTS)


class TestFactorVerificationAge:
    def test_reads_two_ages(self) -> None:
        for ages in ([0, 0], [3, -1], [-1, 3], [-1, -1], [10**6, 5]):
            assert read_entitlements({"fva": ages}).factor_verification_age == tuple(ages)

    def test_anything_else_is_no_age(self) -> None:
        pairs = ([True, 1], [1, False], [-2, 1], [1, -2], [1.5, 1], ["1", 1], [None, 1], [10**4000, 1])
        numbers = ([float("nan"), 1], [float("inf"), 1], [[1], [2]], {"0": 1, "1": 2}, [1], [1, 2, 3], "12")
        check_each((*JUNK, *pairs, *numbers), lambda ages: read_entitlements({"fva": ages}), NO_ENTITLEMENTS)


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


def permissions(fea: str, per: str, fpm: str) -> set[str]:
    claims = {"v": 2, "fea": fea, "o": {"id": "org_1", "per": per, "fpm": fpm}}
    return set(read_entitlements(claims).org_permissions)


class TestPermissionMasks:
    def test_bit_i_grants_permission_i(self) -> None:
        for fea, per, fpm, granted in (
            ("o:a,o:b", "manage,read", "3,2", {"org:a:manage", "org:a:read", "org:b:read"}),
            ("o:a,o:b", "manage,read", "0,1", {"org:b:manage"}),
            (" o:a , uo:b ", " manage , read ", " 1 , 2 ", {"org:a:manage", "org:b:read"}),
            ("o:a", "manage,read", "007", {"org:a:manage", "org:a:read"}),  # bits beyond `per` are dropped
            *(("o:a", "", "1", set()), ("o:a", "read", "", set()), ("", "read", "1", set())),
            *(("u:a", "read", "1", set()), ("x:a", "read", "1", set())),
        ):
            assert permissions(fea, per, fpm) == granted, (fea, per, fpm)

    def test_is_exact_beyond_2_to_the_53(self) -> None:
        """A float would lose bit 0, and grant bit 80 or not by rounding."""
        per = ",".join(f"p{index}" for index in range(81))
        assert permissions("o:a", per, str(2**80 + 1)) == {"org:a:p0", "org:a:p80"}
        assert permissions("o:a", per, str(2**53 + 1)) == {"org:a:p0", "org:a:p53"}
        assert len(permissions("o:a", per, str(2**80 - 1))) == 80

    def test_a_bad_mask_grants_nothing_on_its_feature(self) -> None:
        def granted(mask: str) -> set[str]:
            return permissions("o:a,o:b", "read", f"{mask},1")

        bad = ("", "-1", "+1", "0x1", "1e0", "1.0", "1_1", "1 1", "a", "true", "9" * 257, "9" * 5000)
        check_each(bad, granted, {"org:b:read"})
        other_alphabets = ("\u0663", "\uff13", "1\n", "\x1c1", "\ufeff1", "1\ud800")
        check_each((*other_alphabets, "9" * 100_000), granted, set())

    def test_grants_what_both_readings_of_the_places_grant(self) -> None:
        for fea, fpm, granted in (
            ("u:gold,o:dashboard", "0,3", set()),  # JavaScript: nothing; Python: manage and read
            ("u:gold,o:dashboard", "3", set()),  # JavaScript: manage and read; Python: nothing
            ("o:dashboard,u:gold", "3,0", {"org:dashboard:manage", "org:dashboard:read"}),
            ("o:dashboard,u:gold", "3", {"org:dashboard:manage", "org:dashboard:read"}),
            ("u:gold,o:a,o:b", "1,3,2", {"org:a:manage", "org:b:read"}),
            ("x:gold,o:a", "1,3", {"org:a:manage"}),  # an unknown scope holds its place
        ):
            assert permissions(fea, "manage,read", fpm) == granted, (fea, fpm)

    def test_a_count_that_fits_neither_reading_grants_nothing(self) -> None:
        masks = ("3", "3,3,3", "3,3,", ",3,3", "3,3,3,3,3")
        check_each(masks, lambda fpm: permissions("o:a,o:b", "manage,read", fpm), set())

    def test_unusable_names_hold_their_place(self) -> None:
        """`a:b` with `c` and `a` with `b:c` would be one name."""
        for fea, per, granted in (
            ("o:a:b,o:c", "read,manage", {"org:c:read", "org:c:manage"}),
            ("o:,o:c", "read,manage", {"org:c:read", "org:c:manage"}),
            *(("o:b,o:c", f"{name},manage", {"org:b:manage", "org:c:manage"}) for name in ("read:all", "read all", "")),
        ):
            assert permissions(fea, per, "3,3") == granted, (fea, per)

    def test_more_permissions_than_any_token_needs_grant_nothing(self) -> None:
        per = ",".join(f"p{index}" for index in range(100))
        mask = str(2**100 - 1)
        ten, eleven = [",".join(f"o:f{index}" for index in range(count)) for count in (10, 11)]
        assert len(permissions(ten, per, ",".join([mask] * 10))) == 1000
        assert permissions(eleven, per, ",".join([mask] * 11)) == set()

    @given(st.data())
    def test_never_more_than_either_reading(self, data: st.DataObject) -> None:
        scopes = st.sampled_from(["o", "u", "ou", "uo", "x"])
        features = data.draw(st.lists(st.tuples(scopes, st.sampled_from("abcde")), max_size=6))
        names = data.draw(st.lists(st.sampled_from(["read", "manage", "delete", "create"]), max_size=5))
        counts = st.sampled_from([len(features), sum("o" in scope for scope, _ in features), 2])
        size = data.draw(counts)
        masks = data.draw(st.lists(st.integers(0, 40) | st.integers(2**53, 2**70), min_size=size, max_size=size))
        granted = permissions(
            ",".join(f"{scope}:{slug}" for scope, slug in features), ",".join(names), ",".join(map(str, masks))
        )

        def reading(counted: list[tuple[str, str]]) -> set[str]:
            return {
                f"org:{slug}:{name}"
                for (scope, slug), mask in zip(counted, masks, strict=False)
                for bit, name in enumerate(names)
                if "o" in scope and mask // 2**bit % 2 == 1
            }

        assert granted <= reading(features)
        assert granted <= reading([pair for pair in features if "o" in pair[0]])
        if all("o" in scope for scope, _ in features) and len(masks) == len(features):
            assert granted == reading(features)
