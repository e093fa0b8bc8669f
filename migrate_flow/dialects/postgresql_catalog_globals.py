"""What stands outside of tables, types and functions in PostgreSQL, as rows of one query: see `postgresql_catalog`.

A row's ``said`` is JSON, attribute by attribute; what is not set is left out or null. A column that came with a later
version is read by its name from the row as JSON. No row holds a password: the settings of a user mapping and the
connection of a subscription are not read (only some roles may), and `postgresql_options` sees to the others.
"""

# ruff: noqa: S608 - all that is put together here is written here

from __future__ import annotations

from collections.abc import Mapping

from migrate_flow.dialects.postgresql_catalog import FIRST_OF_USERS, OURS, is_member
from migrate_flow.dialects.tables import SCHEMA


def firing(column: str) -> str:
    return f"CASE {column} WHEN 'D' THEN 'disabled' WHEN 'R' THEN 'on a replica' WHEN 'A' THEN 'always' END"


def _json(said: Mapping[str, str]) -> str:
    return f"jsonb_build_object({', '.join(f'{name!r}, {value}' for name, value in said.items())})::text"


def _procedure(column: str) -> str:
    return f"nullif(x.{column}::oid, 0)::regprocedure::text"


def _operator(column: str) -> str:
    return f"nullif(x.{column}::oid, 0)::regoperator::text"


def _yes(column: str) -> str:
    return f"CASE WHEN x.{column} THEN 'yes' END"


def _as(catalog: str, number: str) -> str:
    """An object by the name that the server itself gives it, qualified and quoted."""
    return f"(SELECT i.identity FROM pg_identify_object('{catalog}'::regclass, {number}, 0) i)"


_MAPPED = """(SELECT string_agg(t.alias || ': ' || t.dictionaries, ', ' ORDER BY t.alias COLLATE "C") FROM (
    SELECT (SELECT k.alias FROM ts_token_type(x.cfgparser) k WHERE k.tokid = m.maptokentype) AS alias,
      string_agg(m.mapdict::regdictionary::text, ' then ' ORDER BY m.mapseqno) AS dictionaries
    FROM pg_ts_config_map m WHERE m.mapcfg = x.oid GROUP BY m.maptokentype) t)"""
_OPERATORS = f"""(SELECT string_agg(t.said, ', ' ORDER BY t.said COLLATE "C") FROM (
    SELECT concat_ws(' ', m.amopstrategy, m.amopopr::regoperator,
      'for order by ' || {_as("pg_opfamily", "nullif(m.amopsortfamily, 0)")}) AS said
    FROM pg_amop m WHERE m.amopfamily = x.oid) t)"""
_FUNCTIONS = """(SELECT string_agg(t.said, ', ' ORDER BY t.said COLLATE "C") FROM (
    SELECT m.amprocnum || ' for ' || format_type(m.amproclefttype, NULL) || ', ' ||
      format_type(m.amprocrighttype, NULL) || ': ' || m.amproc::regprocedure AS said
    FROM pg_amproc m WHERE m.amprocfamily = x.oid) t)"""
_PUBLISHED = """(SELECT string_agg(t.said, '; ' ORDER BY t.said COLLATE "C") FROM (
    SELECT r.prrelid::regclass || coalesce(' (' || (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attname)
        FROM pg_attribute a WHERE a.attrelid = r.prrelid AND a.attnum = ANY (r.prattrs)) || ')', '') ||
      coalesce(' where ' || pg_get_expr(r.prqual, r.prrelid), '') AS said
    FROM pg_publication_rel r WHERE r.prpubid = x.oid) t)"""
_SCHEMAS = """(SELECT string_agg(p.pnnspid::regnamespace::text, ', ' ORDER BY p.pnnspid::regnamespace::text COLLATE "C")
    FROM pg_publication_namespace p WHERE p.pnpubid = x.oid)"""
_ACTS = """nullif(concat_ws(', ', CASE WHEN x.pubinsert THEN 'insert' END, CASE WHEN x.pubupdate THEN 'update' END,
    CASE WHEN x.pubdelete THEN 'delete' END, CASE WHEN x.pubtruncate THEN 'truncate' END), '')"""

