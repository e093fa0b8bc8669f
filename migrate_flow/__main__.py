"""``python -m migrate_flow`` and the command ``migrate-flow``."""

from __future__ import annotations

from migrate_flow.cli.app import app


def main() -> None:
    app()


if __name__ == "__main__":
    main()
