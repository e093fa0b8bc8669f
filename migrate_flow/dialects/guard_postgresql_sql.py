"""The SQL of the guard: its tables, its grants, its three event triggers, and what is asked of the catalog.

Everything is owned by who installs it, the schema included. The functions run with that owner's rights, a superuser's:
whoever could put another table in the place of one that they write to would run code with these rights.
"""

# ruff: noqa: S608 - all that is put together here is written here

from __future__ import annotations

from migrate_flow.core.guard import LOG_ROWS
from migrate_flow.dialects.guard_postgresql_functions import FUNCTION, LET, LET_CALL, LOGGED, NO_PERMIT
from migrate_flow.dialects.tables import SCHEMA

VERSION = 1
TABLES = {
    "guard": ["only_one", "mode", "environment", "version", "installed_by", "at"],
    "permit": ["id", "pid", "backend_start", "xid", "attempt"],
    "ddl_log": ["id", "at", *LOGGED],
}
TRIGGERS = {
    "migrate_flow_guard_start": "ddl_command_start",
    "migrate_flow_guard_end": "ddl_command_end",
    "migrate_flow_guard_drop": "sql_drop",
}

# NOTE: a key on permit, because a publication FOR ALL TABLES refuses a DELETE where there is none.
_TABLES = f"""
CREATE TABLE IF NOT EXISTS {SCHEMA}.guard (
  only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
  mode text NOT NULL CHECK (mode IN ('audit', 'block')),
  environment text NOT NULL,
  version int NOT NULL,
  installed_by text NOT NULL DEFAULT session_user,
  at timestamptz NOT NULL DEFAULT now());
CREATE TABLE IF NOT EXISTS {SCHEMA}.permit (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  pid int NOT NULL,
  backend_start timestamptz NOT NULL,
  xid xid8,
  attempt text NOT NULL);
CREATE TABLE IF NOT EXISTS {SCHEMA}.ddl_log (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  session_role text NOT NULL,
  acting_role text NOT NULL,
  client text NOT NULL,
  application text NOT NULL,
  event text NOT NULL,
  tag text NOT NULL,
  objects text[] NOT NULL,
  object_count int NOT NULL,
  statement text NOT NULL)"""

_QUALIFIED = ", ".join(f"{SCHEMA}.{name}" for name in TABLES)
_NAMES = ", ".join(f"'{name}'" for name in TABLES)
_EVENT_TRIGGERS = ", ".join(f"'{name}'" for name in TRIGGERS)

