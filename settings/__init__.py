"""What `config` reads settings with. Imports nothing of the application but the form of Clerk's keys."""
