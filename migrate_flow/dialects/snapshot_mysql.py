"""The schema of a MySQL or MariaDB database, from information_schema.

docs/reference/snapshot-mysql.md says what is read, and what is not.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, TextClause, func, select, table, text

from migrate_flow.core.snapshot import SchemaObject, Snapshot, attributes, dotted, snapshot_of
from migrate_flow.dialects import mysql_catalog as catalog
from migrate_flow.dialects import mysql_stored as stored
from migrate_flow.dialects.mysql_form import in_one_form
from migrate_flow.dialects.mysql_grants import lacking
from migrate_flow.dialects.tables import PREFIX

VERSION = 1
_AT_ONCE = 200  # tables in one statement
_VERSION = re.compile(r"(?:5\.5\.5-)?(\d+)\.(\d+)")
_ROW_FORMAT = re.compile(r"row_format=(\w+)", re.I)
_PARTITIONED = "partitioned"
_IMPLIED = (_PARTITIONED, "page_checksum=1")  # Aria's default, which a dump says and the table did not
_TABLES = ("BASE TABLE", "SYSTEM VERSIONED")
_KINDS = (*_TABLES, "VIEW", "SEQUENCE")  # newer servers tell temporary tables too


@dataclass(slots=True)
class _Found:
    """db: the database's name. tables: rows by name. unseen: what this account may not look at."""

    db: str
    mariadb: bool
    unseen: list[str]
    tables: dict[str, Any] = field(default_factory=dict)
    objects: list[SchemaObject] = field(default_factory=list)

    def add(self, kind: str, name: str, of: str = "", /, **said: Any) -> None:
        self.objects.append(SchemaObject(kind, name, attributes(**said), of))

    def text(self, printed: Any) -> str:
        return in_one_form(printed, _ticked(self.db))

    @property
    def normaliser(self) -> str:
        """NOTE: what an account does not see would look as if it were gone: such snapshots are not compared."""
        name = f"{'mariadb' if self.mariadb else 'mysql'}/{VERSION}"
        return f"{name} without {', '.join(self.unseen)}" if self.unseen else name


def take(connection: Connection, *, leave_out: frozenset[str] = frozenset()) -> Snapshot:
    """Fifteen statements at most. leave_out: Alembic's version tables."""
    with _settled(connection) as (version, found):
        rows = _all(connection, catalog.TABLES)
        out = {name.rpartition(".")[2] for name in leave_out}
        kept = {
            row["name"]: row
            for row in rows
            if row["kind"] in _KINDS and row["name"] not in out and not row["name"].startswith(PREFIX)
        }
        found.tables = {name: row for name, row in kept.items() if row["kind"] in _TABLES}
        columns = _in_order(_all(connection, catalog.COLUMNS))
        order = _tables(found, connection, columns)
        indexes = catalog.INDEXES_MARIADB if found.mariadb else catalog.INDEXES_MYSQL
        _indexes(found, _in_order(_all(connection, indexes)))
        _foreign_keys(found, _in_order(_all(connection, catalog.FOREIGN_KEYS)))
        _beside_tables(found, connection, kept, columns)
    return snapshot_of(found.objects, order, normaliser=found.normaliser, server_major=version)


def row_counts(connection: Connection, *, leave_out: frozenset[str] = frozenset()) -> dict[str, int]:
    """Exact counts of all tables but ours."""
    out = {name.rpartition(".")[2] for name in leave_out}
    rows = _all(connection, catalog.TABLES)
    names = [row["name"] for row in rows if row["kind"] in _TABLES and not row["name"].startswith(PREFIX)]
    names = [name for name in names if name not in out]
    counts: dict[str, int] = {}
    for start in range(0, len(names), _AT_ONCE):
        some = names[start : start + _AT_ONCE]
        queries = [select(func.count()).select_from(table(name)).scalar_subquery() for name in some]
        row = connection.execute(select(*queries)).one()
        counts |= {dotted(name): int(count) for name, count in zip(some, row, strict=True)}
    return counts


@contextmanager
def _settled(connection: Connection) -> Iterator[tuple[str, _Found]]:
    """The settings that definitions are printed under, put back at the end; gives the server's release series."""
    before = connection.exec_driver_sql(catalog.READ_SETTINGS).mappings().one()
    version, db = _plain(before["version"]), _plain(before["db"])
    series = _VERSION.match(version)
    connection.exec_driver_sql(catalog.FIX_SETTINGS)
    try:
        grants = connection.exec_driver_sql(catalog.GRANTS).scalars()
        found = _Found(db, "mariadb" in version.lower(), lacking(map(_plain, grants), db))
        yield ".".join(series.groups()) if series else version, found
    finally:
        quoted = int(before["quoted"])
        connection.exec_driver_sql(
            f"SET SESSION sql_mode = '{_plain(before['sql_mode'])}', time_zone = '{_plain(before['time_zone'])}', "
            f"sql_quote_show_create = {quoted}"
        )


