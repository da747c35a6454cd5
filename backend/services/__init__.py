"""What the application does. Takes a connection and plain values; no Flask, no commit."""
