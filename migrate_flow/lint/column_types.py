"""Column types as scripts write them, and which changes of type PostgreSQL and MySQL make without touching the rows.

Sources: PostgreSQL, ALTER TABLE, notes on table rewrites (binary coercible types, type modifiers that only widen);
MySQL, online DDL operations, "Extending VARCHAR column size".
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, replace
from typing import Any

from migrate_flow.lint.values import last_name

# SQLAlchemy's and sqlglot's names, in lower case, for one and the same type.
_FAMILIES = {
    "string": "varchar", "unicode": "varchar", "autostring": "varchar", "nvarchar": "varchar",
    "unicodetext": "text", "clob": "text",
    "int": "integer", "int4": "integer", "int8": "bigint", "int2": "smallint",
    "biginteger": "bigint", "smallinteger": "smallint",
    "numeric": "numeric", "decimal": "numeric",
    "datetime": "timestamp", "timestampntz": "timestamp", "timestampltz": "timestamptz",
    "bool": "boolean",
    "largebinary": "bytea", "varbinary": "bytea", "blob": "bytea",
    "double_precision": "double", "doubleprecision": "double",
}  # fmt: skip
_LENGTHS = frozenset({"varchar", "bit varying", "varbit"})
_PRECISIONS = frozenset({"timestamp", "timestamptz", "time", "timetz", "interval"})
_TEXTS = frozenset({"varchar", "text"})
_SIZED = _LENGTHS | _PRECISIONS | _TEXTS | {"numeric", "char", "float"}
_SINGLE = 24  # bits of a float that fits four bytes
_MYSQL_LENGTH_BYTE = 63  # characters of utf8mb4 whose length fits one byte; the byte more is a copy of the table


@dataclass(frozen=True, slots=True)
class ColumnType:
    """family: the type's name where databases agree, lower case; an enum's holds its own name, where it has one.

    sizes: length, or precision and scale. source: as the script has it. computed: one of the sizes is no literal.
    values: of an enum.
    """

    family: str
    sizes: tuple[int, ...] = ()
    source: str = ""
    computed: bool = False
    values: tuple[str, ...] = ()


def type_of(node: ast.expr | None) -> ColumnType | None:
    """``sa.String(50)``, ``sa.Text``, ``postgresql.TIMESTAMP(timezone=True)``; None where it can't be told."""
    match node:
        case ast.Call(func=ast.Attribute(attr="with_variant", value=inner)):
            return type_of(inner)
        case ast.Call(func=called):
            return _called(node, last_name(called).lower())
        case ast.Attribute() | ast.Name() if last_name(node)[:1].isupper():
            return ColumnType(_family(last_name(node)), (), written(node))
    return None


def written(node: ast.expr) -> str:
    """The source of an expression, as a formatter would have it."""
    source = ast.unparse(node)
    return source if '"' in source or "\\" in source else source.replace("'", '"')


def type_of_sql(data_type: Any) -> ColumnType | None:
    """From sqlglot's DataType."""
    kind = getattr(data_type, "this", None)
    name = str(getattr(kind, "value", "") or "")
    if not name:
        return None
    source = str(data_type.sql(dialect="postgres"))
    if name == "USERDEFINED":
        return ColumnType(source.lower(), (), source)
    sizes = tuple(int(p.name) for p in data_type.expressions if p.name.isdigit())
    return ColumnType(_family(name), sizes, source)


def stays_in_place(old: ColumnType, new: ColumnType, dialect: str) -> bool | None:
    """Whether no row is read or written for it, so that it takes a moment whatever the table's size. None: unknown."""
    if old.source == new.source:
        return True
    old, new = _float(old, dialect), _float(new, dialect)
    if old.computed or new.computed:
        return _computed(old, new, dialect)
    if old.family.startswith("enum") and new.family == old.family:
        # PostgreSQL knows an enum by its name alone; on MySQL its values are the type.
        named = old.family != "enum" and dialect == "postgresql"
        return named or bool(old.values and new.values[: len(old.values)] == old.values and dialect != "postgresql")
    if (old.family, old.sizes) == (new.family, new.sizes):
        return old.family != "array"
    return _postgresql(old, new) if dialect == "postgresql" else _mysql(old, new)


def _computed(old: ColumnType, new: ColumnType, dialect: str) -> bool | None:
    """Where a length is not known: other kinds are rewritten whatever it is, and text without a limit takes it all."""
    alike = old.family == new.family or (dialect == "postgresql" and {old.family, new.family} <= _TEXTS)
    if not alike:
        return False
    unlimited = new.family in _TEXTS and not (new.sizes or new.computed)
    return True if unlimited and dialect == "postgresql" else None


def _called(call: ast.Call, name: str) -> ColumnType:
    family, source = _family(name), written(call)
    named = {keyword.arg: keyword.value for keyword in call.keywords}
    if family == "enum":
        own = named.get("name")
        family = f"enum {own.value}" if isinstance(own, ast.Constant) and isinstance(own.value, str) else family
        values = tuple(str(a.value) for a in call.args if isinstance(a, ast.Constant))
        return ColumnType(family, (), source, values=values if len(values) == len(call.args) else ())
    zoned = named.get("timezone") or next(iter(call.args), None)
    if family in ("timestamp", "time") and isinstance(zoned, ast.Constant) and zoned.value is True:
        return ColumnType(f"{family}tz", (), source)
    if family not in _SIZED:
        return ColumnType(family, (), source)
    given = list(call.args) or [named[key] for key in ("length", "precision", "scale") if key in named]
    literal = [node.value for node in given if isinstance(node, ast.Constant)]
    sizes = tuple(value for value in literal if type(value) is int)
    return ColumnType(family, sizes, source, computed=len(literal) < len(given))


def _float(kind: ColumnType, dialect: str) -> ColumnType:
    """FLOAT is single or double by its precision, and without one by the database."""
    if kind.family != "float" or kind.computed:
        return kind
    double = kind.sizes[0] > _SINGLE if kind.sizes else dialect == "postgresql"
    return replace(kind, family="double" if double else "real", sizes=())


def _family(name: str) -> str:
    lower = name.lower()
    return _FAMILIES.get(lower, lower)


def _postgresql(old: ColumnType, new: ColumnType) -> bool | None:
    if {old.family, new.family} & {"citext"} and {old.family, new.family} <= _TEXTS | {"citext"}:
        return None  # the rows stay, its indexes are built anew
    if old.family in _TEXTS and new.family in _TEXTS:
        return new.family == "text" or not new.sizes or (old.family == "varchar" and _widens(old, new))
    if (old.family, new.family) == ("cidr", "inet"):
        return True
    if old.family != new.family:
        return False
    if old.family in _LENGTHS:
        return not new.sizes or _widens(old, new)
    if old.family in _PRECISIONS:
        return not new.sizes or _widens(old, new) or new.sizes[0] == 6
    if old.family == "numeric":
        return not new.sizes or (bool(old.sizes) and new.sizes[0] >= old.sizes[0] and _scale(old) == _scale(new))
    return False


def _mysql(old: ColumnType, new: ColumnType) -> bool:
    if old.family != "varchar" or new.family != "varchar" or not _widens(old, new):
        return False
    return (old.sizes[0] > _MYSQL_LENGTH_BYTE) == (new.sizes[0] > _MYSQL_LENGTH_BYTE)


def _widens(old: ColumnType, new: ColumnType) -> bool:
    return bool(old.sizes and new.sizes) and new.sizes[0] >= old.sizes[0]


def _scale(of: ColumnType) -> int:
    return of.sizes[1] if len(of.sizes) > 1 else 0
