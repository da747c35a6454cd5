"""Permissions of an organization from the masks of a version 2 token: `fea`, `o.per`, `o.fpm`."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.services.core.entitlements import read_entitlements


def permissions(fea: str, per: str, fpm: str) -> set[str]:
    claims = {"v": 2, "fea": fea, "o": {"id": "org_1", "per": per, "fpm": fpm}}
    return set(read_entitlements(claims).org_permissions)


class TestPermissionMasks:
    @pytest.mark.parametrize(
        ("fea", "per", "fpm", "granted"),
        [
            ("o:a,o:b", "manage,read", "3,2", {"org:a:manage", "org:a:read", "org:b:read"}),
            ("o:a,o:b", "manage,read", "0,1", {"org:b:manage"}),
            (" o:a , uo:b ", " manage , read ", " 1 , 2 ", {"org:a:manage", "org:b:read"}),
            ("o:a", "manage,read", "007", {"org:a:manage", "org:a:read"}),  # bits beyond `per` are dropped
            ("o:a", "", "1", set()),
            ("o:a", "read", "", set()),
            ("", "read", "1", set()),
            ("u:a", "read", "1", set()),
            ("x:a", "read", "1", set()),
        ],
    )
    def test_bit_i_grants_permission_i(self, fea: str, per: str, fpm: str, granted: set[str]) -> None:
        assert permissions(fea, per, fpm) == granted

    def test_is_exact_beyond_2_to_the_53(self) -> None:
        """A float would lose bit 0, and grant bit 80 or not by rounding."""
        per = ",".join(f"p{index}" for index in range(81))
        assert permissions("o:a", per, str(2**80 + 1)) == {"org:a:p0", "org:a:p80"}
        assert permissions("o:a", per, str(2**53 + 1)) == {"org:a:p0", "org:a:p53"}
        assert len(permissions("o:a", per, str(2**80 - 1))) == 80

    @pytest.mark.parametrize(
        "mask",
        [
            "",
            "-1",
            "+1",
            "0x1",
            "1e0",
            "1.0",
            "1_1",
            "1 1",
            "a",
            "true",
            "9" * 257,
            "9" * 5000,
            "9" * 100_000,
        ],
    )
    def test_a_bad_mask_grants_nothing_on_its_feature(self, mask: str) -> None:
        granted = permissions("o:a,o:b", "read", f"{mask},1")
        assert granted == ({"org:b:read"} if len(mask) < 5001 else set())

    @pytest.mark.parametrize("mask", ["\u0663", "\uff13", "1\n", "\x1c1", "\ufeff1", "1\ud800"])
    def test_other_alphabets_grant_nothing(self, mask: str) -> None:
        assert permissions("o:a,o:b", "read", f"{mask},1") == set()

    @pytest.mark.parametrize(
        ("fea", "fpm", "granted"),
        [
            ("u:gold,o:dashboard", "0,3", set()),  # JavaScript: nothing; Python: manage and read
            ("u:gold,o:dashboard", "3", set()),  # JavaScript: manage and read; Python: nothing
            ("o:dashboard,u:gold", "3,0", {"org:dashboard:manage", "org:dashboard:read"}),
            ("o:dashboard,u:gold", "3", {"org:dashboard:manage", "org:dashboard:read"}),
            ("u:gold,o:a,o:b", "1,3,2", {"org:a:manage", "org:b:read"}),
            ("x:gold,o:a", "1,3", {"org:a:manage"}),  # an unknown scope holds its place
        ],
    )
    def test_grants_what_both_readings_of_the_places_grant(
        self, fea: str, fpm: str, granted: set[str]
    ) -> None:
        assert permissions(fea, "manage,read", fpm) == granted

    @pytest.mark.parametrize("fpm", ["3", "3,3,3", "3,3,", ",3,3", "3,3,3,3,3"])
    def test_a_count_that_fits_neither_reading_grants_nothing(self, fpm: str) -> None:
        assert permissions("o:a,o:b", "manage,read", fpm) == set()

    @pytest.mark.parametrize(
        ("fea", "per", "granted"),
        [
            ("o:a:b,o:c", "read,manage", {"org:c:read", "org:c:manage"}),
            ("o:,o:c", "read,manage", {"org:c:read", "org:c:manage"}),
            ("o:b,o:c", "read:all,manage", {"org:b:manage", "org:c:manage"}),
            ("o:b,o:c", "read all,manage", {"org:b:manage", "org:c:manage"}),
            ("o:b,o:c", ",manage", {"org:b:manage", "org:c:manage"}),
        ],
    )
    def test_unusable_names_hold_their_place(self, fea: str, per: str, granted: set[str]) -> None:
        """`a:b` with `c` and `a` with `b:c` would be one name."""
        assert permissions(fea, per, "3,3") == granted

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
        masks = data.draw(
            st.lists(st.integers(0, 40) | st.integers(2**53, 2**70), min_size=size, max_size=size)
        )
        granted = permissions(
            ",".join(f"{scope}:{slug}" for scope, slug in features),
            ",".join(names),
            ",".join(map(str, masks)),
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
