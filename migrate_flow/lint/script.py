"""A migration script as a rule sees it."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property, wraps
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from migrate_flow.core.revision import Revision, ScriptProblem

Found = TypeVar("Found")
SENT = "sent"  # how SQL runs that only a rehearsal has shown
_LINE_END = re.compile(r"\r\n|\r|\n")


class Direction(StrEnum):
    UPGRADE = "upgrade"
    DOWNGRADE = "downgrade"


@dataclass(frozen=True, slots=True)
class Settings:
    """What the project asks of its scripts. dialects: of its environments. constraint_names: pattern by the kind of
    constraint (pk, fk, uq, ix, ck). revision_pattern: of a revision's id, empty for whatever Alembic takes."""

    dialects: frozenset[str] = frozenset()
    contract_tables: tuple[str, ...] = ()
    ticket_pattern: str = ""
    constraint_names: Mapping[str, str] = field(default_factory=dict)
    file_template: str = ""
    revision_pattern: str = ""


@dataclass(frozen=True, slots=True)
class Operation:
    """A call of one of Alembic's operations, as the source has it.

    name: as Alembic calls it (``add_column``); a batch operation has the same name as the plain one. table, column,
    schema: literal names, empty where they are expressions or not there. object_name: of a constraint, index or
    enum. in_batch: inside ``batch_alter_table``. in_block: inside ``autocommit_block``. conditional: under an ``if``,
    loop, ``try`` or in a function that may not be called. call: its syntax tree.
    """

    name: str
    direction: Direction
    line: int
    call: ast.Call = field(repr=False, compare=False)
    table: str = ""
    column: str = ""
    schema: str = ""
    object_name: str = ""
    in_batch: bool = False
    in_block: bool = False
    conditional: bool = False
    end_line: int = 0

    def argument(self, position: int, *names: str) -> ast.expr | None:
        """A positional argument by its place (as written, batch operations have no table), else by keyword."""
        for keyword in self.call.keywords:
            if keyword.arg in names:
                return keyword.value
        if 0 <= position < len(self.call.args) and not isinstance(self.call.args[position], ast.Starred):
            return self.call.args[position]
        return None

    def keyword(self, name: str) -> ast.expr | None:
        for keyword in self.call.keywords:
            if keyword.arg == name:
                return keyword.value
        return None

    def literal(self, name: str, default: Any = None) -> Any:
        """A keyword's value if it is a literal, default if it is not there; `Ellipsis` if it is an expression."""
        value = self.keyword(name)
        if value is None:
            return default
        return value.value if isinstance(value, ast.Constant) else ...


@dataclass(frozen=True, slots=True)
class Sql:
    """Raw SQL that a script executes. text: None where it is no literal. line: where the text stands in the source.

    statements: sqlglot expressions, one a statement; None where it can't be parsed. via: the call that runs it.
    data: of rows (INSERT, UPDATE, DELETE, MERGE, COPY), as far as it can be told. built: an expression of SQLAlchemy's,
    which has no text. end_line: of the text, 0 where its lines are not the source's. in_block, conditional: as in
    Operation.
    """

    text: str | None
    direction: Direction
    line: int
    via: str = "execute"
    statements: tuple[Any, ...] | None = None
    in_block: bool = False
    conditional: bool = False
    data: bool = False
    built: bool = False
    end_line: int = 0

    def line_of(self, statement: Any) -> int:
        """Where one of the statements names its first object; where the text begins, if that is all that is known."""
        if not self.end_line or self.line == self.end_line:
            return self.line
        lines = [node.meta["line"] for node in statement.walk() if "line" in node.meta]
        return self.line + min(lines) - 1 if lines else self.line


@dataclass(frozen=True)
class Script:
    """header: None where it can't be read; problems then say why. tree: None where the source does not parse.

    problems: of this file in the graph (duplicate, missing parent, cycle, computed header, symlink…). heads: of the
    whole graph, where there are several. created: tables that the upgrade itself makes. sections: of the module's
    docstring, by lower-case title without the colon. modules: the project's own that the script imports, itself or
    through others: path (POSIX, relative to the project root) by dotted name. kept: see `once`.
    """

    path: str
    content: bytes = field(repr=False)
    header: Revision | None
    tree: ast.Module | None = field(repr=False, default=None)
    settings: Settings = field(default_factory=Settings)
    problems: tuple[ScriptProblem, ...] = ()
    heads: tuple[str, ...] = ()
    operations: tuple[Operation, ...] = ()
    sql: tuple[Sql, ...] = ()
    sections: Mapping[str, str] = field(default_factory=dict)
    symlink: bool = False
    modules: Mapping[str, str] = field(default_factory=dict)
    kept: dict[object, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def revision(self) -> str:
        return self.header.id if self.header else ""

    @cached_property
    def text(self) -> str:
        return self.content.decode("utf-8", "replace")

    @cached_property
    def lines(self) -> tuple[str, ...]:
        """As Python counts them: `str.splitlines` would also cut at form feeds and Unicode's separators."""
        return tuple(_LINE_END.split(self.text))

    def ops(self, direction: Direction, *names: str) -> Iterator[Operation]:
        """Operations of one direction, in the source's order; names: all if none is given."""
        return (op for op in self.operations if op.direction is direction and (not names or op.name in names))

    def up(self, *names: str) -> Iterator[Operation]:
        return self.ops(Direction.UPGRADE, *names)

    def down(self, *names: str) -> Iterator[Operation]:
        return self.ops(Direction.DOWNGRADE, *names)

    def raw(self, direction: Direction) -> Iterator[Sql]:
        return (sql for sql in self.sql if sql.direction is direction)

    @cached_property
    def created(self) -> frozenset[str]:
        """Tables that the upgrade itself makes: nobody uses them yet, so nothing that is done to them is dangerous."""
        return frozenset(op.table for op in self.up("create_table") if op.table)

    @cached_property
    def doc_line(self) -> int:
        """Where the docstring starts, 0 where there is none."""
        match self.tree.body if self.tree else []:
            case [ast.Expr(value=ast.Constant(value=str())) as first, *_]:
                return first.lineno
        return 0

    def function(self, direction: Direction) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
        body = self.tree.body if self.tree else []
        found = [n for n in body if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef)) and n.name == direction]
        return found[-1] if found else None


def once(work: Callable[[Script], Found]) -> Callable[[Script], Found]:
    """Done for each script the first time it is asked for: many rules ask for the same."""

    @wraps(work)
    def kept(script: Script) -> Found:
        if work not in script.kept:
            script.kept[work] = work(script)
        found: Found = script.kept[work]
        return found

    return kept
