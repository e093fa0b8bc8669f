"""What a script does, as its source shows it: operations, raw SQL, sections."""

from __future__ import annotations

import textwrap

import pytest

from migrate_flow.lint.reading import read_script
from migrate_flow.lint.script import Direction, Operation, Script, Settings, Sql

HEAD = "from alembic import op\nimport sqlalchemy as sa\n"


def read(upgrade: str, module: str = "", head: str = HEAD, dialects: tuple[str, ...] = ("postgresql",)) -> Script:
    body = textwrap.indent(textwrap.dedent(upgrade).strip("\n"), "    ")
    source = f"{head}{textwrap.dedent(module)}\ndef upgrade():\n{body}\n"
    return read_script("a.py", source.encode(), settings=Settings(frozenset(dialects)))


def ops(upgrade: str, module: str = "", head: str = HEAD) -> list[Operation]:
    return list(read(upgrade, module, head).operations)


def sql(upgrade: str, module: str = "", dialects: tuple[str, ...] = ("postgresql",)) -> list[Sql]:
    return list(read(upgrade, module, dialects=dialects).sql)


@pytest.mark.parametrize(
    ("head", "call"),
    [
        ("from alembic import op\n", "op.drop_table('t')"),
        ("from alembic import op as o\n", "o.drop_table('t')"),
        ("import alembic.op as o\n", "o.drop_table('t')"),
        ("import alembic.op\n", "alembic.op.drop_table('t')"),
        ("import alembic\n", "alembic.op.drop_table('t')"),
        ("from alembic.op import drop_table\n", "drop_table('t')"),
        ("from alembic.op import drop_table as gone\n", "gone('t')"),
        ("from alembic import op\n", "o = op\no.drop_table('t')"),
        ("", "from alembic import op\nop.drop_table(table_name='t')"),
    ],
)
def test_whatever_the_script_calls_it(head: str, call: str) -> None:
    assert [(op.name, op.table) for op in ops(call, head=head)] == [("drop_table", "t")]


def test_a_module_of_ones_own_called_op_is_none() -> None:
    assert ops("op.drop_table('t')", head="from shop import op\n") == []


@pytest.mark.parametrize(
    ("call", "table", "column", "schema", "name"),
    [
        ("op.add_column('t', sa.Column('c', sa.Integer))", "t", "c", "", ""),
        ("op.add_column('t', column=sa.Column(name='c'), schema='s')", "t", "c", "s", ""),
        ("op.drop_column('t', 'c')", "t", "c", "", ""),
        ("op.alter_column(table_name='t', column_name='c')", "t", "c", "", ""),
        ("op.rename_table('t', 'u')", "t", "", "", ""),
        ("op.create_index(op.f('ix'), 't', ['c'])", "t", "", "", "ix"),
        ("op.drop_index('ix', table_name='t')", "t", "", "", "ix"),
        ("op.create_foreign_key('fk', 't', 'u', ['a'], ['b'], source_schema='s')", "t", "", "s", "fk"),
        ("op.drop_constraint('fk', 't', type_='foreignkey')", "t", "", "", "fk"),
        ("op.create_unique_constraint(None, 't', ['c'])", "t", "", "", ""),
        ("op.bulk_insert(sa.table('t', sa.column('c')), [])", "t", "", "", ""),
        ("op.drop_table(name())", "", "", "", ""),
        ("op.drop_table('a' + 'b')", "ab", "", "", ""),
    ],
)
def test_what_an_operation_is_about(call: str, table: str, column: str, schema: str, name: str) -> None:
    (found,) = ops(call)
    assert (found.table, found.column, found.schema, found.object_name) == (table, column, schema, name)


def test_in_a_batch_the_table_is_the_batchs() -> None:
    batch, dropped, added = ops(
        """
        with op.batch_alter_table("t", schema="s") as b:
            b.drop_constraint(b.f("uq"), type_="unique")
            b.add_column(sa.Column("c"))
        """
    )
    assert (batch.name, batch.table, batch.in_batch) == ("batch_alter_table", "t", False)
    assert (dropped.table, dropped.schema, dropped.object_name, dropped.in_batch) == ("t", "s", "uq", True)
    assert (added.table, added.column) == ("t", "c")


