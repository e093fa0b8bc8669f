"""The code that a hint tells to write, in the script's own names and on one line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from migrate_flow.lint.column_types import written

if TYPE_CHECKING:
    from migrate_flow.lint.changes import Change
    from migrate_flow.lint.script import Script

_PLAIN = re.compile(r"[a-z_][a-z0-9_$]*")
# PostgreSQL's reserved words.
_WORDS = """
    "
    all analyse analyze and any array as asc asymmetric authorization binary both case cast check collate collation
    column concurrently constraint create cross current_catalog current_date current_role current_schema current_time
    current_timestamp current_user default deferrable desc distinct do else end except false fetch for foreign freeze
    from full grant group having ilike in initially inner intersect into is isnull join lateral leading left like limit
    localtime localtimestamp natural not notnull null offset on only or order outer overlaps placing primary references
    returning right select session_user similar some symmetric system_user table tablesample then to trailing true
    union unique user using variadic verbose when where window with
"""
_RESERVED = frozenset(_WORDS.split())
_LONGEST = 63  # bytes of an identifier of PostgreSQL's
ANOTHER_REVISION = "in a revision of its own"


class Code(str):
    """An argument that stands as it is."""

    __slots__ = ()


def call(operation: str, *arguments: object, **keywords: object) -> str:
    """``op.create_index("ix", "users", ["email"], unique=True)``; what is None is left out."""
    said = [_literal(argument) for argument in arguments]
    said += [f"{name}={_literal(value)}" for name, value in keywords.items() if value is not None]
    return f"op.{operation}({', '.join(said)})"


def again(change: Change, name: str = "", **more: object) -> str | None:
    """The script's own call with more keywords, outside of a batch; None where there is none to repeat.

    name: of the constraint, in the place of None.
    """
    if change.call is None or change.inline:
        return None
    arguments: list[object] = [Code(written(argument)) for argument in change.call.args]
    if name and arguments[:1] == ["None"]:
        arguments[0] = name
    if change.in_batch:
        arguments.insert(1, table_of(change))
        more = {"schema": schema_of(change), **more}
    keywords = {k.arg: Code(written(k.value)) for k in change.call.keywords if k.arg and k.arg not in more}
    arguments += [Code(f"**{written(k.value)}") for k in change.call.keywords if not k.arg]
    return call(written(change.call.func).rpartition(".")[2], *arguments, **{**keywords, **more})


def execute(sql: str) -> str:
    return f"op.execute({_literal(sql)})"


def validate(change: Change, name: str) -> str:
    return execute(f"ALTER TABLE {sql_table(change)} VALIDATE CONSTRAINT {sql_name(name)}")


def in_autocommit(code: str) -> str:
    return f"with op.get_context().autocommit_block(): {code}"


def waived(slug: str, reason: str) -> str:
    return f"# migrate-flow: ignore[{slug}] {reason}"


def table_of(change: Change) -> object:
    """The table as an operation's argument."""
    return change.table or _expression(change.shown)


def column_of(change: Change) -> object:
    return _expression(change.column) if change.column.startswith("`") else change.column or Code("…")


def schema_of(change: Change) -> str | None:
    return change.schema or None


def sql_table(change: Change) -> str:
    return ".".join(sql_name(part) for part in (change.schema, change.table) if part) or change.shown.strip("`")


def sql_column(change: Change) -> str:
    return sql_name(change.column) if change.column else "…"


def sql_name(name: str) -> str:
    """Quoted where PostgreSQL would fold it."""
    return name if _PLAIN.fullmatch(name) and name not in _RESERVED else '"' + name.strip("`").replace('"', '""') + '"'


def constraint_name(prefix: str, change: Change, *columns: str) -> str:
    """Of the constraint, or one to give to it."""
    given = change.name.strip('"`')
    parts = [prefix, *(part for part in (change.table or "table", *columns) if part)]
    return given or "_".join(parts)[:_LONGEST].rstrip("_")


def columns_of(change: Change) -> object:
    return list(change.columns) or Code("[…]")


def dialects_among(script: Script, names: Iterable[str]) -> list[str]:
    """Those of the project's dialects that are named; all of them where the project's are not known."""
    here = script.settings.dialects
    return [name for name in names if not here or name in here]


def _expression(shown: str) -> Code:
    return Code(shown.strip("`") if shown.startswith("`") else "…")


def _literal(value: object) -> str:
    if isinstance(value, Code):
        return str(value)
    if isinstance(value, bool | int):
        return repr(value)
    return json.dumps(value, ensure_ascii=False)
