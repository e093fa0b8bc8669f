"""How fast migrate-flow is beside Alembic and others: `uv run python -m benchmarks`. See README.md in this folder."""
