"""The kinds of database, as all know them who need no driver for it: what `migrate_flow/dialects` does with each is
there. A new one is a name and an entry here, and a file there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

Name = Literal["postgresql", "mysql", "mariadb", "sqlite"]


@dataclass(frozen=True, slots=True)
class Kind:
    """title: for people. schemes: of URLs that may lead there, its own apart. grammar: sqlglot's. lexer: Pygments'.
    nothing: a statement that does nothing. file: no server, so that a URL is a path. parts: each DDL statement commits
    by itself. guard: there is one against changes from outside. driver, extra: the module by which we look at it, and
    what of ours installs that. scratch: its key below [rehearsal]; login: a URL's driver and database, for who makes
    scratch databases."""

    title: str
    grammar: str
    lexer: str
    nothing: str
    schemes: tuple[str, ...] = ()
    file: bool = False
    parts: bool = False
    guard: bool = False
    driver: str = ""
    extra: str = ""
    scratch: str = ""
    login: tuple[str, str] = ("", "")


KINDS: Mapping[str, Kind] = {
    "postgresql": Kind(
        "PostgreSQL", "postgres", "postgresql", "DO 'BEGIN END'", guard=True, driver="psycopg", extra="postgresql",
        scratch="postgresql", login=("postgresql+psycopg", "postgres"),
    ),
    "mysql": Kind(
        "MySQL", "mysql", "mysql", "DO 0", parts=True, driver="pymysql", extra="mysql",
        scratch="mysql", login=("mysql+pymysql", "mysql"),
    ),
    "mariadb": Kind(
        "MariaDB", "mysql", "mysql", "DO 0", ("mysql",), parts=True, driver="pymysql", extra="mysql",
        scratch="mysql", login=("mariadb+pymysql", "mysql"),
    ),
    "sqlite": Kind("SQLite", "sqlite", "sql", "SELECT 1", file=True),
}  # fmt: skip
NAMES: tuple[str, ...] = get_args(Name)


def is_file(scheme: str) -> bool:
    """Whether a URL of this scheme names a file, and no host and database."""
    return scheme in KINDS and KINDS[scheme].file


def speaks(scheme: str, dialect: str) -> bool:
    """Whether a URL of this scheme may lead to this dialect: MariaDB is reached with mysql:// URLs as well."""
    return scheme == dialect or scheme in KINDS[dialect].schemes


def scratched_by(key: str) -> tuple[str, ...]:
    """The dialects that are rehearsed on the server of this key below [rehearsal]."""
    return tuple(name for name in NAMES if KINDS[name].scratch == key)
