"""`has()` by Clerk's semantics: every demand must be met, and what cannot be judged is not met."""

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.access.authorization import is_authorized
from backend.services.core.entitlements import NO_ENTITLEMENTS, Entitlements
from tests.support.tables import check_each

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
    *("", " ", "org:", ":", "o:", "\x00", b"admin", 0, 1, 1.5, True, False),
    *([], ["admin"], {}, {"a": 1}, Ellipsis),
]


def has(entitlements: Entitlements = MEMBER, **asked: Any) -> bool:
    return is_authorized(True, entitlements, **asked)


def aged(first: int, second: int) -> Entitlements:
    return Entitlements(factor_verification_age=(first, second))


class TestEveryDemandCounts:
    """A-06; CVE-2026-42349 was one met demand standing for all."""

    def test_all_met(self) -> None:
        check_each(SUBSETS, lambda names: has(**{name: DEMANDS[name] for name in names}), True)

    def test_any_unmet(self) -> None:
        for names, unmet in itertools.product(SUBSETS, SUBSETS):
            if set(unmet) <= set(names):
                assert not has(**{name: (UNMET if name in unmet else DEMANDS)[name] for name in names})

    @pytest.mark.parametrize("name", DEMANDS)
    def test_what_cannot_be_judged_is_unmet(self, name: str) -> None:
        assert not has(NO_ENTITLEMENTS, **{name: DEMANDS[name]})
        check_each(JUNK, lambda junk: has(**{name: junk}) or has(**DEMANDS | {name: junk}), False)

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
            {}, optional={name: st.sampled_from([DEMANDS[name], UNMET[name], *JUNK]) for name in DEMANDS}
        ),
        st.data(),
    )
    def test_one_more_demand_never_opens(
        self, entitlements: Entitlements, asked: dict[str, Any], data: st.DataObject
    ) -> None:
        kept = data.draw(st.lists(st.sampled_from(sorted(asked)), unique=True, min_size=1) if asked else st.just([]))
        fewer = {name: asked[name] for name in kept}
        assert has(entitlements, **asked) <= has(entitlements, **fewer)


class TestRoleAndPermission:
    SPELLINGS = ("admin", "org:admin", "org:org:admin")

    def test_role_with_or_without_prefix(self) -> None:
        pairs = itertools.product(self.SPELLINGS, self.SPELLINGS)
        check_each(pairs, lambda pair: has(Entitlements(org_id="org_1", org_role=pair[0]), role=pair[1]), True)

    def test_permission_with_or_without_prefix(self) -> None:
        spellings = ("invoices:read", "org:invoices:read", "org:org:invoices:read")
        check_each(spellings, lambda asked: has(permission=asked), True)

    def test_others(self) -> None:
        roles = ("Admin", "adm", "admin ", "member", "o:admin", "admin:", "organization:admin")
        check_each(roles, lambda asked: has(role=asked), False)
        permissions = ("invoices", "read", "invoices:", "invoices:read ", "o:invoices:read", "Invoices:read")
        check_each(permissions, lambda asked: has(permission=asked), False)

    def test_no_name_is_no_role(self) -> None:
        for held in ("", "org:"):
            assert not has(Entitlements(org_id="org_1", org_role=held), role=held)

    def test_permissions_of_the_token_need_the_prefix(self) -> None:
        """Version 1 claims are verbatim, and Clerk's SDK looks for the full name only."""
        held = Entitlements(org_id="org_1", org_permissions=frozenset({"invoices:read"}))
        assert not has(held, permission="invoices:read")

    @pytest.mark.parametrize("name", ["role", "permission"])
    def test_no_organization(self, name: str) -> None:
        assert not has(MEMBER._replace(org_id=None), **{name: DEMANDS[name]})


OF_ORGANIZATION, OF_USER = ("o", "org", "organization"), ("u", "user")


class TestFeatureAndPlan:
    """`team` is held by the organization, `mine` by the user, `both` by both."""

    HELD = frozenset({"o:team", "u:mine", "o:both", "u:both"})
    GRANTED = (
        *("team", "mine", "both"),
        *(f"{prefix}:{name}" for prefix in OF_ORGANIZATION for name in ("team", "both")),
        *(f"{prefix}:{name}" for prefix in OF_USER for name in ("mine", "both")),
    )
    REFUSED = (
        *(f"{prefix}:mine" for prefix in OF_ORGANIZATION),
        *(f"{prefix}:team" for prefix in OF_USER),
        *(f"{prefix}:both" for prefix in ("ou", "uo", "x", "", "O", "User", " o", "o:o", "org:org")),
        *("both:", "o:", "o:both:x", "Both", "bot"),
    )

    def test_scopes(self) -> None:
        features, plans = Entitlements(features=self.HELD), Entitlements(plans=self.HELD)
        for asked, is_held in (*((one, True) for one in self.GRANTED), *((one, False) for one in self.REFUSED)):
            assert has(features, feature=asked) is has(plans, plan=asked) is is_held, asked

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
        assert met == tuple(has(aged(*ages), reverification={"level": level, spelling: 10}) for level in levels)

    def test_bad_rules(self) -> None:
        rules: tuple[object, ...] = (
            *("Strict", "second_factor", "", dict, 10, True, ["strict"], ("second_factor", 10), {}),
            *({"level": "first_factor"}, {"after_minutes": 10}),
            *({"level": level, "after_minutes": 10} for level in ("first", ["first_factor"], None)),
            *(
                {"level": "first_factor", "after_minutes": minutes}
                for minutes in (0, -1, -0.5, True, "10", None, [10], float("nan"), float("-inf"), 10j)
            ),
            {"level": "first_factor", "after_minutes": 10, "afterMinutes": 1000},  # which one was meant?
        )
        check_each(rules, lambda rule: has(aged(0, 0), reverification=rule), False)

    def test_any_positive_number_of_minutes(self) -> None:
        for minutes in (0.5, 1, 10**4000, float("inf")):
            assert has(aged(0, 0), reverification={"level": "multi_factor", "after_minutes": minutes})

    def test_no_ages_in_the_token(self) -> None:
        for rule in ("lax", {"level": "first_factor", "after_minutes": 10**9}):
            assert not has(MEMBER._replace(factor_verification_age=None), reverification=rule)
