"""What `config` reads settings with. Imports nothing of the application."""
