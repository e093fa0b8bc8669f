"""The functions of the guard: the one that its event triggers call, and the one that writes permits.

Both run with the rights of their owner, a superuser.
"""

# ruff: noqa: S608 - all that is put together here is written here

from __future__ import annotations

from migrate_flow.dialects.tables import SCHEMA

REFUSED = "MF001"  # SQLSTATE of a refusal
FAILED = "MF002"  # SQLSTATE of a guard in mode block that can't tell
NO_PERMIT = "MF003"  # SQLSTATE where who migrates can't get a permit
STATEMENT_CHARS = 4000
SHOWN_CHARS = 80  # of a statement that is refused
OBJECTS = 50

FUNCTION = "guard"
LET = "let"
LET_CALL = f"{SCHEMA}.{LET}(text, boolean)"
SETTINGS = ("search_path=pg_catalog, pg_temp", "lock_timeout=2s")
_WHO = ("session_role", "acting_role", "client", "application")
LOGGED = (*_WHO, "event", "tag", "objects", "object_count", "statement")
_NAMED = "who migrates gets permits with it; the environment: "

# Too much is the safe side: the objects are named all the same.
_TELLTALES = (
    "(create|alter)[^[:alnum:]]+(role|user|group|server|subscription)|user[^[:alnum:]]+mapping"
    "|passw|pwd|secret|token|(api|access|private)[ _-]?key|credential|identified[[:space:]]+by"
    "|://[^[:space:]/@:]*:([^[:space:]]*@|[^[:space:]]*$)"
)

# NOTE: no backslash in it, whose meaning is a setting of the session (standard_conforming_strings).
_SOURCE = f"""
#variable_conflict use_column
DECLARE
  -- Here and not in a table, so that a guard that refuses does not let pass what comes while a table is locked or gone.
  in_mode CONSTANT text := {{mode}};
  place CONSTANT text := {{environment}};
  query text;
  told text;
  stack text;
  halfway boolean := false;
  touched text[];
  acting text;
  client text;
BEGIN
  -- Maintenance: what these do inside, temporary tables and an ALTER TABLE, has no end of its own to be judged at.
  IF tg_tag IN ('REFRESH MATERIALIZED VIEW', 'REINDEX') OR (in_mode = 'audit' AND tg_event = 'ddl_command_start') THEN
    RETURN;
  END IF;
  BEGIN
    -- Before all that reads the text: it is what the client sent at once, again for each statement of it.
    IF EXISTS (SELECT FROM {SCHEMA}.permit p JOIN pg_stat_get_activity(pg_backend_pid()) a USING (pid)
      WHERE p.backend_start = a.backend_start AND (p.xid IS NULL OR p.xid = pg_current_xact_id_if_assigned()))
    THEN
      RETURN;
    END IF;
    query := coalesce(current_query(), '');

    -- What commits on its way, or acts on another server, must be refused at its start. CONCURRENTLY is possible at
    -- top level alone; below it the word belongs to somebody else's statement.
    IF in_mode = 'block' THEN
      GET DIAGNOSTICS stack = PG_CONTEXT;
      halfway := tg_tag LIKE '% SUBSCRIPTION' OR (tg_tag IN ('CREATE INDEX', 'DROP INDEX', 'ALTER TABLE')
        AND position(chr(10) IN stack) = 0 AND query ~* '[[:<:]]concurrently[[:>:]]')
        -- Without its own parts the guard could not judge it at the end.
        OR (tg_tag ~ '^(ALTER|CREATE|DROP) (FUNCTION|ROUTINE)$|^(ALTER|DROP) (SCHEMA|TABLE)$'
          AND query ~* '{SCHEMA}|u&"');
    END IF;

    IF tg_event = 'ddl_command_start' THEN
      IF NOT halfway THEN
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

    acting := CASE current_setting('role') WHEN 'none' THEN session_user ELSE current_setting('role') END;
    client := coalesce(host(inet_client_addr()), 'local');
    told := left(query, {STATEMENT_CHARS});
    IF tg_tag ~ 'USER MAPPING|SUBSCRIPTION' OR told ~* '{_TELLTALES}' THEN
      told := '(left out: it may hold a password)';
    END IF;

    -- Also where a statement that was let in at its start lost its permit: to refuse it now would leave it half done.
    IF in_mode = 'audit' OR (halfway AND tg_event <> 'ddl_command_start') THEN
      INSERT INTO {SCHEMA}.ddl_log ({", ".join(LOGGED)})
      VALUES (session_user, acting, client, current_setting('application_name'), tg_event, tg_tag,
        touched[1:{OBJECTS}], cardinality(touched), told);
      RETURN;
    END IF;
  EXCEPTION WHEN OTHERS THEN
    IF in_mode = 'block' THEN
      RAISE EXCEPTION 'the guard of migrate-flow failed, so it refuses %: %', tg_tag, SQLERRM
        USING ERRCODE = '{FAILED}', HINT = 'migrate-flow guard status --env ' || place;
    END IF;
    RAISE WARNING 'the guard of migrate-flow failed, so % is not recorded: %', tg_tag, SQLERRM
      USING HINT = 'migrate-flow guard status --env ' || place;
    RETURN;
  END;
  RAISE LOG 'migrate-flow guard refused %: % (session user %, role %, from %, application %)', tg_tag,
    coalesce(array_to_string(touched[1:{OBJECTS}], ', '), 'at its start'), session_user, acting, client,
    current_setting('application_name');
  RAISE EXCEPTION 'schema changes from outside migrate-flow are refused here: %',
    concat_ws(' of ', tg_tag, nullif(array_to_string(touched[1:3], ', '), ''))
    USING ERRCODE = '{REFUSED}', DETAIL = 'statement: ' || left(told, {SHOWN_CHARS}),
    HINT = 'write it as a migration: migrate-flow new -m MESSAGE; then: migrate-flow apply --env ' || place;
END"""

