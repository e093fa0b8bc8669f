"""What is asked of MySQL's and MariaDB's information_schema for a snapshot: one query a kind.

Names of columns are given in lower case, as the servers differ in that, and no text holds a per cent sign, which some
drivers double. In backticks: what is a reserved word differs as well. Long answers are not sorted by the server, which
would take as long as all else.
"""

from __future__ import annotations

# Definitions are printed under the session's settings.
READ_SETTINGS = (
    "SELECT VERSION() AS `version`, DATABASE() AS `db`, @@SESSION.sql_mode AS `sql_mode`, "
    "@@SESSION.time_zone AS `time_zone`, @@SESSION.sql_quote_show_create AS `quoted`"
)
FIX_SETTINGS = "SET SESSION sql_mode = '', time_zone = '+00:00', sql_quote_show_create = 1"
# With those of the roles that are switched on. MySQL leaves them out.
GRANTS = "SHOW GRANTS"

TABLES = """
SELECT table_name AS `name`, table_type AS `kind`, engine AS `engine`,
  table_collation AS `collation`, create_options AS `options`, table_comment AS `comment`
FROM information_schema.tables WHERE table_schema = DATABASE()"""

COLUMNS = """
SELECT table_name AS `tbl`, column_name AS `name`, column_type AS `type`, is_nullable AS `nullable`,
  column_default AS `standard`, extra AS `extra`, collation_name AS `collation`, column_comment AS `comment`,
  generation_expression AS `expression`, ordinal_position AS `number`
FROM information_schema.columns WHERE table_schema = DATABASE()"""

_INDEXES = """
SELECT table_name AS `tbl`, index_name AS `name`, seq_in_index AS `number`, non_unique AS `repeats`,
  column_name AS `col`, collation AS `direction`, sub_part AS `length`, index_type AS `type`,
  index_comment AS `comment`, {more}
FROM information_schema.statistics WHERE table_schema = DATABASE()"""
INDEXES_MARIADB = _INDEXES.format(more="NULL AS `expression`, ignored AS `ignored`")
INDEXES_MYSQL = _INDEXES.format(more="expression AS `expression`, IF(is_visible = 'NO', 'YES', 'NO') AS `ignored`")

# What a key does (numbered 0) and its columns. As a join the servers would compare each row with each.
FOREIGN_KEYS = """
SELECT table_name AS `tbl`, constraint_name AS `name`, ordinal_position AS `number`, column_name AS `col`,
  referenced_table_schema AS `other_db`, referenced_table_name AS `other`, referenced_column_name AS `target`,
  '' AS `on_update`, '' AS `on_delete`
FROM information_schema.key_column_usage WHERE table_schema = DATABASE() AND referenced_table_name IS NOT NULL
UNION ALL
SELECT table_name, constraint_name, 0, '', '', '', '', update_rule, delete_rule
FROM information_schema.referential_constraints WHERE constraint_schema = DATABASE()"""

CHECKS_MARIADB = """
SELECT table_name AS `tbl`, constraint_name AS `name`, check_clause AS `clause`, level AS `level`, 'YES' AS `enforced`
FROM information_schema.check_constraints WHERE constraint_schema = DATABASE()"""

CHECKS_MYSQL = """
SELECT t.table_name AS `tbl`, t.constraint_name AS `name`, c.check_clause AS `clause`, '' AS `level`,
  t.enforced AS `enforced`
FROM information_schema.table_constraints t JOIN information_schema.check_constraints c
  ON c.constraint_schema = t.constraint_schema AND c.constraint_name = t.constraint_name
WHERE t.constraint_type = 'CHECK' AND t.table_schema = DATABASE()"""

PARTITIONS = """
SELECT table_name AS `tbl`, partition_name AS `name`, partition_method AS `method`,
  partition_expression AS `expression`,
  partition_description AS `description`, subpartition_name AS `part`, subpartition_method AS `part_method`,
  subpartition_expression AS `part_expression`, partition_comment AS `comment`
FROM information_schema.partitions WHERE table_schema = DATABASE() AND partition_name IS NOT NULL
ORDER BY table_name, partition_ordinal_position, subpartition_ordinal_position"""

# All columns: only MariaDB knows of an algorithm.
VIEWS = "SELECT v.* FROM information_schema.views v WHERE v.table_schema = DATABASE()"

TRIGGERS = """
SELECT trigger_name AS `name`, event_object_table AS `tbl`, action_timing AS `timing`, event_manipulation AS `event`,
  action_order AS `number`, action_statement AS `definition`, sql_mode AS `sql_mode`
FROM information_schema.triggers WHERE trigger_schema = DATABASE()"""

# A row for each parameter, one for a routine without any.
ROUTINES = """
SELECT r.routine_name AS `name`, r.routine_type AS `kind`, r.dtd_identifier AS `returns`,
  r.collation_name AS `returns_collation`, r.routine_definition AS `definition`, r.is_deterministic AS `deterministic`,
  r.sql_data_access AS `access`, r.security_type AS `security`, r.sql_mode AS `sql_mode`,
  r.routine_comment AS `comment`, p.ordinal_position AS `number`, p.parameter_mode AS `mode`,
  p.parameter_name AS `parameter`, p.dtd_identifier AS `type`, p.collation_name AS `collation`
FROM information_schema.routines r LEFT JOIN information_schema.parameters p
  ON p.specific_schema = DATABASE() AND p.specific_name = r.specific_name AND p.routine_type = r.routine_type
  AND p.ordinal_position > 0
WHERE r.routine_schema = DATABASE() ORDER BY r.routine_type, r.routine_name, p.ordinal_position"""

EVENTS = """
SELECT event_name AS `name`, event_type AS `kind`, execute_at AS `at`, interval_value AS `value`,
  interval_field AS `field`,
  starts AS `starts`, CONVERT_TZ(starts, time_zone, '+00:00') AS `starts_utc`, created AS `created`,
  last_altered AS `altered`, ends AS `ends`, status AS `status`, on_completion AS `completion`,
  event_definition AS `definition`,
  sql_mode AS `sql_mode`, time_zone AS `time_zone`, event_comment AS `comment`
FROM information_schema.events WHERE event_schema = DATABASE()"""

# One of each, all in one statement: a number takes the place of the name, which would have to be quoted twice.
SEQUENCE = """
SELECT {number} AS `number`, start_value AS `start`, increment AS `step`, minimum_value AS `least`,
  maximum_value AS `most`, cache_size AS `cache`, cycle_option AS `cycle` FROM {quoted}"""
