"""MariaDB under its own name: as MySQL, and no MySQL server will do."""

from __future__ import annotations

from migrate_flow.dialects.mysql import Mysql
from migrate_flow.dialects.tables import TargetTables

DIALECT = Mysql("mariadb", TargetTables.build(None, innodb=True), {})