# By catalog: attribute -> expression over the catalog's row x.
_SAID: Mapping[str, Mapping[str, str]] = {
    "pg_am": {"type": "CASE x.amtype WHEN 't' THEN 'table' ELSE 'index' END", "handler": _procedure("amhandler")},
    "pg_cast": {
        "context": "CASE x.castcontext WHEN 'e' THEN 'explicit' WHEN 'a' THEN 'assignment' ELSE 'implicit' END",
        "method": "CASE x.castmethod WHEN 'f' THEN 'function' WHEN 'i' THEN 'inout' ELSE 'binary' END",
        "function": _procedure("castfunc"),
    },
    "pg_collation": {
        "provider": "CASE x.collprovider WHEN 'c' THEN 'libc' WHEN 'i' THEN 'icu' WHEN 'b' THEN 'builtin' "
        "ELSE 'default' END",
        "nondeterministic": "CASE WHEN NOT x.collisdeterministic THEN 'yes' END",
        "collate": "x.collcollate",
        "ctype": "x.collctype",
        "locale": "coalesce(to_jsonb(x)->>'colllocale', to_jsonb(x)->>'colliculocale')",
        "rules": "to_jsonb(x)->>'collicurules'",
    },
    "pg_conversion": {
        "from": "pg_encoding_to_char(x.conforencoding)::text",
        "to": "pg_encoding_to_char(x.contoencoding)::text",
        "function": _procedure("conproc"),
        "default": _yes("condefault"),
    },
    "pg_foreign_data_wrapper": {
        "handler": _procedure("fdwhandler"),
        "validator": _procedure("fdwvalidator"),
        "options": "to_jsonb(x.fdwoptions)",
    },
    "pg_foreign_server": {
        "wrapper": "(SELECT w.fdwname::text FROM pg_foreign_data_wrapper w WHERE w.oid = x.srvfdw)",
        "type": "x.srvtype",
        "version": "x.srvversion",
        "options": "to_jsonb(x.srvoptions)",
    },
    "pg_language": {
        "trusted": _yes("lanpltrusted"),
        "handler": _procedure("lanplcallfoid"),
        "inline": _procedure("laninline"),
        "validator": _procedure("lanvalidator"),
    },
    "pg_opclass": {
        "type": "format_type(x.opcintype, NULL)",
        "family": _as("pg_opfamily", "x.opcfamily"),
        "default": _yes("opcdefault"),
        "storage": "format_type(nullif(x.opckeytype, 0), NULL)",
    },
    "pg_operator": {
        "function": _procedure("oprcode"),
        "commutator": _operator("oprcom"),
        "negator": _operator("oprnegate"),
        "restrict": _procedure("oprrest"),
        "join": _procedure("oprjoin"),
        "merges": _yes("oprcanmerge"),
        "hashes": _yes("oprcanhash"),
    },
    "pg_opfamily": {"operators": _OPERATORS, "functions": _FUNCTIONS},
    "pg_publication": {
        "all tables": _yes("puballtables"),
        "tables": _PUBLISHED,
        "schemas": _SCHEMAS,
        "publishes": _ACTS,
        "via root": _yes("pubviaroot"),
        "generated columns": "CASE to_jsonb(x)->>'pubgencols' WHEN 's' THEN 'stored' WHEN 't' THEN 'stored' END",
    },
    "pg_transform": {"from": _procedure("trffromsql"), "to": _procedure("trftosql")},
    "pg_ts_config": {"parser": _as("pg_ts_parser", "x.cfgparser"), "dictionaries": _MAPPED},
    "pg_ts_dict": {"template": _as("pg_ts_template", "x.dicttemplate"), "settings": "x.dictinitoption"},
    "pg_ts_parser": {
        name: _procedure(column)
        for name, column in (
            ("start", "prsstart"), ("token", "prstoken"), ("end", "prsend"), ("headline", "prsheadline"),
            ("types", "prslextype"),
        )
    },
    "pg_ts_template": {"init": _procedure("tmplinit"), "lexize": _procedure("tmpllexize")},
}  # fmt: skip

# An operator without a function only waits for one that has named it.
_ONLY = {"pg_operator": "x.oprcode::oid <> 0"}
# PostgreSQL 15 and 18 have two words for it.
_NAMES = {
    "pg_transform": "'for ' || format_type(x.trftype, NULL) || ' language ' || "
    "(SELECT quote_ident(l.lanname) FROM pg_language l WHERE l.oid = x.trflang)"
}


