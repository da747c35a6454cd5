"""Events of Clerk: signature, envelope, ledger."""
