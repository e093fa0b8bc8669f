"""What a statement of MySQL or MariaDB does, by its text: whether it commits by itself, and which table it changes."""

from __future__ import annotations

import re

# In this order: a comment may hold a quote, a string a comment. `--` begins a comment only before white space.
_TOKENS = re.compile(
    r"(?P<comment>/\*(?!M?!).*?(?:\*/|\Z)|--(?=\s|\Z)[^\n]*|#[^\n]*)"
    r"|(?P<string>'(?:[^'\\]|\\.|'')*'|\"(?:[^\"\\]|\\.|\"\")*\")"
    r"|(?P<name>`(?:[^`]|``)*`)"
    r"|(?P<executed>/\*M?!\d*|\*/)",
    re.S,
)
_COMMITS = re.compile(
    r"(?:alter|analyze|backup|begin|cache\s+index|call|check\s+table|commit|drop|execute|flush|grant|import\s+table"
    r"|install|load\s+index|optimize|rename|repair|reset|revoke|rollback(?!\s+(?:work\s+)?to\b)|set\s+password"
    r"|start\s+transaction|truncate|uninstall|unlock|xa|create)\b",
    re.I,
)
_TEMPORARY = re.compile(r"(?:create(?:\s+or\s+replace)?|drop)\s+temporary\b", re.I)
# Their bodies hold statements of their own.
_COMPOUND = re.compile(
    r"begin\s+not\s+atomic\b|(?:create|alter)\s+(?:or\s+replace\s+)?(?:definer\s*=\s*\S+(?:\s*@\s*\S+)?\s+)?"
    r"(?:aggregate\s+)?(?:procedure|function|trigger|event|package)\b",
    re.I,
)
# An error of these does not prove that they changed nothing.
_BY_PARTS = re.compile(
    r"(?:call|execute|begin\s+not|grant|revoke|import)\b|(?:drop|rename|(?:create|alter)\s+(?:user|role))\b.*,",
    re.I | re.S,
)
_AUTOCOMMIT = re.compile(r"set\b.*\bautocommit\s*:?=(?!\s*(?:0|off|false)\b)", re.I | re.S)
_ENDS = re.compile(r"(?:commit|rollback(?!\s+(?:work\s+)?to\b)|begin(?!\s+not\b)|start\s+transaction|xa)\b", re.I)
_LOCKS_TABLES = re.compile(r"lock\s+tables?\b", re.I)
_USE = re.compile(r"use\b", re.I)
_WRITES = re.compile(r"(?:insert|update|delete|replace|load\s+(?:data|xml)|with\b.*\b(?:update|delete))\b", re.I | re.S)

_PART = r"(?:`(?:[^`]|``)+`|[\w$]+)"
_NAME = rf"({_PART}(?:\s*\.\s*{_PART})?)"
_IF = r"(?:if\s+(?:not\s+)?exists\s+)?"
_WAIT = r"(?:\s+(?:wait\s+\d+|nowait))?"
_ONE_TABLE = tuple(
    re.compile(pattern + r"\s*\Z", re.I | re.S)
    for pattern in (
        # What is filled as it is made may be there and not full.
        rf"create\s+table\s+{_IF}{_NAME}(?:(?!\bselect\b).)*",
        rf"drop\s+table\s+{_IF}{_NAME}{_WAIT}(?:\s+(?:restrict|cascade))?",
        # What these do, or set, the table's definition does not show.
        rf"alter\s+(?:online\s+)?(?:ignore\s+)?table\s+{_IF}{_NAME}"
        r"(?:(?!\b(?:auto_increment\s*=?\s*\d|truncate|exchange|discard|import|order\s+by)).)*",
        rf"create\s+(?:online\s+|offline\s+)?(?:unique\s+|fulltext\s+|spatial\s+)?index\s+{_IF}{_PART}"
        rf"(?:\s+using\s+\w+)?\s+on\s+{_NAME}.*",
        rf"drop\s+index\s+{_IF}{_PART}\s+on\s+{_NAME}.*",
        rf"rename\s+tables?\s+{_IF}{_NAME}{_WAIT}\s+to\s+[^,]+",
    )
)


def plain(text: str) -> str:
    """The text without comments and what stands in strings; comments that the server executes (``/*!``) opened."""

    def one(match: re.Match[str]) -> str:
        return match[0] if match["name"] else "''" if match["string"] else " "

    return _TOKENS.sub(one, text).strip().rstrip(";").strip()


def commits_by_itself(text: str) -> bool:
    """An implicit commit, or a statement that may contain one: the journal's word is made true by a commit behind."""
    words = plain(text)
    return bool(_COMMITS.match(words)) and not _TEMPORARY.match(words)


def all_or_nothing(text: str) -> bool:
    """Whether an error of this statement means that it changed nothing."""
    return not _BY_PARTS.match(plain(text))


def one_table(text: str) -> str:
    """The table that a DDL statement makes, changes or drops, as it is written there; empty where that is not one
    table whose definition tells whether the statement was done."""
    words = plain(text)
    found = next((match[1] for pattern in _ONE_TABLE if (match := pattern.match(words))), "")
    # A driver may have doubled a %.
    return "" if "%" in found else found


def refused(text: str) -> tuple[str, str]:
    """Why a script may not send this, and what to do instead; empty if it may."""
    words = plain(text)
    if _ENDS.match(words):
        return "the script ends the transaction by itself", "remove COMMIT, ROLLBACK and BEGIN from the script"
    if _LOCKS_TABLES.match(words):
        return "LOCK TABLES shuts out migrate-flow's own tables", "leave it out: DDL locks its tables by itself"
    if _AUTOCOMMIT.match(words):
        return "the script switches autocommit on", "write: with op.get_context().autocommit_block():"
    if _USE.match(words):
        return "the script changes the current database", "name the other database before the table: other.table"
    if ";" in words and not _COMPOUND.match(words):
        hint = "give each statement an op.execute of its own"
        return "the script sends several statements at once: one of them could fail behind one that is durable", hint
    return "", ""


def writes_to(text: str, tables: frozenset[str]) -> str:
    """The first of these tables that a statement of data names; empty if none."""
    words = plain(text)
    if not tables or not _WRITES.match(words):
        return ""
    named = {word.lower() for word in re.findall(r"[\w$]+", words)}
    return next((name for name in sorted(tables) if name.lower() in named), "")
