"""`/v1/users` beyond what the SDK shows: pages, filters, orders and the rules for changes."""

import re

import pytest

from .browser import Json
from .harness import EmulatorProcess


@pytest.fixture(scope="module")
def crowd(emulator: EmulatorProcess) -> list[Json]:
    """Give twelve users, oldest first."""
    return [
        emulator.create_user(
            f"user{number:02}@crowd.test",
            username=f"crowd_{number:02}",
            first_name="Grace" if number % 2 else "Alan",
            external_id=f"legacy-{number}",
        )
        for number in range(12)
    ]


def _ids(users: list[Json]) -> list[str]:
    return [user["id"] for user in users]


def _list(emulator: EmulatorProcess, query: str) -> list[str]:
    return _ids(emulator.call("GET", f"/v1/users?{query}"))


def test_identifiers_look_like_clerks(crowd: list[Json]) -> None:
    assert re.fullmatch(r"user_[0-9A-Za-z]{27}", crowd[0]["id"])
    assert re.fullmatch(r"idn_[0-9A-Za-z]{27}", crowd[0]["primary_email_address_id"])


def test_pages_are_of_ten_and_newest_first(emulator: EmulatorProcess, crowd: list[Json]) -> None:
    newest_first = _ids(crowd)[::-1]
    assert _list(emulator, "") == newest_first[:10]
    assert _list(emulator, "limit=501") == newest_first[:10]
    assert _list(emulator, "limit=3&offset=10") == newest_first[10:]


def test_a_cursor_walks_all_users_even_when_new_ones_arrive(emulator: EmulatorProcess, crowd: list[Json]) -> None:
    seen: list[str] = []
    page = _list(emulator, "limit=5")
    late = emulator.create_user("late@crowd.test")
    while page:
        seen += page
        page = _list(emulator, f"limit=5&starting_after={seen[-1]}")
    assert seen == _ids(crowd)[::-1]
    assert _list(emulator, f"order_by=%2Bcreated_at&starting_after={crowd[-1]['id']}") == [late["id"]]
    emulator.call("DELETE", f"/v1/users/{late['id']}")


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("email_address=USER01@crowd.test&email_address=user02@crowd.test&email_address=x@y.zz", [1, 2]),
        ("username=Crowd_03", [3]),
        ("external_id=legacy-4&external_id=%2Blegacy-5", [4, 5]),
        ("external_id=-legacy-0&limit=20", range(1, 12)),
        ("query=grace&limit=20", range(1, 12, 2)),
        ("query=user07", [7]),
        ("query=ALAN%20", range(0, 12, 2)),
        ("query=%25", []),
        pytest.param("query=" + "x" * 60_000, [], id="a very long query"),
        ("email_address_query=SER07", [7]),
        ("phone_number_query=5550", []),
        ("username_query=OWD_08", [8]),
        ("name_query=lan&limit=20", range(0, 12, 2)),
        ("banned=true", []),
        ("banned=false&limit=20", range(12)),
        ("created_at_after=1000000000000&last_active_at_after=1", []),
        ("created_at_after=1000000000000&created_at_before=9000000000000&limit=20", range(12)),
        ("created_at_before=1000000000000", []),
        ("order_by=first_name&limit=6", range(0, 12, 2)),
        ("order_by=-email_address&limit=1", [11]),
        ("order_by=username&limit=1", [0]),
    ],
)
def test_filters_and_orders(emulator: EmulatorProcess, crowd: list[Json], query: str, numbers: list[int]) -> None:
    assert sorted(_list(emulator, query)) == sorted(crowd[number]["id"] for number in numbers)


def test_users_are_chosen_by_id(emulator: EmulatorProcess, crowd: list[Json]) -> None:
    first, second = _ids(crowd)[:2]
    assert _list(emulator, f"user_id={first}&user_id=%2B{second}&user_id=-{second}") == [first]
    count = emulator.call("GET", f"/v1/users/count?user_id=-{first}")
    assert count == {"object": "total_count", "total_count": len(crowd) - 1}


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("limit=ten", "form_param_format_invalid"),
        ("offset=-1", "form_param_format_invalid"),
        ("created_at_after=now", "form_param_format_invalid"),
        ("offset=99999999999999999999", "form_param_format_invalid"),
        ("order_by=password", "form_param_value_invalid"),
        ("starting_after=user_nobody", "form_param_value_invalid"),
        ("web3_wallet=0x1", "form_param_unknown"),
        ("&".join(f"user_id={number}" for number in range(101)), "form_param_array_size_exceeded"),
    ],
)
def test_a_bad_question_is_refused(emulator: EmulatorProcess, query: str, code: str) -> None:
    assert emulator.refusal("GET", f"/v1/users?{query}") == (422, code)


@pytest.mark.parametrize("other", ["order_by=-updated_at", "offset=5"])
def test_a_cursor_stands_alone(emulator: EmulatorProcess, crowd: list[Json], other: str) -> None:
    refusal = emulator.refusal("GET", f"/v1/users?starting_after={crowd[3]['id']}&{other}")
    assert refusal == (422, "form_conditional_param_disallowed")


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"email_address": ["USER00@crowd.test"]}, "form_identifier_exists"),
        ({"email_address": ["new@crowd.test"], "username": "CROWD_00"}, "form_identifier_exists"),
        ({"email_address": ["new@crowd.test"], "external_id": "legacy-0"}, "form_identifier_exists"),
        ({}, "form_data_missing"),
        ({"email_address": ["not an address"]}, "form_param_format_invalid"),
        ({"email_address": "ada@crowd.test"}, "form_param_type_invalid"),
        ({"email_address": ["ada@crowd.test"], "password": "short"}, "form_password_length_too_short"),
        ({"email_address": ["ada@crowd.test"], "web3_wallet": ["0x1"]}, "form_param_unknown"),
        ({"email_address": ["ada@crowd.test"], "public_metadata": {"x": "y" * 9000}}, "form_param_format_invalid"),
    ],
)
@pytest.mark.usefixtures("crowd")
def test_a_bad_user_is_refused(emulator: EmulatorProcess, fields: Json, code: str) -> None:
    assert emulator.refusal("POST", "/v1/users", fields) == (422, code)
    assert emulator.call("GET", "/v1/users?email_address=new@crowd.test") == []


def test_only_an_own_address_can_become_primary(emulator: EmulatorProcess) -> None:
    user = emulator.call("POST", "/v1/users", json={"email_address": ["one@primary.test", "two@primary.test"]})
    stranger = emulator.create_user("three@primary.test")
    path = f"/v1/users/{user['id']}"
    two = user["email_addresses"][1]["id"]
    changed = emulator.call("PATCH", path, json={"primary_email_address_id": two})
    assert changed["primary_email_address_id"] == two
    theirs = {"primary_email_address_id": stranger["primary_email_address_id"]}
    assert emulator.refusal("PATCH", path, theirs) == (422, "form_resource_not_found")


def test_each_change_of_a_user_is_newer_than_the_last(emulator: EmulatorProcess) -> None:
    user = emulator.create_user("versions@example.com")
    versions = [user["updated_at"]]
    for number in range(20):
        changed = emulator.call("PATCH", f"/v1/users/{user['id']}", json={"first_name": str(number)})
        versions.append(changed["updated_at"])
    assert versions == sorted(set(versions))
    assert user["created_at"] > 1_700_000_000_000
