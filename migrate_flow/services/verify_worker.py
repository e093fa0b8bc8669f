"""A process that judges rows for `verify_processes`: ``python -m migrate_flow.services.verify_worker``.

It reads the function that checks signatures, then chunks of rows, and answers each with its verdicts; it ends with its
input, so also with the process that started it.
"""

from __future__ import annotations

import pickle
import sys

from migrate_flow.services.verify_chunk import judge_chunk, rare_collections


def main() -> None:
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    check = pickle.load(source)  # noqa: S301 - from the process that started this one
    with rare_collections():
        while True:
            try:
                rows = pickle.load(source)  # noqa: S301
            except EOFError:
                return
            pickle.dump(judge_chunk(rows, check), sink)
            sink.flush()


if __name__ == "__main__":
    main()
