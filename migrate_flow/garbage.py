"""How often Python looks for what only refers to itself, in a process that is the command's own.

What a command loads and reads (modules, entries, schemas, scripts) makes no such cycles, and to look through all of it
takes a fifth of the time, a tenth of an `apply` as the interpreter leaves. What env.py and the scripts make is another
thing: a pool of connections is let go by that look, and a database in a file is complete only then.
"""

from __future__ import annotations

import gc

_RARELY = (50_000, 20, 100)
_ours = False


def rarely() -> None:
    """The process is ours. Others that embed the flow keep their own ways."""
    global _ours
    _ours = True
    gc.set_threshold(*_RARELY)


def leave_out_what_is_here() -> None:
    """No look goes through what was made until now: before the project's own code runs, or at the end."""
    if _ours:
        gc.freeze()


def at_the_end() -> None:
    if not gc.get_freeze_count():
        leave_out_what_is_here()
