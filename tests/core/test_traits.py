"""What a script's text tells of its risks. Better one too many than one too few: an escalation hangs on it."""

from __future__ import annotations

import pytest

from migrate_flow.core.traits import Traits, read_traits

DOWN = "\n\ndef downgrade():\n    op.create_table('t')\n"
LOSS = ("destructive", "lossy")
UNKNOWN = ("raw-sql-unknown",)


def traits(body: str, head: str = "", down: str = DOWN) -> Traits:
    return read_traits(f"from alembic import op\n{head}\n\ndef upgrade():\n    {body}\n{down}".encode())


@pytest.mark.parametrize(
    "body",
    [
        "op.add_column('users', sa.Column('x', sa.Integer))",
        "op.create_index('ix', 'users', ['x'])",
        "op.execute('UPDATE users SET x = 1')",
        "op.execute('CREATE INDEX ix ON users (x)')",
        "op.execute('ALTER TABLE users DROP CONSTRAINT ck')",
        "op.execute('ALTER TABLE users ALTER x DROP NOT NULL, ALTER y DROP DEFAULT')",
        "op.execute(sa.text('SELECT 1'))",
        "op.execute(text(\"UPDATE users SET name = 'droplet'\"))",
        "op.drop_index('ix', 'users')",
        "print('DROP TABLE users')",
    ],
)
def test_no_risk(body: str) -> None:
    assert traits(body).risks == ()


@pytest.mark.parametrize(
    "body",
    [
        "op.drop_table('users')",
        "op.drop_column('users', 'name')",
        "with op.batch_alter_table('users') as batch: batch.drop_column('name')",
        "[op.drop_table(name) for name in NAMES]",
        "op.execute('DROP TABLE users')",
        "op.execute('drop\\n  table if exists users')",
        "op.execute('ALTER TABLE users DROP COLUMN name')",
        "op.execute('ALTER TABLE users DROP name')",
        "op.execute('ALTER TABLE users DROP CONSTRAINT c, DROP name')",
        "op.execute('DROP MATERIALIZED VIEW totals')",
        "op.execute('DROP /* really */ TABLE users')",
        "op.execute('DROP -- really\\n TABLE users')",
        "op.execute('/*!50000 DROP TABLE users */')",
        "op.execute('TRUNCATE users')",
        "op.execute('Delete From users')",
        "op.execute(sa.text('DROP SCHEMA old'))",
        "op.execute(sa.DDL('DROP TYPE colour'))",
        "op.execute(sqltext='DROP TABLE users')",
        "op.get_bind().execute(text('DELETE FROM users'))",
        "op.get_bind().execute(statement=text('DELETE FROM users'))",
        "op.get_bind().exec_driver_sql('DROP TABLE users')",
        "(op.drop_table)('users')",
        "list(map(op.drop_table, NAMES))",
    ],
)
def test_what_is_gone_is_gone(body: str) -> None:
    assert traits(body).risks == LOSS


@pytest.mark.parametrize(
    ("head", "body"),
    [
        ("from alembic.op import drop_table", "drop_table('users')"),
        ("from alembic.op import drop_column as dc", "dc('users', 'name')"),
        ("drop = op.drop_table", "drop('users')"),
        ("def clean():\n    op.drop_table('users')", "clean()"),
        ("class Step:\n    def run(self):\n        op.drop_table('users')", "Step().run()"),
    ],
)
def test_a_detour_changes_nothing(head: str, body: str) -> None:
    assert traits(body, head).risks == LOSS


@pytest.mark.parametrize(
    "body",
    [
        "op.execute(SQL)",
        "op.execute(f'DELETE FROM {table}')",
        "op.execute('DELETE' + ' FROM users')",
        "op.execute('DELETE FROM %s' % table)",
        "op.execute(text('UPDATE users SET x = :x').bindparams(x=1))",
        "op.execute(open('users.sql').read())",
        "op.execute(sqltext=SQL)",
        "op.execute(*arguments)",
        "op.execute(**arguments)",
        "op.get_bind().exec_driver_sql(SQL)",
        "op.execute(users.update().values(x=1))",
    ],
)
def test_sql_that_is_no_literal_is_unknown(body: str) -> None:
    assert traits(body).risks == UNKNOWN


