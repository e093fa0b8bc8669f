"""The configuration file migrate-flow.toml: its shape, what is refused, how it is written and edited."""
