"""What happens in the audited project, from its adoption to the migrations that are still under way."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

from tests.support import audited_mishaps as mishaps
from tests.support.audited_scripts import BLOCK, HOSTILE, Does, Script, write
from tests.support.audited_team import ENVIRONMENTS, Team, done

UNDER_WAY = 6  # migrations at the end that have not arrived
STRANGER = "contractor@elsewhere.example"  # whom nobody in the policy claims
# Comments that are more than a spreadsheet, a terminal or a table cell expects.
COMMENTS = (
    *HOSTILE,
    "first line\nsecond line\r\n\tthird, behind a tab",
    "right to left \u202egnp.exe\u202c and \u2066isolated\u2069, zero\u200bwidth, bell \u0007, \u001b[31mred",
    "\t=1+1 behind a tab",
    "]]> <!-- & &amp; --> {{ 7*7 }} {% raw %} ${x}",
)
PERIOD = 26  # migrations, after which their mishaps come again


class Story:
    """revisions, marks: see `audited.Audited`."""

    def __init__(self, team: Team, migrations: int, seed: int) -> None:
        self.team, self.seed = team, seed
        self.adopted = migrations // 4
        beside = [n for n in range(migrations) if mishaps.ON_THE_WAY.get(n % PERIOD) is mishaps.withdrawn_beside]
        through = migrations - self.adopted - 3  # those that go as far as an approval
        self.chain = migrations - sum(n < through - at for at, n in enumerate(beside, start=1))
        self.revisions: list[str] = []
        self.marks: dict[str, list[str]] = defaultdict(list)
        self._parent: str | None = None
        self._written = 0
        self._flow = 0
        self._said = 0

    def tell(self) -> None:
        mishaps.adopt(self, self.write([None] * self.adopted))
        left = self.chain - self.adopted - UNDER_WAY
        size = max(3, min(13, left // len(mishaps.CHAPTERS)))
        number = 0
        while left:
            wave = min(size, left) if left >= 2 * size else left
            self.chapter(number, wave)
            left -= wave
            number += 1
        assert number >= len(mishaps.CHAPTERS), "the story is too short for all of its chapters"
        mishaps.under_way(self)

    def chapter(self, number: int, size: int) -> None:
        """Some migrations that go all the way, and what goes wrong with the last of them, or with a database."""
        befalls: mishaps.Chapter = mishaps.CHAPTERS[number % len(mishaps.CHAPTERS)]
        scripts = self.write([*[self._usual(offset) for offset in range(size - 1)], befalls.last])
        befalls.tell(self, [self.flow(script) for script in scripts])

    def _usual(self, offset: int) -> Does | None:
        return Does.DROP if (self._flow + offset) % PERIOD == 7 and self._written + offset >= BLOCK else None

    def write(self, kinds: Sequence[Does | None]) -> list[Script]:
        """The next scripts of the history, committed. None: the usual."""
        scripts = []
        for does in kinds:
            script = write(self.seed, self._written, self._parent, does, self._authors())
            scripts.append(script)
            self._parent, self._written = script.revision, self._written + 1
        self.team.commit(scripts)
        self.revisions += [script.revision for script in scripts]
        return scripts

    def _authors(self) -> list[str]:
        first = self.team.another()
        others = [self.team.another(first)] if self.team.rng.random() < 0.1 else []
        return [first, *others, *([STRANGER] if self.team.rng.random() < 0.05 else [])]

    def mark(self, what: str, *scripts: Script) -> None:
        self.marks[what] += [script.revision for script in scripts]

    def comment(self) -> str:
        """The next one; an empty one now and then."""
        self._said += 1
        return "" if self._said % 5 == 0 else COMMENTS[self._said % len(COMMENTS)]

    # One migration, from its script to its approval

    def flow(self, script: Script) -> Script:
        """Up to the approval, with what befalls it on the way; the script as it is then."""
        number, self._flow = self._flow % PERIOD, self._flow + 1
        self.team.track(script)
        lossy = script.does is Does.DROP
        befalls: Callable[[Story, Script], Script] | None = mishaps.ON_THE_WAY.get(number)
        if befalls is not None:
            script = befalls(self, script)
        else:
            self.team.vouch(script, lossy=lossy)
            self.team.review(script, self.reviewer(script), self.comment())
        self.approved(script)
        return script

    def reviewer(self, script: Script, *but: str) -> str:
        return self.team.another(*script.authors, *but)

    def approved(self, script: Script) -> None:
        self.team.approve(script, "cy", self.comment())
        if script.does is Does.DROP:
            self.team.approve(script, "gil", "the rows are in the archive")
            self.mark("escalated", script)

    # And on to the databases

    def promote(self, to: Script, environments: Sequence[str] = ENVIRONMENTS) -> None:
        """All that is pending up to this one, each environment at its hour."""
        for name in environments:
            self.hour(name)
            done(self.team.apply(name, to.revision, "dan" if name == "production" else self.team.another()))

    def hour(self, environment: str) -> None:
        """In which the environment may be changed: production a day after staging, in its window."""
        clock = self.team.clock
        if environment == "production":
            clock.passes(days=1, hours=1)
            clock.to(10, 0, 1, 2, 3)
        else:
            clock.to(8)
