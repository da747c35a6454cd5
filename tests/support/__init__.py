"""What tests start and sign with: real servers, generated keys."""