def _all(connection: Connection, query: str | TextClause) -> list[dict[str, Any]]:
    """Rows with names of columns in lower case."""
    rows = connection.exec_driver_sql(query) if isinstance(query, str) else connection.execute(query)
    names = list(map(str.lower, rows.keys()))
    return [dict(zip(names, map(_read, row), strict=True)) for row in rows]


def _in_order(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: int(row["number"]))


def _read(value: Any) -> Any:
    return value.decode() if isinstance(value, bytes | bytearray) else value


def _plain(value: Any) -> str:
    return "" if value is None else str(_read(value))


def _ticked(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _of(name: str) -> str:
    return f"table {dotted(name)}"


def _tables(found: _Found, connection: Connection, columns: Sequence[Mapping[str, Any]]) -> dict[str, tuple[str, ...]]:
    """Tables, partitions, columns, checks; returns the order of columns."""
    split = any(_PARTITIONED in _plain(row["options"]) for row in found.tables.values())
    partitioned = _partitions(found, _all(connection, catalog.PARTITIONS) if split else [])
    checks = _all(connection, catalog.CHECKS_MARIADB if found.mariadb else catalog.CHECKS_MYSQL)
    json = {(row["tbl"], row["name"]) for row in checks if _is_json_check(row)} if found.mariadb else set()
    for name, row in found.tables.items():
        words = [word for word in _plain(row["options"]).split() if word not in _IMPLIED]
        asked = _ROW_FORMAT.search(_plain(row["options"]))
        found.add(
            "table",
            dotted(name),
            engine=row["engine"],
            collation=row["collation"],
            row_format=asked[1].lower() if asked else "",
            options=" ".join(word for word in words if not _ROW_FORMAT.match(word)),
            comment=row["comment"],
            partitioned_by=partitioned.get(name, ""),
            system_versioned=row["kind"] == "SYSTEM VERSIONED",
        )
    order: dict[str, list[str]] = defaultdict(list)
    for row in columns:
        if row["tbl"] in found.tables:
            order[_of(row["tbl"])].append(row["name"])
            _column(found, row, (row["tbl"], row["name"]) in json)
    _checks(found, (row for row in checks if (row["tbl"], row["name"]) not in json))
    return {name: tuple(names) for name, names in order.items()}


def _checks(found: _Found, rows: Iterable[Mapping[str, Any]]) -> None:
    for row in rows:
        if row["tbl"] in found.tables:
            name, clause = dotted(row["tbl"], row["name"]), f"CHECK ({found.text(row['clause'])})"
            enforced = "no" if row["enforced"] == "NO" else ""
            found.add("constraint", name, _of(row["tbl"]), definition=clause, enforced=enforced)


def _is_json_check(row: Mapping[str, Any]) -> bool:
    """What MariaDB makes of the type JSON: a longtext with a check of the column's own name."""
    clause = _plain(row["clause"]).strip("()")
    return row["level"] == "Column" and clause.lower() == f"json_valid(`{row['name']}`".lower()


def _column(found: _Found, row: Mapping[str, Any], json: bool) -> None:
    extra = _plain(row["extra"]).lower()
    standard = None if row["standard"] is None else _plain(row["standard"])
    computed = "default_generated" in extra
    if found.mariadb and standard == "NULL":
        standard = None
    elif not found.mariadb and standard is not None and not computed:  # MySQL tells a literal without its quotes
        standard = "'" + standard.replace("'", "''") + "'"
    expression = found.text(row["expression"])
    words = re.sub(r"default_generated|(virtual|stored|persistent) generated", "", extra)
    is_json = json and row["type"] == "longtext" and row["collation"] == "utf8mb4_bin"
    kind = "virtual" if "virtual" in extra else "stored"
    found.add(
        "column",
        dotted(row["tbl"], row["name"]),
        _of(row["tbl"]),
        type="json" if is_json else row["type"],
        not_null=row["nullable"] == "NO",
        default=None if standard is None else found.text(standard) or "''",
        collation="" if is_json else row["collation"],
        generated=f"{kind}: {expression}" if expression else "",
        extra=" ".join(words.replace(",", " ").split()),
        comment=row["comment"],
    )


def _partitions(found: _Found, rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Returns by what each table is partitioned."""
    said: dict[str, str] = {}
    for row in rows:
        if row["tbl"] not in found.tables:
            continue
        if row["method"] == "SYSTEM_TIME":  # the server adds some itself as time goes by
            said[row["tbl"]] = row["method"]
            continue
        how = f"{row['method']} ({found.text(row['expression'])})"
        name = dotted(row["tbl"], row["name"])
        if row["part"]:
            how += f", {row['part_method']} ({found.text(row['part_expression'])})"
            name = dotted(row["tbl"], row["name"], row["part"])
        said[row["tbl"]] = how
        found.add("partition", name, _of(row["tbl"]), values=found.text(row["description"]), comment=row["comment"])
    return said


def _indexes(found: _Found, rows: Sequence[Mapping[str, Any]]) -> None:
    parts: dict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        if row["tbl"] in found.tables:
            parts[row["tbl"], row["name"]].append(row)
    for (name, index), columns in parts.items():
        first = columns[0]
        found.add(
            "constraint" if index == "PRIMARY" else "index",
            dotted(name, index),
            _of(name),
            columns=", ".join(_indexed(found, row) for row in columns),
            unique=index != "PRIMARY" and not int(first["repeats"]),
            type="" if first["type"] == "BTREE" else first["type"].lower(),
            ignored=first["ignored"] == "YES",
            comment=first["comment"],
        )


def _indexed(found: _Found, row: Mapping[str, Any]) -> str:
    said = dotted(row["col"]) if row["col"] else f"({found.text(row['expression'])})"
    length = f"({row['length']})" if row["length"] and row["type"] not in ("FULLTEXT", "SPATIAL") else ""
    return said + length + (" desc" if row["direction"] == "D" else "")


def _foreign_keys(found: _Found, rows: Sequence[Mapping[str, Any]]) -> None:
    parts: dict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        if row["tbl"] in found.tables:
            parts[row["tbl"], row["name"]].append(row)
    for (name, key), said_of in parts.items():
        does, columns = said_of[0], [row for row in said_of if row["number"]]
        if not columns:  # an account may be told what a key does, and not which columns have it
            continue
        first = columns[0]
        elsewhere = "" if first["other_db"] == found.db else f"{dotted(first['other_db'])}."
        mine = ", ".join(dotted(row["col"]) for row in columns)
        theirs = ", ".join(dotted(row["target"]) for row in columns)
        said = f"FOREIGN KEY ({mine}) REFERENCES {elsewhere}{dotted(first['other'])} ({theirs})"
        for action in ("on_update", "on_delete"):
            if does[action] not in ("", "RESTRICT", "NO ACTION"):  # the same to InnoDB
                said += f" {action.replace('_', ' ').upper()} {does[action]}"
        found.add("constraint", dotted(name, key), _of(name), definition=said)


def _beside_tables(
    found: _Found,
    connection: Connection,
    kept: Mapping[str, Mapping[str, Any]],
    columns: Sequence[Mapping[str, Any]],
) -> None:
    """Views, triggers, routines, events and sequences."""
    views = [row for row in _all(connection, catalog.VIEWS) if row["table_name"] in kept]
    triggers = [row for row in _all(connection, catalog.TRIGGERS) if row["tbl"] in found.tables]
    routines = _all(connection, catalog.ROUTINES)
    if any(row["definition"] is None for row in routines):
        found.unseen.append("the text of routines")
    readable = "SELECT" not in found.unseen
    numbered = [row for row in kept.values() if row["kind"] == "SEQUENCE" and readable]
    types = {row["tbl"]: row["type"] for row in columns if row["name"] == "minimum_value"}
    found.objects += stored.views(views, found.text)
    found.objects += stored.triggers(triggers, found.text)
    found.objects += stored.routines(routines, found.text)
    found.objects += stored.events(_all(connection, catalog.EVENTS), found.text)
    found.objects += stored.sequences(_sequences(connection, numbered), numbered, types)


def _sequences(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """NOTE: SQLAlchemy quotes as the session was when it was opened, not as it is now."""
    queries = [catalog.SEQUENCE.format(number=n, quoted=_ticked(row["name"])) for n, row in enumerate(rows)]
    return _all(connection, text(" UNION ALL ".join(queries).replace(":", r"\:"))) if queries else []
