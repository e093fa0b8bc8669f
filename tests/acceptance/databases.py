"""What stands in a database, read from its own catalog: schema, rows and version table, ours left out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, create_engine, inspect, pool, select, table, text

_SQLITE = """
SELECT type, name, tbl_name, coalesce(sql, '') FROM sqlite_master
WHERE tbl_name NOT LIKE 'migrate\\_flow\\_%' ESCAPE '\\' ORDER BY 1, 2, 3"""

_COLUMNS = """
SELECT 'column', c.relname, a.attnum::text, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull::text,
       coalesce(pg_get_expr(d.adbin, d.adrelid), '')
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
  LEFT JOIN pg_attrdef d ON (d.adrelid, d.adnum) = (c.oid, a.attnum)
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'v') AND a.attnum > 0 ORDER BY 2, a.attnum"""
_CONSTRAINTS = """
SELECT 'constraint', c.relname, k.conname, pg_get_constraintdef(k.oid)
FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
WHERE k.connamespace = 'public'::regnamespace ORDER BY 2, 3"""
_INDEXES = """
SELECT 'index', tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 2, 3"""
_ENUMS = """
SELECT 'enum', t.typname, string_agg(e.enumlabel, ',' ORDER BY e.enumsortorder)
FROM pg_type t JOIN pg_enum e ON e.enumtypid = t.oid GROUP BY t.typname ORDER BY 2"""


@contextmanager
def connected(url: str) -> Iterator[Connection]:
    engine = create_engine(url, poolclass=pool.NullPool)
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


def run(url: str, statements: Iterable[str]) -> None:
    with connected(url) as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def heads(url: str, table: str = "alembic_version") -> list[str]:
    with connected(url) as connection:
        return sorted(connection.exec_driver_sql(f"SELECT version_num FROM {table}").scalars())


def _settled(row: tuple[str, ...]) -> tuple[str, ...]:
    """NOTE: Alembic's batch mode writes a table's constraints in the order of a set, another one in every run."""
    *names, sql = row
    lines = [line.strip().rstrip(",") for line in sql.splitlines()]
    constraints = [line for line in lines if line.startswith(("CONSTRAINT", "PRIMARY", "FOREIGN", "UNIQUE", "CHECK"))]
    return (*names, *(line for line in lines if line not in constraints), *sorted(constraints))


def schema(url: str) -> list[tuple[str, ...]]:
    """Tables, columns, constraints, indexes and types, as the catalog has them."""
    with connected(url) as connection:
        if connection.dialect.name == "sqlite":
            return [_settled(tuple(row)) for row in connection.exec_driver_sql(_SQLITE)]
        queries = (_COLUMNS, _CONSTRAINTS, _INDEXES, _ENUMS)
        return [tuple(row) for query in queries for row in connection.exec_driver_sql(query)]


def tables(url: str) -> list[str]:
    """Names of the tables that are not ours, nor Alembic's."""
    with connected(url) as connection:
        names = inspect(connection).get_table_names()
    return sorted(name for name in names if not name.startswith(("migrate_flow_", "alembic_version")))


def contents(url: str) -> dict[str, list[str]]:
    """Every row of every table, without the moments at which it was made."""
    found = {}
    for name in tables(url):
        with connected(url) as connection:
            rows = connection.execute(select(text("*")).select_from(table(name))).mappings().all()
        found[name] = sorted(str({key: row[key] for key in row if not key.endswith("_at")}) for row in rows)
    return found
