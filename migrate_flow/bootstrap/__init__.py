"""The only wiring: from options and configuration to what the services work on."""
