"""A Clerk instance of the tests' own, from the kit that other tests take too."""

from counterfoil_testing.clerk import (
    Instance,
    KeyServer,
    answer_json,
    b64url,
    clerk_id,
    event,
    now_ms,
    session_data,
    user_data,
)

__all__ = ["Instance", "KeyServer", "answer_json", "b64url", "clerk_id", "event", "now_ms", "session_data", "user_data"]
