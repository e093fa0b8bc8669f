"""``python -m migrate_flow`` and the command ``migrate-flow``."""

from __future__ import annotations

import gc

# What a command loads and reads (modules, entries, schemas, scripts) makes no cycles: to look for some in all of it
# takes a fifth of the time, and a command ends soon.
_RARELY = (50_000, 20, 100)
gc.set_threshold(*_RARELY)

from migrate_flow.cli.app import app  # noqa: E402


def main() -> None:
    try:
        app()
    finally:
        gc.freeze()  # else the interpreter looks through everything for cycles as it leaves, a tenth of an `apply`


if __name__ == "__main__":
    main()
