"""Rows of the catalogs about everything but relations, as objects of a snapshot: types, functions, what hangs on a
table, what stands alone, comments and grants."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from migrate_flow.core.snapshot import SchemaObject, attributes, dotted
from migrate_flow.dialects.postgresql_options import plain
from migrate_flow.dialects.postgresql_relations import FIRING, Found, quoted
from migrate_flow.dialects.postgresql_text import one_form

_FUNCTIONS = {"p": "procedure", "a": "aggregate"}
_BODY = "\nAS "


def types(found: Found, rows: Sequence[Any]) -> None:
    for row in rows:
        name = dotted(row.schema, row.name)
        match row.kind:
            case "c":  # told as a relation; what is said of it is said of the type
                if key := found.relation(row.relation):
                    found.keys["pg_type", row.oid, 0] = key
                continue
            case "e":
                kind, said = "enum", attributes(labels=row.labels)
            case "d":
                how = {"type": row.type, "default": one_form(row.default), "collation": row.collation}
                kind, said = "domain", attributes(not_null=row.not_null, **how)
            case "r":
                kind = "range type"
                said = attributes(
                    of=row.range_of,
                    canonical=row.canonical,
                    difference=row.subdiff,
                    operator_class=row.operator_class,
                    collation=row.range_collation,
                    multirange=row.multirange,
                )
            case _:
                base = {key.removeprefix("typ"): str(value) for key, value in json.loads(row.base or "{}").items()}
                kind, said = "type", attributes(not_defined=not row.defined, **base)
        found.add(SchemaObject(kind, name, said), "pg_type", row.oid)


def functions(found: Found, rows: Sequence[Any]) -> None:
    for row in rows:
        name = f"{dotted(row.schema, row.name)}({row.arguments})"
        said = attributes(definition=_function(row.definition or "", row.parsed))
        found.add(SchemaObject(_FUNCTIONS.get(row.kind, "function"), name, said), "pg_proc", row.oid)


def _function(text: str, parsed: bool) -> str:
    """Of a body in quotes every character counts; what the server has parsed is printed as a view is."""
    head, mark, body = ("", "", "") if parsed else text.partition(_BODY)
    return one_form(head) + mark + body.strip() if mark else one_form(text)


def parts(found: Found, rows: Sequence[Any]) -> None:
    for row in rows:
        of = found.relation(row.relation)
        if of is not None:
            name = dotted(row.schema, row.name) if row.schema else f"{found.relations[row.relation]}.{quoted(row.name)}"
            said = attributes(definition=one_form(row.definition), fires=FIRING.get(row.firing))
            found.add(SchemaObject(row.kind, name, said, of), row.catalog, row.oid)


def globals_(found: Found, rows: Sequence[Any]) -> None:
    for row in rows:
        said = json.loads(row.said or "{}")
        if "options" in said:
            said["options"] = plain(said["options"])
        if row.kind == "publication":
            said["tables"] = one_form(said["tables"])
        found.add(SchemaObject(row.kind, row.name, attributes(**said)), row.catalog, row.oid)


def comments(found: Found, rows: Sequence[Any]) -> None:
    for row in rows:
        key = found.keys.get((row.catalog, row.oid, row.number))
        if key is not None:
            said = attributes(definition=row.text)
            found.objects.append(SchemaObject(row.kind, key, said, found.inside.get(key, key)))


def grants(found: Found, rows: Sequence[Any]) -> None:
    """What each role has beyond the default, or lacks of it."""
    sides: dict[tuple[str, str, str, str], tuple[set[str], set[str]]] = defaultdict(lambda: (set(), set()))
    for row in rows:
        if row.role is not None:
            place = f" in {dotted(row.schema)}" if row.schema else ""
            name = f"of {dotted(row.role)}{place} on {row.kind} to {dotted(row.grantee)}"
            sides["default privileges", name, "", ""][row.standard].add(row.privilege)
        elif key := found.keys.get((row.catalog, row.oid, row.number)):
            of = found.inside.get(key, key)
            sides["grant", f"to {dotted(row.grantee)} on {key}", of, row.grantee][row.standard].add(row.privilege)
    for (kind, name, of, _), (has, standard) in sides.items():
        if has != standard:
            said = attributes(privileges=", ".join(sorted(has)) or "none")
            found.objects.append(SchemaObject(kind, name, said, of))
