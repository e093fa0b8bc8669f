"""What is asked of MySQL's and MariaDB's information_schema for a snapshot: one query a kind.

Names of columns are given in lower case, as the servers differ in that, and no text holds a per cent sign, which some
drivers double. In backticks: what is a reserved word differs as well.
"""

from __future__ import annotations

# Definitions are printed under the session's settings.
READ_SETTINGS = (
    "SELECT VERSION() AS `version`, DATABASE() AS `db`, @@SESSION.sql_mode AS `sql_mode`, "
    "@@SESSION.time_zone AS `time_zone`, @@SESSION.sql_quote_show_create AS `quoted`"
)
FIX_SETTINGS = "SET SESSION sql_mode = '', time_zone = '+00:00', sql_quote_show_create = 1"

TABLES = """
SELECT table_name AS `name`, table_type AS `kind`, engine AS `engine`, row_format AS `row_format`,
  table_collation AS `collation`, create_options AS `options`, table_comment AS `comment`
FROM information_schema.tables WHERE table_schema = DATABASE() ORDER BY table_name"""

COLUMNS = """
SELECT table_name AS `tbl`, column_name AS `name`, column_type AS `type`, is_nullable AS `nullable`,
  column_default AS `standard`, extra AS `extra`, collation_name AS `collation`, column_comment AS `comment`,
  generation_expression AS `expression`
FROM information_schema.columns WHERE table_schema = DATABASE() ORDER BY table_name, ordinal_position"""

# All columns: of an expression and of visibility only one of the servers knows.
INDEXES = """
SELECT s.* FROM information_schema.statistics s WHERE s.table_schema = DATABASE()
ORDER BY s.table_name, s.index_name, s.seq_in_index"""

FOREIGN_KEYS = """
SELECT k.table_name AS `tbl`, k.constraint_name AS `name`, k.column_name AS `col`,
  k.referenced_table_schema AS `other_db`,
  k.referenced_table_name AS `other`, k.referenced_column_name AS `target`, r.update_rule AS `on_update`,
  r.delete_rule AS `on_delete`
FROM information_schema.key_column_usage k JOIN information_schema.referential_constraints r
  ON r.constraint_schema = k.constraint_schema AND r.constraint_name = k.constraint_name
  AND r.table_name = k.table_name
WHERE k.table_schema = DATABASE() AND k.referenced_table_name IS NOT NULL
ORDER BY k.table_name, k.constraint_name, k.ordinal_position"""

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
  subpartition_expression AS `part_expression`
FROM information_schema.partitions WHERE table_schema = DATABASE() AND partition_name IS NOT NULL
ORDER BY table_name, partition_ordinal_position, subpartition_ordinal_position"""

VIEWS = """
SELECT table_name AS `name`, view_definition AS `definition`, check_option AS `checked`, security_type AS `security`
FROM information_schema.views WHERE table_schema = DATABASE()"""

TRIGGERS = """
SELECT trigger_name AS `name`, event_object_table AS `tbl`, action_timing AS `timing`, event_manipulation AS `event`,
  action_order AS `number`, action_statement AS `definition`, sql_mode AS `sql_mode`
FROM information_schema.triggers WHERE trigger_schema = DATABASE()"""

ROUTINES = """
SELECT routine_name AS `name`, routine_type AS `kind`, dtd_identifier AS `returns`, routine_definition AS `definition`,
  is_deterministic AS `deterministic`, sql_data_access AS `access`, security_type AS `security`, sql_mode AS `sql_mode`,
  routine_comment AS `comment`
FROM information_schema.routines WHERE routine_schema = DATABASE()"""

PARAMETERS = """
SELECT specific_name AS `routine`, routine_type AS `kind`, parameter_mode AS `mode`, parameter_name AS `name`,
  dtd_identifier AS `type`
FROM information_schema.parameters WHERE specific_schema = DATABASE() AND ordinal_position > 0
ORDER BY specific_name, ordinal_position"""

EVENTS = """
SELECT event_name AS `name`, event_type AS `kind`, execute_at AS `at`, interval_value AS `value`,
  interval_field AS `field`,
  starts AS `starts`, ends AS `ends`, status AS `status`, on_completion AS `completion`,
  event_definition AS `definition`,
  sql_mode AS `sql_mode`, time_zone AS `time_zone`, event_comment AS `comment`
FROM information_schema.events WHERE event_schema = DATABASE()"""
