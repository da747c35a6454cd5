"""LiveSessions and BackendApi against the local Clerk instance."""

import pytest

from backend.errors import ErrorCode
from backend.services.clerk.client.backend_api import BackendApi
from backend.services.clerk.sessions import LiveSessions
from tests.emulator.harness import EmulatorProcess
from tests.sessions.live import ENDED, refusal, told
from tests.support.clerk import clerk_id
from tests.support.clerk_api import SECRET_KEY


class TestWithClerk:
    @pytest.fixture
    def api(self, emulator: EmulatorProcess) -> BackendApi:
        return BackendApi(emulator.url, emulator.keys["CLERK_SECRET_KEY"])

    @pytest.fixture
    def sign_in(self, emulator: EmulatorProcess) -> tuple[str, str]:
        """A user and an active session."""
        user_id = emulator.create_user(f"{clerk_id('a')}@example.com")["id"]
        return user_id, emulator.create_session(user_id)["id"]

    def test_unknown(self, api: BackendApi, sign_in: tuple[str, str]) -> None:
        sessions = LiveSessions(api)
        assert told(refusal(sessions, sign_in[1], clerk_id("user"))) == ENDED
        assert told(refusal(sessions, clerk_id("sess"), sign_in[0])) == ENDED
        assert sessions.revoke(clerk_id("sess"), sign_in[0]) is None

    @pytest.mark.parametrize("path", ["/v1/sessions/{}/revoke", "/emulator/sessions/{}/end"])
    def test_over(self, emulator: EmulatorProcess, api: BackendApi, sign_in: tuple[str, str], path: str) -> None:
        user_id, session_id = sign_in
        sessions = LiveSessions(api)
        sessions.check(session_id, user_id)
        emulator.call("POST", path.format(session_id))
        assert told(refusal(sessions, session_id, user_id)) == ENDED

    def test_revoke(self, api: BackendApi, sign_in: tuple[str, str]) -> None:
        user_id, session_id = sign_in
        for sessions in (LiveSessions(api), LiveSessions(api)):
            revoked = sessions.revoke(session_id, user_id)
            assert revoked is not None
            assert (revoked["object"], revoked["status"]) == ("session", "revoked")
        assert told(refusal(LiveSessions(api), session_id, user_id)) == ENDED

    def test_ban(self, api: BackendApi, sign_in: tuple[str, str]) -> None:
        user_id, session_id = sign_in
        banned = api.ban_user(user_id, None)
        assert isinstance(banned, dict)
        assert banned["banned"]
        assert told(refusal(LiveSessions(api), session_id, user_id)) == ENDED
        unbanned = api.unban_user(user_id, None)
        assert isinstance(unbanned, dict)
        assert not unbanned["banned"]
        assert unbanned == api.get_user(user_id)

    def test_wrong_key(self, emulator: EmulatorProcess, sign_in: tuple[str, str]) -> None:
        user_id, session_id = sign_in
        api = BackendApi(emulator.url, SECRET_KEY)
        assert refusal(LiveSessions(api), session_id, user_id).code == ErrorCode.CLERK_UNAVAILABLE
