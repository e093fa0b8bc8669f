"""A column is added with a value of its own for each row.

Problem: a default such as `now()` is worked out once, kept beside the table, and no row is touched. One that differs
from row to row (`random()`, `gen_random_uuid()`, `clock_timestamp()`, a sequence, an identity, a generated column that
is stored) has to be written into each: the whole table is written anew, and nobody else can use it meanwhile.

Instead of:

    op.add_column("users", sa.Column("token", sa.Uuid(), server_default=sa.text("gen_random_uuid()")))

Use: the column without a default, then the default, which is for new rows only:

    op.add_column("users", sa.Column("token", sa.Uuid()))
    op.alter_column("users", "token", server_default=sa.text("gen_random_uuid()"))

and fill in the rows that are there in batches, in a job of its own. A stored generated column has no such way: let the
application or a trigger write it, or compute it where it is read.

Functions that neither PostgreSQL nor MySQL ships are unknown; unless they are declared STABLE or IMMUTABLE, they count
as volatile, and the rehearsal shows it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from migrate_flow.core.finding import Severity
from migrate_flow.lint import fixes
from migrate_flow.lint.changes import Change, Kind
from migrate_flow.lint.defaults import Default, Volatility
from migrate_flow.lint.effects import on_standing
from migrate_flow.lint.rule import Group, Hit, Rule

if TYPE_CHECKING:
    from migrate_flow.lint.script import Script


def check(script: Script) -> Iterator[Hit]:
    for change in on_standing(script, Kind.ADD_COLUMN):
        match change.default:
            case Default(volatility=Volatility.VOLATILE) as default:
                message = f"{default.source} differs from row to row, so every row of {change.shown} is written anew"
                yield Hit(change.line, message, _hint(change, default))
            case Default(volatility=Volatility.UNKNOWN, functions=(*_, name)) as default:
                message = (
                    f"unless {name}() is declared STABLE or IMMUTABLE, every row of {change.shown} is written anew"
                )
                yield Hit(change.line, message, _hint(change, default), needs_rehearsal=True)


def _hint(change: Change, default: Default) -> str:
    if default.stored:
        return f"let the application or a trigger write {change.where}, or compute it where it is read"
    kind = change.new.source if change.new and not change.raw else "…"
    column = fixes.Code(f'sa.Column("{change.column or "…"}", {kind})')
    table, schema = fixes.table_of(change), fixes.schema_of(change)
    added = fixes.call("add_column", table, column, schema=schema)
    if default.numbers:
        return f"{added}, fill it in in batches, and only then give it its sequence"
    source = fixes.Code(f'sa.text("{default.source}")' if change.raw else default.source)
    later = fixes.call("alter_column", table, fixes.column_of(change), server_default=source, schema=schema)
    return f"{added}, then {later}, and fill in the rows that are there in batches"


RULE = Rule(
    "volatile-default", Group.SAFETY, check, severity=Severity.WARNING,
    dialects=frozenset({"postgresql", "mysql", "mariadb"}),
)  # fmt: skip
