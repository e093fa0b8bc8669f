"""What a CREATE TABLE or CREATE INDEX of SQLite says that no pragma tells: checks, conflicts, collations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from migrate_flow.dialects.sqlite_text import Token, closing, expression, parts, tokens

_OF_TABLE = ("CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN")
_OF_COLUMN = (
    "CONSTRAINT", "PRIMARY", "NOT", "NULL", "UNIQUE", "CHECK", "DEFAULT", "COLLATE", "REFERENCES", "GENERATED", "AS",
    "DEFERRABLE",
)  # fmt: skip
_ACTIONS = {"SET": 2, "NO": 2, "CASCADE": 1, "RESTRICT": 1}


class Unreadable(ValueError):
    """The text is not what this reader knows."""


_MOST_KEPT = 2000  # texts: a snapshot after each of many steps meets the same ones again


@dataclass(slots=True)
class Constraint:
    """what: primary key, unique, check or foreign key. columns, targets, check: in one spelling; no targets mean the
    primary key of `table`. said: all else, as attributes."""

    what: str
    columns: tuple[str, ...] = ()
    check: str = ""
    table: str = ""
    targets: tuple[str, ...] = ()
    said: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class TableText:
    """collations, generated, conflicts: by the lower name of a column."""

    constraints: list[Constraint] = field(default_factory=list)
    collations: dict[str, str] = field(default_factory=dict)
    generated: dict[str, str] = field(default_factory=dict)
    conflicts: dict[str, str] = field(default_factory=dict)
    options: list[str] = field(default_factory=list)


@lru_cache(maxsize=_MOST_KEPT)
def read_table(sql: str, known: frozenset[str]) -> TableText:
    """Raises Unreadable. known: names in lower case, see sqlite_text.one_spelling. Nobody changes what comes back."""
    found = tokens(sql)
    start = next((index for index, token in enumerate(found) if token.text == "("), len(found))
    end = closing(found, start)
    if end >= len(found):
        raise Unreadable(sql)
    text = TableText()
    for part in parts(found[start + 1 : end]):
        reader = _Reader(part, known)
        if reader.sees(*_OF_TABLE):
            _table_constraints(reader, text)
        else:
            _column(reader, text)
    text.options = sorted(" ".join(token.text.lower() for token in part) for part in parts(found[end + 1 :]) if part)
    return text


@lru_cache(maxsize=_MOST_KEPT)
def read_index(sql: str, known: frozenset[str]) -> tuple[tuple[str, ...], str]:
    """The indexed columns or expressions, and what follows WHERE. Raises Unreadable."""
    found = tokens(sql)
    start = next((index for index, token in enumerate(found) if token.text == "("), len(found))
    end = closing(found, start)
    if end >= len(found):
        raise Unreadable(sql)
    rest = found[end + 1 :]
    where = expression(rest[1:], known) if rest and rest[0].says("WHERE") else ""
    return _Reader(found[start : end + 1], known).columns(), where


class _Reader:
    """Goes over the tokens of one part, from left to right."""

    def __init__(self, found: Sequence[Token], known: frozenset[str]) -> None:
        self._found, self._at, self.known = found, 0, known

    @property
    def ended(self) -> bool:
        return self._at >= len(self._found)

    def sees(self, *words: str) -> bool:
        return not self.ended and self._found[self._at].says(*words)

    def take(self, *words: str) -> bool:
        """Whether these words came one after the other; they are passed over then."""
        if not self.sees(words[0]):
            return False
        here = self._found[self._at : self._at + len(words)]
        if len(here) < len(words) or not all(token.says(word) for token, word in zip(here, words, strict=True)):
            return False
        self._at += len(words)
        return True

    def next(self) -> Token:
        if self.ended:
            raise Unreadable("it ends too early")
        self._at += 1
        return self._found[self._at - 1]

    def holds(self, word: str) -> bool:
        """Whether the word is anywhere in this part."""
        return any(token.says(word) for token in self._found)

    def group(self) -> list[Token]:
        """What is in the parentheses that begin here."""
        end = closing(self._found, self._at)
        if not self.sees("(") or end >= len(self._found):
            raise Unreadable("no parentheses")
        inner = list(self._found[self._at + 1 : end])
        self._at = end + 1
        return inner

    def columns(self) -> tuple[str, ...]:
        """A list of columns in parentheses, without what is the default."""
        result = []
        for part in parts(self.group()):
            while part and part[-1].says("ASC", "AUTOINCREMENT"):
                part.pop()
            result.append(column_name(part, self.known))
        return tuple(result)

    def conflict(self) -> dict[str, str]:
        """An ON CONFLICT clause, if it is no default."""
        if not self.take("ON", "CONFLICT"):
            return {}
        said = self.next().text.lower()
        return {} if said == "abort" else {"on conflict": said}


def column_name(part: Sequence[Token], known: frozenset[str]) -> str:
    """One name, quoted or not, or an expression."""
    return expression(part, known | {token.value.lower() for token in part[:1]})


def _table_constraints(reader: _Reader, text: TableText) -> None:
    while not reader.ended:  # SQLite asks for no comma between them
        if reader.take("CONSTRAINT"):
            reader.next()
        elif reader.take("PRIMARY", "KEY"):
            counted = {"autoincrement": "yes"} if reader.holds("AUTOINCREMENT") else {}
            text.constraints.append(Constraint("primary key", reader.columns(), said=counted | reader.conflict()))
        elif reader.take("UNIQUE"):
            text.constraints.append(Constraint("unique", reader.columns(), said=reader.conflict()))
        elif reader.take("CHECK"):
            text.constraints.append(_check(reader))
        elif reader.take("FOREIGN", "KEY"):
            text.constraints.append(_references(reader, reader.columns()))
        else:
            raise Unreadable(reader.next().text)


def _column(reader: _Reader, text: TableText) -> None:
    first = reader.next()
    column = first.value.lower()
    own = (column_name([first], reader.known),)
    while not reader.ended and not reader.sees(*_OF_COLUMN):
        reader.next()  # its type
    while not reader.ended:
        if reader.take("CONSTRAINT"):
            reader.next()
        elif reader.take("PRIMARY", "KEY"):
            text.constraints.append(_inline_key(reader, own))
        elif reader.take("UNIQUE"):
            text.constraints.append(Constraint("unique", own, said=reader.conflict()))
        elif reader.take("CHECK"):
            text.constraints.append(_check(reader))
        elif reader.sees("REFERENCES"):
            text.constraints.append(_references(reader, own))
        else:
            _trait(reader, text, column)


def _inline_key(reader: _Reader, own: tuple[str, ...]) -> Constraint:
    descending = reader.take("DESC")
    reader.take("ASC")
    said = reader.conflict()
    if reader.take("AUTOINCREMENT"):
        said["autoincrement"] = "yes"
    if descending:  # NOTE: an INTEGER PRIMARY KEY DESC is not the rowid, unlike one in a constraint of the table
        said["descending"] = "yes"
    return Constraint("primary key", own, said=said)


def _trait(reader: _Reader, text: TableText, column: str) -> None:
    """What is no constraint of its own. Type, NOT NULL and default come from a pragma."""
    if reader.take("NOT", "NULL"):
        for said in reader.conflict().values():
            text.conflicts[column] = said
    elif reader.take("NULL"):
        reader.conflict()
    elif reader.take("DEFAULT"):
        if reader.sees("("):
            reader.group()
        else:
            if reader.sees("+", "-"):
                reader.next()
            reader.next()
    elif reader.take("COLLATE"):
        text.collations[column] = reader.next().value.lower()
    elif reader.take("GENERATED", "ALWAYS", "AS") or reader.take("AS"):
        said = expression(reader.group(), reader.known)
        text.generated[column] = ("stored: " if reader.take("STORED") else "virtual: ") + said
        reader.take("VIRTUAL")
    else:
        raise Unreadable(reader.next().text)


def _check(reader: _Reader) -> Constraint:
    made = Constraint("check", check=expression(reader.group(), reader.known))
    reader.conflict()  # SQLite reads it, and does nothing with it
    return made


def _references(reader: _Reader, columns: tuple[str, ...]) -> Constraint:
    if not reader.take("REFERENCES"):
        raise Unreadable("no REFERENCES")
    made = Constraint("foreign key", columns, table=reader.next().value.lower())
    if reader.sees("("):
        made.targets = reader.columns()
    while not reader.ended:
        if reader.take("ON"):
            what = reader.next().text.lower()
            action = " ".join(reader.next().text.lower() for _ in range(_words(reader)))
            if what != "insert" and action != "no action":
                made.said[f"on {what}"] = action
        elif reader.take("MATCH"):
            reader.next()  # SQLite reads it, and does nothing with it
        elif reader.take("NOT", "DEFERRABLE"):
            reader.take("INITIALLY", "DEFERRED") or reader.take("INITIALLY", "IMMEDIATE")
        elif reader.take("DEFERRABLE"):
            if reader.take("INITIALLY", "DEFERRED"):
                made.said["deferred"] = "yes"
            reader.take("INITIALLY", "IMMEDIATE")
        else:
            break
    return made


def _words(reader: _Reader) -> int:
    for word, count in _ACTIONS.items():
        if reader.sees(word):
            return count
    raise Unreadable("no action")