# First, as a guard in mode block would refuse what follows; no event trigger sees it. And who has open a transaction
# with DDL in it holds our tables: whoever waits for them keeps all DDL behind it waiting.
DROP_TRIGGERS = ("SET LOCAL lock_timeout = '3s'", *(f"DROP EVENT TRIGGER IF EXISTS {name}" for name in TRIGGERS))
# Whoever owns something of ours, and whom an earlier guard let.
APPLIERS = f"""
SELECT pg_get_userbyid(role)::text FROM (
  SELECT nspowner AS role FROM pg_namespace WHERE nspname = '{SCHEMA}'
  UNION SELECT relowner FROM pg_class
  WHERE relnamespace = to_regnamespace('{SCHEMA}') AND relkind = 'r' AND relname NOT IN ({_NAMES})
  UNION SELECT a.grantee FROM pg_class c CROSS JOIN aclexplode(c.relacl) a
  WHERE c.relnamespace = to_regnamespace('{SCHEMA}') AND c.relname = 'permit' AND a.privilege_type = 'DELETE') o
WHERE role <> 0 AND pg_get_userbyid(role) <> current_user"""
READ_TABLES = f"""
SELECT c.relname::text AS name, r.rolname::text AS owner, r.rolname = current_user AS own,
  c.relkind = 'r' AND (r.rolsuper OR r.rolname = current_user) AS trusted,
  ARRAY(SELECT a.attname::text FROM pg_attribute a
    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum) AS columns,
  has_schema_privilege(c.relnamespace, 'USAGE') AND has_table_privilege(c.oid, 'SELECT') AS readable
FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner
WHERE c.relnamespace = to_regnamespace('{SCHEMA}') AND c.relname IN ({_NAMES}) ORDER BY 1"""
CREATE = (f"ALTER SCHEMA {SCHEMA} OWNER TO CURRENT_USER", *_TABLES.split(";"))
_GRANTEE = "CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END"
# ALTER DEFAULT PRIVILEGES may have given new tables to others, who could write permits, or put a trigger on the log.
REVOCATIONS = f"""
SELECT DISTINCT format('REVOKE ALL ON %s %s FROM %s CASCADE', CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END,
  c.oid::regclass, {_GRANTEE})
FROM pg_class c CROSS JOIN aclexplode(c.relacl) a
WHERE c.relnamespace = '{SCHEMA}'::regnamespace AND a.grantee <> c.relowner
  AND c.relname IN ({_NAMES}, 'permit_id_seq', 'ddl_log_id_seq')
UNION SELECT DISTINCT format('REVOKE ALL ON FUNCTION %s FROM %s CASCADE', p.oid::regprocedure, {_GRANTEE})
FROM pg_proc p CROSS JOIN aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
WHERE p.oid = to_regprocedure('{LET_CALL}') AND a.grantee <> p.proowner"""
GRANT = (
    f"GRANT USAGE, CREATE ON SCHEMA {SCHEMA} TO {{role}}",
    # NOTE: whoever dumps the database as the migration role reads all of them, the sequences included.
    f"GRANT SELECT ON {_QUALIFIED} TO {{role}}",
    f"GRANT SELECT ON SEQUENCE {SCHEMA}.permit_id_seq, {SCHEMA}.ddl_log_id_seq TO {{role}}",
    f"GRANT DELETE ON {SCHEMA}.permit TO {{role}}",
    f"GRANT EXECUTE ON FUNCTION {LET_CALL} TO {{role}}",
)
SETTING = (
    f"DELETE FROM {SCHEMA}.guard",
    f"INSERT INTO {SCHEMA}.guard (mode, environment, version) VALUES (%s, %s, {VERSION})",
)
CREATE_TRIGGERS = tuple(
    text
    for name, event in TRIGGERS.items()
    for text in (
        f"CREATE EVENT TRIGGER {name} ON {event} EXECUTE FUNCTION {SCHEMA}.{FUNCTION}()",
        f"ALTER EVENT TRIGGER {name} ENABLE ALWAYS",
    )
)
DROP = (
    f"DROP FUNCTION IF EXISTS {SCHEMA}.{FUNCTION}()",
    f"DROP FUNCTION IF EXISTS {LET_CALL}",
    f"DROP TABLE IF EXISTS {SCHEMA}.guard, {SCHEMA}.permit",
)
MIGRATES = f"SELECT tableowner::text FROM pg_tables WHERE schemaname = '{SCHEMA}' AND tablename = 'target'"
GIVE_SCHEMA = f"ALTER SCHEMA {SCHEMA} OWNER TO {{role}}"

READ_TRIGGERS = f"""
SELECT t.evtname::text AS name, t.evtevent::text AS event, t.evtenabled::text AS enabled,
  t.evttags IS NULL AND p.proname = '{FUNCTION}' AND n.nspname = '{SCHEMA}' AS calls_ours
FROM pg_event_trigger t JOIN pg_proc p ON p.oid = t.evtfoid JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE t.evtname IN ({_EVENT_TRIGGERS})"""
# One that tells less than VOLATILE would not see what was written in the same statement.
READ_FUNCTIONS = f"""
SELECT p.proname::text AS name, p.prosrc AS source, p.prosecdef AS definer, p.proconfig AS settings,
  l.lanname::text AS language, p.provolatile::text AS volatility
FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
WHERE p.pronamespace = to_regnamespace('{SCHEMA}') AND (p.proname = '{FUNCTION}' AND p.pronargs = 0
  OR p.proname = '{LET}' AND p.proargtypes::text = '25 16')"""  # text, boolean
