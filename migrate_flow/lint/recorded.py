"""What a rehearsal saw a script send, put where its source does not tell: the rules then judge that.

A scratch database holds no rows, and a script may look at them: what was sent is one answer, not every answer. So the
place stays unknown for `raw-sql-unknown`, which shows it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from migrate_flow.lint.script import SENT, Direction, Script, Sql
from migrate_flow.lint.sql_text import statements_of, writes_rows


@dataclass(frozen=True, slots=True)
class SentSql:
    """line: of the script, where it was sent from. in_block: inside an autocommit block."""

    text: str
    line: int
    in_block: bool = False


def with_sent(script: Script, sent: Sequence[SentSql]) -> Script:
    """The script, with each statement of its upgrade that came from SQL which its source does not show."""
    unknown = [sql.line for sql in script.raw(Direction.UPGRADE) if sql.text is None and not sql.built]
    spans = [span for span in _statements(script.tree) if any(line in span for line in unknown)]
    shown = {op.line for op in script.operations}
    more = [
        _sql(one, script.settings.dialects)
        for one in sent
        if one.line not in shown and any(one.line in span for span in spans)
    ]
    return replace(script, sql=(*script.sql, *dict.fromkeys(more))) if more else script


def _sql(one: SentSql, dialects: Iterable[str]) -> Sql:
    parsed = statements_of(one.text, dialects)
    return Sql(one.text, Direction.UPGRADE, one.line, SENT, parsed, one.in_block, data=writes_rows(parsed))


def _statements(tree: ast.Module | None) -> Iterator[range]:
    """Lines of each statement that holds no other."""
    for node in ast.walk(tree) if tree else ():
        if isinstance(node, ast.stmt) and not any(isinstance(inner, ast.stmt) for inner in ast.iter_child_nodes(node)):
            yield range(node.lineno, (node.end_lineno or node.lineno) + 1)
