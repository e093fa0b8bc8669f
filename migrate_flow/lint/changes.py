"""What a script does to a schema, one vocabulary for Alembic's operations and for raw SQL.

The safety rules ask here, so that a danger is found however it is written.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from migrate_flow.lint.column_types import ColumnType
    from migrate_flow.lint.defaults import Default


class Kind(StrEnum):
    CREATE_TABLE = "create table"
    DROP_TABLE = "drop table"
    DROP_SCHEMA = "drop schema"
    RENAME_TABLE = "rename table"
    ADD_COLUMN = "add column"
    DROP_COLUMN = "drop column"
    RENAME_COLUMN = "rename column"
    SET_NOT_NULL = "set not null"
    SET_TYPE = "set type"
    CREATE_VIEW = "create view"
    CREATE_INDEX = "create index"
    CONCURRENTLY = "concurrently"
    ADD_FOREIGN_KEY = "add foreign key"
    ADD_CHECK = "add check"
    ADD_UNIQUE = "add unique constraint"
    ADD_PRIMARY_KEY = "add primary key"
    ADD_EXCLUSION = "add exclusion constraint"
    VALIDATE = "validate constraint"
    ADD_ENUM_VALUE = "add enum value"
    TRANSACTION = "transaction"
    ROWS = "rows"
    DDL = "ddl"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Change:
    """table, column: literal names, empty where the script computes them; shown: how a message names the table.

    schema: of the table, empty where none is named. name: of the constraint, index or type. to: the new name, the
    table that a foreign key points to, the enum's value, or the words of a transaction statement. columns: of the
    constraint or index, empty where computed. condition: of a check. online: CONCURRENTLY, NOT VALID or USING INDEX
    is there already. inline: part of adding a column. nullable: None where not said. raw: from raw SQL. every_row:
    of ROWS, without a condition. call: the operation's, None for raw SQL; in_batch: it names no table.
    """

    kind: Kind
    line: int
    table: str = ""
    shown: str = ""
    schema: str = ""
    column: str = ""
    name: str = ""
    to: str = ""
    columns: tuple[str, ...] = ()
    condition: str = ""
    online: bool = False
    unique: bool = False
    inline: bool = False
    nullable: bool | None = None
    default: Default | None = None
    old: ColumnType | None = None
    new: ColumnType | None = None
    in_block: bool = False
    conditional: bool = False
    raw: bool = False
    every_row: bool = False
    in_batch: bool = False
    call: ast.Call | None = field(default=None, repr=False, compare=False)

    @property
    def key(self) -> str:
        """The table, for comparing: raw SQL and operations spell case and schema in their own ways."""
        return self.table.rpartition(".")[2].strip('"`').lower()

    @property
    def where(self) -> str:
        """``users.email``"""
        return f"{self.shown}.{self.column or '?'}"


# Work on rows and what governs transactions is no change of the schema.
NO_DDL = frozenset({Kind.ROWS, Kind.TRANSACTION, Kind.OTHER})