# A permit for the session that calls it, and for no other. As the guard's owner, because after a SET ROLE the server
# tells the role no more when the session of another one began.
LET_SOURCE = f"""
DECLARE
  started CONSTANT timestamptz := (SELECT a.backend_start FROM pg_stat_get_activity(pg_backend_pid()) a);
BEGIN
  IF started IS NULL THEN
    RAISE EXCEPTION USING ERRCODE = '{NO_PERMIT}', MESSAGE = format('the guard belongs to %s, who is no superuser and '
      'may not see when a session of %s began, so none of them can get a permit', current_user, session_user),
      HINT = format('as a superuser: GRANT pg_read_all_stats TO %I', current_user);
  END IF;
  INSERT INTO {SCHEMA}.permit (pid, backend_start, xid, attempt)
  VALUES (pg_backend_pid(), started, CASE WHEN NOT whole_session THEN pg_current_xact_id() END, name);
END"""


def source(mode: str, environment: str) -> str:
    """The text of the guard's function in this mode."""
    return _SOURCE.replace("{mode}", _literal(mode), 1).replace("{environment}", _literal(environment), 1)


def make(mode: str, environment: str) -> tuple[str, ...]:
    """What makes both of them, nobody but their owner being allowed to call the one that writes permits."""
    settings = "SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s'"
    return (
        f"CREATE OR REPLACE FUNCTION {SCHEMA}.{FUNCTION}() RETURNS event_trigger LANGUAGE plpgsql {settings} "
        f"AS $guard${source(mode, environment)}$guard$",
        f"ALTER FUNCTION {SCHEMA}.{FUNCTION}() OWNER TO CURRENT_USER",
        # Not OR REPLACE, which would keep what somebody laid ready: another owner, other parameters, grants.
        f"DROP FUNCTION IF EXISTS {LET_CALL}",
        f"CREATE FUNCTION {SCHEMA}.{LET}(name text, whole_session boolean) RETURNS void LANGUAGE plpgsql {settings} "
        f"AS $guard${LET_SOURCE}$guard$",
        # For the hint to who may not call it, and can read nothing else of the guard's.
        f"COMMENT ON FUNCTION {LET_CALL} IS {_literal(_NAMED + environment)}",
    )


def _literal(text: str) -> str:
    if "\\" in text or "$" in text:
        raise ValueError(f"{text!r} is no name of an environment")
    return "'" + text.replace("'", "''") + "'"
