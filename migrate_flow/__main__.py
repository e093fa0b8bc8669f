"""``python -m migrate_flow`` and the command ``migrate-flow``."""

from __future__ import annotations

import gc

from migrate_flow.cli.app import app

# What a command reads (entries, schemas, scripts) makes no cycles: to look for some in all of it takes a fifth of the
# time, and a command ends soon.
_RARELY = (50_000, 20, 100)


def main() -> None:
    gc.set_threshold(*_RARELY)
    app()


if __name__ == "__main__":
    main()