# What the guard does not give its tables, and could run code as its owner or make rows vanish.
READ_EXTRAS = f"""
SELECT c.relname::text AS name, e.what::text FROM pg_class c CROSS JOIN LATERAL (
  SELECT 'the trigger ' || tgname AS what FROM pg_trigger WHERE tgrelid = c.oid AND NOT tgisinternal
  UNION ALL SELECT 'the rule ' || rulename FROM pg_rewrite WHERE ev_class = c.oid
  UNION ALL SELECT 'row security' WHERE c.relrowsecurity OR c.relforcerowsecurity
  UNION ALL SELECT 'the child ' || inhrelid::regclass::text FROM pg_inherits WHERE inhparent = c.oid
  UNION ALL SELECT 'a default of ' || a.attname FROM pg_attrdef d
    JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
    WHERE d.adrelid = c.oid AND (a.attname, pg_get_expr(d.adbin, d.adrelid)) NOT IN (('only_one', 'true'),
      ('installed_by', 'SESSION_USER'), ('at', 'now()'), ('at', 'clock_timestamp()'))
  UNION ALL SELECT 'the type of ' || a.attname FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
    WHERE a.attrelid = c.oid AND a.attnum > 0 AND t.typtype <> 'b'
  UNION ALL SELECT 'the constraint ' || conname FROM pg_constraint o
    WHERE conrelid = c.oid AND contype NOT IN ('p', 'n') AND pg_get_constraintdef(o.oid) NOT IN
      ('CHECK (only_one)', 'CHECK ((mode = ANY (ARRAY[''audit''::text, ''block''::text])))')
  UNION ALL SELECT 'the index ' || indexrelid::regclass::text FROM pg_index
    WHERE indrelid = c.oid AND (indexprs IS NOT NULL OR indpred IS NOT NULL)) e
WHERE c.relnamespace = to_regnamespace('{SCHEMA}') AND c.relname IN ({_NAMES}) ORDER BY 1, 2"""
# With one of these somebody could let themselves, or forge what the guard says.
READ_GRANTS = f"""
SELECT {_GRANTEE} AS grantee, a.privilege_type AS privilege, '{SCHEMA}.' || c.relname AS what
FROM pg_class c CROSS JOIN aclexplode(c.relacl) a
WHERE c.relnamespace = to_regnamespace('{SCHEMA}') AND c.relname IN ({_NAMES}) AND a.grantee <> c.relowner
  AND a.privilege_type IN ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'TRIGGER')
  AND NOT (a.privilege_type = 'DELETE' AND c.relname = 'permit' AND a.grantee <> 0)
UNION ALL SELECT 'PUBLIC', 'EXECUTE', 'the function {SCHEMA}.{LET}'
FROM pg_proc p CROSS JOIN aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
WHERE p.oid = to_regprocedure('{LET_CALL}') AND a.grantee = 0
ORDER BY 3, 1, 2"""
# Whose sessions an owner who is no superuser can't tell apart, so that no permit of theirs counts.
READ_BLIND = f"""
SELECT r.rolname::text AS owner, g.rolname::text AS role
FROM pg_proc p CROSS JOIN aclexplode(p.proacl) a JOIN pg_roles r ON r.oid = p.proowner
  JOIN pg_roles g ON g.oid = a.grantee
WHERE p.oid = to_regprocedure('{LET_CALL}') AND NOT r.rolsuper AND NOT pg_has_role(r.oid, 'pg_read_all_stats', 'USAGE')
  AND NOT pg_has_role(r.oid, g.oid, 'USAGE') ORDER BY 2"""
