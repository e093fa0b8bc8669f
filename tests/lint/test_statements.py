"""Raw SQL to changes, where the cases of the rules do not reach."""

from __future__ import annotations

import pytest

from migrate_flow.lint.changes import Kind
from migrate_flow.lint.script import Direction, Sql
from migrate_flow.lint.sql_text import statements_of
from migrate_flow.lint.statements import changes_of


def kinds(text: str, dialect: str = "postgresql") -> list[Kind]:
    statements = statements_of(text, [dialect])
    assert statements is not None, text
    return [change.kind for change in changes_of(Sql(text, Direction.UPGRADE, 1, statements=statements))]


@pytest.mark.parametrize("rest", ["OWNER TO ada", "VALIDATE CONSTRAINT ck", "ENABLE ROW LEVEL SECURITY"])
def test_a_long_name_takes_no_longer(rest: str) -> None:
    """A pattern that tries every way to cut a name in two would not end."""
    assert len(kinds(f"ALTER TABLE {'a' * 2000} {rest}")) == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('ALTER TABLE web."Orders" VALIDATE CONSTRAINT "CK"', Kind.VALIDATE),
        ("ALTER TYPE web.status ADD VALUE IF NOT EXISTS 'it''s'", Kind.ADD_ENUM_VALUE),
        ("ALTER TYPE status RENAME TO old_status", Kind.DDL),
        ("CREATE EXTENSION citext", Kind.DDL),
        ("REINDEX INDEX CONCURRENTLY ix", Kind.CONCURRENTLY),
        ("REINDEX INDEX ix", Kind.OTHER),
        ("VACUUM users", Kind.OTHER),
        ("ALTER TABLE users ALTER COLUMN email SET DEFAULT ''", Kind.DDL),
        ("ALTER VIEW seen RENAME TO was_seen", Kind.DDL),
        ("SELECT 1", Kind.OTHER),
        ("MERGE INTO a USING b ON a.id = b.id WHEN MATCHED THEN DELETE", Kind.ROWS),
        ("DROP INDEX ix", Kind.DDL),
        ("COMMIT", Kind.TRANSACTION),
        ("ROLLBACK TO SAVEPOINT a", Kind.OTHER),
    ],
)
def test_what_a_statement_does(text: str, expected: Kind) -> None:
    assert kinds(text) == [expected]


def test_names_lose_their_quotes() -> None:
    text = 'ALTER TYPE web."Status" ADD VALUE \'it\'\'s\'; ALTER TABLE web."Orders" VALIDATE CONSTRAINT "CK"'
    found = list(changes_of(Sql(text, Direction.UPGRADE, 7, statements=statements_of(text, ["postgresql"]))))

    assert (found[0].to, found[0].line) == ("it's", 7)
    assert (found[1].table, found[1].schema, found[1].name) == ("Orders", "web", "CK")
