"""By what is told that a value was made for development: production refuses each of these."""

LOCAL_CLERK_HOST = "emulator.localhost.clerk.accounts.dev"
LOCAL_CLERK_SECRET_PREFIX = "sk_test_emulator_"  # noqa: S105 - a public marker, not a secret
LOCAL_CLERK_WEBHOOK_MARK = b"counterfoil-emulator:"
DEVELOPMENT_PEPPER = b"counterfoil development pepper"
