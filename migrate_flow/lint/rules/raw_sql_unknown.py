"""SQL runs that nobody but a person can judge.

Problem: a text that is put together while the script runs, or that the parser does not understand, may hold anything:
no rule has seen it. That is no pass. The same is true of a DO block, of CALL and of other code inside the database.

Instead of:

    for table in TABLES:
        op.execute(f"ALTER TABLE {table} {action}")

Use: the statement as a literal, or Alembic's operation for it:

    op.execute("ALTER TABLE orders ENABLE ROW LEVEL SECURITY")

Where it has to be computed, read what the rehearsal says was sent, and say in a waiver what it is. The policy can ask
for one more approval: `when = ["raw-sql-unknown"]`. Expressions of SQLAlchemy (`sa.update(orders)…`) are not meant. The
downgrade is not looked at: its rehearsal must restore the schema.
"""

from __future__ import annotations

from collections.abc import Iterator

from migrate_flow.core.finding import Severity
from migrate_flow.lint.fixes import waived
from migrate_flow.lint.rule import Group, Hit, Rule
from migrate_flow.lint.script import SENT, Direction, Script

_SHOWN = 50
_LONGEST_SENT = 120


def check(script: Script) -> Iterator[Hit]:
    seen: set[int] = set()
    sent = [sql.text for sql in script.raw(Direction.UPGRADE) if sql.via == SENT and sql.text]
    for sql in script.raw(Direction.UPGRADE):
        if sql.built or sql.statements is not None or sql.line in seen:
            continue
        seen.add(sql.line)
        if sql.text is None:
            message = "this SQL is put together while the script runs: " + _seen(sent)
            hint = "write it as a literal or with Alembic's operations"
        else:
            start = " ".join(sql.text.split())
            start = start if len(start) <= _SHOWN else f"{start[: _SHOWN - 1]}…"
            message = f"what “{start}” does could not be judged: a person must look"
            hint = "write it as plain statements or with Alembic's operations"
        reason = waived("raw-sql-unknown", "what it does, and why it is safe")
        yield Hit(
            sql.line, message, f"{hint}; or rehearse it, read what was sent, and say: {reason}", needs_rehearsal=True
        )


def _seen(sent: list[str]) -> str:
    """What a rehearsal saw, which may be otherwise where there are rows."""
    if not sent:
        return "nobody has seen it, and no rule has judged it"
    first = " ".join(sent[0].split())
    more = f" and {len(sent) - 1} more" if len(sent) > 1 else ""
    return f"in the rehearsal it sent “{first[:_LONGEST_SENT]}”{more}, which the other rules have judged"


RULE = Rule("raw-sql-unknown", Group.SAFETY, check, severity=Severity.WARNING)
