"""`has()` by Clerk's semantics: every demand must be met, and what cannot be judged is not met."""

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.access.authorization import is_authorized
from backend.services.core.entitlements import NO_ENTITLEMENTS, Entitlements

MEMBER = Entitlements(
    org_id="org_1",
    org_slug="acme",
    org_role="org:admin",
    org_permissions=frozenset({"org:invoices:read", "org:invoices:create"}),
    features=frozenset({"o:dashboard", "u:gold", "o:both", "u:both"}),
    plans=frozenset({"o:pro", "u:free"}),
    factor_verification_age=(3, 3),
)
DEMANDS: dict[str, Any] = {
    "role": "admin",
    "permission": "invoices:read",
    "feature": "dashboard",
    "plan": "pro",
    "reverification": "strict_mfa",
}
UNMET: dict[str, Any] = {
    "role": "owner",
    "permission": "invoices:delete",
    "feature": "reports",
    "plan": "enterprise",
    "reverification": {"level": "multi_factor", "after_minutes": 3},
}
SUBSETS = [subset for size in range(1, 6) for subset in itertools.combinations(DEMANDS, size)]
JUNK: list[Any] = [
    "",
    " ",
    "org:",
    ":",
    "o:",
    0,
    1,
    True,
    False,
    1.5,
    b"admin",
    [],
    ["admin"],
    {},
    {"a": 1},
    Ellipsis,
    "\x00",
]


def has(entitlements: Entitlements = MEMBER, **asked: Any) -> bool:
    return is_authorized(True, entitlements, **asked)


def aged(first: int, second: int) -> Entitlements:
    return Entitlements(factor_verification_age=(first, second))


class TestEveryDemandCounts:
    """A-06; CVE-2026-42349 was one met demand standing for all."""

    @pytest.mark.parametrize("names", SUBSETS, ids="+".join)
    def test_all_met(self, names: tuple[str, ...]) -> None:
        assert has(**{name: DEMANDS[name] for name in names})

    @pytest.mark.parametrize("names", SUBSETS, ids="+".join)
    def test_any_unmet(self, names: tuple[str, ...]) -> None:
        for size in range(1, len(names) + 1):
            for unmet in itertools.combinations(names, size):
                assert not has(**{name: (UNMET if name in unmet else DEMANDS)[name] for name in names})

    @pytest.mark.parametrize("name", DEMANDS)
    def test_a_token_that_says_nothing_meets_nothing(self, name: str) -> None:
        assert not has(NO_ENTITLEMENTS, **{name: DEMANDS[name]})

    @pytest.mark.parametrize("name", DEMANDS)
    @pytest.mark.parametrize("junk", JUNK, ids=repr)
    def test_bad_arguments_are_unmet(self, name: str, junk: Any) -> None:
        assert not has(**{name: junk})
        assert not has(**DEMANDS | {name: junk})

    def test_nothing_asked(self) -> None:
        assert not has()

    def test_nobody_signed_in(self) -> None:
        assert not is_authorized(False, MEMBER, **DEMANDS)
        assert not is_authorized(False, MEMBER)

    @given(
        st.builds(
            Entitlements,
            org_id=st.sampled_from([None, "org_1"]),
            org_role=st.sampled_from([None, "org:admin", "org:owner"]),
            org_permissions=st.frozensets(st.sampled_from(["org:invoices:read", "org:invoices:delete"])),
            features=st.frozensets(st.sampled_from(["o:dashboard", "u:reports"])),
            plans=st.frozensets(st.sampled_from(["o:pro", "u:enterprise"])),
            factor_verification_age=st.none() | st.tuples(st.integers(-1, 20), st.integers(-1, 20)),
        ),
        st.fixed_dictionaries(
            {},
            optional={name: st.sampled_from([DEMANDS[name], UNMET[name], *JUNK]) for name in DEMANDS},
        ),
        st.data(),
    )
    def test_one_more_demand_never_opens(
        self, entitlements: Entitlements, asked: dict[str, Any], data: st.DataObject
    ) -> None:
        kept = data.draw(
            st.lists(st.sampled_from(sorted(asked)), unique=True, min_size=1) if asked else st.just([])
        )
        fewer = {name: asked[name] for name in kept}
        assert has(entitlements, **asked) <= has(entitlements, **fewer)


class TestRoleAndPermission:
    @pytest.mark.parametrize("held", ["admin", "org:admin", "org:org:admin"])
    @pytest.mark.parametrize("asked", ["admin", "org:admin", "org:org:admin"])
    def test_role_with_or_without_prefix(self, held: str, asked: str) -> None:
        assert has(Entitlements(org_id="org_1", org_role=held), role=asked)

    @pytest.mark.parametrize(
        "asked", ["Admin", "adm", "admin ", "member", "o:admin", "admin:", "organization:admin"]
    )
    def test_other_roles(self, asked: str) -> None:
        assert not has(role=asked)

    @pytest.mark.parametrize("held", ["", "org:"])
    def test_no_name_is_no_role(self, held: str) -> None:
        assert not has(Entitlements(org_id="org_1", org_role=held), role=held)

    @pytest.mark.parametrize("asked", ["invoices:read", "org:invoices:read", "org:org:invoices:read"])
    def test_permission_with_or_without_prefix(self, asked: str) -> None:
        assert has(permission=asked)

    @pytest.mark.parametrize(
        "asked", ["invoices", "read", "invoices:", "invoices:read ", "o:invoices:read", "Invoices:read"]
    )
    def test_other_permissions(self, asked: str) -> None:
        assert not has(permission=asked)

    def test_permissions_of_the_token_need_the_prefix(self) -> None:
        """Version 1 claims are verbatim, and Clerk's SDK looks for the full name only."""
        held = Entitlements(org_id="org_1", org_permissions=frozenset({"invoices:read"}))
        assert not has(held, permission="invoices:read")

    @pytest.mark.parametrize("name", ["role", "permission"])
    def test_no_organization(self, name: str) -> None:
        assert not has(MEMBER._replace(org_id=None), **{name: DEMANDS[name]})


