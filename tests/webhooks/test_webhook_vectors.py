"""The verifier against the published Standard Webhooks vector, and the forms of Svix's own test tables."""

import base64
import hashlib
import hmac

import pytest
import time_machine
from pydantic import SecretStr

from backend.errors import AppError, ErrorCode
from backend.services.clerk.webhooks.signature import WebhookVerifier

# Published by Svix with its libraries; the signature is of 2021.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
EVENT_ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
SIGNED_AT = 1_614_265_330
BODY = b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
OTHER_SIGNATURE = "v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc="


def verify(
    headers: dict[str, str] | None = None,
    *,
    now: float = SIGNED_AT,
    body: bytes = BODY,
    secret: str = SECRET,
) -> str:
    """The vector, with what a test changes in it, at a time of the test's choice."""
    vector = {"svix-id": EVENT_ID, "svix-timestamp": str(SIGNED_AT), "svix-signature": SIGNATURE}
    verifier = WebhookVerifier([SecretStr(secret)])
    with time_machine.travel(now, tick=False):
        return verifier.verify(body, vector | (headers or {}))


def signature(event_id: str, timestamp: str, body: bytes, secret: str = SECRET) -> str:
    """The MAC as the specification words it, made without the library."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = b".".join([event_id.encode(), timestamp.encode(), body])
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


class TestKnownVector:
    def test_is_good(self) -> None:
        assert signature(EVENT_ID, str(SIGNED_AT), BODY) == SIGNATURE
        assert verify() == EVENT_ID

    @pytest.mark.parametrize(("age", "is_good"), [(299, True), (-299, True), (301, False), (-301, False)])
    def test_window(self, age: int, is_good: bool) -> None:
        if is_good:
            assert verify(now=SIGNED_AT + age) == EVENT_ID
        else:
            with pytest.raises(AppError) as refused:
                verify(now=SIGNED_AT + age)
            assert refused.value.code is ErrorCode.WEBHOOK_TIMESTAMP_OUT_OF_TOLERANCE

    def test_one_good_signature_among_several(self) -> None:
        assert (
            verify({"svix-signature": f"{OTHER_SIGNATURE} v2,{SIGNATURE[3:]} {SIGNATURE} {OTHER_SIGNATURE}"})
            == EVENT_ID
        )

    def test_body_beyond_ascii(self) -> None:
        body = '{"name": "Zoë 🎟"}'.encode()
        assert verify({"svix-signature": signature(EVENT_ID, str(SIGNED_AT), body)}, body=body) == EVENT_ID


class TestSvixTables:
    """Each case of Svix's Python, JavaScript and Go tests that must not pass."""

    @pytest.mark.parametrize("name", ["id", "timestamp", "signature"])
    @pytest.mark.parametrize("value", ["", "  "])
    def test_missing_header(self, name: str, value: str) -> None:
        with pytest.raises(AppError) as refused:
            verify({f"svix-{name}": value})
        assert refused.value.code is ErrorCode.WEBHOOK_HEADERS_MISSING
        assert f"svix-{name}" in refused.value.detail

    @pytest.mark.parametrize(
        "value",
        [
            OTHER_SIGNATURE,  # "invalid signature"
            SIGNATURE[:10],  # "partial signature"
            SIGNATURE[:-2] + "A=",  # one bit
            SIGNATURE[3:],  # no version
            f"v2,{SIGNATURE[3:]}",
            f"v1a,{SIGNATURE[3:]}",
            f"V1,{SIGNATURE[3:]}",
            f"{SIGNATURE},",
            f"{SIGNATURE}=",
            SIGNATURE.replace("=", ""),
            "v1,",
            "v1",
            ",",
        ],
    )
    def test_invalid_signature(self, value: str) -> None:
        with pytest.raises(AppError) as refused:
            verify({"svix-signature": value})
        assert refused.value.code is ErrorCode.WEBHOOK_SIGNATURE_INVALID

    @pytest.mark.parametrize("value", ["hello", "-1", "nan", "1e9", f"+{SIGNED_AT}", f"{SIGNED_AT}.0"])
    def test_invalid_timestamp(self, value: str) -> None:
        with pytest.raises(AppError) as refused:
            verify({"svix-timestamp": value})
        assert refused.value.code is ErrorCode.WEBHOOK_SIGNATURE_INVALID

    def test_signed_with_another_secret(self) -> None:
        other = "whsec_" + base64.b64encode(bytes(24)).decode()
        with pytest.raises(AppError) as refused:
            verify(secret=other)
        assert refused.value.code is ErrorCode.WEBHOOK_SIGNATURE_INVALID

    @pytest.mark.parametrize("changed", [BODY + b" ", BODY.replace(b" ", b""), b"", b"\xff" + BODY])
    def test_changed_body(self, changed: bytes) -> None:
        with pytest.raises(AppError) as refused:
            verify(body=changed)
        assert refused.value.code is ErrorCode.WEBHOOK_SIGNATURE_INVALID

    def test_dot_moved_between_id_and_timestamp(self) -> None:
        """The signed text has no marks between its parts: an id with a dot could stand for id and timestamp."""
        mac = signature("msg_1.1600000000", str(SIGNED_AT), BODY)
        with pytest.raises(AppError) as refused:
            verify({"svix-id": "msg_1.1600000000", "svix-signature": mac})
        assert refused.value.code is ErrorCode.WEBHOOK_SIGNATURE_INVALID
