"""What the safety rules say of a database, asked of it: what it rewrites, what it refuses; and that hints run."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy.dialects import postgresql

from migrate_flow.lint.catalogue import built_in
from migrate_flow.lint.column_types import ColumnType, stays_in_place, type_of
from migrate_flow.lint.defaults import Volatility, default_of_sql
from tests.lint.cases import script
from tests.support.postgres import PostgresServer

RULES = {rule.slug: rule for rule in built_in()}
NAMES = {"sa": sa, "postgresql": postgresql}

TYPES = [
    ("sa.String(50)", "sa.String(100)"),
    ("sa.String(100)", "sa.String(50)"),
    ("sa.String(50)", "sa.String()"),
    ("sa.String(50)", "sa.Text()"),
    ("sa.Text()", "sa.String()"),
    ("sa.Text()", "sa.String(50)"),
    ("sa.Integer()", "sa.BigInteger()"),
    ("sa.Integer()", "sa.Text()"),
    ("sa.Numeric(10, 2)", "sa.Numeric(12, 2)"),
    ("sa.Numeric(10, 2)", "sa.Numeric(12, 4)"),
    ("sa.Numeric(10, 2)", "sa.Numeric()"),
    ("sa.Numeric()", "sa.Numeric(10, 2)"),
    ("sa.Float()", "sa.Float(precision=53)"),
    ("sa.REAL()", "sa.Float()"),
    ("sa.Float(precision=24)", "sa.Float(precision=53)"),
    ("postgresql.TIMESTAMP(precision=3)", "postgresql.TIMESTAMP(precision=6)"),
    ("postgresql.TIMESTAMP(precision=3)", "postgresql.TIMESTAMP()"),
    ("postgresql.TIMESTAMP(precision=6)", "postgresql.TIMESTAMP(precision=3)"),
    ("postgresql.CIDR()", "postgresql.INET()"),
    ("postgresql.JSON()", "postgresql.JSONB()"),
    ("sa.JSON()", "sa.Text()"),
    ("sa.CHAR(5)", "sa.CHAR(10)"),
]
MYSQL_TYPES = [
    ("sa.String(50)", "sa.String(60)"),
    ("sa.String(50)", "sa.String(100)"),
    ("sa.String(100)", "sa.String(200)"),
    ("sa.String(100)", "sa.String(50)"),
    ("sa.String(100)", "sa.Text()"),
    ("sa.Integer()", "sa.BigInteger()"),
    ("sa.Float()", "sa.Float(precision=53)"),
    ("sa.Float(precision=24)", "sa.Float()"),
    ('sa.Enum("new", "paid")', 'sa.Enum("new", "paid", "lost")'),
    ('sa.Enum("new", "paid")', 'sa.Enum("lost", "new", "paid")'),
    ("sa.Numeric(10, 2)", "sa.Numeric(12, 2)"),
]
DEFAULTS = [
    "now()", "CURRENT_TIMESTAMP", "transaction_timestamp()", "(now() AT TIME ZONE 'utc')", "date_trunc('day', now())",
    "'random()'", "'{}'::varchar(20)[]", "lower('A') || current_user", "clock_timestamp()", "gen_random_uuid()",
    "random()", "floor(random() * 10)", "timeofday()", "nextval('numbers')", "md5(random()::text)",
]  # fmt: skip


TABLES = """
    CREATE SEQUENCE numbers;
    CREATE TYPE status AS ENUM ('new');
    CREATE TABLE users (id int UNIQUE, email text, state status);
    CREATE TABLE "order" (user_id int, total int, note varchar(50));
    INSERT INTO users VALUES (1, 'ada@example.com', 'new');
    INSERT INTO "order" VALUES (1, 1);
    CREATE TABLE t (a int);
