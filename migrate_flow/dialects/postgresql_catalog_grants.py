"""Who may do what in PostgreSQL, as rows of one query: see `postgresql_catalog`.

Each object's list is told beside the one that it would have by default, for a list that was changed and changed back
says the default in words. The owner is told as such: a restore by another role makes other owners. Who granted it is
not told: a restore may choose another role that can.
"""

# ruff: noqa: S608 - all that is put together here is written here

from __future__ import annotations

from migrate_flow.dialects.postgresql_catalog import FIRST_OF_USERS, OURS
from migrate_flow.dialects.tables import SCHEMA


def _of(catalog: str, prefix: str, letter: str, where: str, joins: str = "") -> str:
    """prefix: of the catalog's columns. letter: what acldefault() calls the kind."""
    return f"""
  SELECT '{catalog}'::regclass::oid AS class, x.oid, 0 AS sub, x.{prefix}owner AS owner, x.{prefix}acl AS acl,
    acldefault({letter}, x.{prefix}owner) AS standard
  FROM {catalog} x {joins} WHERE {where} AND x.{prefix}acl IS NOT NULL"""


def _in_schema(prefix: str) -> tuple[str, str]:
    return OURS, f"JOIN pg_namespace n ON n.oid = x.{prefix}namespace"


_OBJECTS = " UNION ALL ".join(
    (
        _of("pg_class", "rel", "(CASE x.relkind WHEN 'S' THEN 's' ELSE 'r' END)::\"char\"", *_in_schema("rel")),
        _of("pg_proc", "pro", "'f'", *_in_schema("pro")),
        _of("pg_type", "typ", "'T'", *_in_schema("typ")),
        _of("pg_namespace", "nsp", "'n'", OURS.replace("n.", "x.")),
        _of("pg_language", "lan", "'l'", f"x.oid >= {FIRST_OF_USERS}"),
        _of("pg_foreign_data_wrapper", "fdw", "'F'", f"x.oid >= {FIRST_OF_USERS}"),
        _of("pg_foreign_server", "srv", "'S'", f"x.oid >= {FIRST_OF_USERS}"),
        f"""
  SELECT 'pg_class'::regclass, c.oid, a.attnum, c.relowner, a.attacl, acldefault('c', c.relowner)
  FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE {OURS} AND a.attacl IS NOT NULL AND NOT a.attisdropped""",
        # Within a schema they are added to the default, elsewhere they stand in its place.
        """
  SELECT 'pg_default_acl'::regclass, d.oid, 0, d.defaclrole, d.defaclacl,
    CASE d.defaclnamespace WHEN 0 THEN acldefault(
      (CASE d.defaclobjtype WHEN 'S' THEN 's' ELSE d.defaclobjtype END)::"char", d.defaclrole) END
  FROM pg_default_acl d""",
    )
)

# NOTE: the letter for sequences is S where defaults are kept, and s where they are asked for.
_KIND = (
    "CASE d.defaclobjtype WHEN 'r' THEN 'tables' WHEN 'S' THEN 'sequences' WHEN 'f' THEN 'functions' "
    "WHEN 'T' THEN 'types' WHEN 'n' THEN 'schemas' WHEN 'L' THEN 'large objects' ELSE d.defaclobjtype::text END"
)

GRANTS = f"""
SELECT s.class::regclass::text AS catalog, s.oid::int8 AS oid, s.sub::int AS number, g.standard AS standard,
  CASE g.grantee WHEN 0 THEN 'PUBLIC' WHEN s.owner THEN 'owner' ELSE pg_get_userbyid(g.grantee)::text END AS grantee,
  g.privilege_type || CASE WHEN g.is_grantable THEN ' with grant option' ELSE '' END AS privilege,
  pg_get_userbyid(d.defaclrole)::text AS role, n.nspname::text AS schema, {_KIND} AS kind
FROM ({_OBJECTS}) s CROSS JOIN LATERAL (
  SELECT false AS standard, e.* FROM aclexplode(s.acl) e UNION ALL SELECT true, e.* FROM aclexplode(s.standard) e
) g LEFT JOIN pg_default_acl d ON s.class = 'pg_default_acl'::regclass AND d.oid = s.oid
  LEFT JOIN pg_namespace n ON n.oid = d.defaclnamespace
WHERE n.nspname IS DISTINCT FROM '{SCHEMA}'
ORDER BY 1, 2, 3, 4, 5, 6"""