def test_objects_made_without_op() -> None:
    found = ops(
        """
        bind = op.get_bind()
        mood = sa.Enum("a", name="mood")
        mood.create(bind, checkfirst=True)
        sa.Table("t", sa.MetaData()).drop(op.get_bind())
        thing.create(name="no connection, so no database")
        """
    )
    assert [(op.name, op.table, op.object_name) for op in found] == [
        ("create_enum", "", "mood"),
        ("drop_table", "t", ""),
    ]


def test_names_bound_once_are_resolved() -> None:
    module = "TABLE = 'users'\nTWICE = 'a'\nTWICE = 'b'\nQUERY = f'DELETE FROM {TABLE}'\n"
    found = read(
        "op.drop_table(TABLE)\nop.drop_table(TWICE)\nlocal = 'x'\nop.drop_table(local)\nop.execute(QUERY)", module
    )
    assert [op.table for op in found.operations] == ["users", "", "x"]
    assert [item.text for item in found.sql] == ["DELETE FROM users"]


def test_a_local_name_hides_the_modules() -> None:
    assert [op.table for op in ops("T = pick()\nop.drop_table(T)", "T = 'users'\n")] == [""]
    assert [op.table for op in ops("global T\nT = pick()\nop.drop_table(T)", "T = 'users'\n")] == [""]


def test_calls_of_own_functions_are_followed_with_what_they_are_given() -> None:
    module = """
    def drop(table, column="note", *, really=True):
        op.drop_column(table, column)
        drop(table, column)

    def other():
        op.drop_table("never")
    """
    found = ops("def inner(t):\n    op.drop_table(t)\ndrop('a')\ndrop('b', column='c')\ninner('d')", module)
    assert [(op.name, op.table, op.column) for op in found] == [
        ("drop_column", "a", "note"),
        ("drop_column", "b", "c"),
        ("drop_table", "d", ""),
    ]


def test_a_batch_can_be_handed_on() -> None:
    found = ops("with op.batch_alter_table('t') as b:\n    more(b)", "def more(batch):\n    batch.drop_column('c')\n")
    assert (found[-1].table, found[-1].column, found[-1].in_batch) == ("t", "c", True)


def test_what_is_only_handed_on_may_be_called() -> None:
    module = """
    def later(connection):
        connection.execute("DROP TABLE t")

    class Work:
        def run(self):
            op.drop_table("u")
    """
    found = read("op.run_async(later)\nWork().run()\nlist(map(op.drop_column, names))", module)
    assert [(item.text, item.conditional) for item in found.sql] == [("DROP TABLE t", True)]
    assert {(op.name, op.table, op.conditional) for op in found.operations if op.name != "run_async"} == {
        ("drop_table", "u", True),
        ("drop_column", "", True),
    }


@pytest.mark.parametrize(
    "around",
    [
        "if x:\n    {}",
        "for x in y:\n    {}",
        "while x:\n    {}",
        "try:\n    {}\nexcept Error:\n    pass",
        "x and {}",
        "[{} for x in y]",
        "if x:\n    return\n{}",
        "match x:\n    case 1:\n        {}",
    ],
)
def test_conditional(around: str) -> None:
    (found,) = ops(around.format("op.drop_table('t')"))
    assert found.conditional


@pytest.mark.parametrize("around", ["{}", "if x:\n    raise Error\n{}", "with y:\n    {}", "assert x\n{}"])
def test_not_conditional(around: str) -> None:
    (found,) = ops(around.format("op.drop_table('t')"))
    assert not found.conditional


def test_what_stands_behind_the_end_never_runs() -> None:
    assert ops("return\nop.drop_table('t')") == []
    assert ops("raise NotImplementedError\nop.drop_table('t')") == []


def test_a_written_list_is_gone_through() -> None:
    found = read("for t, c in [('a', 'b'), ('c', 'd')]:\n    op.drop_column(t, c)\n    op.execute(f'ANALYZE {t}')")
    assert [(op.table, op.column) for op in found.operations] == [("a", "b"), ("c", "d")]
    assert [item.text for item in found.sql] == ["ANALYZE a", "ANALYZE c"]


