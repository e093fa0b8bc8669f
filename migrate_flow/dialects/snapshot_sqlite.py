"""The schema of a SQLite database: what its pragmas tell, and what only the text of its statements does.

docs/reference/snapshot-sqlite.md says what is read, and what is not.
"""

from __future__ import annotations

import re
import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from migrate_flow.core.snapshot import TEXT, SchemaObject, Snapshot, attributes, dotted, snapshot_of
from migrate_flow.dialects import sqlite_ddl
from migrate_flow.dialects.sqlite_ddl import Constraint, TableText, Unreadable
from migrate_flow.dialects.sqlite_look import PREFIX, Reader
from migrate_flow.dialects.sqlite_text import Token, expression, one_spelling, tokens

if TYPE_CHECKING:
    from sqlalchemy import Connection

NORMALISER = "sqlite/1"
_MASTER = "SELECT type, name, tbl_name, sql FROM main.sqlite_master WHERE sql IS NOT NULL ORDER BY type, name"
# A virtual table's module may be missing here: it is not asked for its columns. A temporary table may have any name.
_COLUMNS = """
SELECT m.name, x.name, x.type, x."notnull", x.dflt_value, x.pk, x.hidden
FROM main.sqlite_master m JOIN pragma_table_xinfo(m.name, 'main') x
WHERE m.type = 'table' AND m.sql NOT LIKE 'CREATE VIRTUAL%' ORDER BY m.name, x.cid"""
# The tables behind a virtual one, by its module. NOTE: pragma_table_list knows them of modules that are loaded only.
_SHADOWS = {
    "FTS3": "content|segdir|segments",
    "FTS4": "content|docsize|segdir|segments|stat",
    "FTS5": "config|content|data|docsize|idx",
    "RTREE": "node|parent|rowid",
    "RTREE_I32": "node|parent|rowid",
    "GEOPOLY": "node|parent|rowid",
}
_ANY_SHADOW = "|".join(sorted(set("|".join(_SHADOWS.values()).split("|"))))
_SAME_TYPES = {"INT": "INTEGER", "BOOL": "BOOLEAN"}
_GENERATED = re.compile(r"\s*generated\s+always\s*$", re.I)


@dataclass(frozen=True, slots=True)
class _Column:
    """integer: declared by this very word, which makes a primary key the rowid. key: its place in the primary key."""

    name: str
    type: str
    integer: bool
    not_null: bool
    default: str
    key: int
    hidden: int


@dataclass(frozen=True, slots=True)
class _Schema:
    """master: the rows that are not left out."""

    master: Sequence[Any]
    columns: Mapping[str, Sequence[_Column]]

    def known(self, table: str) -> frozenset[str]:
        """The names that an expression of a table may hold, in lower case."""
        return frozenset(column.name.lower() for column in self.columns.get(table, ())) | {table.lower()}

    def is_table(self, name: str) -> bool:
        return name in self.columns

    def key_of(self, table: str) -> tuple[str, ...]:
        """The columns of a table's primary key, in lower case; empty if the table is not there."""
        columns = next((columns for name, columns in self.columns.items() if name.lower() == table), ())
        return tuple(column.name.lower() for column in sorted(columns, key=lambda c: c.key) if column.key)


def take(connection: Reader, *, leave_out: frozenset[str] = frozenset()) -> Snapshot:
    """Two queries. leave_out: Alembic's version tables."""
    schema = _read(connection, leave_out)
    objects = [item for row in schema.master for item in _objects(schema, *row)]
    order = {
        f"table {dotted(name)}": tuple(column.name for column in columns) for name, columns in schema.columns.items()
    }
    major = sqlite3.sqlite_version.partition(".")[0]
    return snapshot_of(objects, order, normaliser=NORMALISER, server_major=major)


def row_counts(connection: Connection, *, leave_out: frozenset[str] = frozenset()) -> dict[str, int]:
    """Exact counts of all tables but ours."""
    names = sorted(row[1] for row in _read(connection, leave_out).master if row[0] == "table")
    quote = connection.dialect.identifier_preparer.quote_identifier
    queries = {name: f"SELECT count(*) FROM {quote(name)}" for name in names}  # noqa: S608 quoted
    return {dotted(name): int(connection.exec_driver_sql(query).scalar_one()) for name, query in queries.items()}


def _read(connection: Reader, leave_out: frozenset[str]) -> _Schema:
    rows = connection.exec_driver_sql(_MASTER).all()
    columns: dict[str, list[_Column]] = defaultdict(list)
    for table, name, kind, not_null, default, key, hidden in connection.exec_driver_sql(_COLUMNS):
        exactly = (kind or "").upper() == "INTEGER"
        columns[table].append(_Column(name, _type(kind or ""), exactly, bool(not_null), default or "", key, hidden))
    out = {name.rpartition(".")[2].lower() for name in leave_out}
    virtual = [_shadows(name, sql) for kind, name, _, sql in rows if kind == "table" and _is_virtual(sql)]
    shadow = re.compile("|".join(virtual) or "(?!)", re.I)

    def ours(table: str) -> bool:
        lower = table.lower()
        internal = lower.startswith(("sqlite_", PREFIX)) or lower in out
        return internal or shadow.fullmatch(table) is not None

    kept = [row for row in rows if not ours(row[2])]
    mine = {row[1] for row in kept if row[0] == "table"}
    return _Schema(kept, {table: found for table, found in columns.items() if table in mine})