@pytest.mark.parametrize(
    ("down", "irreversible"),
    [
        ("", True),
        ("def downgrade():\n    pass", True),
        ("def downgrade():\n    ...", True),
        ("def downgrade():\n    'Nothing to do.'", True),
        ("def downgrade():\n    return", True),
        ("def downgrade():\n    return None", True),
        ("def downgrade():\n    raise NotImplementedError", True),
        ("def downgrade():\n    'Never.'\n    raise RuntimeError('never')", True),
        ("def downgrade():\n    op.drop_column('users', 'x')", False),
    ],
)
def test_irreversible_is_a_downgrade_that_does_nothing(down: str, irreversible: bool) -> None:
    body = "op.add_column('users', sa.Column('x', sa.Integer))"
    assert traits(body, down=down).risks == (("irreversible",) if irreversible else ())


def test_an_upgrade_that_does_nothing_needs_no_way_back() -> None:
    assert traits("pass", down="def downgrade():\n    pass").risks == ()
    assert read_traits(b"").risks == ()


def test_what_the_downgrade_drops_is_no_risk_of_the_upgrade() -> None:
    down = "def downgrade():\n    op.drop_table('users')\n    op.execute(SQL)"
    assert traits("op.create_table('users')", down=down) == Traits((), frozenset({"users"}))


@pytest.mark.parametrize("comment", ["# migrate-flow: ignore[drop-table] agreed", "#migrate-flow:ignore[x]"])
def test_a_waived_finding_is_a_risk(comment: str) -> None:
    assert traits(f"op.create_table('t')  {comment}").risks == ("waiver",)
    assert traits("op.create_table('t')  # migrate-flow: ignored[x]").risks == ()


def test_risks_come_in_one_order() -> None:
    body = "op.execute(SQL); op.drop_table('t')  # migrate-flow: ignore[x]"
    assert traits(body, down="").risks == ("destructive", "lossy", "irreversible", "waiver", "raw-sql-unknown")


@pytest.mark.parametrize(
    ("body", "tables"),
    [
        ("op.add_column('users', sa.Column('x', sa.Integer))", {"users"}),
        ("op.add_column(table_name='users', column=c)", {"users"}),
        ("op.create_index('ix', 'users', ['x'])", {"users"}),
        ("op.drop_index('ix', table_name='users')", {"users"}),
        ("op.create_foreign_key('fk', 'orders', 'users', ['u'], ['id'])", {"orders", "users"}),
        ("op.create_foreign_key('fk', source_table='orders', referent_table='users')", {"orders", "users"}),
        ("op.rename_table('users', 'people')", {"users", "people"}),
        ("op.rename_table(old_table_name='users', new_table_name='people')", {"users", "people"}),
        ("op.batch_alter_table('users')", {"users"}),
        ("op.add_column(NAME, c)", set()),
        ("op.execute('UPDATE Users SET x = (SELECT y FROM other JOIN third ON a)')", {"users", "other", "third"}),
        ("op.execute('DELETE FROM ONLY users')", {"users"}),
        ("op.execute('TRUNCATE users')", {"users"}),
        ("op.execute('TRUNCATE TABLE users')", {"users"}),
        ("op.execute('DROP TABLE IF EXISTS users')", {"users"}),
        ("op.execute('INSERT INTO `users` VALUES (1)')", {"users"}),
        ("op.execute('UPDATE billing.lines SET x = 1')", {"billing.lines", "lines"}),
        ('op.execute(\'UPDATE "billing"."lines" SET x = 1\')', {"billing.lines", "lines"}),
        ("op.execute('UPDATE /* the */ users SET x = 1')", {"users"}),
    ],
)
def test_tables(body: str, tables: set[str]) -> None:
    assert traits(body).tables == tables


@pytest.mark.parametrize(
    "source",
    [b"def upgrade(:", b"\xff\xfe", b"# coding: no-such\n", b"x = '\0'", b"(" * 5000 + b")" * 5000],
    ids=["syntax", "bytes", "encoding", "nul", "depth"],
)
def test_what_does_not_parse_is_unknown(source: bytes) -> None:
    assert read_traits(source).risks == UNKNOWN


def test_a_doubtful_escape_is_no_reason_to_warn() -> None:
    assert traits(r"op.execute('UPDATE users SET x = \'\d\'')") == Traits((), frozenset({"users"}))