def test_a_list_bound_once_is_gone_through() -> None:
    module = "PAIRS = (('a', 'b'), ('c', 'd'))\nSQL = ['ANALYZE x', \n 'ANALYZE y']\n"
    found = read("for t, c in PAIRS:\n    op.drop_column(t, c)\nfor s in SQL:\n    op.execute(s)", module)
    assert [(op.table, op.column) for op in found.operations] == [("a", "b"), ("c", "d")]
    assert [(item.text, item.line) for item in found.sql] == [("ANALYZE x", 4), ("ANALYZE y", 5)]


@pytest.mark.parametrize(
    ("call", "text"),
    [
        ("'DELETE FROM {}'.format('t')", "DELETE FROM t"),
        ("'DELETE FROM {t}'.format(t='t')", "DELETE FROM t"),
        ("'DELETE FROM x'.replace('x', 't')", "DELETE FROM t"),
        ("' '.join(['DELETE', 'FROM t'])", "DELETE FROM t"),
        ("' '.join('ab')", None),
        ("'DELETE FROM {}'.format(t)", None),
        ("'DELETE FROM {x}'.format(t='t')", None),
        ("'DELETE FROM {0.x}'.format('t')", None),
        ("'DELETE FROM {}'.format(*t)", None),
        ("'DELETE FROM {a}'.format(**t)", None),
        ("' '.join(parts)", None),
        ("f\"DELETE FROM {'t'!r}\"", None),
    ],
)
def test_texts_that_are_put_together(call: str, text: str | None) -> None:
    (found,) = sql(f"op.execute({call})")
    assert found.text == text


@pytest.mark.parametrize(
    "call",
    [
        "op.execute('DELETE FROM t')",
        "op.execute(sa.text('DELETE FROM t'))",
        "op.execute(sqltext=sa.text('DELETE FROM t').bindparams(x=1))",
        "op.get_bind().execute(text('DELETE FROM t'))",
        "bind.exec_driver_sql('DELETE FROM t')",
        "session.execute(sa.text('DELETE ' + 'FROM t'))",
        "op.execute(sa.DDL('DELETE FROM t'))",
        "op.execute(textwrap.dedent('DELETE FROM t'))",
        "op.execute('DELETE FROM %s' if x else 'DELETE FROM t')",
    ],
)
def test_raw_sql(call: str) -> None:
    (found,) = sql(call)
    unknown = " if " in call
    assert found.text == (None if unknown else "DELETE FROM t")
    assert found.data is not unknown


@pytest.mark.parametrize(
    "call", ["op.execute(f'DELETE FROM {t}')", "op.execute('DELETE FROM %s' % t)", "op.execute(*x)", "getattr(op, x)()"]
)
def test_what_only_running_shows_is_unknown(call: str) -> None:
    (found,) = sql(call)
    assert (found.text, found.statements, found.built) == (None, None, False)


def test_an_expression_of_sqlalchemys_is_no_text_and_no_secret() -> None:
    found = sql("u = sa.table('u')\nop.execute(u.update().values(a=1))\nrows = bind.execute(sa.select(u))")
    assert [(item.text, item.built, item.data) for item in found] == [(None, True, True), (None, True, False)]


def test_the_line_is_that_of_the_texts_first_words() -> None:
    (found,) = sql('op.execute(\n    """\n\n    DELETE FROM t\n    """\n)')
    assert (found.line, found.end_line) == (8, 9)
    (joined,) = sql("op.execute(\n    'DELETE '\n    'FROM t'\n)")
    assert (joined.text, joined.line, joined.end_line) == ("DELETE FROM t", 6, 0)


def test_each_statement_has_a_line() -> None:
    (found,) = sql(
        'op.execute("""\n    SELECT 1;\n\n    DROP TABLE a; TRUNCATE\n      b;\n    ALTER TYPE x ADD VALUE 1\n""")'
    )
    assert [found.line_of(item) for item in found.statements or ()] == [6, 8, 9, 6]
    (one,) = sql("op.execute('SELECT 1; '\n 'DROP TABLE a')")
    assert [one.line_of(item) for item in one.statements or ()] == [5, 5]