def _shadows(name: str, sql: str) -> str:
    """A pattern for the names of the tables behind a virtual one."""
    module = _behind(tokens(sql), "USING")[:1]
    known = _SHADOWS.get(module[0].value.upper(), _ANY_SHADOW) if module else _ANY_SHADOW
    return f"{re.escape(name)}_(?:{known})"


@lru_cache(maxsize=256)  # a schema has few of them
def _type(text: str) -> str:
    """In capitals, evenly spaced. Older versions of SQLite leave the words of a generated column there.

    A table that Alembic has rebuilt has the longer one of two names; the rowid is told by the primary key.
    """
    even = re.sub(r" ?([(),]) ?", r"\1", " ".join(_GENERATED.sub("", text).upper().split()))
    return _SAME_TYPES.get(even, even)


def _is_virtual(sql: str) -> bool:
    return sql[:15].upper() == "CREATE VIRTUAL "


def _objects(schema: _Schema, kind: str, name: str, table: str, sql: str) -> Iterator[SchemaObject]:
    of = f"table {dotted(table)}"
    match kind:
        case "table" if _is_virtual(sql):
            said = one_spelling(_behind(tokens(sql), "USING"), frozenset())
            yield SchemaObject("virtual table", dotted(name), ((TEXT, said),))
        case "table":
            yield from _table(schema, name, sql)
        case "index":
            yield SchemaObject("index", dotted(name), _index(sql, schema.known(table)), of)
        case "view":
            yield SchemaObject("view", dotted(name), ((TEXT, one_spelling(_behind_name(sql, name), frozenset())),))
        case "trigger":
            when, begin, body = one_spelling(_behind_name(sql, name), frozenset()).partition(" begin ")
            when = when.removeprefix("before ").removesuffix(" for each row").replace(" for each row when ", " when ")
            on = of if schema.is_table(table) else f"view {dotted(table)}"
            yield SchemaObject("trigger", dotted(table, name), ((TEXT, when + begin + body),), on)


def _behind(found: list[Token], word: str) -> list[Token]:
    at = next((index for index, token in enumerate(found) if token.says(word)), -1)
    return found[at + 1 :]


def _behind_name(sql: str, name: str) -> list[Token]:
    """What follows CREATE …, IF NOT EXISTS and the name, which is told apart."""
    found = tokens(sql)
    at = next((index for index, token in enumerate(found) if index > 1 and token.value.lower() == name.lower()), 1)
    return found[at + 1 :]


def _index(sql: str, known: frozenset[str]) -> tuple[tuple[str, str], ...]:
    try:
        columns, where = sqlite_ddl.read_index(sql, known)
    except Unreadable:
        return ((TEXT, one_spelling(tokens(sql), known)),)
    return attributes(columns=", ".join(columns), where=where, unique=tokens(sql)[1].says("UNIQUE"))


def _table(schema: _Schema, name: str, sql: str) -> Iterator[SchemaObject]:
    of = f"table {dotted(name)}"
    try:
        text = sqlite_ddl.read_table(sql, schema.known(name))
    except Unreadable:
        text = TableText(options=[one_spelling(tokens(sql), schema.known(name))])
    yield SchemaObject("table", dotted(name), attributes(options=", ".join(text.options)))
    rowid = _rowid(schema.columns[name], text)
    for column in schema.columns[name]:
        yield SchemaObject("column", dotted(name, column.name), _column(column, text, rowid), of)
    yield from {_constraint(schema, name, constraint, of, rowid) for constraint in text.constraints}


def _rowid(columns: Sequence[_Column], text: TableText) -> bool:
    """Whether the primary key is the rowid by another name, which is never null."""
    keys = [column for column in columns if column.key]
    key = next((item for item in text.constraints if item.what == "primary key"), None)
    descending = key is not None and "descending" in key.said
    return len(keys) == 1 and keys[0].integer and "without rowid" not in text.options and not descending


def _column(column: _Column, text: TableText, rowid: bool) -> tuple[tuple[str, str], ...]:
    name = column.name.lower()
    implied = column.key > 0 and (rowid or "without rowid" in text.options)
    collation = text.collations.get(name, "")
    generated = text.generated.get(name, "")
    return attributes(
        type=column.type,
        not_null=column.not_null or implied,
        default=column.default and expression(tokens(column.default), frozenset()),
        collation="" if collation == "binary" else collation,
        generated=generated or {2: "virtual", 3: "stored"}.get(column.hidden, ""),
        not_null_on_conflict=text.conflicts.get(name, ""),
    )


def _constraint(schema: _Schema, table: str, item: Constraint, of: str, rowid: bool) -> SchemaObject:
    """Known by what it says: to SQLite its name means nothing, and a rebuilt table may have lost or found it."""
    said = f"{item.what} ({', '.join(item.columns) or item.check})"
    if item.what == "foreign key":
        targets = item.targets or schema.key_of(item.table)
        said += f" references {item.table} ({', '.join(targets)})"
    more = {"rowid": "yes"} if rowid and item.what == "primary key" else {}
    return SchemaObject("constraint", f"{dotted(table)}.{said}", tuple((item.said | more).items()), of)
