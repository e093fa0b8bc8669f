"""A column's server default: whether each row gets a value of its own, so that all rows have to be written.

Source: PostgreSQL, ALTER TABLE: a default that is not volatile is evaluated once and kept beside the table.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from enum import StrEnum

from migrate_flow.lint.column_types import written
from migrate_flow.lint.tree import walk
from migrate_flow.lint.values import last_name

VOLATILE = frozenset(
    {
        "random", "random_normal", "rand", "gen_random_uuid", "gen_random_bytes", "uuid", "uuidv4", "uuidv7", "newid",
        "uuid_generate_v1", "uuid_generate_v1mc", "uuid_generate_v4", "clock_timestamp", "timeofday", "nextval",
        "setval", "pg_sleep", "gen_salt", "sysdate", "uuid_short",
    }
)  # fmt: skip
# Not every stable function: those that defaults use. What is not here is unknown, which is not the same as dangerous.
_STABLE = frozenset(
    {
        "now", "current_timestamp", "current_date", "current_time", "current_user", "session_user", "localtime",
        "localtimestamp", "transaction_timestamp", "statement_timestamp", "timezone", "date_trunc", "date_part",
        "extract", "to_char", "to_timestamp", "to_date", "make_date", "make_interval", "age", "date", "datetime",
        "strftime", "julianday", "unixepoch", "lower", "upper", "concat", "coalesce", "nullif", "md5", "length", "cast",
        "convert", "array", "json_build_object", "jsonb_build_object", "json_build_array", "jsonb_build_array",
        "to_json", "to_jsonb", "json_object", "json_array", "utc_timestamp", "curdate", "unix_timestamp", "true",
        "false", "current_setting", "hstore", "row", "interval", "abs", "floor", "ceil", "round", "replace",
        "in", "and", "or", "not", "varchar", "char", "numeric", "decimal", "timestamp", "time", "bit", "xid8",
        "current_schema", "text", "null", "substring", "trim", "encode", "decode", "sha256", "to_tsvector",
    }
)  # fmt: skip
_FUNCTION = re.compile(r"(?<!:)\b([A-Za-z_]\w*)\s*\(")
_QUOTED = re.compile(r"'(?:[^']|'')*'")


class Volatility(StrEnum):
    STABLE = "stable"
    VOLATILE = "volatile"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Default:
    """source: as the script has it. functions: that it calls, lower case, without their schema. numbers: each row its
    own, as SERIAL and IDENTITY do. stored: a generated column. expression: no literal (MySQL asks)."""

    source: str
    functions: tuple[str, ...] = ()
    numbers: bool = False
    stored: bool = False
    expression: bool = False

    @property
    def volatility(self) -> Volatility:
        if self.numbers or self.stored or VOLATILE.intersection(self.functions):
            return Volatility.VOLATILE
        return Volatility.STABLE if _STABLE.issuperset(self.functions) else Volatility.UNKNOWN


def default_of_sql(text: str) -> Default:
    functions = tuple(found.lower() for found in _FUNCTION.findall(_QUOTED.sub("''", text)))
    return Default(text, functions, expression=bool(functions))


def default_of(node: ast.expr | None) -> Default | None:
    """Of a `server_default`; None where there is none."""
    match node:
        case None | ast.Constant(value=None | False):
            return None
        case ast.Constant(value=value):
            return Default(repr(value))
        case ast.Call(func=called, args=[ast.Constant(value=str(text)), *_]) if last_name(called) == "text":
            found = default_of_sql(text)
            return Default(written(node), found.functions, expression=found.expression)
        case ast.Call(func=called) if last_name(called) == "Identity":
            return Default(written(node), numbers=True)
    functions = tuple(_functions(node))
    return Default(written(node), functions, expression=bool(functions))


def _functions(node: ast.expr) -> list[str]:
    """The names after ``func.``, and what texts inside it call."""
    found = []
    for inner in walk(node):
        match inner:
            case ast.Call(func=ast.Attribute(attr=name, value=value)) if last_name(value) == "func":
                found.append(name.lower())
            case ast.Call(func=called, args=[ast.Constant(value=str(text)), *_]) if last_name(called) == "text":
                found += default_of_sql(text).functions
    return found