@pytest.mark.parametrize(
    ("text", "dialects", "kinds"),
    [
        ("DROP TABLE a; SELECT 1", ("postgresql",), ["Drop", "Select"]),
        ("-- nothing", ("postgresql",), []),
        ("ALTER TABLE a MODIFY b INT", ("postgresql", "mysql"), ["Alter"]),
        ("CREATE EXTENSION IF NOT EXISTS pgcrypto", ("postgresql",), ["Command"]),
        ("ALTER TYPE mood ADD VALUE 'x'", ("postgresql",), ["Command"]),
        ("ALTER TABLE a VALIDATE CONSTRAINT c", ("postgresql",), ["Command"]),
        ("ALTER TABLE a MODIFY b INT", ("postgresql",), None),
        ("garbage in here", ("postgresql",), None),
        ("DROP TABLE", ("postgresql",), None),
        ("DO $$ BEGIN DROP TABLE x; END $$", ("postgresql",), None),
        ("CALL cleanup()", ("postgresql",), None),
        ("ALTER TABLE a OWNER TO b, DROP COLUMN c", ("postgresql",), None),
        ("SELECT 1 /*!50000 ; DROP TABLE x */", ("mariadb",), None),
        ("SELECT 1; EXECUTE x", ("postgresql",), None),
    ],
)
def test_what_the_parser_only_passes_through_is_unknown(
    text: str, dialects: tuple[str, ...], kinds: list[str] | None
) -> None:
    (found,) = sql(f"op.execute({text!r})", dialects=dialects)
    told = None if found.statements is None else [type(item).__name__ for item in found.statements]
    assert told == kinds


def test_the_parser_says_nothing_by_itself(caplog: pytest.LogCaptureFixture) -> None:
    sql("op.execute('ALTER TABLE unheard_of FROBNICATE')")
    assert caplog.text == ""


def test_an_autocommit_block_and_what_it_calls() -> None:
    found = read(
        """
        with op.get_context().autocommit_block():
            op.create_index("i", "t", ["a"])
            more()
        op.drop_table("t")
        """,
        "def more():\n    op.execute('VACUUM t')\n",
    )
    assert [(op.name, op.in_block) for op in found.operations] == [("create_index", True), ("drop_table", False)]
    assert [item.in_block for item in found.sql] == [True]


def test_both_directions_and_the_tables_that_are_made() -> None:
    source = f"{HEAD}def upgrade():\n    op.create_table('t')\ndef downgrade():\n    op.drop_table('t')\n"
    found = read_script("a.py", source.encode())
    assert [op.name for op in found.up()] == ["create_table"]
    assert [op.name for op in found.down()] == ["drop_table"]
    assert found.created == {"t"}


def test_nested_too_deeply_is_unknown_not_clean() -> None:
    deep = "op.execute(" + "+".join(["'x'"] * 1500) + ")"
    assert read(deep).tree is not None
    assert [item.text for item in read(deep).raw(Direction.UPGRADE)] == [None]


def test_calls_without_end_are_unknown_not_clean() -> None:
    module = "\n".join(
        f"def f{n}(a):\n    " + "\n    ".join(f"f{n + 1}(a + '{digit}')" for digit in range(4)) for n in range(8)
    )
    found = sql("f0('x')", module + "\ndef f8(a):\n    op.execute(a)\n")
    assert any(item.via == "calls" and item.text is None for item in found)


def test_what_does_not_parse_has_no_tree() -> None:
    found = read_script("a.py", b"def upgrade(:\n")
    assert (found.tree, found.operations, found.sql) == (None, (), ())


def test_sections() -> None:
    doc = '''"""make a table

    Not in a section: an aside that is too long to be a title: so it is none

    Revision ID: aaaa

    Rationale: because
        of this.
    Contract mapping:
    none

    How to undo
    -----------
    Run the downgrade.

    Rationale:
    And that.
    """
    '''
    found = read_script("a.py", textwrap.dedent(doc).encode()).sections
    assert found["rationale"] == "because\nof this.\n\nAnd that."
    assert found["contract mapping"] == "none"
    assert found["how to undo"] == "Run the downgrade."
    assert found["revision id"] == "aaaa"


def test_lines_are_as_python_counts_them() -> None:
    found = read_script("a.py", "a = 1\r\n\x0cb = '\u2028'\rop = 2\n".encode())
    assert list(found.lines) == ["a = 1", "\x0cb = '\u2028'", "op = 2", ""]


def test_what_stands_in_the_module_itself_runs_in_both_directions() -> None:
    found = read("pass", "op.drop_table('t')\n")
    assert [(op.direction, op.table) for op in found.operations] == [("upgrade", "t"), ("downgrade", "t")]
