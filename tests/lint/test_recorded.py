"""SQL that only a rehearsal shows is judged like any other, where the source does not tell it."""

from __future__ import annotations

from migrate_flow.core.finding import Finding
from migrate_flow.lint.catalogue import all_rules
from migrate_flow.lint.linter import Linter
from migrate_flow.lint.reading import read_script
from migrate_flow.lint.recorded import SentSql, with_sent
from migrate_flow.lint.script import Script, Settings

SETTINGS = Settings(dialects=frozenset({"postgresql"}))
SOURCE = b'''"""drop old tables

Rationale:
    Nobody reads them.
"""
from alembic import op
import sqlalchemy as sa

revision = "aaaa"
down_revision = None


def upgrade():
    op.create_table("kept", sa.Column("id", sa.Integer, primary_key=True))
    for name in sa.inspect(op.get_bind()).get_table_names():
        op.execute(
            f"DROP TABLE {name}"
        )
    op.execute("TRUNCATE kept")


def downgrade():
    op.drop_table("kept")
'''
LINE = 16


def found(*sent: SentSql) -> list[Finding]:
    script: Script = with_sent(read_script("a.py", SOURCE, None, SETTINGS), sent)
    rules = all_rules((), None)
    return list(Linter(rules, {}, SETTINGS.dialects).findings(script, (), ()))


def rules(*sent: SentSql) -> set[tuple[str, int]]:
    return {(finding.rule, finding.line) for finding in found(*sent)}


def test_what_was_sent_is_judged_at_its_line() -> None:
    before = rules()
    assert not any(rule == "drop-table" for rule, _line in before)
    after = rules(SentSql("DROP TABLE old_a", LINE), SentSql("DROP TABLE old_b", LINE))
    assert ("drop-table", LINE) in after - before


def test_the_place_stays_unknown_and_shows_what_was_sent() -> None:
    (one,) = [finding for finding in found(SentSql("DROP TABLE old_a", LINE)) if finding.rule == "raw-sql-unknown"]
    assert "in the rehearsal it sent “DROP TABLE old_a”" in one.message
    (other,) = [finding for finding in found() if finding.rule == "raw-sql-unknown"]
    assert "nobody has seen it" in other.message


def test_what_the_source_tells_already_is_not_judged_twice() -> None:
    sent = (SentSql("CREATE TABLE kept (id SERIAL)", 14), SentSql("TRUNCATE kept", 19), SentSql("DROP TABLE x", 0))
    assert rules(*sent) == rules()
