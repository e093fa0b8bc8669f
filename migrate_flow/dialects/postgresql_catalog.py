"""What is asked of PostgreSQL's catalogs for a snapshot: one query a kind, whatever the number of objects.

Our own schema and the members of extensions are left out here. Numbers of objects (oid) only join one answer to
another; they never get into a snapshot. Every ``"char"`` is cast, as drivers read it differently, and no text holds a
per cent sign, which some drivers double.
"""

# ruff: noqa: S608 - all that is put together here is written here

from __future__ import annotations

from migrate_flow.dialects.tables import SCHEMA

# Fixed while the catalogs are read, so that the server prints the same for everybody.
SETTINGS = """
SELECT current_setting('server_version_num')::int / 10000 AS major,
  set_config('search_path', '', true), set_config('timezone', 'UTC', true), set_config('datestyle', 'ISO', true),
  set_config('intervalstyle', 'postgres', true), set_config('extra_float_digits', '1', true),
  set_config('quote_all_identifiers', 'off', true), set_config('bytea_output', 'hex', true)"""


def _member(catalog: str, oid: str, kinds: str = "'e'") -> str:
    """Whether it belongs to an extension; with the kind i, also whether the server made it for something else."""
    return (
        f"EXISTS (SELECT FROM pg_depend m WHERE m.classid = {catalog!r}::regclass AND m.objid = {oid} "
        f"AND m.deptype IN ({kinds}))"
    )


_OURS = f"n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', '{SCHEMA}')"

RELATIONS = f"""
SELECT c.oid::int8 AS oid, n.nspname::text AS schema, c.relname::text AS name, c.relkind::text AS kind,
  c.relpersistence::text AS persistence, c.relispartition AS is_partition,
  pg_get_expr(c.relpartbound, c.oid) AS bound,
  CASE c.relkind WHEN 'p' THEN pg_get_partkeydef(c.oid) END AS partition_key,
  (SELECT array_agg(i.inhparent::int8 ORDER BY i.inhseqno) FROM pg_inherits i WHERE i.inhrelid = c.oid) AS parents,
  (SELECT string_agg(o, ', ' ORDER BY o) FROM unnest(c.reloptions) o) AS options,
  c.relrowsecurity AS row_security, c.relforcerowsecurity AS forced, c.relreplident::text AS replica_identity,
  a.amname::text AS method, CASE WHEN c.relkind IN ('v', 'm') THEN pg_get_viewdef(c.oid) END AS view,
  CASE WHEN c.reloftype <> 0 THEN format_type(c.reloftype, NULL) END AS of_type,
  s.srvname ||
    coalesce(' (' || (SELECT string_agg(o, ', ' ORDER BY o) FROM unnest(f.ftoptions) o) || ')', '') AS server,
  format_type(q.seqtypid, NULL) AS type, q.seqstart AS start, q.seqincrement AS increment, q.seqmin AS least,
  q.seqmax AS most, q.seqcache AS cache, q.seqcycle AS cycle,
  d.refobjid::int8 AS owner, d.refobjsubid::int AS owner_column, d.deptype::text AS owned_as
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_am a ON a.oid = c.relam
  LEFT JOIN pg_foreign_table f ON f.ftrelid = c.oid LEFT JOIN pg_foreign_server s ON s.oid = f.ftserver
  LEFT JOIN pg_sequence q ON q.seqrelid = c.oid
  LEFT JOIN pg_depend d ON c.relkind = 'S' AND d.classid = 'pg_class'::regclass AND d.objid = c.oid
    AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i')
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 'c') AND {_OURS} AND NOT {_member("pg_class", "c.oid")}
ORDER BY 2, 3"""

