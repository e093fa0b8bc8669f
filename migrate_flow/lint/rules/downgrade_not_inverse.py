"""The downgrade does not take back what the upgrade does.

Problem: After a rollback something is left over or lost: the next upgrade fails on it, or data goes that the upgrade
never touched. The operations of both directions are compared, in any order; what stands on a table or a column goes
with it. On PostgreSQL that includes the type that `create_table` makes for an enum: `drop_table` leaves it behind.
Where raw SQL, conditions or other modules are in play only a rehearsal shows it, and the finding says so.

Instead of:

    def upgrade() -> None:
        op.add_column("orders", sa.Column("note", sa.Text()))
        op.create_index("ix_orders_customer", "orders", ["customer_id"])


    def downgrade() -> None:
        op.drop_column("orders", "note")

Use:

    def downgrade() -> None:
        op.drop_index("ix_orders_customer", table_name="orders")
        op.drop_column("orders", "note")
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from migrate_flow.core.finding import Severity
from migrate_flow.lint.enums import left_behind
from migrate_flow.lint.inverse import ATTRIBUTES, Effect, Kind, effects, names_of, reverse_code, title, undone
from migrate_flow.lint.rule import Group, Hit, Rule
from migrate_flow.lint.script import Direction, Script, Sql
from migrate_flow.lint.work import Work, calls_elsewhere, does_nothing, is_certain, raises, sql_work

_OTHER = {Direction.UPGRADE: Direction.DOWNGRADE, Direction.DOWNGRADE: Direction.UPGRADE}
_ACCUSED_IN_DOWNGRADE = frozenset({Kind.TABLE, Kind.COLUMN, Kind.INDEX, Kind.CONSTRAINT})


def check(script: Script) -> Iterator[Hit]:
    upgrade, downgrade = script.function(Direction.UPGRADE), script.function(Direction.DOWNGRADE)
    if not upgrade or not downgrade or does_nothing(downgrade) or does_nothing(upgrade) or raises(downgrade):
        return  # what other rules speak of
    ups, downs = _lasting(effects(script.up())), _lasting(effects(script.down()))
    names = names_of([*ups, *downs])
    unclear: list[Effect] = []
    hits: list[Hit] = []
    for effect in ups:
        if not undone(effect, downs, names) and _matters(effect, script) and not _by_sql(effect, script):
            sure = not names.unknown and not _replaced(effect, ups) and not _is_unclear(effect, script)
            hits += [_left(effect)] if sure else []
            unclear += [] if sure else [effect]
    for effect in downs:
        accused = effect.kind in _ACCUSED_IN_DOWNGRADE and not undone(effect, ups, names)
        if accused and not _by_sql(effect, script) and not _replaced(effect, downs):
            sure = not names.unknown and not _is_unclear(effect, script)
            hits += [_extra(effect)] if sure else []
            unclear += [] if sure else [effect]
    hits += _repeated(ups, downs)
    hits += left_behind(script, upgrade, downgrade)
    yield from dict.fromkeys(hits)
    if unclear:
        shown = ", ".join(list(dict.fromkeys(title(effect.op) for effect in unclear))[:4])
        message = f"whether the two directions undo each other needs a rehearsal: {shown}"
        yield Hit(downgrade.lineno, message, f"migrate-flow rehearse {script.revision}", needs_rehearsal=True)


def _replaced(effect: Effect, same: Sequence[Effect]) -> bool:
    """A constraint that is dropped and made again, since something else is done in between."""
    return effect.kind in (Kind.CONSTRAINT, Kind.INDEX) and any(
        other.kind is effect.kind and other.name == effect.name and other.made is not effect.made for other in same
    )


def _left(effect: Effect) -> Hit:
    message = f"{title(effect.op)}{_detail(effect)} is not undone by the downgrade"
    return Hit(effect.op.line, message, reverse_code(effect.op))


def _extra(effect: Effect) -> Hit:
    what = "makes what the upgrade did not drop" if effect.made else "drops what the upgrade did not make"
    hint = f"in upgrade(): {reverse_code(effect.op)}; or take it out of downgrade()"
    return Hit(effect.op.line, f"the downgrade {what}: {title(effect.op)}", hint)


def _detail(effect: Effect) -> str:
    return f" ({effect.name.rpartition('.')[2].rstrip('_')})" if effect.kind is Kind.ATTRIBUTE else ""


def _repeated(ups: Sequence[Effect], downs: Sequence[Effect]) -> Iterator[Hit]:
    """A downgrade that sets the very value that the upgrade set."""
    for effect in ups:
        same = [
            other
            for other in downs
            if effect.kind is other.kind is Kind.ATTRIBUTE
            and (other.table, other.name, other.detail) == (effect.table, effect.name, effect.detail)
        ]
        alone = len([other for other in downs if other.name == effect.name]) == 1
        # MySQL must be told all of a column again, whatever of it changes
        repeats = any(_attributes(e) > 1 for e in [effect, *same])
        if same and effect.table and alone and not repeats:
            message = f"the downgrade sets {effect.table}.{effect.name.rstrip('_')} to the value that the upgrade sets"
            yield Hit(same[0].op.line, message, reverse_code(effect.op))


def _attributes(effect: Effect) -> int:
    return sum(effect.op.keyword(name) is not None for name in ATTRIBUTES)


def _lasting(found: Iterator[Effect]) -> list[Effect]:
    """Without tables and columns that the same direction makes and drops again, as for copying."""
    every = list(found)
    passing = set()
    for number, effect in enumerate(every):
        for later in every[number + 1 :]:
            same = effect.kind is later.kind and (effect.table, effect.name) == (later.table, later.name)
            if same and effect.kind in (Kind.TABLE, Kind.COLUMN) and effect.made and not later.made and effect.name:
                passing |= {id(effect), id(later)}
    return [effect for effect in every if id(effect) not in passing]


def _matters(effect: Effect, script: Script) -> bool:
    """An enum is an object of its own on PostgreSQL only."""
    dialects = script.settings.dialects
    return effect.kind is not Kind.ENUM or (effect.made and (not dialects or "postgresql" in dialects))


def _by_sql(effect: Effect, script: Script) -> bool:
    """Whether raw SQL of the other direction changes the schema and names the very object."""
    names = [name for name in ({effect.column, effect.to} - {""}) or {effect.table} if name]
    for sql in script.raw(_OTHER[effect.op.direction]):
        # PostgreSQL drops no index by DROP CONSTRAINT
        speaks = effect.kind is not Kind.INDEX or _names(sql, "index") or _names(sql, "key")
        if sql_work(sql) is Work.SCHEMA and speaks and any(_names(sql, name) for name in names):
            return True
    return False


def _names(sql: Sql, name: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", sql.text or "", re.I) is not None


def _is_unclear(effect: Effect, script: Script) -> bool:
    op = effect.op
    if not is_certain(script, op) or not (effect.name or effect.table):
        return True
    if effect.kind is Kind.COLUMN and op.direction is Direction.DOWNGRADE:
        changed = {(other.table, other.column) for other in script.up("alter_column")}
        if (effect.table, effect.name) in changed:
            return True  # replaced, to give it its old type back
    if effect.kind is Kind.ATTRIBUTE and op.keyword("existing_nullable") is None and effect.name.endswith(".nullable"):
        return any(op.keyword(name) is not None for name in ("type_", "server_default"))  # maybe only repeated
    other = _OTHER[op.direction]
    if any(sql_work(sql) is Work.UNKNOWN or (sql.built and not sql.data) for sql in script.raw(other)):
        return True
    if any(_names(sql, name) for sql in script.raw(other) for name in (effect.table, effect.column) if name):
        return True
    function = script.function(other)
    known = {item.op.name for item in effects(script.ops(other))} | {"bulk_insert", "batch_alter_table", "alter_column"}
    return any(found.name not in known for found in script.ops(other)) or bool(
        function and calls_elsewhere(script, function)
    )


RULE = Rule("downgrade-not-inverse", Group.REVERSIBILITY, check, unsure=Severity.WARNING, settled_by_running=True)
