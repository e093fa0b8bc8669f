"""The SQL of the guard: its tables, its one function, its three event triggers, and what is asked of the catalog.

Everything is owned by who installs it, the schema included. The function runs with that owner's rights, a superuser's:
whoever could put another table in the place of one that it writes to would run code with these rights.
"""

# ruff: noqa: S608 - all that is put together here is written here

from __future__ import annotations

from migrate_flow.dialects.tables import SCHEMA

VERSION = 1
REFUSED = "MF001"  # SQLSTATE of a refusal
FAILED = "MF002"  # SQLSTATE of a guard in mode block that can't tell
STATEMENT_CHARS = 4000
OBJECTS = 50

FUNCTION = "guard"
_WHO = ("session_role", "acting_role", "client", "application")
LOGGED = (*_WHO, "event", "tag", "objects", "object_count", "statement")
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
SETTINGS = ("search_path=pg_catalog, pg_temp", "lock_timeout=2s")

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

# NOTE: no backslash in it, whose meaning is a setting of the session (standard_conforming_strings).
SOURCE = f"""
#variable_conflict use_column
DECLARE
  in_mode text;
  place text;
  query text := coalesce(current_query(), '');
  stack text;
  halfway boolean;
  touched text[];
  permitted boolean;
  acting text := CASE current_setting('role') WHEN 'none' THEN session_user ELSE current_setting('role') END;
  client text := coalesce(host(inet_client_addr()), 'local');
BEGIN
  -- Maintenance: what these do inside, temporary tables and an ALTER TABLE, has no end of its own to be judged at.
  IF tg_tag IN ('REFRESH MATERIALIZED VIEW', 'REINDEX') THEN
    RETURN;
  END IF;
  BEGIN
    SELECT mode, environment INTO STRICT in_mode, place FROM {SCHEMA}.guard;

    -- What commits on its way, or acts on another server, must be refused at its start. CONCURRENTLY is possible at
    -- top level alone; below it the word belongs to somebody else's statement.
    GET DIAGNOSTICS stack = PG_CONTEXT;
    halfway := tg_tag LIKE '% SUBSCRIPTION' OR (tg_tag IN ('CREATE INDEX', 'DROP INDEX', 'ALTER TABLE')
      AND position(chr(10) IN stack) = 0 AND query ~* '[[:<:]]concurrently[[:>:]]')
      -- Without its own parts the guard could not judge it at the end.
      OR (tg_tag ~ '^(ALTER|CREATE|DROP) (FUNCTION|ROUTINE)$|^(ALTER|DROP) (SCHEMA|TABLE)$' AND query ~* '{SCHEMA}');

    IF tg_event = 'ddl_command_start' THEN
      IF in_mode = 'audit' OR NOT halfway THEN
        RETURN;
      END IF;
    ELSIF tg_event = 'ddl_command_end' THEN
      -- A schema that is NULL: of what hangs on a table, the address begins with the table's schema.
      SELECT array_agg(concat_ws(' ', c.object_type, c.object_identity) ORDER BY c.n) INTO touched
      FROM pg_event_trigger_ddl_commands() WITH ORDINALITY
        AS c(classid, objid, objsubid, command_tag, object_type, schema_name, object_identity, in_extension, command, n)
      WHERE NOT c.in_extension AND coalesce(c.schema_name, CASE WHEN c.object_type IN ('policy', 'rule', 'trigger')
        THEN (pg_identify_object_as_address(c.classid, c.objid, c.objsubid)).object_names[1] END, '')
        !~ '^pg_temp(_[0-9]+)?$';
      -- It may take a role out of a policy and drop nothing, and no list tells of that.
      IF tg_tag = 'DROP OWNED' THEN
        touched := coalesce(touched, ARRAY[]::text[]);
      END IF;
    ELSE
      -- What was named, and what CASCADE took; not the types, indexes and defaults that go with a table.
      SELECT array_agg(d.object_type || ' ' || d.object_identity ORDER BY NOT d.original,
        d.object_type !~ '^(table|view|materialized view|sequence|foreign table)', d.object_identity)
      INTO touched FROM pg_event_trigger_dropped_objects() d
      WHERE (d.original OR d.normal) AND NOT d.is_temporary AND NOT (d.object_type IN ('policy', 'rule', 'trigger')
        AND d.address_names[1] ~ '^pg_temp(_[0-9]+)?$');
    END IF;
    IF touched IS NULL AND tg_event <> 'ddl_command_start' THEN
      RETURN;
    END IF;

    SELECT EXISTS (SELECT FROM {SCHEMA}.permit p JOIN pg_stat_get_activity(pg_backend_pid()) a USING (pid)
      WHERE p.backend_start = a.backend_start AND (p.xid IS NULL OR p.xid = pg_current_xact_id_if_assigned()))
    INTO permitted;
    IF permitted THEN
      RETURN;
    END IF;

    -- Also where a statement that was let in at its start lost its permit: to refuse it now would leave it half done.
    IF in_mode = 'audit' OR (halfway AND tg_event <> 'ddl_command_start') THEN
      INSERT INTO {SCHEMA}.ddl_log ({", ".join(LOGGED)})
      VALUES (session_user, acting, client, current_setting('application_name'), tg_event, tg_tag,
        touched[1:{OBJECTS}], cardinality(touched),
        CASE WHEN tg_tag ~ 'USER MAPPING|SUBSCRIPTION' OR query ~*
          'user[[:space:]]+mapping|(create|alter)[[:space:]]+subscription|://[^[:space:]/@:]*:[^[:space:]]*@'
          OR query ~* 'passw(or)?d["[:space:]]*([=:$'']|(e|u&)'')'
        THEN '(left out: it may hold a password)' ELSE left(query, {STATEMENT_CHARS}) END);
      RETURN;
    END IF;
  EXCEPTION WHEN OTHERS THEN
    IF in_mode = 'block' THEN
      RAISE EXCEPTION 'the guard of migrate-flow failed, so it refuses %: %', tg_tag, SQLERRM
        USING ERRCODE = '{FAILED}', HINT = 'migrate-flow guard status --env ' || coalesce(place, '<environment>');
    END IF;
    IF tg_event <> 'ddl_command_start' THEN
      RAISE WARNING 'the guard of migrate-flow failed, so % is not recorded: %', tg_tag, SQLERRM
        USING HINT = 'migrate-flow guard status --env ' || coalesce(place, '<environment>');
    END IF;
    RETURN;
  END;
  RAISE LOG 'migrate-flow guard refused %: % (session user %, role %, from %, application %)', tg_tag,
    coalesce(array_to_string(touched[1:{OBJECTS}], ', '), 'at its start'), session_user, acting, client,
    current_setting('application_name');
  RAISE EXCEPTION 'schema changes from outside migrate-flow are refused here: %',
    concat_ws(' of ', tg_tag, nullif(array_to_string(touched[1:3], ', '), ''))
    USING ERRCODE = '{REFUSED}', HINT = 'write it as a migration: migrate-flow new -m MESSAGE; '
      || 'then: migrate-flow apply --env ' || place;
END"""