"""


@pytest.fixture(scope="module")
def connection(postgres: PostgresServer) -> Iterator[sa.Connection]:
    url = postgres.create_database()
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.connect() as opened:
        yield opened
    postgres.drop_database(url)


@pytest.fixture
def op(connection: sa.Connection) -> Iterator[Operations]:
    """With a few tables that others use already."""
    connection.execute(sa.text(TABLES))
    connection.commit()
    yield Operations(MigrationContext.configure(connection))
    connection.rollback()
    connection.execute(sa.text("DROP SCHEMA public CASCADE; CREATE SCHEMA public"))
    connection.commit()


@pytest.mark.parametrize(("old", "new"), TYPES)
def test_a_type_change_stays_in_place_where_postgresql_does_not_rewrite(op: Operations, old: str, new: str) -> None:
    op.add_column("t", sa.Column("c", eval(old, NAMES)))
    before = _file(op)
    op.alter_column("t", "c", type_=eval(new, NAMES), postgresql_using=f"c::{_type(new)}")

    said = stays_in_place(_read(old), _read(new), "postgresql")
    assert said is (_file(op) == before)


@pytest.mark.parametrize("default", DEFAULTS)
def test_a_default_is_volatile_where_postgresql_rewrites(op: Operations, default: str) -> None:
    before = _file(op)
    op.execute(f"ALTER TABLE t ADD COLUMN c text DEFAULT ({default})")

    assert (default_of_sql(default).volatility is Volatility.STABLE) is (_file(op) == before)


@pytest.mark.mariadb
def test_a_type_change_stays_in_place_where_mariadb_does_not_copy(mariadb_url: str) -> None:
    engine = sa.create_engine(mariadb_url, poolclass=sa.NullPool)
    told = []
    for old, new in MYSQL_TYPES:
        with engine.connect() as connection:
            first, second = (eval(source, NAMES).compile(dialect=engine.dialect) for source in (old, new))
            connection.execute(sa.text(f"CREATE OR REPLACE TABLE t (c {first})"))
            try:
                connection.execute(sa.text(f"ALTER TABLE t MODIFY c {second}, ALGORITHM=NOCOPY"))
                in_place = True
            except sa.exc.DBAPIError:
                in_place = False
        told.append((old, new, in_place))
    said = [(old, new, stays_in_place(_read(old), _read(new), "mariadb")) for old, new in MYSQL_TYPES]
    assert said == told


@pytest.mark.parametrize(
    ("column", "rewrites"),
    [
        (sa.Column("c", sa.Integer(), sa.Identity()), True),
        (sa.Column("c", sa.Integer(), sa.Computed("a + 1", persisted=True)), True),
        (sa.Column("c", sa.Integer(), server_default="0", nullable=False), False),
    ],
)
def test_numbers_and_stored_columns_are_written_into_each_row(
    op: Operations, column: sa.Column[int], rewrites: bool
) -> None:
    before = _file(op)
    op.add_column("t", column)
    assert (_file(op) != before) is rewrites


@pytest.mark.parametrize(
    ("slug", "upgrade"),
    [
        ("concurrent-index-in-transaction", 'op.execute("CREATE INDEX CONCURRENTLY ix ON users (email)")'),
        ("concurrent-index-in-transaction", 'op.execute("DROP INDEX CONCURRENTLY ix")'),
        ("concurrent-index-in-transaction", 'op.execute("REINDEX TABLE CONCURRENTLY users")'),
        (
            "enum-value-in-transaction",
            """
            op.execute("ALTER TYPE status ADD VALUE 'archived'")
            op.execute("UPDATE users SET state = 'archived'")
            """,
        ),
        (
            "not-null-without-default",
            'op.add_column("users", sa.Column("country", sa.String(2), nullable=False))',
        ),
    ],
)
def test_postgresql_refuses_what_an_error_says_that_it_refuses(op: Operations, slug: str, upgrade: str) -> None:
    read = script({"upgrade": upgrade})
    assert list(RULES[slug].check(read))

    with pytest.raises(sa.exc.DBAPIError, match=r"transaction block|unsafe use of new value|contains null values"):
        _run(op, read.text)


@pytest.mark.parametrize(
    ("slug", "upgrade"),
    [
        ("set-not-null", 'op.alter_column("users", "email", nullable=False)'),
        ("set-not-null", 'op.alter_column("order", "user_id", nullable=False)'),
        ("index-not-concurrent", 'op.create_index("ix", "order", ["user_id"], postgresql_where=sa.text("total > 1"))'),
        ("index-not-concurrent", 'op.create_index(op.f("ix"), "users", [sa.text("lower(email)")], unique=True)'),
        ("foreign-key-validated-at-once", 'op.create_foreign_key(None, "order", "users", ["user_id"], ["id"])'),
        ("check-validated-at-once", 'op.create_check_constraint("ck", "order", "total > 0")'),
        ("unique-constraint-blocks", 'op.create_unique_constraint("uq", "users", ["email", "state"])'),
        ("unique-constraint-blocks", 'op.execute("ALTER TABLE users ADD PRIMARY KEY (id)")'),
        ("rename-table", 'op.rename_table("users", "people")'),
        (
            "volatile-default",
            'op.add_column("users", sa.Column("key", sa.Uuid(), server_default=sa.text("gen_random_uuid()")))',
        ),
    ],
)
def test_the_code_of_a_hint_runs_and_is_found_by_nobody(op: Operations, slug: str, upgrade: str) -> None:
    read = script({"upgrade": upgrade})
    [hit] = RULES[slug].check(read)
    code = list(_code(hit.hint))
    assert code, hit.hint

    if slug == "rename-table":
        code.insert(0, upgrade)  # the view is for the same revision
    for line in code:
        _run(op, f"def upgrade():\n    {line}")
        again = script({"upgrade": line if slug != "rename-table" else "\n".join(code)})
        assert not list(RULES[slug].check(again)) or line == upgrade, line
        assert not list(RULES["raw-sql-unknown"].check(again)), line


def _run(op: Operations, source: str) -> None:
    """As a revision: in a transaction of Alembic's."""
    found: dict[str, Any] = {"sa": sa, "op": op}
    own = [line for line in source.splitlines() if not line.startswith(("from alembic", "import sqlalchemy"))]
    exec("\n".join(own), found)
    with op.get_context().begin_transaction():
        found["upgrade"]()


def _code(hint: str) -> Iterator[str]:
    """The statements in a hint: the longest text from each start that Python can parse."""
    place = 0
    while found := re.compile(r"\b(with op|op)\.").search(hint, place):
        ends = [match.end() for match in re.finditer(r"\)", hint) if match.end() > found.start()]
        whole = [end for end in ends if _parses(hint[found.start() : end])]
        if whole:
            # up to the first end: what follows "; " or ", then " is the next one
            yield hint[found.start() : whole[0]]
        place = whole[0] if whole else found.end()


def _parses(text: str) -> bool:
    try:
        ast.parse(text)
    except SyntaxError:
        return False
    return True


def _file(op: Operations) -> int:
    """The file that holds the table: another one after a rewrite."""
    return int(op.get_bind().execute(sa.text("SELECT pg_relation_filenode('t')")).scalar_one())


def _read(source: str) -> ColumnType:
    found = type_of(ast.parse(source, mode="eval").body)
    assert found
    return found


def _type(source: str) -> str:
    dialect: Any = postgresql.dialect
    return str(eval(source, NAMES).compile(dialect=dialect()))
