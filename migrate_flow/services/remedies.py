"""What helps a ledger that does not hold: another configuration, a backup, or a new ledger that follows it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from migrate_flow.services.verify_ledger import Verified

_SUCCEED = "migrate-flow init --succeeds OLD_URL --ledger NEW_URL -m WHY"
_BACKUP = "keep it as it is, and restore the newest backup that ledger verify finds whole"
# As `verify_ledger` and `verify_chunk` say it.
_ANOTHER = re.compile(r"this is ledger .*, the configuration names |the first entry is not the genesis ")
_SEEN = re.compile(r"when it was last seen ")
_CHANGED = re.compile(
    r"its hash is not that of its bytes|it does not continue the chain|entry \d+ is missing|column |artifact "
    r"|the ledger is empty"
)


def remedies(report: Verified) -> tuple[str, ...]:
    """One sentence for each kind of problem that is there. Nothing mends a ledger in its place, on purpose.

    An entry whose hash fits and whose successor continues it was appended as it is: every backup since then holds it.
    """
    another, seen, changed = (_entries(report, words) for words in (_ANOTHER, _SEEN, _CHANGED))
    if another and not changed:
        return ("correct [ledger] url, id and genesis, or restore the ledger that they name",)
    found = []
    if changed or seen:
        found.append(f"{_BACKUP}; where there is none: {_SUCCEED}")
    if born := sorted({problem.seq for problem in report.problems} - changed - seen - another):
        names = ", ".join(map(str, born[:5])) + (" …" if len(born) > 5 else "")
        found.append(
            f"entr{'y' if len(born) == 1 else 'ies'} {names} can be like this in every backup: "
            f"where no older one differs, only a new ledger helps: {_SUCCEED}"
        )
    return tuple(found)


def _entries(report: Verified, words: re.Pattern[str]) -> set[int]:
    return {problem.seq for problem in report.problems if words.match(problem.problem)}
