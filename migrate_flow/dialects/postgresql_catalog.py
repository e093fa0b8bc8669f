"""What is asked of PostgreSQL's catalogs for a snapshot: one query a kind, whatever the number of objects.

Our own schema and the members of extensions are left out here. Numbers of objects (oid) only join one answer to
another; they never get into a snapshot. Every ``"char"`` is cast, as drivers read it differently, and no text holds a
per cent sign, which some drivers double. What is sorted as text is sorted by bytes: the order of a database's own
collation would make another snapshot of each copy.
"""

# ruff: noqa: S608 - all that is put together here is written here

from __future__ import annotations

from migrate_flow.dialects.tables import SCHEMA

# Fixed while the catalogs are read, so that the server prints the same for everybody. Compiling these queries takes
# longer than running them.
SETTINGS = """
SELECT current_setting('server_version_num')::int / 10000 AS major,
  set_config('search_path', '', true), set_config('timezone', 'UTC', true), set_config('datestyle', 'ISO', true),
  set_config('intervalstyle', 'postgres', true), set_config('extra_float_digits', '1', true),
  set_config('quote_all_identifiers', 'off', true), set_config('bytea_output', 'hex', true),
  set_config('lc_monetary', 'C', true), set_config('jit', 'off', true)"""

FIRST_OF_USERS = 16384
PUBLIC_SCHEMA = 2200  # the one object with a number below that belongs to the user


def is_member(catalog: str, oid: str, kinds: str = "'e'") -> str:
    """Whether it belongs to an extension; with the kind i, also whether the server made it for something else."""
    return (
        f"EXISTS (SELECT FROM pg_depend m WHERE m.classid = {catalog!r}::regclass AND m.objid = {oid} "
        f"AND m.deptype IN ({kinds}))"
    )


OURS = f"n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', '{SCHEMA}')"

_TABLESPACE = "(SELECT p.spcname::text FROM pg_tablespace p WHERE p.oid = c.reltablespace) AS tablespace"

RELATIONS = f"""
SELECT c.oid::int8 AS oid, n.nspname::text AS schema, c.relname::text AS name, c.relkind::text AS kind,
  c.relpersistence::text AS persistence, c.relispartition AS is_partition,
  pg_get_expr(c.relpartbound, c.oid) AS bound,
  CASE c.relkind WHEN 'p' THEN pg_get_partkeydef(c.oid) END AS partition_key,
  CASE WHEN h.inhrelid IS NOT NULL THEN (SELECT array_agg(i.inhparent::int8 ORDER BY i.inhseqno) FROM pg_inherits i
    WHERE i.inhrelid = c.oid) END AS parents, h.inhdetachpending AS detaching,
  c.reloptions AS options, o.reloptions AS toast_options, {_TABLESPACE},
  c.relrowsecurity AS row_security, c.relforcerowsecurity AS forced, c.relreplident::text AS replica_identity,
  a.amname::text AS method, CASE WHEN c.relkind IN ('v', 'm') THEN pg_get_viewdef(c.oid) END AS view,
  CASE WHEN c.reloftype <> 0 THEN format_type(c.reloftype, NULL) END AS of_type,
  s.srvname::text AS server, f.ftoptions AS foreign_options,
  format_type(q.seqtypid, NULL) AS type, q.seqstart AS start, q.seqincrement AS increment, q.seqmin AS least,
  q.seqmax AS most, q.seqcache AS cache, q.seqcycle AS cycle,
  d.refobjid::int8 AS owner, d.refobjsubid::int AS owner_column
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_am a ON a.oid = c.relam
  LEFT JOIN pg_inherits h ON h.inhrelid = c.oid AND h.inhseqno = 1
  LEFT JOIN pg_class o ON o.oid = c.reltoastrelid
  LEFT JOIN pg_foreign_table f ON f.ftrelid = c.oid LEFT JOIN pg_foreign_server s ON s.oid = f.ftserver
  LEFT JOIN pg_sequence q ON q.seqrelid = c.oid
  LEFT JOIN pg_depend d ON c.relkind = 'S' AND d.classid = 'pg_class'::regclass AND d.objid = c.oid
    AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i')
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 'c') AND {OURS} AND NOT {is_member("pg_class", "c.oid")}
ORDER BY 2, 3"""