# Before PostgreSQL 15 a publication has tables as a whole.
_BEFORE_15 = {
    "tables": "(SELECT string_agg(r.prrelid::regclass::text, '; ' ORDER BY r.prrelid::regclass::text COLLATE \"C\") "
    "FROM pg_publication_rel r WHERE r.prpubid = x.oid)",
    "schemas": "NULL",
}


def _identified(catalog: str, major: int) -> str:
    said = {**_SAID[catalog], **(_BEFORE_15 if catalog == "pg_publication" and major < 15 else {})}
    return f"""
SELECT i.type AS kind, '{catalog}' AS catalog, x.oid::int8 AS oid, {_NAMES.get(catalog, "i.identity")} AS name,
  {_json(said)} AS said
FROM {catalog} x CROSS JOIN LATERAL pg_identify_object('{catalog}'::regclass, x.oid, 0) i
WHERE x.oid >= {FIRST_OF_USERS} AND {_ONLY.get(catalog, "true")} AND coalesce(i.schema, '') <> '{SCHEMA}'
  AND NOT {is_member(catalog, "x.oid", "'e', 'i'")}"""


# What others than superusers may read of it. That it is enabled is a state: the server itself may end it, and a
# restore always does.
_SUBSCRIPTION = {
    "publications": "array_to_string(x.subpublications, ', ')",
    "slot": "x.subslotname::text",
    "binary": _yes("subbinary"),
    "streaming": "CASE x.substream::text WHEN 'p' THEN 'parallel' WHEN 't' THEN 'on' WHEN 'true' THEN 'on' END",
    "synchronous commit": "x.subsynccommit",
}
_SUBSCRIPTION_SINCE: Mapping[int, Mapping[str, str]] = {
    15: {
        "two phase": "CASE WHEN x.subtwophasestate <> 'd' THEN 'yes' END",
        "disabled by errors": _yes("subdisableonerr"),
    },
    16: {
        "without password": "CASE WHEN NOT x.subpasswordrequired THEN 'yes' END",
        "runs as owner": _yes("subrunasowner"),
        "origin": "nullif(x.suborigin, 'any')",
    },
    17: {"failover": _yes("subfailover")},
}


def _subscriptions(major: int) -> str:
    said = dict(_SUBSCRIPTION)
    for since, more in _SUBSCRIPTION_SINCE.items():
        said |= more if major >= since else {}
    return f"""
SELECT 'subscription', 'pg_subscription', x.oid::int8, quote_ident(x.subname), {_json(said)}
FROM pg_subscription x WHERE x.subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())"""


_EVENT_TRIGGER = {
    "definition": "concat_ws(' ', 'on', x.evtevent, 'when tag in (' || array_to_string(x.evttags, ', ') || ')', "
    "'execute', x.evtfoid::regprocedure::text)",
    "fires": firing("x.evtenabled"),
}
_EXTENSION = {"version": "x.extversion", "schema": "n.nspname::text"}


def globals_of(major: int) -> str:
    """The query for a server of this major version."""
    return f"""
SELECT 'schema' AS kind, 'pg_namespace' AS catalog, n.oid::int8 AS oid, quote_ident(n.nspname) AS name, NULL AS said
FROM pg_namespace n WHERE {OURS} AND NOT {is_member("pg_namespace", "n.oid")}
UNION ALL
SELECT 'extension', 'pg_extension', x.oid::int8, quote_ident(x.extname), {_json(_EXTENSION)}
FROM pg_extension x JOIN pg_namespace n ON n.oid = x.extnamespace
UNION ALL
SELECT 'event trigger', 'pg_event_trigger', x.oid::int8, quote_ident(x.evtname), {_json(_EVENT_TRIGGER)}
FROM pg_event_trigger x JOIN pg_proc p ON p.oid = x.evtfoid JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname <> '{SCHEMA}' AND NOT {is_member("pg_event_trigger", "x.oid")}
UNION ALL
SELECT 'user mapping', 'pg_user_mapping', x.umid::int8, 'for ' || quote_ident(x.usename) || ' on ' ||
  quote_ident(x.srvname), NULL
FROM pg_user_mappings x
UNION ALL{_subscriptions(major)}
UNION ALL{" UNION ALL ".join(_identified(catalog, major) for catalog in _SAID)}
ORDER BY 2, 3"""
