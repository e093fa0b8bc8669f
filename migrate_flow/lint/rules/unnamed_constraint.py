"""A constraint gets no name.

Problem: It must be named to be dropped, and without a name the database makes one up: on MySQL by counting, so that
two environments may differ; on SQLite none at all. PostgreSQL's names are the same everywhere, so there it is a
remark, except for `drop_constraint(None, …)`, which fails everywhere. One finding for each table; primary keys are
not meant, and a naming convention of the project's metadata gives names too: then turn this rule off.

Instead of:

    op.create_foreign_key(None, "orders", "customers", ["customer_id"], ["id"])

Use:

    op.create_foreign_key("fk_orders_customer_id", "orders", "customers", ["customer_id"], ["id"])
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

from migrate_flow.core.finding import Severity
from migrate_flow.lint.constraints import TITLES, Constraint, constraints
from migrate_flow.lint.rule import Group, Hit, Rule

if TYPE_CHECKING:
    from migrate_flow.lint.script import Operation, Script


def check(script: Script) -> Iterator[Hit]:
    for op in script.operations:
        if op.name == "drop_constraint" and _is_none(op):
            message = f"a constraint of {op.table or 'the table'} is dropped without its name, which fails"
            yield Hit(op.line, message, f'op.drop_constraint("{_example("fk", op.table, ())}", "{op.table or "…"}")')
    found: dict[int, list[Constraint]] = {}
    for constraint in constraints(script):
        if constraint.name is None and constraint.kind != "pk":
            found.setdefault(id(constraint.of.call), []).append(constraint)
    for group in found.values():
        yield _hit(group)


def _hit(group: list[Constraint]) -> Hit:
    first = group[0]
    table = first.table or "the table"
    name = _example(first.kind, first.table, first.columns)
    if len(group) == 1:
        on = f" ({', '.join(first.columns)})" if first.columns else ""
        return Hit(first.line, f"a {TITLES[first.kind]} of {table}{on} has no name", f'name="{name}"')
    kinds = dict.fromkeys(TITLES[constraint.kind] for constraint in group)
    message = f"{len(group)} constraints of {table} have no name: {', '.join(kinds)}"
    return Hit(first.line, message, f'name="{name}", and so on')


def _example(kind: str, table: str, columns: tuple[str, ...]) -> str:
    plain = [column.replace(".", "_") for column in columns[:1]]
    return "_".join([kind, table or "TABLE", *plain])


def _is_none(op: Operation) -> bool:
    given = op.argument(0, "constraint_name")
    return isinstance(given, ast.Constant) and given.value is None


RULE = Rule("unnamed-constraint", Group.STYLE, check, Severity.WARNING, severities={"postgresql": Severity.INFO})
