"""`/v1/environment`: how this instance is set up. The SDK has a default for whatever is not here."""

from typing import Any

from flask import Blueprint, Response, jsonify

from clerk_emulator import passwords
from clerk_emulator.context import Emulator, current_emulator

blueprint = Blueprint("environment", __name__, url_prefix="/environment")


@blueprint.get("")
@blueprint.patch("")
def get_environment() -> Response:
    """The SDK sends a PATCH to tell that it is there; nothing of it is kept."""
    emulator = current_emulator()
    return jsonify(
        object="environment",
        id=emulator.instance.id,
        auth_config={
            "object": "auth_config",
            "id": f"aconf_{emulator.instance.id.removeprefix('ins_')}",
            "single_session_mode": not emulator.multi_session,
            "reverification": False,
            "claimed_at": None,
        },
        display_config=_display_config(emulator),
        user_settings=_USER_SETTINGS,
        organization_settings={
            "enabled": False,
            "max_allowed_memberships": 5,
            "actions": {"admin_delete": True},
            "domains": {"enabled": False, "enrollment_modes": [], "default_role": None},
        },
        commerce_settings={
            "billing": {"user": {"enabled": False}, "organization": {"enabled": False}, "stripe_publishable_key": None}
        },
        api_keys_settings={"user_api_keys_enabled": False, "orgs_api_keys_enabled": False},
        maintenance_mode=False,
        client_debug_mode=False,
        partitioned_cookies=False,
    )


def _display_config(emulator: Emulator) -> dict[str, Any]:
    return {
        "object": "display_config",
        "id": "display_config",
        "instance_environment_type": "development",
        "application_name": emulator.application_name,
        "branded": False,
        "preferred_sign_in_strategy": "password",
        "logo_image_url": None,
        "favicon_image_url": None,
        "captcha_public_key": None,
        "captcha_provider": "turnstile",
        "captcha_widget_type": None,
        "show_devmode_warning": False,
        "support_email": None,
        "home_url": emulator.url,
    }


def _attribute(*, code: bool = False, required: bool = False, identifies: bool = False) -> dict[str, Any]:
    codes = ["email_code"] if code else []
    return {
        "enabled": True,
        "required": required,
        "used_for_first_factor": identifies,
        "first_factors": codes,
        "used_for_second_factor": False,
        "second_factors": [],
        "verifications": codes,
        "verify_at_sign_up": code,
    }


_OFF = _attribute() | {"enabled": False}

_USER_SETTINGS = {
    "attributes": {
        "email_address": _attribute(code=True, required=True, identifies=True),
        "password": _attribute(required=True),
        "first_name": _attribute(),
        "last_name": _attribute(),
        "username": _OFF,
        "phone_number": _OFF,
        "web3_wallet": _OFF,
        "authenticator_app": _OFF,
        "backup_code": _OFF,
        "passkey": _OFF,
    },
    "actions": {"delete_self": True, "create_organization": False},
    "social": {},
    "enterprise_sso": {"enabled": False},
    "sign_in": {"second_factor": {"required": False, "enabled": False}},
    # A captcha would be loaded from another host.
    "sign_up": {"mode": "public", "captcha_enabled": False, "progressive": True, "legal_consent_enabled": False},
    "password_settings": {
        # The check against leaked passwords and the strength meter would ask other hosts.
        "disable_hibp": True,
        "show_zxcvbn": False,
        "min_zxcvbn_strength": 0,
        "min_length": passwords.MIN_LENGTH,
        "max_length": passwords.MAX_LENGTH,
        "allowed_special_characters": "",
        "require_special_char": False,
        "require_numbers": False,
        "require_uppercase": False,
        "require_lowercase": False,
    },
    "passkey_settings": {"allow_autofill": False, "show_sign_in_button": False},
    "username_settings": {"min_length": 4, "max_length": 64},
    "attack_protection": {"enumeration_protection": {"enabled": False}},
}
