"""The database: connections, transactions, prepared reads, locks. No Flask here."""
