"""`python -m benchmarks.stepwise [N]`: up, down and up again of each revision by plain Alembic, in one process.

Run in the folder of an Alembic project with a linear history. N: only the first so many. Says the CPU seconds of the
steps, without imports.
"""

from __future__ import annotations

import sys
from time import process_time

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory


def main() -> None:
    config = Config("alembic.ini")
    scripts = [one.revision for one in ScriptDirectory.from_config(config).walk_revisions()][::-1]
    below, begun = "base", process_time()
    for revision in scripts[: int(sys.argv[1])] if sys.argv[1:] else scripts:
        command.upgrade(config, revision)
        command.downgrade(config, below)
        command.upgrade(config, revision)
        below = revision
    print(process_time() - begun)


if __name__ == "__main__":
    main()
