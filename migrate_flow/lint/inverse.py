"""What undoes an operation: compared with what the other direction does, and written as code for a hint."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from migrate_flow.lint.script import Direction, Operation
from migrate_flow.lint.touches import new_table
from migrate_flow.lint.tree import walk

_CREATES = {
    "create_foreign_key": "foreignkey",
    "create_unique_constraint": "unique",
    "create_check_constraint": "check",
    "create_primary_key": "primary",
    "create_exclude_constraint": "exclude",
}
_INLINE = {
    "foreignkey": ("ForeignKey", "ForeignKeyConstraint"),
    "unique": ("unique", "UniqueConstraint"),
    "check": ("CheckConstraint", "create_constraint", "Enum", "Boolean"),
    "primary": ("primary_key", "PrimaryKeyConstraint"),
    "exclude": ("ExcludeConstraint",),
}
ATTRIBUTES = {
    "nullable": "existing_nullable",
    "type_": "existing_type",
    "server_default": "existing_server_default",
    "comment": "existing_comment",
}


class Kind(StrEnum):
    TABLE = "table"
    COLUMN = "column"
    INDEX = "index"
    CONSTRAINT = "constraint"
    TABLE_NAME = "table's name"
    COLUMN_NAME = "column's name"
    ATTRIBUTE = "attribute"
    ENUM = "enum"


@dataclass(frozen=True, slots=True)
class Effect:
    """made: it is there afterwards; else it is gone. name: of the object, empty where it is not literal; of an
    attribute ``column.nullable``. to: the new name of what is renamed. detail: a constraint's type; of an attribute
    the source of its new value."""

    kind: Kind
    made: bool
    table: str
    name: str
    op: Operation
    to: str = ""
    detail: str = ""

    @property
    def column(self) -> str:
        return self.name.rpartition(".")[0] if self.kind is Kind.ATTRIBUTE else self.name


def effects(ops: Iterable[Operation]) -> Iterator[Effect]:
    for op in ops:
        match op.name:
            case "create_table" | "drop_table":
                yield Effect(Kind.TABLE, op.name == "create_table", op.table, op.table, op)
            case "add_column" | "drop_column":
                yield Effect(Kind.COLUMN, op.name == "add_column", op.table, op.column, op)
            case "create_index" | "drop_index":
                yield Effect(Kind.INDEX, op.name == "create_index", op.table, op.object_name, op)
            case "create_enum" | "drop_enum":
                yield Effect(Kind.ENUM, op.name == "create_enum", "", op.object_name, op)
            case "drop_constraint":
                yield Effect(Kind.CONSTRAINT, False, op.table, op.object_name, op, detail=_dropped_type(op))
            case "rename_table":
                yield Effect(Kind.TABLE_NAME, True, op.table, op.table, op, to=new_table(op))
            case "alter_column":
                yield from _altered(op)
            case name if name in _CREATES:
                yield Effect(Kind.CONSTRAINT, True, op.table, op.object_name, op, detail=_CREATES[name])


def _dropped_type(op: Operation) -> str:
    match op.argument(1 if op.in_batch else 2, "type_"):
        case ast.Constant(value=str(found)):
            return "primary" if found.startswith("primary") else found
    return ""


def _altered(op: Operation) -> Iterator[Effect]:
    renamed = op.keyword("new_column_name") or op.keyword("name")
    if renamed is not None:
        to = renamed.value if isinstance(renamed, ast.Constant) else ""
        yield Effect(Kind.COLUMN_NAME, True, op.table, op.column, op, to=str(to))
    for name, existing in ATTRIBUTES.items():
        value, before = op.keyword(name), op.keyword(existing)
        if value is None or (before is not None and ast.dump(value) == ast.dump(before)):
            continue  # not said, or said to stay as it is
        yield Effect(Kind.ATTRIBUTE, True, op.table, f"{op.column}.{name}", op, detail=ast.dump(value))


@dataclass(frozen=True, slots=True)
class Names:
    """Names that renames of either direction make one, as {name: first}. unknown: a table gets a name that is
    computed, so that any could be meant."""

    tables: Mapping[str, str]
    columns: Mapping[str, str]
    unknown: bool = False

    def same_table(self, one: str, other: str) -> bool:
        return self.unknown or not one or not other or self._table(one) == self._table(other)

    def same_column(self, one: str, other: str) -> bool:
        return not one or not other or self.columns.get(one, one) == self.columns.get(other, other)

    def _table(self, name: str) -> str:
        return self.tables.get(name, name)


def names_of(found: Iterable[Effect]) -> Names:
    tables: dict[str, str] = {}
    columns: dict[str, str] = {}
    unknown = False
    for effect in found:
        unknown = unknown or (effect.kind is Kind.TABLE_NAME and not (effect.to and effect.name))
        if effect.kind in (Kind.TABLE_NAME, Kind.COLUMN_NAME) and effect.to and effect.name:
            known = tables if effect.kind is Kind.TABLE_NAME else columns
            first = known.get(effect.name, known.get(effect.to, effect.name))
            known[effect.name] = known[effect.to] = first
    return Names(tables, columns, unknown)


def undone(effect: Effect, others: Iterable[Effect], names: Names) -> bool:
    """Whether one of the other direction's effects takes this one back, by itself or with what it stands on."""
    return any(_takes_back(effect, other, names) or _goes_with(effect, other, names) for other in others)


