"""Places where a test can end, stop or break the process: each step of the protocol that keeps two databases true.

``MIGRATE_FLOW_FAILPOINT=name:act`` arms one: ``kill`` (SIGKILL), ``stop`` (SIGSTOP, until SIGCONT), ``raise``
(OSError), ``interrupt`` and ``terminate`` (the signals SIGINT and SIGTERM). ``name@3:kill`` acts when the place is
passed for the third time. Without the variable nothing happens. An unknown name or act is an error: no test can miss.
"""

from __future__ import annotations

import errno
import os
import signal
from enum import StrEnum

VARIABLE = "MIGRATE_FLOW_FAILPOINT"


class Failpoint(StrEnum):
    """In the order in which an apply passes them; each is passed again for every revision but the first two."""

    LOCKED = "locked"  # the target's locks are ours, nothing was asked yet
    CLAIMED = "claimed"  # a new target holds its identity row, the ledger does not know it yet
    INTENT_WRITING = "intent-writing"  # the intent is signed, and not in the ledger
    INTENT_RECORDED = "intent-recorded"  # the intent is durable, env.py has not run
    STEP_BEGUN = "step-begun"  # the migration's transaction holds its locks
    STATEMENT_STARTED = "statement-started"  # a statement that commits by itself is in the journal, and not sent
    STATEMENT_ENDED = "statement-ended"  # it ran, and the journal says only that it started
    STATEMENT_JOURNALED = "statement-journaled"  # the journal says that it ran
    SEGMENT_COMMITTED = "segment-committed"  # what stands before an autocommit block is durable
    SEGMENT_BEGUN = "segment-begun"  # the transaction behind an autocommit block holds its locks
    SCRIPT_ENDED = "script-ended"  # the script's function came back
    RECEIPT_WRITTEN = "receipt-written"  # version table and receipt are changed, and not committed
    STEP_COMMITTED = "step-committed"  # the database has committed, nobody has looked yet
    EVIDENCE_READ = "evidence-read"  # the outcome is known, and not in the ledger
    OUTCOME_RECORDED = "outcome-recorded"  # the outcome is durable
    RECOVERY_BEGUN = "recovery-begun"  # an open attempt was found, nothing was asked yet
    RECOVERY_EVIDENCE = "recovery-evidence"  # its outcome is known, and not in the ledger
    RECOVERY_RECORDED = "recovery-recorded"  # its outcome is durable


_passed: dict[Failpoint, int] = {}


def passing(point: Failpoint) -> None:
    """Acts where the variable names this point. Raises ValueError for a variable that names none."""
    armed = os.environ.get(VARIABLE)
    if not armed:
        return
    place, _, act = armed.partition(":")
    name, _, count = place.partition("@")
    wanted = Failpoint(name)
    if act not in _ACTS:
        raise ValueError(f"{VARIABLE}: {act!r} is none of {', '.join(_ACTS)}")
    if point is not wanted:
        return
    _passed[point] = _passed.get(point, 0) + 1
    if _passed[point] == int(count or 1):
        _ACTS[act](point)


def _signal(number: int) -> None:
    os.kill(os.getpid(), number)


def _raise(point: Failpoint) -> None:
    raise OSError(errno.EIO, f"{VARIABLE} at {point}")


_ACTS = {
    "kill": lambda _point: _signal(signal.SIGKILL),
    "stop": lambda _point: _signal(signal.SIGSTOP),
    "interrupt": lambda _point: _signal(signal.SIGINT),
    "terminate": lambda _point: _signal(signal.SIGTERM),
    "raise": _raise,
}
