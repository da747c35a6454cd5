"""`flask --app clerk_emulator …` as a developer types it, and what its README says of that."""

import re
import shlex
from pathlib import Path
from typing import Any

import jwt
from click.testing import Result

from clerk_emulator.faults import FaultSettings
from tests.support.ports import free_port

from .browser import Browser
from .harness import ROOT, EmulatorProcess, run_module

COMMANDS = {
    *("sign-up", "sign-in", "sign-out", "token", "curl", "ticket"),
    *("users", "update", "ban", "unban", "lock", "unlock", "deprovision", "merge", "delete"),
    *("role", "plan", "messages", "replay", "faults", "clock", "seed", "bulk-seed", "reset"),
}


def _claims(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(token.strip(), options={"verify_signature": False})
    return claims


README = (ROOT / "clerk_emulator" / "README.md").read_text()
PROMPT = ".venv/bin/flask --app clerk_emulator "


def _assert_one_line(result: Result, expected: str) -> None:
    assert result.exit_code == 1
    assert result.stdout == ""
    [line] = result.stderr.splitlines()
    assert expected in line


def test_a_user_is_led_through_a_life(emulator: EmulatorProcess) -> None:
    signed_up = emulator.cli("sign-up", "life@example.com", "--first-name", "Ada", "--last-name", "Byron")
    user_id = signed_up.stdout.strip()
    assert re.fullmatch(r"user_[0-9A-Za-z]{27}", user_id), signed_up.stderr
    assert _claims(emulator.cli("sign-in", "life@example.com").stdout)["sub"] == user_id
    emulator.cli("update", "life@example.com", "--last-name", "Lovelace")
    listed = emulator.cli("users").stdout
    assert re.search(rf"{user_id} +life@example.com +Ada Lovelace +active", listed)
    assert emulator.cli("sign-out", "life@example.com").stdout == "ended 1 session\n"
    assert emulator.cli("ban", "life@example.com").exit_code == 0
    _assert_one_line(emulator.cli("sign-in", "life@example.com"), "banned")
    assert emulator.cli("delete", "life@example.com").exit_code == 0
    assert user_id not in emulator.cli("users").stdout


def test_token_prints_only_the_token_and_signs_up_once(emulator: EmulatorProcess) -> None:
    arguments = ("token", "token@example.com", "--sign-up", "--expires-in", "600")
    first, second = emulator.cli(*arguments), emulator.cli(*arguments)
    claims = _claims(first.stdout)
    assert claims["exp"] - claims["iat"] == 600
    assert claims["sub"] == _claims(second.stdout)["sub"]
    assert len(first.stdout.splitlines()) == 1
    assert first.stderr == ""


def test_token_is_of_a_session_in_an_organization(emulator: EmulatorProcess) -> None:
    def organization(*options: str) -> dict[str, Any]:
        result = emulator.cli("token", "member@example.com", "--sign-up", *options)
        assert result.exit_code == 0, result.stderr
        found: dict[str, Any] = _claims(result.stdout).get("o", {})
        return found

    founded = organization("--organization", "acme")
    assert (founded["slg"], founded["rol"]) == ("acme", "admin")
    assert organization("--organization", "acme", "--role", "org:member")["rol"] == "member"
    assert organization("--organization", "acme") == founded | {"rol": "member"}
    assert organization("--organization", "acme-2")["id"] != founded["id"]
    assert organization() == {}
    permissions = ("--permission", "org:invoices:read", "--permission", "org:invoices:manage")
    assert emulator.cli("role", "org:billing", *permissions).stdout.split() == list(permissions[1::2])
    billing = organization("--organization", "acme", "--role", "org:billing")
    assert (billing["per"], billing["fpm"]) == ("read,manage", "3")
    _assert_one_line(
        emulator.cli("token", "member@example.com", "--organization", "acme", "--role", "org:king"),
        "Organization role not found",
    )
    unused = emulator.cli("token", "member@example.com", "--role", "org:member")
    assert unused.exit_code == 2
    assert "--organization" in unused.stderr


def test_token_names_whoever_acts_as_the_user(emulator: EmulatorProcess) -> None:
    support = emulator.create_user("support@example.com")["id"]
    arguments = ("token", "helped@example.com", "--sign-up", "--actor")
    assert _claims(emulator.cli(*arguments, "support@example.com").stdout)["act"] == {"sub": support}
    assert _claims(emulator.cli(*arguments, "user_elsewhere").stdout)["act"] == {"sub": "user_elsewhere"}
    _assert_one_line(emulator.cli(*arguments, "nobody@example.com"), "nobody has the address")


def test_ticket_signs_a_browser_in(emulator: EmulatorProcess) -> None:
    user_id = emulator.create_user("ticket@example.com")["id"]
    for options, actor in (((), None), (("--actor", "user_support"), {"sub": "user_support"})):
        token = emulator.cli("ticket", "ticket@example.com", *options).stdout.strip()
        with Browser(emulator) as browser:
            form = {"strategy": "ticket", "ticket": token}
            [session] = browser.call("POST", "/client/sign_ins", form)["client"]["sessions"]
        assert (session["user"]["id"], session["actor"]) == (user_id, actor)


def test_who_is_kept_out_is_let_in_again(emulator: EmulatorProcess) -> None:
    user_id = emulator.create_user("kept@example.com")["id"]
    for keep_out, let_in, refusal in (("ban", "unban", "banned"), ("lock", "unlock", "locked")):
        assert emulator.cli(keep_out, "kept@example.com").stdout == f"{refusal} {user_id}\n"
        assert re.search(rf"{user_id} .*{refusal}", emulator.cli("users").stdout)
        _assert_one_line(emulator.cli("token", "kept@example.com"), refusal)
        assert emulator.cli(let_in, "kept@example.com").exit_code == 0
        assert emulator.cli("token", "kept@example.com").exit_code == 0


def test_curl_prints_a_line_to_paste(emulator: EmulatorProcess) -> None:
    result = emulator.cli("curl", "curl@example.com", "--sign-up", "--api", "http://localhost:9000/")
    command, flag, header, url = shlex.split(result.stdout)
    assert (command, flag, url) == ("curl", "-H", "http://localhost:9000/auth/me")
    assert _claims(header.removeprefix("Authorization: Bearer "))["v"] == 2


def test_messages_are_listed_and_replayed(emulator: EmulatorProcess) -> None:
    user_id = emulator.cli("sign-up", "messages@example.com").stdout.strip()
    listed = emulator.cli("messages").stdout
    match = re.search(rf"(msg_\w+) +user\.created +{user_id} ", listed)
    assert match
    assert emulator.cli("replay", match[1]).stdout == f"replaying {match[1]}\n"
    _assert_one_line(emulator.cli("replay", "msg_none"), "No message was found with id msg_none")


def test_help_needs_no_emulator_and_shows_an_example(tmp_path: Path) -> None:
    nowhere = EmulatorProcess(tmp_path / "absent", "")
    for command in COMMANDS:
        assert f"flask --app clerk_emulator {command}" in nowhere.cli(command, "--help").stdout
    assert not (tmp_path / "absent").exists()


def test_errors_say_what_to_do(emulator: EmulatorProcess, tmp_path: Path) -> None:
    _assert_one_line(emulator.cli("sign-in", "no@example.com"), "flask --app clerk_emulator sign-up no@example.com")
    _assert_one_line(emulator.cli("users", "--state", str(tmp_path)), "start it with `make run`")
    keys = f"CLERK_SECRET_KEY=sk_test_emulator_x\nCLERK_API_URL=http://localhost:{free_port()}\n"
    (tmp_path / "keys.env").write_text(keys)
    _assert_one_line(emulator.cli("users", "--state", str(tmp_path)), "no emulator answers")
    _assert_one_line(emulator.cli("update", "no@example.com"), "nothing to change")


def test_every_command_of_the_readme_works(emulator: EmulatorProcess) -> None:
    blocks = re.findall(r"^```sh\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    commands = [line for block in blocks for line in block.splitlines() if line.startswith(PROMPT)]
    assert len(commands) > 15
    for command in commands:
        result = emulator.cli(*shlex.split(command.removeprefix(PROMPT)))
        assert result.exit_code == 0, f"{command}\n{result.stderr}"
        assert result.stdout, command


def test_the_readme_names_every_option_and_command(emulator: EmulatorProcess) -> None:
    flask = ("flask", "--app", "clerk_emulator")
    said = run_module(*flask, "--help").stdout.partition("Commands:\n")[2]
    names = set(re.findall(r"^  ([a-z-]+)", said, re.MULTILINE)) - {"routes", "run", "shell"}
    assert names == COMMANDS
    assert {name for name in names if not re.search(rf"emulator {name}\b|`{name}`", README)} == set()
    help_of_server = run_module("clerk_emulator", "--help").stdout
    options = set(re.findall(r"^  (--[a-z-]+)", help_of_server, re.MULTILINE)) - {"--help"}
    assert options == set(re.findall(r"^\| `(--[a-z-]+)`", README, re.MULTILINE))
    assert {name for name in FaultSettings.model_fields if f"`{name}`" not in README} == set()
    assert f"`{emulator.keys['CLERK_PUBLISHABLE_KEY']}`" in README
    # As a process of its own, which the other tests leave out.
    signed_up = run_module(*flask, "sign-up", "typed@example.com", CLERK_EMULATOR_STATE=str(emulator.state))
    assert (signed_up.returncode, signed_up.stderr) == (0, "")
    assert signed_up.stdout.strip() in emulator.cli("users").stdout
