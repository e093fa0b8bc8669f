"""Changes of a column's type that some value does not survive."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from migrate_flow.lint.column_types import ColumnType

_INTEGERS = ("smallint", "integer", "bigint")
_FRACTIONS = frozenset({"numeric", "float", "double"})
_TEXTS = frozenset({"varchar", "char"})
_MOMENTS = frozenset({"timestamp", "timestamptz"})


def narrows(old: ColumnType, new: ColumnType) -> bool:
    """Whether values are cut, rounded or refused, and so are not the same after a way back. False where it depends."""
    match old.family, new.family:
        case (("text" | "varchar" | "char"), ("varchar" | "char")):
            return bool(new.sizes) and (not old.sizes or new.sizes[0] < old.sizes[0])
        case before, after if before in _INTEGERS and after in _INTEGERS:
            return _INTEGERS.index(after) < _INTEGERS.index(before)
        case before, after if before in _FRACTIONS and after in _INTEGERS:
            return True
        case "double", "float":
            return True
        case "numeric", "numeric":
            return bool(new.sizes) and (not old.sizes or _digits(new) < _digits(old) or _scale(new) < _scale(old))
        case before, ("date" | "time") if before in _MOMENTS:
            return True
        case before, "boolean":
            return before != "boolean"
        case "jsonb" | "json", "hstore":
            return True
    return False


def _digits(of: ColumnType) -> int:
    return of.sizes[0] - _scale(of)


def _scale(of: ColumnType) -> int:
    return of.sizes[1] if len(of.sizes) > 1 else 0
