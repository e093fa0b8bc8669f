"""Raw SQL, as sqlglot understood it, to changes.

By the names of sqlglot's classes, so that whoever writes no SQL does not pay for importing it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from migrate_flow.lint.changes import Change, Kind
from migrate_flow.lint.column_types import type_of_sql
from migrate_flow.lint.defaults import Default, default_of_sql

if TYPE_CHECKING:
    from migrate_flow.lint.script import Sql

_ROWS = frozenset({"Insert", "Update", "Delete", "Merge", "Copy", "TruncateTable"})
_TRANSACTION = {"Commit": "COMMIT", "Rollback": "ROLLBACK", "Transaction": "BEGIN"}
_SERIAL = ("serial", "bigserial", "smallserial")
_PART = r'(?:"[^"]+"|`[^`]+`|[\w$]+)'
_NAME = rf"({_PART}(?:\.{_PART})*)"
_FLAGS = re.IGNORECASE | re.DOTALL
# What sqlglot hands on as text alone.
_VALIDATE = re.compile(
    rf"ALTER\s+TABLE\s+(?:IF\s+EXISTS\s+)?(?:ONLY\s+)?{_NAME}\s+VALIDATE\s+CONSTRAINT\s+{_NAME}", _FLAGS
)
_ADD_VALUE = re.compile(rf"ALTER\s+TYPE\s+{_NAME}\s+ADD\s+VALUE\s+(?:IF\s+NOT\s+EXISTS\s+)?'((?:[^']|'')*)'", _FLAGS)
_CONCURRENTLY = re.compile(r"(REINDEX|ALTER\s+TABLE\s.*DETACH\s+PARTITION)\s.*\bCONCURRENTLY\b", _FLAGS)
_DDL = re.compile(r"(CREATE|ALTER|DROP|RENAME|COMMENT)\b", re.IGNORECASE)


def changes_of(sql: Sql) -> Iterator[Change]:
    for statement in sql.statements or ():
        line = sql.line_of(statement)
        for change in _statement(statement):
            yield replace(change, line=line, in_block=sql.in_block, conditional=sql.conditional, raw=True)


def command_text(command: Any) -> str:
    """``DO $$ …``: of a statement that sqlglot only knows by its first word."""
    rest = command.expression
    return f"{command.this} {rest if isinstance(rest, str) else getattr(rest, 'this', '')}".strip()


def _statement(item: Any) -> Iterator[Change]:
    kind = type(item).__name__
    if kind == "Command":
        yield _command(command_text(item))
    elif kind == "Alter" and item.args.get("kind") == "TABLE":
        yield from _alter(item)
    elif kind == "Create":
        yield _create(item)
    elif kind == "Drop":
        yield from _drop(item)
    elif kind in _TRANSACTION:
        # ROLLBACK TO a savepoint ends nothing.
        savepoint = item.args.get("savepoint")
        yield Change(Kind.OTHER if savepoint else Kind.TRANSACTION, 0, to=_TRANSACTION[kind])
    elif kind in _ROWS:
        table = item.args.get("this") or next(iter(item.expressions), None)
        yield _on(table, Kind.ROWS, every_row=kind in ("Delete", "TruncateTable") and not item.args.get("where"))
    else:
        yield Change(Kind.DDL if kind in ("Alter", "Comment") else Kind.OTHER, 0)


def _command(text: str) -> Change:
    if found := _VALIDATE.match(text):
        return Change(Kind.VALIDATE, 0, **_named(found[1]), name=found[2].strip('"'))
    if found := _ADD_VALUE.match(text):
        return Change(Kind.ADD_ENUM_VALUE, 0, name=found[1], to=found[2].replace("''", "'"))
    if _CONCURRENTLY.match(text):
        return Change(Kind.CONCURRENTLY, 0, name=" ".join(text.split()), online=True)
    return Change(Kind.DDL if _DDL.match(text) else Kind.OTHER, 0)


def _create(item: Any) -> Change:
    kind = item.args.get("kind")
    if kind == "TABLE":
        target = item.this.this if type(item.this).__name__ == "Schema" else item.this
        return _on(target, Kind.CREATE_TABLE)
    if kind == "INDEX":
        index = item.this
        found = [getattr(column.this, "name", "") for column in _index_columns(index)]
        columns = tuple(found) if all(found) else ()
        concurrently = bool(item.args.get("concurrently"))
        unique = bool(item.args.get("unique"))
        change = _on(index.args.get("table"), Kind.CREATE_INDEX, name=index.name, columns=columns)
        return replace(change, online=concurrently, unique=unique)
    if kind == "VIEW":
        return _on(item.this.this if type(item.this).__name__ == "Schema" else item.this, Kind.CREATE_VIEW)
    return Change(Kind.DDL, 0)


def _index_columns(index: Any) -> list[Any]:
    parameters = index.args.get("params")
    return list(parameters.args.get("columns") or ()) if parameters else []


def _drop(item: Any) -> Iterator[Change]:
    kind = item.args.get("kind")
    concurrently = bool(item.args.get("concurrently"))
    # sqlglot 27 has the one name in `this`, later versions all of them in `tables`.
    for target in item.args.get("tables") or [item.this]:
        if kind == "TABLE":
            yield _on(target, Kind.DROP_TABLE)
        elif kind in ("SCHEMA", "DATABASE"):
            yield Change(Kind.DROP_SCHEMA, 0, name=f"{kind.lower()} {target.args.get('db') or target.name}")
        elif kind == "INDEX" and concurrently:
            yield Change(Kind.CONCURRENTLY, 0, name=f"DROP INDEX CONCURRENTLY {target.sql()}", online=True)
        else:
            yield Change(Kind.DDL, 0)


def _alter(item: Any) -> Iterator[Change]:
    table = item.this
    online = bool(item.args.get("not_valid"))
    to_column = next((o for o in item.args.get("options") or () if type(o).__name__ == "ToTableProperty"), None)
    for action in item.args.get("actions") or ():
        match type(action).__name__:
            case "Drop" if action.args.get("kind") == "COLUMN":
                for target in action.args.get("tables") or [action.this]:
                    yield _on(table, Kind.DROP_COLUMN, column=target.name)
            case "AlterRename" if to_column:  # RENAME a TO b, without the word COLUMN
                yield _on(table, Kind.RENAME_COLUMN, column=action.this.name, to=to_column.this.name)
            case "AlterRename":
                yield _on(table, Kind.RENAME_TABLE, to=action.this.name)
            case "RenameColumn":
                yield _on(table, Kind.RENAME_COLUMN, column=action.this.name, to=action.args["to"].name)
            case "ColumnDef":
                yield from _add_column(table, action)
            case "AlterColumn":
                yield from _alter_column(table, action)
            case "ModifyColumn":
                yield from _modify_column(table, action)
            case "AddConstraint":
                for constraint in action.expressions:
                    yield from _constraint(table, constraint, online)
            case _:
                yield _on(table, Kind.DDL)


def _add_column(table: Any, definition: Any) -> Iterator[Change]:
    constraints = _constraints(definition)
    column = definition.name
    primary = "PrimaryKeyColumnConstraint" in constraints
    default = _default(definition, constraints)
    required = primary or _not_null(constraints)
    yield _on(
        table, Kind.ADD_COLUMN, column=column, nullable=not required, default=default,
        new=type_of_sql(definition.args.get("kind")),
    )  # fmt: skip
    # PostgreSQL knows that a new column without a default holds nothing that a reference could lack.
    if (reference := constraints.get("Reference")) and default:
        yield _on(table, Kind.ADD_FOREIGN_KEY, columns=(column,), to=_referent(reference), inline=True)
    if check := constraints.get("CheckColumnConstraint"):
        yield _on(table, Kind.ADD_CHECK, condition=check.this.sql(dialect="postgres"), inline=True)
    if "UniqueColumnConstraint" in constraints:
        yield _on(table, Kind.ADD_UNIQUE, columns=(column,), inline=True)
    if primary:
        yield _on(table, Kind.ADD_PRIMARY_KEY, columns=(column,), inline=True)


def _constraints(definition: Any) -> dict[str, Any]:
    """By the names of their classes."""
    found = [constraint.args.get("kind") for constraint in definition.args.get("constraints") or ()]
    return {type(kind).__name__: kind for kind in found}


def _not_null(constraints: dict[str, Any]) -> bool:
    found = constraints.get("NotNullColumnConstraint")
    return found is not None and not found.args.get("allow_null")


def _default(definition: Any, constraints: dict[str, Any]) -> Default | None:
    kind = type_of_sql(definition.args.get("kind"))
    if (kind and kind.family in _SERIAL) or "AutoIncrementColumnConstraint" in constraints:
        return Default(kind.source if kind else "AUTO_INCREMENT", numbers=True)
    if generated := constraints.get("GeneratedAsIdentityColumnConstraint"):
        # GENERATED … AS IDENTITY, or AS (expression) in the words of some databases
        return Default("GENERATED AS IDENTITY", numbers=not generated.args.get("expression"))
    if "ComputedColumnConstraint" in constraints:
        return Default("GENERATED ALWAYS AS … STORED", stored="STORED" in definition.sql("postgres").upper())
    found = constraints.get("DefaultColumnConstraint")
    if found is None or type(found.this).__name__ == "Null":
        return None
    return default_of_sql(found.this.sql(dialect="postgres"))


def _alter_column(table: Any, action: Any) -> Iterator[Change]:
    if action.args.get("allow_null") is False:
        yield _on(table, Kind.SET_NOT_NULL, column=action.name)
    if action.args.get("dtype"):
        yield _on(table, Kind.SET_TYPE, column=action.name, new=type_of_sql(action.args["dtype"]))
    if action.args.get("allow_null") is not False and not action.args.get("dtype"):
        yield _on(table, Kind.DDL)


def _modify_column(table: Any, action: Any) -> Iterator[Change]:
    """MySQL's MODIFY and CHANGE say the whole column anew, whatever of it changes."""
    definition, before = action.this, action.args.get("rename_from")
    old = before.name if before else definition.name
    constraints = _constraints(definition)
    if before and before.name != definition.name:
        yield _on(table, Kind.RENAME_COLUMN, column=old, to=definition.name)
    yield _on(table, Kind.SET_TYPE, column=old, new=type_of_sql(definition.args.get("kind")))
    if _not_null(constraints):
        yield _on(table, Kind.SET_NOT_NULL, column=definition.name)