class TestFeatureAndPlan:
    HELD = frozenset({"o:team", "u:mine", "o:both", "u:both"})

    @pytest.mark.parametrize("name", ["feature", "plan"])
    @pytest.mark.parametrize(
        ("asked", "held"),
        [
            ("team", True),
            ("mine", True),
            ("both", True),
            *[(f"{prefix}:team", True) for prefix in ("o", "org", "organization")],
            *[(f"{prefix}:mine", True) for prefix in ("u", "user")],
            *[(f"{prefix}:both", True) for prefix in ("o", "org", "organization", "u", "user")],
            *[(f"{prefix}:mine", False) for prefix in ("o", "org", "organization")],
            *[(f"{prefix}:team", False) for prefix in ("u", "user")],
            *[
                (f"{prefix}:both", False)
                for prefix in ("ou", "uo", "x", "", "O", "User", " o", "o:o", "org:org")
            ],
            ("both:", False),
            ("o:", False),
            ("o:both:x", False),
            ("Both", False),
            ("bot", False),
        ],
    )
    def test_scopes(self, name: str, asked: str, held: bool) -> None:
        entitlements = (
            Entitlements(features=self.HELD) if name == "feature" else Entitlements(plans=self.HELD)
        )
        assert has(entitlements, **{name: asked}) is held

    def test_feature_is_not_plan(self) -> None:
        assert not has(feature="pro")
        assert not has(plan="dashboard")


class TestReverification:
    @pytest.mark.parametrize(
        ("preset", "level", "minutes"),
        [
            ("strict_mfa", "multi_factor", 10),
            ("strict", "second_factor", 10),
            ("moderate", "second_factor", 60),
            ("lax", "second_factor", 1440),
        ],
    )
    def test_presets(self, preset: str, level: str, minutes: int) -> None:
        for first, second in itertools.product((-1, 0, minutes - 1, minutes, minutes + 1), repeat=2):
            entitlements = aged(first, second)
            rule = {"level": level, "after_minutes": minutes}
            assert has(entitlements, reverification=preset) is has(entitlements, reverification=rule)
        assert has(aged(minutes - 1, minutes - 1), reverification=preset)
        assert not has(aged(minutes, minutes), reverification=preset)

    @pytest.mark.parametrize(
        ("ages", "met"),
        [
            # ages in minutes of first and second factor; met at first_factor, second_factor, multi_factor in 10 minutes
            ((0, 0), (True, True, True)),
            ((9, 9), (True, True, True)),
            ((9, 10), (True, False, False)),
            ((10, 9), (False, True, False)),
            ((10, 10), (False, False, False)),
            ((9, -1), (True, True, True)),  # no second factor: the first one is judged at every level
            ((10, -1), (False, False, False)),
            ((-1, 9), (False, True, False)),
            ((-1, 10), (False, False, False)),
            ((-1, -1), (False, False, False)),
        ],
    )
    @pytest.mark.parametrize("spelling", ["after_minutes", "afterMinutes"])
    def test_levels(self, spelling: str, ages: tuple[int, int], met: tuple[bool, bool, bool]) -> None:
        levels = ("first_factor", "second_factor", "multi_factor")
        assert met == tuple(
            has(aged(*ages), reverification={"level": level, spelling: 10}) for level in levels
        )

    @pytest.mark.parametrize(
        "rule",
        [
            "Strict", "second_factor", "", dict, 10, True, ["strict"], ("second_factor", 10),
            {}, {"level": "first_factor"}, {"after_minutes": 10}, {"level": "first", "after_minutes": 10},
            {"level": ["first_factor"], "after_minutes": 10}, {"level": None, "after_minutes": 10},
            *[
                {"level": "first_factor", "after_minutes": minutes}
                for minutes in (0, -1, -0.5, True, "10", None, [10], float("nan"), float("-inf"), 10j)
            ],
            {"level": "first_factor", "after_minutes": 10, "afterMinutes": 1000},  # which one was meant?
        ],
        ids=repr,
    )  # fmt: skip
    def test_bad_rules(self, rule: object) -> None:
        assert not has(aged(0, 0), reverification=rule)

    @pytest.mark.parametrize("minutes", [0.5, 1, 10**4000, float("inf")])
    def test_any_positive_number_of_minutes(self, minutes: float) -> None:
        assert has(aged(0, 0), reverification={"level": "multi_factor", "after_minutes": minutes})

    @pytest.mark.parametrize("rule", ["lax", {"level": "first_factor", "after_minutes": 10**9}])
    def test_no_ages_in_the_token(self, rule: object) -> None:
        assert not has(MEMBER._replace(factor_verification_age=None), reverification=rule)
