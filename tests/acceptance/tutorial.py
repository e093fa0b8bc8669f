"""The tutorials, run word for word with the wheel's command: ``python -m tests.acceptance.tutorial --write`` puts what
the commands print into the pages; test_tutorial.py fails where they print something else. The second page goes on in
the folder of the first.

A page is read as follows. In a block of the language ``console`` a line that begins with ``$ `` is a command, up to the
first line that does not end with a backslash; what follows is what it prints to stdout. ``<!-- exit 1 -->`` before a
block tells how its last command ends, all others with 0. A ``python`` block with a title is written into the file that
the title names (a pattern), from the block's first line on. Other blocks are for reading.

Identifiers are others in each run. The first time that one is printed, it is taken for the one that the page has at
that place; from then on it must be the same one, also in commands.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.support import wheel
from tests.support.shell import TRACEBACK, make_home

DOCS = Path(__file__).parents[2] / "docs"
FILES = (DOCS / "tutorial.md", DOCS / "tutorial-bad-day.md")
FOLDER, HOME = "shop", "/home/you"
BLOCK = re.compile(r'(?:<!-- exit (\d+) -->\n\n)?^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.M | re.S)
COMMAND = re.compile(r"^\$ ((?:.*\\\n)*.*)\n", re.M)
TIMEOUT_S = 120
# What is another one each time, and the same over the whole of a run; and what is never the same.
_IDS = (
    r"sha256:[0-9a-f]{64}", r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b",
    r"(?<![0-9a-f])[0-9a-f]{12}(?![0-9a-f])",
)  # fmt: skip
_NEVER = (
    r"\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z| UTC)?)?", r"\b\d+\.\d\d s\b",
    r"(?<= on )\S+, process \d+",
)  # fmt: skip
ID, NEVER = re.compile("|".join(_IDS)), re.compile("|".join(_NEVER))


@dataclass(frozen=True, slots=True)
class Step:
    """A command, or a change of a file (path is set then, and text is what is written)."""

    text: str
    code: int = 0
    printed: str = ""
    path: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a reader sits: a folder with their project, a home, and the programs that they have installed."""

    folder: Path
    home: Path
    programs: Path

    def run(self, step: Step) -> str:
        """What the command prints to stdout, with the home as on the page. Fails where it ends otherwise."""
        environ = {
            "PATH": os.pathsep.join([str(self.programs), os.environ.get("PATH", os.defpath)]),
            "HOME": str(self.home),
            "GIT_CONFIG_GLOBAL": str(self.home / "gitconfig"),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CEILING_DIRECTORIES": str(self.folder.parent),
            "LANG": "C.UTF-8",
            "COLUMNS": "80",
            "PYTHONPYCACHEPREFIX": str(wheel.byte_code(self.programs)),
            "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring",
        }
        done = subprocess.run(
            ["sh", "-c", step.text],
            cwd=self.folder, env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
            timeout=TIMEOUT_S,
        )  # fmt: skip
        told = f"$ {step.text}\n{done.stdout}{done.stderr}"
        code = done.returncode if done.returncode >= 0 else 128 - done.returncode  # as a shell says it
        assert code == step.code, f"exit {code}, the page says {step.code}\n{told}"
        assert TRACEBACK not in told, told
        lines = (line.rstrip() for line in done.stdout.replace(str(self.home), HOME).splitlines())
        return "\n".join(lines).replace(str(self.folder), f"{HOME}/{FOLDER}").strip("\n")

    def write(self, step: Step) -> None:
        (path,) = self.folder.glob(step.path)
        before, found, _after = path.read_text().partition(step.text.partition("\n")[0])
        assert found, f"{step.path} has no line {found!r}"
        path.write_text(before + step.text)


def steps(page: str) -> Iterator[Step]:
    for block in BLOCK.finditer(page):
        code, language, title, text = block.groups()
        if language == "python" and title:
            yield Step(text, path=title)
        if language == "console":
            commands = list(COMMAND.finditer(text))
            assert commands, f"no command in {text!r}"
            for number, command in enumerate(commands, 1):
                last = number == len(commands)
                printed = text[command.end() : len(text) if last else commands[number].start()]
                yield Step(command[1], int(code or 0) if last else 0, printed.strip("\n"))


def place(folder: Path, programs: Path) -> Place:
    project = folder / FOLDER
    project.mkdir()
    return Place(project, make_home(folder / "home"), programs)


# What `alembic init` copies, in the order in which the file system lists it.
LISTED = re.compile(r"(?:Generating .*\n)+")


@dataclass(frozen=True, slots=True)
class Said:
    """same: whether it is what the page says. text: what the page should say."""

    step: Step
    printed: str
    same: bool
    text: str


@dataclass(frozen=True, slots=True)
class Walk:
    """pairs: an identifier of this run -> the page's."""

    where: Place
    pairs: dict[str, str] = field(default_factory=dict)

    def page(self, text: str) -> Iterator[Said]:
        for step in steps(text):
            if step.path:
                self.where.write(step)
            else:
                yield self.heard(step, self.where.run(replace(step, text=self.here(step.text))))

    def here(self, text: str) -> str:
        """A text of the page, with this run's identifiers."""
        real = {value: key for key, value in self.pairs.items()}
        return ID.sub(lambda match: real.get(match[0], match[0]), text)

    def heard(self, step: Step, printed: str) -> Said:
        printed = LISTED.sub(lambda match: "".join(sorted(match[0].splitlines(keepends=True))), printed)
        told = ID.sub(lambda match: self.pairs.get(match[0], match[0]), printed)
        fresh = [[each for each in ID.findall(text) if each not in known] for text, known in self._known(step, printed)]
        same = self._shape(told) == self._shape(step.printed)
        for real, page in zip(*fresh, strict=True) if same else ():
            same &= self.pairs.setdefault(real, page) == page
        return Said(step, printed, same, step.printed if same else told)

    def _known(self, step: Step, printed: str) -> tuple[tuple[str, Collection[str]], ...]:
        return (printed, set(self.pairs)), (step.printed, set(self.pairs.values()))

    def _shape(self, text: str) -> str:
        known = set(self.pairs.values())
        return NEVER.sub("<>", ID.sub(lambda match: match[0] if match[0] in known else "<new>", text))


def rewritten(page: str, walk: Walk) -> str:
    """The page with what its commands print now; as it was, where only values differ that change each time."""
    said = iter([f"{said.text}\n" if said.text else "" for said in walk.page(page)])

    def block(match: re.Match[str]) -> str:
        if match[2] != "console":
            return match[0]
        told = "".join(f"$ {command[1]}\n{next(said)}" for command in COMMAND.finditer(match[4]))
        return match[0].replace(match[4], told)

    return BLOCK.sub(block, page)


def main(write: bool) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        walk = Walk(place(Path(temporary), wheel.install(Path(temporary) / "wheel")))
        for file in FILES:
            text = rewritten(file.read_text(), walk)
            if write:
                file.write_text(text)
            else:
                sys.stdout.write(text)


if __name__ == "__main__":
    main("--write" in sys.argv)
