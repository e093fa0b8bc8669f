"""Least privilege on PostgreSQL, as SQL for the owner of the ledger's tables."""

from __future__ import annotations

from migrate_flow.errors import UsageError

_LONGEST = 63  # bytes; PostgreSQL cuts a longer name off without an error

_SQL = """\
-- The ledger in database {database}, schema {schema}, for a role that owns nothing there.
-- If there is no such role yet: CREATE ROLE {role} LOGIN
BEGIN;
REVOKE ALL ON DATABASE {database} FROM PUBLIC, {role};
REVOKE ALL ON SCHEMA {schema} FROM PUBLIC, {role};
REVOKE ALL ON TABLE {tables}, {schema}.ledger_version FROM PUBLIC, {role};
GRANT CONNECT ON DATABASE {database} TO {role};
GRANT USAGE ON SCHEMA {schema} TO {role};
GRANT SELECT, INSERT ON TABLE {tables} TO {role};
GRANT SELECT ON TABLE {schema}.ledger_version TO {role};
COMMIT;
"""


def grants(database: str, schema: str, role: str) -> str:
    """Ready for psql. Raises UsageError for a role that can't be named."""
    if not role or len(role.encode()) > _LONGEST or not role.isprintable():
        raise UsageError(
            f"a role's name has 1 to {_LONGEST} bytes, and no line breaks", hint="--role migrate_flow", where="--role"
        )
    quoted = _quoted(schema)
    return _SQL.format(
        database=_quoted(database),
        schema=quoted,
        role=_quoted(role),
        tables=f"{quoted}.entry, {quoted}.artifact",
    )


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
