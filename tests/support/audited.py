"""A ledger as auditors meet it: hundreds of migrations, three environments, and every kind of entry.

    python -m tests.support.audited FOLDER --migrations 300 --seed 7

writes the project with its ledger there. Everything in it was said by the real services, signed by the people's own
keys, in one process. The story is the same in every run: the same people do the same things to the same scripts at the
same hours. Identifiers, and how long a step took, are not.

`audited_story` tells what befalls whom; `Audited.marks` says which migrations met what.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support.audited_story import Story
from tests.support.audited_team import ENVIRONMENTS, PEOPLE, Team, mail

FEWEST = 30
SMALL, LARGE = 30, 300


@dataclass(frozen=True, slots=True)
class Audited:
    """folder: of the project. revisions: of every migration, in order, the withdrawn ones last. marks: what befell a
    migration -> revisions, in order; an environment's name after a colon where it matters."""

    folder: Path
    migrations: int
    seed: int
    revisions: Sequence[str]
    marks: Mapping[str, Sequence[str]]

    @property
    def ledger(self) -> Path:
        return self.folder / ".migrate-flow" / "ledger.db"

    @property
    def people(self) -> tuple[str, ...]:
        return tuple(map(mail, PEOPLE))

    @property
    def environments(self) -> tuple[str, ...]:
        return ENVIRONMENTS

    def copy(self, folder: Path) -> Audited:
        """For a test that changes something."""
        shutil.copytree(self.folder, folder)
        return Audited(folder, self.migrations, self.seed, self.revisions, self.marks)


def make(folder: Path, migrations: int = LARGE, seed: int = 7) -> Audited:
    """A new project in a folder that is not there yet. Half a minute for 300 migrations on a quiet machine."""
    assert migrations >= FEWEST, f"the story needs {FEWEST} migrations"
    with Team.founded(folder, seed) as team:
        story = Story(team, migrations, seed)
        story.tell()
    return Audited(folder, migrations, seed, list(story.revisions), dict(story.marks))


def kept(folder: Path, migrations: int = LARGE, seed: int = 7) -> Audited:
    """The one in that folder, made by whoever asks first: test processes share it, and change nothing in it."""
    noted = folder / "made.json"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if noted.exists():
            return Audited(folder / "shop", migrations, seed, *json.loads(noted.read_text()))
        # In memory, where there is such a place: each of its thousands of commits waits for the disk.
        memory = Path("/dev/shm")
        with TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else folder) as fast:
            made = make(Path(fast, "shop"), migrations, seed)
            shutil.rmtree(folder / "shop", ignore_errors=True)
            moved = made.copy(folder / "shop")
        noted.write_text(json.dumps([moved.revisions, moved.marks]))
    return moved


def main() -> None:
    parser = argparse.ArgumentParser("python -m tests.support.audited", description=__doc__)
    parser.add_argument("folder", type=Path, help="of the project; it must not be there yet")
    parser.add_argument("--migrations", type=int, default=LARGE, metavar="N")
    parser.add_argument("--seed", type=int, default=7, metavar="N")
    given = parser.parse_args()
    made = make(given.folder.absolute(), given.migrations, given.seed)
    for mark, revisions in made.marks.items():
        print(f"{mark}: {', '.join(revisions)}")


if __name__ == "__main__":
    main()
