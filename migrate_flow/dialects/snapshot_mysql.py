"""The schema of a MySQL or MariaDB database, from information_schema.

Left out: counters of AUTO_INCREMENT, who defined a view, trigger or routine, and the database's own character set.
What is missing: grants, parsers of full-text indexes, and tablespaces.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, func, select, table

from migrate_flow.core.snapshot import SchemaObject, Snapshot, attributes, dotted, snapshot_of
from migrate_flow.dialects import mysql_catalog as catalog
from migrate_flow.dialects.tables import PREFIX

VERSION = 1
_AT_ONCE = 200  # tables in one statement
_VERSION = re.compile(r"(?:5\.5\.5-)?(\d+)\.(\d+)")
_TEXT = re.compile(r"'(?:[^'\\]|\\.|'')*'|\"(?:[^\"\\]|\\.|\"\")*\"|`(?:[^`]|``)*`\.?|\s+", re.S)
_ROW_FORMAT = re.compile(r"row_format=(\w+)", re.I)
_TABLES = ("BASE TABLE", "SYSTEM VERSIONED")


@dataclass(slots=True)
class _Found:
    """db: the database's name in backticks, which the server writes before every table."""

    db: str
    mariadb: bool
    tables: dict[str, Any] = field(default_factory=dict)
    objects: list[SchemaObject] = field(default_factory=list)

    def add(self, kind: str, name: str, of: str = "", /, **said: Any) -> None:
        self.objects.append(SchemaObject(kind, name, attributes(**said), of))

    def text(self, printed: Any) -> str:
        return in_one_form(printed, self.db)


def in_one_form(printed: Any, db: str) -> str:
    """A definition in which neither white space nor the database's name (in backticks) counts."""

    def same(match: re.Match[str]) -> str:
        found = match[0]
        inner = match.string[max(0, match.start() - 1)] == "."  # a table or column of the same name
        return " " if found.isspace() else "" if found == db + "." and not inner else found

    return _TEXT.sub(same, _plain(printed)).strip()


def take(connection: Connection, *, leave_out: frozenset[str] = frozenset()) -> Snapshot:
    """Fourteen statements, and one for each sequence. leave_out: Alembic's version tables."""
    with _settled(connection) as (version, found):
        rows = _all(connection, catalog.TABLES)
        out = {name.rpartition(".")[2] for name in leave_out}
        kept = {row["name"]: row for row in rows if row["name"] not in out and not row["name"].startswith(PREFIX)}
        found.tables = {name: row for name, row in kept.items() if row["kind"] in _TABLES}
        order = _tables(found, connection)
        _indexes(found, _all(connection, catalog.INDEXES))
        _foreign_keys(found, _all(connection, catalog.FOREIGN_KEYS))
        _views(found, [row for row in _all(connection, catalog.VIEWS) if row["name"] in kept])
        _triggers(found, _all(connection, catalog.TRIGGERS))
        _routines(found, _all(connection, catalog.ROUTINES), _all(connection, catalog.PARAMETERS))
        _events(found, _all(connection, catalog.EVENTS))
        for name, row in kept.items():
            if row["kind"] == "SEQUENCE":
                _sequence(found, connection, name)
    normaliser = f"{'mariadb' if found.mariadb else 'mysql'}/{VERSION}"
    return snapshot_of(found.objects, order, normaliser=normaliser, server_major=version)


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
    version, mariadb = str(before["version"]), "mariadb" in str(before["version"]).lower()
    series = _VERSION.match(version)
    connection.exec_driver_sql(catalog.FIX_SETTINGS)
    try:
        db = "`" + _plain(before["db"]).replace("`", "``") + "`"
        yield ".".join(series.groups()) if series else version, _Found(db, mariadb)
    finally:
        quoted = int(before["quoted"])
        connection.exec_driver_sql(
            f"SET SESSION sql_mode = '{before['sql_mode']}', time_zone = '{before['time_zone']}', "
            f"sql_quote_show_create = {quoted}"
        )


