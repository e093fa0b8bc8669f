"""A constraint or index is not named as the project names them.

Problem: Whoever reads an error of the database sees a name alone: it should tell what kind of object of which table
is meant. By default `pk_` `fk_` `uq_` `ix_` `ck_` (also `idx_`) in front, or PostgreSQL's own endings `_pkey` `_fkey`
`_key` `_idx` `_check`. A project may set a regular expression for each kind, with `{table}` for the table's name.

Instead of:

    op.create_unique_constraint("only_one_number", "orders", ["number"])

Use:

    op.create_unique_constraint("uq_orders_number", "orders", ["number"])
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from migrate_flow.core.finding import Severity
from migrate_flow.lint.constraints import TITLES, constraints
from migrate_flow.lint.rule import Group, Hit, Rule

if TYPE_CHECKING:
    from migrate_flow.lint.script import Script

DEFAULTS = {
    "pk": r"pk_.+|.+_pk(ey)?\d*",
    "fk": r"fk_.+|.+_fk(ey)?\d*",
    "uq": r"(uq|uix|ix|idx)_.+|.+_(key|uq|uniq(ue)?|uc)\d*|(unique|uniq)_.+",
    "ix": r"(ix|idx|uq|uix|index)_.+|.+_(idx|ix|index|key|uq)\d*",
    "ck": r"(ck|check|chk)_.+|.+_(check|ck|chk)\d*",
}


def check(script: Script) -> Iterator[Hit]:
    patterns = {**DEFAULTS, **script.settings.constraint_names}
    for constraint in constraints(script):
        name, kind = constraint.name, constraint.kind
        if not name or kind not in patterns:
            continue
        pattern = patterns[kind].replace("{table}", re.escape(constraint.table) or r"\w+")
        if not re.fullmatch(pattern, name):
            table = constraint.table or "the table"
            configured = kind in script.settings.constraint_names
            rest = "_".join([constraint.table or "TABLE", *constraint.columns[:1]]).replace(".", "_")
            hint = f"a name that matches {pattern}" if configured else f'"{kind}_{rest}"'
            article = "an" if kind == "ix" else "a"
            message = f"{name} does not look like the name of {article} {TITLES[kind]} of {table}"
            yield Hit(constraint.line, message, hint)


RULE = Rule("constraint-naming", Group.STYLE, check, Severity.INFO)
