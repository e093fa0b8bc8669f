"""What MySQL and MariaDB keep beside tables, from the rows of mysql_catalog: views, triggers, routines, events and
sequences.

Who defined them is left out: environments have accounts of their own, and a dump that is restored keeps the name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from migrate_flow.core.snapshot import SchemaObject, attributes, dotted
from migrate_flow.dialects.mysql_form import joins_in_one_form

Row = Mapping[str, Any]
Text = Callable[[Any], str]


def views(rows: Sequence[Row], text: Text) -> Iterator[SchemaObject]:
    for row in rows:
        algorithm = _lower(row.get("algorithm"))  # MySQL does not tell it
        yield SchemaObject(
            "view",
            dotted(row["table_name"]),
            attributes(
                definition=joins_in_one_form(text(row["view_definition"])),
                check_option="" if row["check_option"] == "NONE" else _lower(row["check_option"]),
                security=_lower(row["security_type"]),
                algorithm="" if algorithm == "undefined" else algorithm,
            ),
        )


def triggers(rows: Sequence[Row], text: Text) -> Iterator[SchemaObject]:
    for row in rows:
        said = attributes(
            definition=f"{row['timing']} {row['event']} {text(row['definition'])}",
            order=str(row["number"]),
            sql_mode=row["sql_mode"],
        )
        yield SchemaObject("trigger", dotted(row["tbl"], row["name"]), said, f"table {dotted(row['tbl'])}")


def routines(rows: Sequence[Row], text: Text) -> Iterator[SchemaObject]:
    """rows: in order, one for each parameter."""
    for (kind, name), parts in groupby(rows, key=lambda row: (row["kind"], row["name"])):
        taken = list(parts)
        row = taken[0]
        said = attributes(
            parameters=", ".join(_parameter(part) for part in taken if part["number"]),
            returns=_typed(row["returns"], row["returns_collation"]),
            definition=text(row["definition"]),
            deterministic=row["deterministic"] == "YES",
            access=_lower(row["access"]),
            security=_lower(row["security"]),
            sql_mode=row["sql_mode"],
            comment=row["comment"],
        )
        yield SchemaObject(_lower(kind), dotted(name), said)


def events(rows: Sequence[Row], text: Text) -> Iterator[SchemaObject]:
    for row in rows:
        # NOTE: without STARTS an event starts when it is made, which is another second each time.
        starts = "" if row["starts_utc"] in (row["created"], row["altered"]) else str(row["starts"] or "")
        said = attributes(
            definition=text(row["definition"]),
            schedule=f"every {row['value']} {row['field']}" if row["kind"] == "RECURRING" else f"at {row['at']}",
            starts=starts,
            ends=str(row["ends"] or ""),
            status=_lower(row["status"]),
            on_completion=_lower(row["completion"]),
            sql_mode=row["sql_mode"],
            time_zone=row["time_zone"],
            comment=row["comment"],
        )
        yield SchemaObject("event", dotted(row["name"]), said)


def sequences(rows: Sequence[Row], tables: Sequence[Row], types: Mapping[str, str]) -> Iterator[SchemaObject]:
    """Where they start, not where they stand. tables: those that the rows are numbered by. types: of their values."""
    for row in rows:
        table = tables[row["number"]]
        said = attributes(
            type=types.get(table["name"]),
            start=str(row["start"]),
            increment=str(row["step"]),
            minimum=str(row["least"]),
            maximum=str(row["most"]),
            cache=str(row["cache"]),
            cycle=bool(row["cycle"]),
            engine=table["engine"],
            comment=table["comment"],
        )
        yield SchemaObject("sequence", dotted(table["name"]), said)


def _parameter(row: Row) -> str:
    mode = "" if row["kind"] == "FUNCTION" else row["mode"]
    return " ".join(filter(None, (mode, row["parameter"], _typed(row["type"], row["collation"]))))


def _typed(kind: Any, collation: Any) -> str:
    return f"{kind or ''} collate {collation}" if collation else str(kind or "")


def _lower(value: Any) -> str:
    return str(value or "").lower()