def _takes_back(effect: Effect, other: Effect, names: Names) -> bool:
    if effect.kind is not other.kind or not names.same_table(effect.table, other.table):
        return False
    match effect.kind:
        case Kind.TABLE_NAME | Kind.COLUMN_NAME:
            return _same(effect.name, other.to) and _same(effect.to, other.name)
        case Kind.ATTRIBUTE:
            attribute = effect.name.rpartition(".")[2]
            return attribute == other.name.rpartition(".")[2] and names.same_column(effect.column, other.column)
        case Kind.COLUMN:
            return effect.made is not other.made and names.same_column(effect.name, other.name)
        case Kind.CONSTRAINT if effect.detail == other.detail == "primary" and effect.op.in_batch and effect.made:
            return True  # in a batch a table's primary key takes the place of the one before
        case Kind.CONSTRAINT:
            typed = not effect.detail or not other.detail or effect.detail == other.detail
            return effect.made is not other.made and typed and _same_object(effect.name, other.name)
        case Kind.TABLE:
            return effect.made is not other.made
        case _:
            return effect.made is not other.made and _same_object(effect.name, other.name)


def _goes_with(effect: Effect, other: Effect, names: Names) -> bool:
    """What stands on a table or column goes, and comes back, with it."""
    if other.kind not in (Kind.TABLE, Kind.COLUMN) or effect.kind in (Kind.TABLE, Kind.ENUM, Kind.TABLE_NAME):
        return False
    if not names.same_table(effect.table, other.table):
        return False
    if not effect.table or not other.table:
        upgrade = effect.op.direction is Direction.UPGRADE
        return upgrade and other.kind is Kind.TABLE and effect.made and not other.made
    if other.kind is Kind.COLUMN:
        return _goes_with_column(effect, other, names)
    if effect.made and not other.made:
        return True
    return other.made and (effect.kind in (Kind.COLUMN, Kind.ATTRIBUTE, Kind.COLUMN_NAME) or _mentions(other, effect))


def _goes_with_column(effect: Effect, other: Effect, names: Names) -> bool:
    if effect.kind in (Kind.ATTRIBUTE, Kind.COLUMN_NAME):
        return any(names.same_column(name, other.name) for name in (effect.column, effect.to) if name)
    if effect.kind not in (Kind.INDEX, Kind.CONSTRAINT):
        return False
    if effect.made and not other.made:
        return not other.name or other.name in _words(effect.op.call)
    return other.made and not effect.made and _mentions(other, effect)


def _mentions(other: Effect, effect: Effect) -> bool:
    """Whether the call that makes a table or column makes the index or constraint too."""
    words = _words(other.op.call)
    if effect.name and effect.name in words:
        return True
    inline = ("index", "Index", "unique") if effect.kind is Kind.INDEX else _INLINE.get(effect.detail, _ANY_INLINE)
    return not words.isdisjoint(inline)


_ANY_INLINE = tuple(word for words in _INLINE.values() for word in words)