# NOTE: n_distinct and n_distinct_inherited are all the options that a column can be given. PostgreSQL 15 has been seen
# to keep a number of its own there (pg_attver), another one in each database.
COLUMNS = f"""
SELECT a.attrelid::int8 AS relation, a.attnum::int AS number, a.attname::text AS name,
  format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull AS not_null,
  CASE WHEN NOT k.convalidated THEN 'not valid' WHEN k.connoinherit THEN 'no inherit' END AS not_null_how,
  pg_get_expr(d.adbin, d.adrelid) AS default, a.attidentity::text AS identity, a.attgenerated::text AS generated,
  CASE WHEN a.attcollation <> t.typcollation THEN a.attcollation::regcollation::text END AS collation,
  CASE WHEN a.attstorage <> t.typstorage THEN a.attstorage::text END AS storage,
  a.attcompression::text AS compression, CASE WHEN a.attstattarget >= 0 THEN a.attstattarget::text END AS statistics,
  (SELECT string_agg(o, ', ' ORDER BY o) FROM unnest(a.attoptions) o
    WHERE o ~ '^n_distinct(_inherited)?=') AS options,
  (SELECT string_agg(o, ', ' ORDER BY o) FROM unnest(a.attfdwoptions) o) AS foreign_options
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
  LEFT JOIN pg_constraint k ON k.conrelid = a.attrelid AND k.contype = 'n' AND k.conkey[1] = a.attnum
WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'c') AND {_OURS}
ORDER BY a.attrelid, a.attnum"""

# A foreign key on partitioned tables has a copy for each partition, with a name that is made up at each restore.
# An inherited CHECK is its parent's, and a restore forgets that a child's copy was valid already.
# PostgreSQL 18 has a row for each NOT NULL, which is the column's.
CONSTRAINTS = f"""
SELECT k.oid::int8 AS oid, k.conrelid::int8 AS relation, k.contypid::int8 AS domain, k.conname::text AS name,
  k.contype::text AS kind, pg_get_constraintdef(k.oid) AS definition, k.conindid::int8 AS index
FROM pg_constraint k JOIN pg_namespace n ON n.oid = k.connamespace
WHERE k.contype IN ('c', 'f', 'p', 'u', 'x') AND NOT (k.contype = 'f' AND k.conparentid <> 0)
  AND NOT (k.contype = 'c' AND k.coninhcount > 0 AND NOT k.conislocal) AND {_OURS}"""

INDEXES = f"""
SELECT c.oid::int8 AS oid, n.nspname::text AS schema, c.relname::text AS name, i.indrelid::int8 AS relation,
  pg_get_indexdef(c.oid) AS definition, i.indisvalid AND i.indisready AS valid, i.indisreplident AS identifies,
  i.indisclustered AS clustered, (SELECT string_agg(o, ', ' ORDER BY o) FROM unnest(c.reloptions) o) AS options,
  (SELECT h.inhparent::int8 FROM pg_inherits h WHERE h.inhrelid = c.oid) AS parent
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE {_OURS}"""

# Row types of tables, arrays and multiranges come with what they are of.
TYPES = f"""
SELECT t.oid::int8 AS oid, n.nspname::text AS schema, t.typname::text AS name, t.typtype::text AS kind,
  c.relkind::text AS relation_kind, c.oid::int8 AS relation,
  (SELECT array_agg(e.enumlabel::text ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = t.oid) AS labels,
  CASE t.typtype WHEN 'd' THEN format_type(t.typbasetype, t.typtypmod) END AS type, t.typnotnull AS not_null,
  pg_get_expr(t.typdefaultbin, 0) AS default,
  CASE WHEN t.typcollation <> b.typcollation THEN t.typcollation::regcollation::text END AS collation,
  format_type(r.rngsubtype, NULL) AS range_of, nullif(r.rngcanonical::oid, 0)::regproc::text AS canonical,
  nullif(r.rngsubdiff::oid, 0)::regproc::text AS subdiff
FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace LEFT JOIN pg_class c ON c.oid = t.typrelid
  LEFT JOIN pg_type b ON b.oid = t.typbasetype LEFT JOIN pg_range r ON r.rngtypid = t.oid
WHERE (t.typtype IN ('e', 'd', 'r', 'c') OR t.typtype = 'b' AND t.typelem = 0)
  AND {_OURS} AND NOT {_member("pg_type", "t.oid")}"""

