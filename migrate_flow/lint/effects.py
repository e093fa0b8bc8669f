"""What one direction of a script changes, from operations and raw SQL together."""

from __future__ import annotations

from collections.abc import Iterator

from migrate_flow.lint.calls import changes_of_call
from migrate_flow.lint.changes import Change, Kind
from migrate_flow.lint.script import Direction, Script, once
from migrate_flow.lint.statements import changes_of

# What these do to a table is done to the one that stood there before, if the script makes its own only afterwards.
_TO_WHAT_STOOD = frozenset({Kind.DROP_TABLE, Kind.RENAME_TABLE})


def effects(script: Script, direction: Direction, *kinds: Kind) -> tuple[Change, ...]:
    """In the order of the source's lines. kinds: all if none is given."""
    found = _upgrades(script) if direction is Direction.UPGRADE else _downgrades(script)
    return tuple(change for change in found if change.kind in kinds) if kinds else found


def on_standing(script: Script, *kinds: Kind) -> Iterator[Change]:
    """The upgrade's changes of tables that others may use already: not of those that it makes itself."""
    made = _made(script)
    for change in effects(script, Direction.UPGRADE, *kinds):
        since = made.get(change.key)
        if since is None or (change.kind in _TO_WHAT_STOOD and since > change.line):
            yield change


def validated_at_once(script: Script, change: Change) -> Change | None:
    """The VALIDATE of a constraint that is added as NOT VALID, in one transaction with it: that keeps the lock."""
    for later in effects(script, Direction.UPGRADE, Kind.VALIDATE):
        same = later.key == change.key and later.name == change.name.strip('"`')
        if same and change.online and later.line >= change.line and not (later.in_block or change.in_block):
            return later
    return None


def added_columns(script: Script) -> frozenset[tuple[str, str]]:
    """(table's key, column) that the upgrade adds: nobody has read or written them yet."""
    found = effects(script, Direction.UPGRADE, Kind.ADD_COLUMN)
    return frozenset((change.key, change.column) for change in found if change.column)


@once
def _made(script: Script) -> dict[str, int]:
    """Tables that the upgrade makes, also by another name later, and the line where."""
    made: dict[str, int] = {}
    for change in effects(script, Direction.UPGRADE, Kind.CREATE_TABLE, Kind.RENAME_TABLE):
        if change.kind is Kind.CREATE_TABLE and change.key:
            made.setdefault(change.key, change.line)
        elif change.kind is Kind.RENAME_TABLE and made.get(change.key, change.line + 1) <= change.line:
            made.setdefault(change.to.rpartition(".")[2].lower(), change.line)
    return made


@once
def _upgrades(script: Script) -> tuple[Change, ...]:
    return _effects(script, Direction.UPGRADE)


@once
def _downgrades(script: Script) -> tuple[Change, ...]:
    return _effects(script, Direction.DOWNGRADE)


def _effects(script: Script, direction: Direction) -> tuple[Change, ...]:
    found = [change for op in script.ops(direction) for change in changes_of_call(op)]
    found += [change for sql in script.raw(direction) for change in changes_of(sql)]
    return tuple(sorted(found, key=lambda change: change.line))