def _all(connection: Connection, query: str) -> list[dict[str, Any]]:
    """Rows with names of columns in lower case."""
    rows = connection.exec_driver_sql(query).mappings()
    return [{name.lower(): _read(value) for name, value in row.items()} for row in rows]


def _read(value: Any) -> Any:
    return value.decode() if isinstance(value, bytes | bytearray) else value


def _plain(value: Any) -> str:
    return "" if value is None else str(_read(value))


def _of(name: str) -> str:
    return f"table {dotted(name)}"


def _tables(found: _Found, connection: Connection) -> dict[str, tuple[str, ...]]:
    """Tables, columns, checks; returns the order of columns."""
    partitions = _partitions(found, _all(connection, catalog.PARTITIONS))
    checks = _all(connection, catalog.CHECKS_MARIADB if found.mariadb else catalog.CHECKS_MYSQL)
    json = {(row["tbl"], row["name"]) for row in checks if _is_json_check(row)} if found.mariadb else set()
    for name, row in found.tables.items():
        options = " ".join(
            word for word in _plain(row["options"]).split() if word != "partitioned" and not _ROW_FORMAT.match(word)
        )
        asked = _ROW_FORMAT.search(_plain(row["options"]))
        found.add(
            "table",
            dotted(name),
            engine=row["engine"],
            collation=row["collation"],
            row_format=asked[1].lower() if asked else "",
            options=options,
            comment=row["comment"],
            partitions=partitions.get(name, ""),
            system_versioned=row["kind"] == "SYSTEM VERSIONED",
        )
    order: dict[str, list[str]] = defaultdict(list)
    for row in _all(connection, catalog.COLUMNS):
        if row["tbl"] in found.tables:
            order[_of(row["tbl"])].append(row["name"])
            _column(found, row, (row["tbl"], row["name"]) in json)
    for row in checks:
        if row["tbl"] in found.tables and (row["tbl"], row["name"]) not in json:
            clause, enforced = found.text(row["clause"]), row["enforced"] != "NO"
            name = dotted(row["tbl"], row["name"])
            found.add(
                "constraint", name, _of(row["tbl"]), definition=f"CHECK ({clause})", enforced="" if enforced else "no"
            )
    return {name: tuple(columns) for name, columns in order.items()}


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
    said: dict[str, list[str]] = {}
    for row in rows:
        how = f"{row['method']} ({found.text(row['expression'])})"
        if row["part_method"]:
            how += f", {row['part_method']} ({found.text(row['part_expression'])})"
        name = ".".join(filter(None, (row["name"], row["part"])))
        values = f" {_plain(row['description'])}" if row["description"] else ""
        said.setdefault(row["tbl"], [how]).append(name + values)
    return {name: "; ".join(parts) for name, parts in said.items()}


def _indexes(found: _Found, rows: Sequence[Mapping[str, Any]]) -> None:
    parts: dict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        if row["table_name"] in found.tables:
            parts[row["table_name"], row["index_name"]].append(row)
    for (name, index), columns in parts.items():
        first = columns[0]
        kind = "" if first["index_type"] == "BTREE" else first["index_type"].lower()
        hidden = first.get("is_visible") == "NO" or first.get("ignored") == "YES"
        found.add(
            "constraint" if index == "PRIMARY" else "index",
            dotted(name, index),
            _of(name),
            columns=", ".join(_indexed(found, row) for row in columns),
            unique=index != "PRIMARY" and not int(first["non_unique"]),
            type=kind,
            ignored=hidden,
            comment=first["index_comment"],
        )


def _indexed(found: _Found, row: Mapping[str, Any]) -> str:
    said = dotted(row["column_name"]) if row["column_name"] else f"({found.text(row.get('expression'))})"
    length = f"({row['sub_part']})" if row["sub_part"] and row["index_type"] not in ("FULLTEXT", "SPATIAL") else ""
    return said + length + (" desc" if row["collation"] == "D" else "")