# NOTE: n_distinct and n_distinct_inherited are all the options that a column can be given. PostgreSQL 15 has been seen
# to keep a number of its own there (pg_attver), another one in each database.
# The few NOT NULL that are not plain are found first, else every column is looked up among the constraints.
COLUMNS = f"""
WITH k AS MATERIALIZED (
  SELECT conrelid, conkey[1] AS number, CASE WHEN convalidated THEN 'no inherit' ELSE 'not valid' END AS how
  FROM pg_constraint WHERE contype = 'n' AND (connoinherit OR NOT convalidated)
)
SELECT a.attrelid::int8 AS relation, a.attnum::int AS number, a.attname::text AS name,
  format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull AS not_null, k.how AS not_null_how,
  pg_get_expr(d.adbin, d.adrelid) AS default, a.attidentity::text AS identity, a.attgenerated::text AS generated,
  CASE WHEN a.attcollation <> t.typcollation THEN a.attcollation::regcollation::text END AS collation,
  CASE WHEN a.attstorage <> t.typstorage THEN a.attstorage::text END AS storage,
  a.attcompression::text AS compression, CASE WHEN a.attstattarget >= 0 THEN a.attstattarget::text END AS statistics,
  CASE WHEN array_to_string(a.attoptions, ' ') ~ 'n_distinct' THEN a.attoptions END AS options,
  a.attfdwoptions AS foreign_options
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
  LEFT JOIN k ON k.conrelid = a.attrelid AND k.number = a.attnum
WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'c') AND {OURS}
ORDER BY a.attrelid, a.attnum"""

# A foreign key on partitioned tables has a copy for each partition, with a name that is made up at each restore.
# An inherited CHECK is its parent's, and a restore forgets that a child's copy was valid already.
# PostgreSQL 18 has a row for each NOT NULL, which is the column's. Triggers of a foreign key that do not fire
# (ALTER TABLE … DISABLE TRIGGER ALL) leave it there, and without effect.
CONSTRAINTS = f"""
SELECT k.oid::int8 AS oid, k.conrelid::int8 AS relation, k.contypid::int8 AS domain, k.conname::text AS name,
  k.contype::text AS kind, pg_get_constraintdef(k.oid) AS definition, k.conindid::int8 AS index, t.firing
FROM pg_constraint k JOIN pg_namespace n ON n.oid = k.connamespace
  LEFT JOIN (
    SELECT tgconstraint, string_agg(DISTINCT tgenabled::text, '') AS firing FROM pg_trigger
    WHERE tgisinternal AND tgenabled <> 'O' AND tgconstraint <> 0 GROUP BY 1
  ) t ON t.tgconstraint = k.oid
WHERE k.contype IN ('c', 'f', 'p', 'u', 'x') AND NOT (k.contype = 'f' AND k.conparentid <> 0)
  AND NOT (k.contype = 'c' AND k.coninhcount > 0 AND NOT k.conislocal) AND {OURS}
ORDER BY 1"""

# An index that a constraint made is told by the constraint's definition.
INDEXES = f"""
SELECT c.oid::int8 AS oid, n.nspname::text AS schema, c.relname::text AS name, i.indrelid::int8 AS relation,
  CASE WHEN k.conindid IS NULL THEN pg_get_indexdef(c.oid) END AS definition,
  i.indisvalid AND i.indisready AND i.indislive AS valid, i.indisreplident AS identifies,
  i.indisclustered AS clustered, c.reloptions AS options, {_TABLESPACE}, h.inhparent::int8 AS parent, s.targets
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN (SELECT DISTINCT conindid FROM pg_constraint WHERE contype IN ('p', 'u', 'x')) k ON k.conindid = c.oid
  LEFT JOIN pg_inherits h ON h.inhrelid = c.oid
  LEFT JOIN (
    SELECT attrelid, string_agg(attnum || ' ' || attstattarget, ', ' ORDER BY attnum) AS targets
    FROM pg_attribute WHERE attstattarget >= 0 GROUP BY 1
  ) s ON s.attrelid = c.oid
WHERE {OURS}
ORDER BY 1"""

_OF_ALL_TYPES = (
    "oid,typname,typnamespace,typowner,typtype,typrelid,typelem,typarray,typbasetype,typtypmod,typndims,typdefaultbin,"
    "typacl,typisdefined,typnotnull,typcollation"
)