# Who owns one of these could let the guard's owner, a superuser, run what they like.
READ_STRANGERS = f"""
SELECT o.what, r.rolname::text AS owner FROM (
  SELECT 'the schema {SCHEMA}' AS what, nspowner AS owner FROM pg_namespace WHERE nspname = '{SCHEMA}'
  UNION ALL SELECT '{SCHEMA}.' || relname, relowner FROM pg_class
  WHERE relnamespace = to_regnamespace('{SCHEMA}') AND relname IN ({_NAMES})
  UNION ALL SELECT 'the function {SCHEMA}.' || proname, proowner FROM pg_proc
  WHERE pronamespace = to_regnamespace('{SCHEMA}') AND proname IN ('{FUNCTION}', '{LET}')
) o JOIN pg_roles r ON r.oid = o.owner
WHERE NOT r.rolsuper AND o.owner NOT IN (SELECT evtowner FROM pg_event_trigger WHERE evtname IN ({_EVENT_TRIGGERS}))
ORDER BY 1"""
# Who may write receipts migrates, whoever owns the tables.
RUNNERS = f"""
SELECT current_user::text UNION SELECT pg_get_userbyid(a.grantee)::text
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace CROSS JOIN aclexplode(c.relacl) a
WHERE n.nspname = '{SCHEMA}' AND c.relname = 'receipt' AND a.privilege_type = 'INSERT' AND a.grantee <> 0 ORDER BY 1"""
IS_SWITCHED_OFF = "SELECT coalesce(current_setting('event_triggers', true), 'on') = 'off'"  # since PostgreSQL 17
READ_SETTING = f"SELECT mode, environment, version FROM {SCHEMA}.guard"
COUNT_LOG = f"SELECT count(*) AS logged, coalesce(max(id), 0) AS newest, max(at) AS newest_at FROM {SCHEMA}.ddl_log"
LAST_IN_LOG = f"SELECT coalesce(max(id), 0) FROM {SCHEMA}.ddl_log"
IS_BEING_LOGGED = f"""
SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'relation' AND relation = '{SCHEMA}.ddl_log'::regclass
  AND mode = 'RowExclusiveLock' AND granted
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))"""
READ_LOG = f"""
SELECT id, at, {", ".join(LOGGED)} FROM {SCHEMA}.ddl_log WHERE id > %s AND id <= %s ORDER BY id DESC LIMIT {LOG_ROWS}"""

# One statement each, without parameters, so that any driver can send it before SQLAlchemy knows of a transaction.
PERMIT = f"""DO $permit$ BEGIN
IF pg_catalog.to_regclass('{SCHEMA}.permit') IS NOT NULL THEN
  PERFORM {SCHEMA}.{LET}('{{attempt}}'::pg_catalog.text, {{whole_session}});
END IF;
EXCEPTION WHEN insufficient_privilege OR undefined_function THEN
  RAISE EXCEPTION USING ERRCODE = '{NO_PERMIT}', MESSAGE = pg_catalog.concat('the role ', current_user,
    ' may not write {SCHEMA}.permit, so the guard would take it for a stranger: ', SQLERRM),
    HINT = pg_catalog.concat('migrate-flow guard install --env ', coalesce((
      SELECT pg_catalog.split_part(pg_catalog.obj_description(p.oid, 'pg_proc'), 'environment: ', 2)
      FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
      WHERE n.nspname = '{SCHEMA}' AND p.proname = '{LET}' LIMIT 1), 'ENV'));
END $permit$"""
# Who may delete none has written none.
RELEASE = f"""DO $permit$ BEGIN
IF pg_catalog.to_regclass('{SCHEMA}.permit') IS NOT NULL THEN
  DELETE FROM {SCHEMA}.permit WHERE attempt = '{{attempt}}';
END IF;
EXCEPTION WHEN insufficient_privilege THEN NULL;
END $permit$"""
STANDS = f"""
SELECT EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname = '{SCHEMA}' AND c.relname = 'permit')"""
