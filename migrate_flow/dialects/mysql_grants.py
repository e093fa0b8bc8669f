"""What an account may not look at: MySQL and MariaDB leave that out of their answers without a word."""

from __future__ import annotations

import re
from collections.abc import Iterable

# Without one of these, tables, the text of views, triggers (and constraints), events or routines are not told.
_NEEDED = frozenset({"SELECT", "SHOW VIEW", "TRIGGER", "EVENT", "EXECUTE"})
_GRANT = re.compile(r"GRANT (?P<what>.+?) ON (?:`(?P<db>(?:[^`]|``)+)`|(?P<all>\*))\.\* TO ")
_CHARACTER = re.compile(r"\\.|.", re.S)


def lacking(grants: Iterable[str], db: str) -> list[str]:
    """The privileges on the whole database that these lines of SHOW GRANTS do not give, of those that a look needs."""
    has: set[str] = set()
    for line in grants:
        found = _GRANT.match(line)
        if found and (found["all"] or _covers(found["db"].replace("``", "`"), db)):
            has |= _NEEDED if found["what"] == "ALL PRIVILEGES" else set(found["what"].split(", "))
    return sorted(_NEEDED - has)


def _covers(pattern: str, db: str) -> bool:
    """Whether a grant is for this database: ``_`` and ``%`` stand for others, unless a backslash is before them."""
    parts = _CHARACTER.findall(pattern)
    wild = {"%": ".*", "_": "."}
    return re.fullmatch("".join(wild.get(part) or re.escape(part[-1]) for part in parts), db, re.S) is not None