# Row types of tables, arrays and multiranges come with what they are of.
TYPES = f"""
SELECT t.oid::int8 AS oid, n.nspname::text AS schema, t.typname::text AS name, t.typtype::text AS kind,
  c.oid::int8 AS relation, t.typisdefined AS defined,
  CASE t.typtype WHEN 'e' THEN (SELECT string_agg(quote_literal(e.enumlabel), ', ' ORDER BY e.enumsortorder)
    FROM pg_enum e WHERE e.enumtypid = t.oid) END AS labels,
  CASE t.typtype WHEN 'd' THEN format_type(t.typbasetype, t.typtypmod) END AS type, t.typnotnull AS not_null,
  pg_get_expr(t.typdefaultbin, 0) AS default,
  CASE WHEN t.typcollation <> b.typcollation THEN t.typcollation::regcollation::text END AS collation,
  format_type(r.rngsubtype, NULL) AS range_of, nullif(r.rngcanonical::oid, 0)::regproc::text AS canonical,
  nullif(r.rngsubdiff::oid, 0)::regproc::text AS subdiff, format_type(r.rngmultitypid, NULL) AS multirange,
  CASE WHEN NOT o.opcdefault THEN o.opcnamespace::regnamespace || '.' || quote_ident(o.opcname) END AS operator_class,
  CASE WHEN r.rngcollation <> u.typcollation THEN r.rngcollation::regcollation::text END AS range_collation,
  CASE WHEN t.typtype = 'b' AND t.typisdefined THEN (to_jsonb(t) - '{{{_OF_ALL_TYPES}}}'::text[] ||
    jsonb_build_object('collatable', t.typcollation <> 0))::text END AS base
FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace LEFT JOIN pg_class c ON c.oid = t.typrelid
  LEFT JOIN pg_type b ON b.oid = t.typbasetype LEFT JOIN pg_range r ON r.rngtypid = t.oid
  LEFT JOIN pg_type u ON u.oid = r.rngsubtype LEFT JOIN pg_opclass o ON o.oid = r.rngsubopc
WHERE (t.typtype IN ('e', 'd', 'r') OR t.typtype = 'c' AND c.relkind = 'c' OR t.typtype = 'b' AND t.typelem = 0
    OR NOT t.typisdefined)
  AND {OURS} AND NOT {is_member("pg_type", "t.oid")}
ORDER BY 1"""


def _function(column: str) -> str:
    return f"nullif(g.{column}::oid, 0)::regproc::text"


FUNCTIONS = f"""
SELECT p.oid::int8 AS oid, n.nspname::text AS schema, p.proname::text AS name, p.prokind::text AS kind,
  p.prosqlbody IS NOT NULL AS parsed,
  coalesce((SELECT string_agg(format_type(u.t, NULL), ', ' ORDER BY u.i)
    FROM unnest(p.proargtypes) WITH ORDINALITY AS u(t, i)), '') AS arguments,
  CASE WHEN p.prokind <> 'a' THEN pg_get_functiondef(p.oid) ELSE
    concat_ws(', ', pg_get_function_arguments(p.oid), 'returns ' || pg_get_function_result(p.oid),
      'kind ' || g.aggkind::text, 'direct arguments ' || nullif(g.aggnumdirectargs, 0),
      'transition ' || g.aggtransfn::text, 'state ' || format_type(g.aggtranstype, NULL),
      'state space ' || nullif(g.aggtransspace, 0), 'initially ' || quote_literal(g.agginitval),
      'final ' || {_function("aggfinalfn")}, CASE WHEN g.aggfinalextra THEN 'final extra' END,
      'final modifies ' || g.aggfinalmodify::text, 'combine ' || {_function("aggcombinefn")},
      'serial ' || {_function("aggserialfn")}, 'deserial ' || {_function("aggdeserialfn")},
      'sorted by ' || nullif(g.aggsortop, 0)::regoperator::text,
      'moving transition ' || {_function("aggmtransfn")}, 'inverse ' || {_function("aggminvtransfn")},
      'moving state ' || format_type(nullif(g.aggmtranstype, 0), NULL),
      'moving state space ' || nullif(g.aggmtransspace, 0), 'moving initially ' || quote_literal(g.aggminitval),
      'moving final ' || {_function("aggmfinalfn")}, CASE WHEN g.aggmfinalextra THEN 'moving final extra' END,
      'moving final modifies ' || CASE WHEN g.aggmtransfn::oid <> 0 THEN g.aggmfinalmodify::text END,
      'parallel ' || p.proparallel::text) END AS definition
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace LEFT JOIN pg_aggregate g ON g.aggfnoid = p.oid
WHERE {OURS} AND NOT {is_member("pg_proc", "p.oid", "'e', 'i'")}
ORDER BY 1"""

