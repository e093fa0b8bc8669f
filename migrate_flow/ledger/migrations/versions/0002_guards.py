"""guard the ledger on PostgreSQL, and the types of values on SQLite

Rationale:
    PostgreSQL gets the rules that SQLite has had from the first schema on, as triggers: an insert must continue the
    chain, updates, deletes and TRUNCATE are refused. It can hash, so what does not have the hash of its bytes is
    refused as well. The triggers fire ALWAYS: a client that plays the replica (session_replication_role) does not get
    past them. SQLite takes any value in any column: it now refuses one of another type than the column's.
    No row is touched.

Rollback:
    Taking the triggers away leaves a ledger with fewer guards, or with none. That is refused while entry holds rows.

Revision ID: 0002
Revises: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# seq is SQLite's own row number: SQLite itself takes nothing but an integer there.
SQLITE = (
    """CREATE TRIGGER entry_types BEFORE INSERT ON entry
WHEN typeof(NEW.statement) IS NOT 'blob'
  OR typeof(NEW.signature) IS NOT 'text'
  OR typeof(NEW.prev) IS NOT 'text' OR length(NEW.prev) IS NOT 64 OR NEW.prev GLOB '*[^0-9a-f]*'
  OR typeof(NEW.hash) IS NOT 'text' OR length(NEW.hash) IS NOT 64 OR NEW.hash GLOB '*[^0-9a-f]*'
  OR typeof(NEW.kind) IS NOT 'text' OR typeof(NEW.actor) IS NOT 'text' OR typeof(NEW.at) IS NOT 'text'
  OR typeof(NEW.revision) NOT IN ('text', 'null') OR typeof(NEW.environment) NOT IN ('text', 'null')
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: an entry has values of the declared types'); END""",
    """CREATE TRIGGER artifact_types BEFORE INSERT ON artifact
WHEN typeof(NEW.content) IS NOT 'blob'
  OR typeof(NEW.sha256) IS NOT 'text' OR length(NEW.sha256) IS NOT 64 OR NEW.sha256 GLOB '*[^0-9a-f]*'
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: an artifact has values of the declared types'); END""",
)

# The functions see nothing but pg_catalog, and name the table by its schema or its number: a table of the same name
# elsewhere in a client's search_path, a temporary one above all, can't stand in for it. By its schema as long as it is
# where it was made: that query's plan is kept, and a new one for each insert would take an eighth of an append.
POSTGRESQL = (
    """CREATE FUNCTION ledger_refuse() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RAISE EXCEPTION 'the ledger is append-only: % of % is refused', lower(TG_OP), TG_TABLE_NAME
    USING ERRCODE = 'restrict_violation';
END $$""",
    """DO $do$ BEGIN EXECUTE format($create$
CREATE FUNCTION ledger_entry_append() RETURNS trigger LANGUAGE plpgsql
  SET search_path = pg_catalog, pg_temp AS %L$create$, format($body$
DECLARE last_seq bigint; last_hash text;
BEGIN
  IF TG_TABLE_SCHEMA = %1$L AND TG_TABLE_NAME = 'entry' THEN
    SELECT seq, hash FROM %1$I.entry ORDER BY seq DESC LIMIT 1 INTO last_seq, last_hash;
  ELSE
    EXECUTE format('SELECT seq, hash FROM %%s ORDER BY seq DESC LIMIT 1', TG_RELID::regclass) INTO last_seq, last_hash;
  END IF;
  IF NEW.seq IS DISTINCT FROM coalesce(last_seq, 0) + 1
    OR NEW.prev IS DISTINCT FROM coalesce(last_hash, repeat('0', 64))
    OR NEW.hash IS DISTINCT FROM encode(sha256(decode(NEW.prev, 'hex') || sha256(NEW.statement)
      || sha256(convert_to(NEW.signature, 'UTF8'))), 'hex')
  THEN
    RAISE EXCEPTION 'the ledger is append-only: an entry must continue the chain'
      USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $body$,
  (SELECT nspname FROM pg_namespace WHERE oid = (SELECT relnamespace FROM pg_class WHERE oid = 'entry'::regclass))));
END $do$""",
    """CREATE FUNCTION ledger_artifact_digest() RETURNS trigger LANGUAGE plpgsql
  SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NEW.sha256 IS DISTINCT FROM encode(sha256(NEW.content), 'hex') THEN
    RAISE EXCEPTION 'the ledger is append-only: an artifact has the digest of its bytes'
      USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$""",
    "CREATE TRIGGER entry_append BEFORE INSERT ON entry FOR EACH ROW EXECUTE FUNCTION ledger_entry_append()",
    "CREATE TRIGGER artifact_digest BEFORE INSERT ON artifact FOR EACH ROW EXECUTE FUNCTION ledger_artifact_digest()",
    *(
        f"CREATE TRIGGER {table}_{name} BEFORE {events} ON {table} FOR EACH {level} EXECUTE FUNCTION ledger_refuse()"
        for table in ("entry", "artifact")
        for name, events, level in (
            ("no_change", "UPDATE OR DELETE OR TRUNCATE", "STATEMENT"),  # also one that meets no row
            ("no_row_change", "UPDATE OR DELETE", "ROW"),  # logical replication fires no other
        )
    ),
    *(
        f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {trigger}"
        for table, own in (("entry", "entry_append"), ("artifact", "artifact_digest"))
        for trigger in (own, f"{table}_no_change", f"{table}_no_row_change")
    ),
)


def upgrade() -> None:
    for statement in SQLITE if op.get_context().dialect.name == "sqlite" else POSTGRESQL:
        op.execute(statement)


def downgrade() -> None:
    if op.get_bind().execute(sa.text("SELECT count(*) FROM entry")).scalar_one():
        raise RuntimeError("the ledger holds entries: it is never left without its guards")
    if op.get_context().dialect.name == "sqlite":
        op.execute("DROP TRIGGER entry_types")
        op.execute("DROP TRIGGER artifact_types")
        return
    for table, own in (("entry", "entry_append"), ("artifact", "artifact_digest")):
        for trigger in (own, f"{table}_no_change", f"{table}_no_row_change"):
            op.execute(f"DROP TRIGGER {trigger} ON {table}")
    for name in ("ledger_entry_append", "ledger_artifact_digest", "ledger_refuse"):
        op.execute(f"DROP FUNCTION {name}()")