def _words(call: ast.Call) -> frozenset[str]:
    """Texts, names and keywords of a call."""
    found = set()
    for node in walk(call):
        match node:
            case (
                ast.Constant(value=str(word))
                | ast.Name(id=word)
                | ast.Attribute(attr=word)
                | ast.keyword(arg=str(word))
            ):
                found.add(word)
    return frozenset(found)


def _same(one: str, other: str) -> bool:
    return not one or not other or one == other


def _same_object(one: str, other: str) -> bool:
    """A naming convention may put ``ck_orders_`` before a name, in one direction and not in the other."""
    return _same(one, other) or one.endswith(f"_{other}") or other.endswith(f"_{one}")


def title(op: Operation) -> str:
    """``add_column orders.note``"""
    if op.name == "rename_table":
        return f"rename_table {op.table or '?'} to {new_table(op) or '?'}"
    where = ".".join(part for part in (op.table, op.column) if part)
    on = f"{op.object_name} on {where}" if op.object_name and where else op.object_name or where
    return f"{op.name} {on}".strip()


def reverse_code(op: Operation) -> str:
    """The code that undoes it, in its own names; a part that only the author knows is ``…``."""
    write = _REVERSES.get(op.name)
    return write(op) if write else f"undo {title(op)}"


def _quoted(*names: str) -> str:
    return ", ".join(f'"{name}"' if name else "…" for name in names)


def _table(op: Operation) -> tuple[str, ...]:
    return () if op.in_batch else (op.table,)


def _on(op: Operation) -> str:
    return "batch_op" if op.in_batch else "op"


def _alter(op: Operation) -> str:
    renamed = op.keyword("new_column_name") or op.keyword("name")
    if isinstance(renamed, ast.Constant):
        return f'{_on(op)}.alter_column({_quoted(*_table(op), str(renamed.value))}, new_column_name="{op.column}")'
    parts = []
    for name, existing in ATTRIBUTES.items():
        value, before = op.keyword(name), op.keyword(existing)
        if value is not None and before is not None:
            parts.append(f"{name}={ast.unparse(before)}")
        elif isinstance(value, ast.Constant) and isinstance(value.value, bool):
            parts.append(f"{name}={not value.value}")
        elif value is not None:
            parts.append(f"{name}=…")
    return f"{_on(op)}.alter_column({_quoted(*_table(op), op.column)}, {', '.join(parts) or '…'})"


def _drop_constraint(op: Operation) -> str:
    return f'{_on(op)}.drop_constraint({_quoted(op.object_name, *_table(op))}, type_="{_CREATES[op.name]}")'


def _add_column(op: Operation) -> str:
    table = "" if op.in_batch else f"{_quoted(op.table)}, "
    return f"{_on(op)}.add_column({table}sa.Column({_quoted(op.column)}, …))"


def _create_constraint(op: Operation) -> str:
    create = next((name for name, kind in _CREATES.items() if kind == _dropped_type(op)), "create_…_constraint")
    return f"{_on(op)}.{create}({_quoted(op.object_name, *_table(op))}, …)"


_REVERSES: dict[str, Callable[[Operation], str]] = {
    "create_table": lambda op: f"op.drop_table({_quoted(op.table)})",
    "drop_table": lambda op: f"op.create_table({_quoted(op.table)}, …)",
    "add_column": lambda op: f"{_on(op)}.drop_column({_quoted(*_table(op), op.column)})",
    "drop_column": _add_column,
    "create_index": lambda op: f"{_on(op)}.drop_index({_quoted(op.object_name)}{_index_table(op)})",
    "drop_index": lambda op: f"{_on(op)}.create_index({_quoted(op.object_name, *_table(op))}, […])",
    "rename_table": lambda op: f"op.rename_table({_quoted(new_table(op), op.table)})",
    "alter_column": _alter,
    "drop_constraint": _create_constraint,
    "create_enum": lambda op: f"sa.Enum(name={_quoted(op.object_name)}).drop(op.get_bind())",
    "drop_enum": lambda op: f"sa.Enum(…, name={_quoted(op.object_name)}).create(op.get_bind())",
    **dict.fromkeys(_CREATES, _drop_constraint),
}


def _index_table(op: Operation) -> str:
    return "" if op.in_batch or not op.table else f', table_name="{op.table}"'