FUNCTIONS = f"""
SELECT p.oid::int8 AS oid, n.nspname::text AS schema, p.proname::text AS name, p.prokind::text AS kind,
  coalesce((SELECT string_agg(format_type(u.t, NULL), ', ' ORDER BY u.i)
    FROM unnest(p.proargtypes) WITH ORDINALITY AS u(t, i)), '') AS arguments,
  CASE WHEN p.prokind <> 'a' THEN pg_get_functiondef(p.oid) ELSE
    concat_ws(', ', 'transition ' || g.aggtransfn::text, 'state ' || format_type(g.aggtranstype, NULL),
      'final ' || nullif(g.aggfinalfn::oid, 0)::regproc::text,
      'combine ' || nullif(g.aggcombinefn::oid, 0)::regproc::text,
      'initially ' || g.agginitval, 'sorted by ' || nullif(g.aggsortop, 0)::regoperator::text,
      'kind ' || g.aggkind::text, 'returns ' || pg_get_function_result(p.oid), 'parallel ' || p.proparallel::text)
    END AS definition
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace LEFT JOIN pg_aggregate g ON g.aggfnoid = p.oid
WHERE {_OURS} AND NOT {_member("pg_proc", "p.oid", "'e', 'i'")}"""

# What belongs to a table and has a name in it, and statistics, which have a schema of their own. These are printed in
# the order of the table's columns.
PARTS = f"""
SELECT 'trigger' AS kind, 'pg_trigger' AS catalog, t.oid::int8 AS oid, t.tgrelid::int8 AS relation,
  t.tgname::text AS name, pg_get_triggerdef(t.oid) AS definition, t.tgenabled::text AS firing, NULL AS schema
FROM pg_trigger t WHERE NOT t.tgisinternal AND t.tgparentid = 0
UNION ALL
SELECT 'rule', 'pg_rewrite', r.oid::int8, r.ev_class::int8, r.rulename::text,
  pg_get_ruledef(r.oid), r.ev_enabled::text, NULL
FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE r.rulename <> '_RETURN' AND {_OURS}
UNION ALL
SELECT 'policy', 'pg_policy', p.oid::int8, p.polrelid::int8, p.polname::text,
  concat_ws(' ', CASE WHEN p.polpermissive THEN 'permissive' ELSE 'restrictive' END,
    CASE p.polcmd WHEN 'r' THEN 'for select' WHEN 'a' THEN 'for insert' WHEN 'w' THEN 'for update'
      WHEN 'd' THEN 'for delete' ELSE 'for all' END,
    'to ' || (SELECT string_agg(CASE u WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(u)::text END, ', '
      ORDER BY pg_get_userbyid(u)) FROM unnest(p.polroles) u),
    'using (' || pg_get_expr(p.polqual, p.polrelid) || ')',
    'with check (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')'), 'O', NULL
FROM pg_policy p
UNION ALL
SELECT 'statistics', 'pg_statistic_ext', s.oid::int8, s.stxrelid::int8, s.stxname::text,
  concat_ws(' ', array_to_string(s.stxkind, ''), 'on',
    (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attname) FROM pg_attribute a
      WHERE a.attrelid = s.stxrelid AND a.attnum = ANY (s.stxkeys)),
    array_to_string(pg_get_statisticsobjdef_expressions(s.oid), ', ')), 'O', n.nspname::text
FROM pg_statistic_ext s JOIN pg_namespace n ON n.oid = s.stxnamespace WHERE {_OURS}"""

_OTHERS = (
    "pg_am", "pg_cast", "pg_collation", "pg_conversion", "pg_foreign_data_wrapper", "pg_foreign_server", "pg_language",
    "pg_opclass", "pg_operator", "pg_opfamily", "pg_publication", "pg_transform", "pg_ts_config", "pg_ts_dict",
    "pg_ts_parser", "pg_ts_template",
)  # fmt: skip
_FIRST_OF_USERS = 16384

_LISTED = " UNION ALL ".join(
    f"SELECT '{catalog}'::regclass::oid AS class, oid FROM {catalog} WHERE oid >= {_FIRST_OF_USERS}"
    for catalog in _OTHERS
)

