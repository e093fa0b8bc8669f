"""``python -m migrate_flow`` and the command ``migrate-flow``."""

from __future__ import annotations

from migrate_flow import garbage

garbage.rarely()

from migrate_flow.cli.app import app  # noqa: E402


def main() -> None:
    try:
        app()
    finally:
        garbage.at_the_end()


if __name__ == "__main__":
    main()