# What belongs to a table and has a name in it, and statistics, which have a schema of their own. These are printed in
# the order of the table's columns. A partition's copy of a trigger is the parent's, unless it fires otherwise.
PARTS = f"""
SELECT CASE t.tgparentid WHEN 0 THEN 'trigger' ELSE 'trigger state' END AS kind, 'pg_trigger' AS catalog,
  t.oid::int8 AS oid, t.tgrelid::int8 AS relation, t.tgname::text AS name,
  CASE t.tgparentid WHEN 0 THEN pg_get_triggerdef(t.oid) ELSE 'not as the parent' END AS definition,
  t.tgenabled::text AS firing, NULL AS schema
FROM pg_trigger t LEFT JOIN pg_trigger o ON o.oid = t.tgparentid
WHERE NOT t.tgisinternal AND t.tgenabled IS DISTINCT FROM o.tgenabled
UNION ALL
SELECT 'rule', 'pg_rewrite', r.oid::int8, r.ev_class::int8, r.rulename::text,
  pg_get_ruledef(r.oid), r.ev_enabled::text, NULL
FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE r.rulename <> '_RETURN' AND {OURS}
UNION ALL
SELECT 'policy', 'pg_policy', p.oid::int8, p.polrelid::int8, p.polname::text,
  concat_ws(' ', CASE WHEN p.polpermissive THEN 'permissive' ELSE 'restrictive' END,
    CASE p.polcmd WHEN 'r' THEN 'for select' WHEN 'a' THEN 'for insert' WHEN 'w' THEN 'for update'
      WHEN 'd' THEN 'for delete' ELSE 'for all' END,
    'to ' || (SELECT string_agg(CASE u WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(u)) END, ', '
      ORDER BY pg_get_userbyid(u)) FROM unnest(p.polroles) u),
    'using (' || pg_get_expr(p.polqual, p.polrelid) || ')',
    'with check (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')'), 'O', NULL
FROM pg_policy p
UNION ALL
SELECT 'statistics', 'pg_statistic_ext', s.oid::int8, s.stxrelid::int8, s.stxname::text,
  concat_ws(' ', (SELECT string_agg(CASE u WHEN 'd' THEN 'ndistinct' WHEN 'f' THEN 'dependencies' WHEN 'm' THEN 'mcv'
      ELSE 'expressions' END, ', ' ORDER BY u) FROM unnest(s.stxkind::text[]) u), 'on',
    concat_ws(', ', (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attname) FROM pg_attribute a
      WHERE a.attrelid = s.stxrelid AND a.attnum = ANY (s.stxkeys)),
    array_to_string(pg_get_statisticsobjdef_expressions(s.oid), ', ')),
    'target ' || CASE WHEN s.stxstattarget >= 0 THEN s.stxstattarget END), 'O', n.nspname::text
FROM pg_statistic_ext s JOIN pg_namespace n ON n.oid = s.stxnamespace WHERE {OURS}
ORDER BY 2, 3"""

# The server gives each database's public schema its first comment.
COMMENTS = f"""
SELECT 'comment' AS kind, d.classoid::regclass::text AS catalog, d.objoid::int8 AS oid, d.objsubid::int AS number,
  d.description AS text
FROM pg_description d
WHERE d.objoid >= {FIRST_OF_USERS} OR d.classoid = 'pg_namespace'::regclass AND d.objoid = {PUBLIC_SCHEMA}
  AND d.description <> 'standard public schema'
UNION ALL
SELECT 'security label', l.classoid::regclass::text, l.objoid::int8, l.objsubid::int, l.provider || ': ' || l.label
FROM pg_seclabel l
ORDER BY 1, 2, 3, 4, 5"""

# Partitioned tables hold no rows themselves.
TABLES = f"""
SELECT n.nspname::text, c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND {OURS} AND NOT {is_member("pg_class", "c.oid")} ORDER BY 1, 2"""