_FUNCTION = f"""
CREATE OR REPLACE FUNCTION {SCHEMA}.{FUNCTION}() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s' AS $guard${SOURCE}$guard$"""

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
  WHERE c.relnamespace = to_regnamespace('{SCHEMA}') AND c.relname = 'permit' AND a.privilege_type = 'INSERT') o
WHERE role <> 0 AND pg_get_userbyid(role) <> current_user"""
READ_TABLES = f"""
SELECT c.relname::text AS name, r.rolname::text AS owner, r.rolname = current_user AS own,
  c.relkind = 'r' AND (r.rolsuper OR r.rolname = current_user) AS trusted,
  ARRAY(SELECT a.attname::text FROM pg_attribute a
    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum) AS columns,
  has_schema_privilege(c.relnamespace, 'USAGE') AND has_table_privilege(c.oid, 'SELECT') AS readable
FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner
WHERE c.relnamespace = to_regnamespace('{SCHEMA}') AND c.relname IN ({_NAMES}) ORDER BY 1"""
CREATE = (
    f"ALTER SCHEMA {SCHEMA} OWNER TO CURRENT_USER",
    *_TABLES.split(";"),
    _FUNCTION,
    f"ALTER FUNCTION {SCHEMA}.{FUNCTION}() OWNER TO CURRENT_USER",
)
# ALTER DEFAULT PRIVILEGES may have given new tables to others, who could write permits, or put a trigger on the log.
REVOCATIONS = f"""
SELECT DISTINCT format('REVOKE ALL ON %s %s FROM %s CASCADE', CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END,
  c.oid::regclass, CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END)