# NOTE: of the last ones only that they are there.
GLOBALS = f"""
SELECT 'schema' AS kind, 'pg_namespace' AS catalog, n.oid::int8 AS oid, n.nspname::text AS name, NULL AS definition,
  NULL AS firing
FROM pg_namespace n WHERE {_OURS} AND NOT {_member("pg_namespace", "n.oid")}
UNION ALL
SELECT 'extension', 'pg_extension', e.oid::int8, e.extname::text,
  'version ' || e.extversion || ' in schema ' || n.nspname, NULL
FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
UNION ALL
SELECT 'event trigger', 'pg_event_trigger', t.oid::int8, t.evtname::text,
  concat_ws(' ', 'on', t.evtevent, 'when tag in (' || array_to_string(t.evttags, ', ') || ')', 'execute',
    t.evtfoid::regprocedure::text), t.evtenabled::text
FROM pg_event_trigger t JOIN pg_proc p ON p.oid = t.evtfoid JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname <> '{SCHEMA}' AND NOT {_member("pg_event_trigger", "t.oid")}
UNION ALL
SELECT i.type, o.class::regclass::text, o.oid::int8, i.identity, NULL, NULL
FROM ({_LISTED}) o CROSS JOIN LATERAL pg_identify_object(o.class, o.oid, 0) i
WHERE coalesce(i.schema, '') <> '{SCHEMA}'
  AND NOT EXISTS (SELECT FROM pg_depend m WHERE m.classid = o.class AND m.objid = o.oid
    AND m.deptype IN ('e', 'i'))"""

COMMENTS = f"""
SELECT d.classoid::regclass::text AS catalog, d.objoid::int8 AS oid, d.objsubid::int AS number, d.description AS text
FROM pg_description d WHERE d.objoid >= {_FIRST_OF_USERS}"""

# Only what differs from the default: an access list that was changed and changed back says the default in words.
GRANTS = f"""
SELECT s.class::regclass::text AS catalog, s.oid::int8 AS oid, s.sub::int AS number, g.standard AS standard,
  CASE g.grantee WHEN 0 THEN 'PUBLIC' WHEN s.owner THEN 'owner' ELSE pg_get_userbyid(g.grantee)::text END AS grantee,
  g.privilege_type || CASE WHEN g.is_grantable THEN ' with grant option' ELSE '' END ||
    CASE g.grantor WHEN s.owner THEN '' ELSE ' by ' || pg_get_userbyid(g.grantor) END AS privilege
FROM (
  SELECT 'pg_class'::regclass::oid AS class, c.oid, 0 AS sub, c.relowner AS owner, c.relacl AS acl,
    acldefault((CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END)::"char", c.relowner) AS standard
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {_OURS} AND c.relacl IS NOT NULL
  UNION ALL
  SELECT 'pg_class'::regclass, c.oid, a.attnum, c.relowner, a.attacl, acldefault('c', c.relowner)
  FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE {_OURS} AND a.attacl IS NOT NULL AND NOT a.attisdropped
  UNION ALL
  SELECT 'pg_proc'::regclass, p.oid, 0, p.proowner, p.proacl, acldefault('f', p.proowner)
  FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE {_OURS} AND p.proacl IS NOT NULL
  UNION ALL
  SELECT 'pg_type'::regclass, t.oid, 0, t.typowner, t.typacl, acldefault('T', t.typowner)
  FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE {_OURS} AND t.typacl IS NOT NULL
  UNION ALL
  SELECT 'pg_namespace'::regclass, n.oid, 0, n.nspowner, n.nspacl, acldefault('n', n.nspowner)
  FROM pg_namespace n WHERE {_OURS} AND n.nspacl IS NOT NULL
) s CROSS JOIN LATERAL (
  SELECT false AS standard, e.* FROM aclexplode(s.acl) e UNION ALL SELECT true, e.* FROM aclexplode(s.standard) e
) g"""

DEFAULT_GRANTS = """
SELECT pg_get_userbyid(d.defaclrole)::text AS role, n.nspname::text AS schema, d.defaclobjtype::text AS kind,
  CASE e.grantee WHEN 0 THEN 'PUBLIC' WHEN d.defaclrole THEN 'owner' ELSE pg_get_userbyid(e.grantee)::text
    END AS grantee,
  e.privilege_type || CASE WHEN e.is_grantable THEN ' with grant option' ELSE '' END AS privilege
FROM pg_default_acl d LEFT JOIN pg_namespace n ON n.oid = d.defaclnamespace
  CROSS JOIN LATERAL aclexplode(d.defaclacl) e"""

# Partitioned tables hold no rows themselves.
TABLES = f"""
SELECT n.nspname::text, c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND {_OURS} AND NOT {_member("pg_class", "c.oid")} ORDER BY 1, 2"""