def _constraint(table: Any, item: Any, online: bool) -> Iterator[Change]:
    if type(item).__name__ == "Constraint":
        for inner in item.expressions:
            for change in _constraint(table, inner, online):
                yield replace(change, name=item.name)
        return
    match type(item).__name__:
        case "ForeignKey":
            referent = _referent(item.args.get("reference"))
            yield _on(table, Kind.ADD_FOREIGN_KEY, columns=_columns(item), to=referent, online=online)
        case "CheckColumnConstraint":
            yield _on(table, Kind.ADD_CHECK, condition=item.this.sql(dialect="postgres"), online=online)
        case "UniqueColumnConstraint":
            yield _on(table, Kind.ADD_UNIQUE, columns=_columns(item.this))
        case "PrimaryKey":
            yield _on(table, Kind.ADD_PRIMARY_KEY, columns=_columns(item))
        case "ExcludeColumnConstraint":
            yield _on(table, Kind.ADD_EXCLUSION)
        case "IndexColumnConstraint":
            yield _on(table, Kind.CREATE_INDEX, name=item.name, columns=_columns(item))
        case "ColumnDef":
            yield from _add_column(table, item)
        case _:
            yield _on(table, Kind.DDL)


def _columns(item: Any) -> tuple[str, ...]:
    return tuple(found.name for found in getattr(item, "expressions", ()) or ())


def _referent(reference: Any) -> str:
    target: Any = getattr(reference, "this", None)
    return _named_table(target.this if type(target).__name__ == "Schema" else target)


def _named_table(table: Any) -> str:
    if table is None:
        return ""
    schema = table.args.get("db")
    return f"{schema.name}.{table.name}" if schema else str(table.name)


def _on(table: Any, kind: Kind, **facts: Any) -> Change:
    inner = table.this if type(table).__name__ == "Schema" else table
    full = _named_table(inner) if type(inner).__name__ == "Table" else ""
    return Change(kind, 0, **_named(full), **facts)


def _named(full: str) -> dict[str, Any]:
    schema, _, name = full.replace('"', "").replace("`", "").rpartition(".")
    return {"table": name, "schema": schema, "shown": full.replace('"', "").replace("`", "") or "the table"}