FROM pg_class c CROSS JOIN aclexplode(c.relacl) a
WHERE c.relnamespace = '{SCHEMA}'::regnamespace AND a.grantee <> c.relowner
  AND c.relname IN ({_NAMES}, 'permit_id_seq', 'ddl_log_id_seq')"""
GRANT = (
    f"GRANT USAGE, CREATE ON SCHEMA {SCHEMA} TO {{role}}",
    # NOTE: whoever dumps the database as the migration role reads all of them, the sequences included.
    f"GRANT SELECT ON {_QUALIFIED} TO {{role}}",
    f"GRANT SELECT ON SEQUENCE {SCHEMA}.permit_id_seq, {SCHEMA}.ddl_log_id_seq TO {{role}}",
    f"GRANT INSERT, DELETE ON {SCHEMA}.permit TO {{role}}",
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
    f"DROP TABLE IF EXISTS {SCHEMA}.guard, {SCHEMA}.permit",
)
MIGRATES = f"SELECT tableowner::text FROM pg_tables WHERE schemaname = '{SCHEMA}' AND tablename = 'target'"
GIVE_SCHEMA = f"ALTER SCHEMA {SCHEMA} OWNER TO {{role}}"

READ_TRIGGERS = f"""
SELECT t.evtname::text AS name, t.evtevent::text AS event, t.evtenabled::text AS enabled,
  t.evttags IS NULL AND p.proname = '{FUNCTION}' AND n.nspname = '{SCHEMA}' AS calls_ours
FROM pg_event_trigger t JOIN pg_proc p ON p.oid = t.evtfoid JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE t.evtname IN ({_EVENT_TRIGGERS})"""
READ_FUNCTION = f"""
SELECT p.prosrc AS source, p.prosecdef AS definer, p.proconfig AS settings, l.lanname::text AS language
FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
WHERE p.pronamespace = to_regnamespace('{SCHEMA}') AND p.proname = '{FUNCTION}' AND p.pronargs = 0"""
# Who owns one of these could let the guard's owner, a superuser, run what they like.
READ_STRANGERS = f"""
SELECT o.what, r.rolname::text AS owner FROM (
  SELECT 'the schema {SCHEMA}' AS what, nspowner AS owner FROM pg_namespace WHERE nspname = '{SCHEMA}'
  UNION ALL SELECT '{SCHEMA}.' || relname, relowner FROM pg_class
  WHERE relnamespace = to_regnamespace('{SCHEMA}') AND relname IN ({_NAMES})
  UNION ALL SELECT 'the function {SCHEMA}.{FUNCTION}', proowner FROM pg_proc
  WHERE pronamespace = to_regnamespace('{SCHEMA}') AND proname = '{FUNCTION}'
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
READ_LOG = f"SELECT id, at, {', '.join(LOGGED)} FROM {SCHEMA}.ddl_log WHERE id > %s AND id <= %s ORDER BY id"

# One statement each, without parameters, so that any driver can send it before SQLAlchemy knows of a transaction.
PERMIT = f"""DO $permit$ BEGIN
IF pg_catalog.to_regclass('{SCHEMA}.permit') IS NOT NULL THEN
  INSERT INTO {SCHEMA}.permit (pid, backend_start, xid, attempt)
  SELECT pid, backend_start, {{xid}}, '{{attempt}}' FROM pg_catalog.pg_stat_get_activity(pg_catalog.pg_backend_pid());
END IF; END $permit$"""
RELEASE = f"""DO $permit$ BEGIN
IF pg_catalog.to_regclass('{SCHEMA}.permit') IS NOT NULL THEN
  DELETE FROM {SCHEMA}.permit WHERE attempt = '{{attempt}}';
END IF; END $permit$"""