def _foreign_keys(found: _Found, rows: Sequence[Mapping[str, Any]]) -> None:
    parts: dict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        if row["tbl"] in found.tables:
            parts[row["tbl"], row["name"]].append(row)
    for (name, key), columns in parts.items():
        first = columns[0]
        elsewhere = "" if f"`{first['other_db']}`" == found.db else f"{dotted(first['other_db'])}."
        mine = ", ".join(dotted(row["col"]) for row in columns)
        theirs = ", ".join(dotted(row["target"]) for row in columns)
        said = f"FOREIGN KEY ({mine}) REFERENCES {elsewhere}{dotted(first['other'])} ({theirs})"
        for action in ("on_update", "on_delete"):
            if first[action] not in ("RESTRICT", "NO ACTION"):  # the same to InnoDB
                said += f" {action.replace('_', ' ').upper()} {first[action]}"
        found.add("constraint", dotted(name, key), _of(name), definition=said)


def _views(found: _Found, rows: Sequence[Mapping[str, Any]]) -> None:
    for row in rows:
        checked = "" if row["checked"] == "NONE" else _plain(row["checked"]).lower()
        security = _plain(row["security"]).lower()
        definition = found.text(row["definition"])
        found.add("view", dotted(row["name"]), definition=definition, check_option=checked, security=security)


def _triggers(found: _Found, rows: Sequence[Mapping[str, Any]]) -> None:
    for row in rows:
        if row["tbl"] in found.tables:
            said = f"{row['timing']} {row['event']} {found.text(row['definition'])}"
            name, number = dotted(row["tbl"], row["name"]), _plain(row["number"])
            found.add("trigger", name, _of(row["tbl"]), definition=said, order=number, sql_mode=_plain(row["sql_mode"]))


def _routines(found: _Found, rows: Sequence[Mapping[str, Any]], parameters: Sequence[Mapping[str, Any]]) -> None:
    taken: dict[tuple[str, str], list[str]] = defaultdict(list)
    for row in parameters:
        words = (row["mode"] if row["kind"] == "PROCEDURE" else "", row["name"], row["type"])
        taken[row["kind"], row["routine"]].append(" ".join(filter(None, map(_plain, words))))
    for row in rows:
        found.add(
            _plain(row["kind"]).lower(),
            dotted(row["name"]),
            parameters=", ".join(taken[row["kind"], row["name"]]),
            returns=row["returns"],
            definition=found.text(row["definition"]),
            deterministic=row["deterministic"] == "YES",
            access=_plain(row["access"]).lower(),
            security=_plain(row["security"]).lower(),
            sql_mode=row["sql_mode"],
            comment=row["comment"],
        )


def _events(found: _Found, rows: Sequence[Mapping[str, Any]]) -> None:
    for row in rows:
        every = f"every {row['value']} {row['field']}" if row["kind"] == "RECURRING" else f"at {row['at']}"
        found.add(
            "event",
            dotted(row["name"]),
            definition=found.text(row["definition"]),
            schedule=every,
            starts=_plain(row["starts"]),
            ends=_plain(row["ends"]),
            status=_plain(row["status"]).lower(),
            on_completion=_plain(row["completion"]).lower(),
            sql_mode=row["sql_mode"],
            time_zone=row["time_zone"],
            comment=row["comment"],
        )


def _sequence(found: _Found, connection: Connection, name: str) -> None:
    quote = connection.dialect.identifier_preparer.quote_identifier
    printed = connection.exec_driver_sql(f"SHOW CREATE SEQUENCE {quote(name)}").one()[1]
    # Where it stands is no part of it: this tells where it starts.
    said = found.text(_plain(printed).partition("` ")[2])
    found.add("sequence", dotted(name), definition=said)
