"""A column's type changes so that every row is written anew.

Problem: PostgreSQL writes the whole table and its indexes again, and nobody else can read or write it until that is
done; MySQL and MariaDB copy the table, and nobody can write. A value that does not fit the new type stops the migration
(or is cut off, on a MySQL that is not strict).

Instead of:

    op.alter_column("orders", "total", existing_type=sa.Integer(), type_=sa.Numeric(12, 2))

Use: a second column, in steps that are each a release: add it, write both, copy the old values in batches, read the new
one, drop the old one:

    op.add_column("orders", sa.Column("total_new", sa.Numeric(12, 2)))

Not meant is what takes a moment whatever the size. On PostgreSQL: a longer VARCHAR or one without a length, VARCHAR to
TEXT and back without a length, a larger precision of NUMERIC at the same scale or none, a larger precision of a time,
CIDR to INET, an enum that keeps its name. On MySQL and MariaDB: a longer VARCHAR, unless it passes 63 characters, where
its length takes a second byte (of utf8mb4). The old type is taken from `existing_type`, else from the downgrade; where
neither names it, only the rehearsal can tell. SQLite is not asked: there Alembic's batch copies the table whatever
changes.
"""

from __future__ import annotations

from collections.abc import Iterator

from migrate_flow.core.dialects import KINDS
from migrate_flow.core.finding import Severity
from migrate_flow.lint import fixes
from migrate_flow.lint.changes import Change, Kind
from migrate_flow.lint.column_types import ColumnType, stays_in_place
from migrate_flow.lint.effects import effects, on_standing
from migrate_flow.lint.rule import Group, Hit, Rule
from migrate_flow.lint.script import Direction, Script

_DIALECTS = ("postgresql", "mysql", "mariadb")


def check(script: Script) -> Iterator[Hit]:
    backwards = {(c.key, c.column): c.new for c in effects(script, Direction.DOWNGRADE, Kind.SET_TYPE) if c.column}
    for change in on_standing(script, Kind.SET_TYPE):
        old = change.old or backwards.get((change.key, change.column))
        dialects = fixes.dialects_among(script, _DIALECTS)
        stays = {} if old is None or change.new is None else {n: stays_in_place(old, change.new, n) for n in dialects}
        copying = [name for name, stay in stays.items() if stay is False]
        if not copying and (not stays or None in stays.values()):
            message = (
                f"whether {change.where} can become {_shown(change.new)} without writing every row is not said here"
            )
            yield Hit(change.line, message, _unknown(change, old), needs_rehearsal=True)
        if copying:
            who = "PostgreSQL writes" if copying[0] == "postgresql" else f"{KINDS[copying[0]].title} copies"
            blocked = "read or write" if copying[0] == "postgresql" else "write to"
            message = (
                f"to make {change.where} {_shown(change.new)} instead of {_shown(old)}, {who} every row of "
                f"{change.shown}, and nobody else can {blocked} it meanwhile"
            )
            yield Hit(change.line, message, _steps(change))


def _shown(kind: ColumnType | None) -> str:
    return kind.source if kind else "another type"


def _unknown(change: Change, old: ColumnType | None) -> str:
    if computed := [kind.source for kind in (old, change.new) if kind and kind.computed]:
        return f"write the length of {' and '.join(computed)} as a number, or rehearse it"
    if change.raw:
        return "give the downgrade, which names the old type, or rehearse it; " + _steps(change)
    return "name the type that it has now: existing_type=…"


def _steps(change: Change) -> str:
    new = f"{(change.column or '…').strip('`')}_new"
    kind = change.new.source if change.new and not change.raw else "…"
    code = fixes.Code(f'sa.Column("{new}", {kind})')
    added = fixes.call("add_column", fixes.table_of(change), code, schema=fixes.schema_of(change))
    return f"in steps: {added}, write both, copy in batches, read {new}, drop {change.column or 'the old one'}"


RULE = Rule("type-change", Group.SAFETY, check, severity=Severity.WARNING, dialects=frozenset(_DIALECTS))
