"""Pages of the documentation, played: each of their commands is run, by the person and in the state that the page
assumes, or left with a reason; a page that has other commands than its test knows fails.

Commands are the lines of ``console`` blocks that begin with ``$ ``, up to the first line that does not end with a
backslash, and those of ``sh`` blocks, which have no such mark. They end with 0, the last one of a block with what
``<!-- exit 1 -->`` before it says. What a block shows of their output must be printed, but for identifiers, times and
numbers. A name that stands for something (REV) is replaced by what a test says it is.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.acceptance.tutorial import COMMAND, ID, NEVER
from tests.docs.site import ROOT
from tests.support.alembic_projects import ADA, BEN, CARLA, edit, make_project, write_script
from tests.support.canary import CANARIES
from tests.support.shell import TIMEOUT_S, TRACEBACK, Done, Shell

BLOCK = re.compile(r"(?:<!-- exit (\d+) -->\n\n)?^```(console|sh)\n(.*?)^```$", re.M | re.S)
DAN = "dan@example.com"
TEAM = {CARLA: "backend-lead,policy-admin", ADA: "developer", BEN: "developer", DAN: "developer"}
ENVIRONMENTS = ("dev", "staging", "production")
_LINE = re.compile(r"^((?:.*\\\n)*.+)\n", re.M)
# A shell that goes on where the last one in the same terminal ended: its folder and its variables.
_SESSION = '[ ! -e "$0" ] || . "$0"\nset -e\n{}\n{{ export -p; echo "cd \'$PWD\'"; }} >"$0"'


@dataclass(frozen=True, slots=True)
class Command:
    """block: its number on the page."""

    text: str
    code: int
    printed: str
    block: int


@dataclass(frozen=True, slots=True)
class Seat:
    """A person at a terminal. session: a file with what their shell keeps from command to command."""

    shell: Shell
    session: Path

    def run(self, text: str, code: int = 0, given: str = "") -> Done:
        """Any line of a shell; without a terminal to ask at."""
        CANARIES.own(self.session)
        done = subprocess.run(
            ["sh", "-c", _SESSION.format(text), self.session],
            cwd=self.shell.folder, env=self.shell.variables, input=given, capture_output=True, text=True, check=False,
            timeout=TIMEOUT_S, start_new_session=True,
        )  # fmt: skip
        told = Done((text,), done.returncode, done.stdout, done.stderr)
        CANARIES.learn((self.shell.folder, self.shell.home), self.shell.variables)
        CANARIES.check(told.text, text)
        assert told.code == code, f"the page says {code}\n{told}"
        assert TRACEBACK not in told.text, told
        return told

    def flow(self, *words: str, code: int | None = 0) -> Done:
        """A command that is not on the page."""
        return self.shell.flow(*words, code=code)

    def under(self, **environ: str) -> Seat:
        return replace(self, shell=self.shell.under(**environ))


def commands(page: str) -> list[Command]:
    found = []
    for number, block in enumerate(BLOCK.finditer(page)):
        code, language, text = block.groups()
        last = int(code or 0)
        lines = list((COMMAND if language == "console" else _LINE).finditer(text))
        assert lines, f"no command in {text!r}"
        assert not lines[0].start(), f"something before the first command of {text!r}"
        ends = [line.start() for line in lines[1:]] + [len(text)]
        for line, end in zip(lines, ends, strict=True):
            printed = text[line.end() : end].strip("\n")
            found.append(Command(line[1], last if end == len(text) else 0, printed, number))
    return found


@dataclass
class Page:
    """``with Page("how-to/review.md", REV="3f2a…") as page``: at the end every command is run or left. said: what the
    names stand for, of which each must be on the page."""

    name: str
    said: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.text = path(self.name).read_text(encoding="utf-8")
        self.commands = commands(self.text)

    def __enter__(self) -> Page:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            assert self.commands == [], "not run: add them to the page's test"
            assert [name for name in self.said if name not in self.text] == []

    def one(self, seat: Seat, given: str = "", **said: str) -> Done:
        """The next command."""
        command = self.commands.pop(0)
        text, printed = command.text, command.printed
        for name, meant in {**self.said, **said}.items():
            text, printed = text.replace(name, meant), printed.replace(name, meant)
        done = seat.run(text, command.code, given)
        assert not printed or _shape(done.out) == _shape(printed), f"the page says:\n{printed}\n{done}"
        return done

    def block(self, *seats: Seat, **said: str) -> list[Done]:
        """The next block, or what is left of it: all by one person, or each command by one."""
        size = sum(command.block == self.commands[0].block for command in self.commands)
        each = seats * size if len(seats) == 1 else seats
        assert len(each) == size, [command.text for command in self.commands[:size]]
        return [self.one(seat, **said) for seat in each]

    def leave(self, begins: str, why: str) -> None:
        """The next command is not run here. why: what runs it, or what it would need."""
        text = self.commands.pop(0).text
        assert text.startswith(begins), f"{why}: but the page says {text}"
        assert all((ROOT / file).exists() for file in re.findall(r"\btests/\S+\.py|\.ci/\w+", why)), why


def path(name: str) -> Path:
    return ROOT / name if (ROOT / name).exists() else ROOT / "docs" / name


def with_commands() -> set[str]:
    """The names of all pages that have any."""
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    found = [page.relative_to(ROOT).as_posix() for page in pages if BLOCK.search(page.read_text(encoding="utf-8"))]
    return {name.removeprefix("docs/") for name in found}


def _shape(text: str) -> str:
    text = NEVER.sub("<>", ID.sub("<id>", text.strip("\n")))
    return "\n".join(re.sub(r"\d+", "#", line).rstrip() for line in text.splitlines())


@dataclass(frozen=True, slots=True)
class Shop:
    """A team's project on SQLite, each person at a machine with the one key of theirs, and the ledger on a disk that
    all of them see."""

    folder: Path
    seats: Mapping[str, Seat]

    def copied(self, folder: Path) -> Shop:
        """Homes too."""
        shutil.copytree(self.folder.parent, folder, dirs_exist_ok=True)
        seats = {}
        for person, seat in self.seats.items():
            home = folder / seat.shell.home.name
            shell = replace(seat.shell, folder=folder / self.folder.name, home=home)
            seats[person] = Seat(shell, home / "session")
        return Shop(folder / self.folder.name, seats)

    def people(self, *persons: str) -> list[Seat]:
        return [self.seats[person] for person in persons]

    def written(self, revision: str, down: str | None = None, *, upgrade: str = "", message: str = "") -> Path:
        """A script of Ada's, that she has told the flow of. upgrade: by default it makes a table."""
        script = write_script(self.folder / "migrations" / "versions", revision, down, upgrade=upgrade)
        if upgrade.startswith("op.create_index"):
            edit(script, r"op\.drop_table\(.*\)", 'op.drop_index("by_text")')
        if message:
            script.write_text(script.read_text().replace(f"make {revision}", message, 1))
        self.seats[ADA].flow("track", revision)
        return script

    def vouched(self, revision: str, *persons: str) -> None:
        """Self-reviewed; by Ben and Carla, where they are named: reviewed, approved."""
        ada, ben, carla = self.people(ADA, BEN, CARLA)
        ada.flow("self-review", revision)
        if BEN in persons:
            ben.flow("review", revision, "--approve")
        if CARLA in persons:
            carla.flow("approve", revision)

    def applied(self, revision: str, down: str | None = None, **text: str) -> None:
        """From nothing to every environment."""
        self.written(revision, down, **text)
        self.vouched(revision, BEN, CARLA)
        for environment in (row["name"] for row in self.seats[CARLA].shell.json("env", "list")["environments"]):
            self.seats[CARLA].flow("apply", revision, "--env", environment)

    def key(self, person: str, name: str = "") -> Path:
        """Where the private key of a person is kept in their home."""
        return self.seats[person].shell.home / "data" / "migrate-flow" / "keys" / (name or person)


def opened(shell: Shell, folder: Path, *environments: str) -> Shop:
    """A new one in that folder, with a recovery key. environments: others than three on SQLite."""
    homes = {person: folder / person.partition("@")[0] for person in TEAM}
    shell = replace(shell, folder=folder / "shop", home=homes[CARLA])
    for person, home in homes.items():
        home.mkdir(parents=True)
        (home / "gitconfig").write_text(f"[user]\n\tname = {home.name.title()}\n\temail = {person}\n")
    make_project(shell)
    people = [word for person, roles in TEAM.items() for word in ("--person", f"{person}={roles}")]
    environments = environments or tuple(f"{name}=sqlite:///{name}.db" for name in ENVIRONMENTS)
    databases = [word for text in environments for word in ("--env", text)]
    shell.flow("init", "--key-store", "file", "--recovery-key", str(folder / "recovery"), *people, *databases)
    seats = {person: Seat(replace(shell, home=home), home / "session") for person, home in homes.items()}
    shop = Shop(shell.folder, seats)
    for person in TEAM:
        for suffix in ("", ".pub"):
            place = shop.key(person, person + suffix)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(shop.key(CARLA, person + suffix), place)
    return shop
