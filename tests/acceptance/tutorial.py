"""The tutorial, run word for word: ``python -m tests.acceptance.tutorial --write`` puts what the commands print into
docs/tutorial.md; test_tutorial.py fails where they print something else.

A page is read as follows. In a block of the language ``console`` a line that begins with ``$ `` is a command, up to the
first line that does not end with a backslash; what follows is what it prints to stdout. ``<!-- exit 1 -->`` before a
block tells how its last command ends, all others with 0. A ``python`` block with a title is written into the file that
the title names (a pattern), from the block's first line on. Other blocks are for reading.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.shell import TRACEBACK, make_home

FILE = Path(__file__).parents[2] / "docs" / "tutorial.md"
FOLDER, HOME = "shop", "/home/you"
BLOCK = re.compile(r'(?:<!-- exit (\d+) -->\n\n)?^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.M | re.S)
COMMAND = re.compile(r"^\$ ((?:.*\\\n)*.*)\n", re.M)
TIMEOUT_S = 120
# What is another one each time. One value stays one value over the whole page.
CHANGING = re.compile(
    r"sha256:[0-9a-f]{64}"
    r"|\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"
    r"|(?<![0-9a-f])[0-9a-f]{12}(?![0-9a-f])"
    r"|\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z| UTC)?)?"
    r"|(?P<duration>\b\d+\.\d\d s\b)"
)


@dataclass(frozen=True, slots=True)
class Step:
    """A command, or a change of a file (path is set then, and text is what is written)."""

    text: str
    code: int = 0
    printed: str = ""
    path: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a reader sits: a folder with their project, and a home."""

    folder: Path
    home: Path
    pycache: Path

    def run(self, step: Step) -> str:
        """What the command prints to stdout, with the home as on the page. Fails where it ends otherwise."""
        environ = {
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
            "HOME": str(self.home),
            "GIT_CONFIG_GLOBAL": str(self.home / "gitconfig"),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CEILING_DIRECTORIES": str(self.folder.parent),
            "LANG": "C.UTF-8",
            "COLUMNS": "80",
            "PYTHONPYCACHEPREFIX": str(self.pycache),
            "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring",
        }
        done = subprocess.run(
            ["sh", "-c", step.text],
            cwd=self.folder, env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
            timeout=TIMEOUT_S,
        )  # fmt: skip
        told = f"$ {step.text}\n{done.stdout}{done.stderr}"
        assert done.returncode == step.code, f"exit {done.returncode}, the page says {step.code}\n{told}"
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


def place(folder: Path, pycache: Path) -> Place:
    project = folder / FOLDER
    project.mkdir()
    return Place(project, make_home(folder / "home"), pycache)


def walked(page: str, where: Place) -> Iterator[tuple[Step, str]]:
    """Each command, and what it prints now."""
    for step in steps(page):
        if step.path:
            where.write(step)
        else:
            yield step, where.run(step)


def comparable(text: str, names: dict[str, str]) -> str:
    """The text with a number for each value that changes, and a word for each duration. names: those seen so far."""

    def name(match: re.Match[str]) -> str:
        return "<duration>" if match["duration"] else names.setdefault(match[0], f"<{len(names) + 1}>")

    return CHANGING.sub(name, text)


def rewritten(page: str, where: Place) -> str:
    """The page with what its commands print now; as it was, where only values differ that change each time."""
    old: dict[str, str] = {}
    new: dict[str, str] = {}
    answers = list(walked(page, where))
    if all(comparable(step.printed, old) == comparable(printed, new) for step, printed in answers):
        return page
    printed = iter([f"{answer}\n" if answer else "" for _step, answer in answers])

    def block(match: re.Match[str]) -> str:
        if match[2] != "console":
            return match[0]
        told = "".join(f"$ {command[1]}\n{next(printed)}" for command in COMMAND.finditer(match[4]))
        return match[0].replace(match[4], told)

    return BLOCK.sub(block, page)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        text = rewritten(FILE.read_text(), place(Path(temporary), Path(temporary) / "pycache"))
    if "--write" in sys.argv:
        FILE.write_text(text)
    else:
        sys.stdout.write(text)
