"""A project on its way to production, for people who want to get there without what it asks for.

Ada wrote a migration, which stands in dev; Bob reviewed it. Cy approves, Dan releases, Eve keeps the policy. Staging
asks for the approval, production for staging besides, and only Dan may apply to either.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance import databases
from tests.acceptance.conftest import Terminal
from tests.support.alembic_projects import edit, make_project, table, write_script
from tests.support.forger import Forger
from tests.support.shell import Shell, make_home

ADA, BOB, CY, DAN, EVE = (f"{name}@example.com" for name in ("ada", "bob", "cy", "dan", "eve"))
PEOPLE = (f"{EVE}=policy-admin", f"{CY}=backend-lead", f"{ADA}=developer", f"{BOB}=developer", f"{DAN}=release-manager")
REV = "aaaa01"
HELPER = "WORD = 'approved'\n"
UPGRADE = table("t_aaaa01") + "\nop.execute(f\"INSERT INTO t_aaaa01 VALUES (1, '{words.WORD}')\")"
# What the migration leaves, as it was reviewed.
RIGHT = {"t_aaaa01": ["{'id': 1, 'text': 'approved'}"]}
# where the bytes are others
CAUGHT = ["self-reviewed", "content-unchanged", "lint-clean", "rehearsed", "peer-reviewed", "approved"]


Flaws = Mapping[int, str]  # position of an entry -> why it does not count, a pattern


@dataclass(frozen=True)
class Siege:
    shell: Shell

    @property
    def folder(self) -> Path:
        return self.shell.folder

    @property
    def script(self) -> Path:
        return self.folder / "migrations" / "versions" / f"{REV}_script.py"

    @property
    def helper(self) -> Path:
        return self.folder / "words.py"

    @property
    def config(self) -> Path:
        return self.folder / "migrate-flow.toml"

    @property
    def forger(self) -> Forger:
        return Forger(self.folder)

    def approve(self) -> None:
        self.shell.flow("approve", REV, actor=CY)

    def policy(self, pattern: str, new: str) -> None:
        """A change that the admin signs."""
        edit(self.config, pattern, new)
        self.shell.flow("policy", "record", actor=EVE)

    def gives(self, person: str, role: str) -> None:
        """One more role for a developer."""
        self.policy(rf'(?<=\[people\."{person}"\]\nroles = \["developer")\]', f', "{role}"]')

    def contents(self, environment: str) -> dict[str, list[str]]:
        """What stands in the database of an environment, asked without us; also where there is no file yet."""
        file = self.folder / f"{environment}.db"
        return databases.contents(f"sqlite:///{file}") if file.exists() else {}

    def kinds(self) -> list[str]:
        return [row["kind"] for row in self.forger.rows()]

    # What must hold

    @contextmanager
    def untouched(self, environment: str) -> Iterator[None]:
        """Whatever is tried: no intent is recorded for the environment, and nothing is in its database."""
        assert self.contents(environment) == {}
        yield
        assert self.contents(environment) == {}

    def held(self, environment: str, gates: Mapping[str, str], *, to: str = "head") -> None:
        """`plan` and `apply` say no by these gates and by no other, each for this reason (a pattern)."""
        with self.untouched(environment):
            intents = self.kinds().count("apply.intended")
            for words in (("plan", "--to", to), ("apply", to)):
                document = self.shell.json(*words, "--env", environment, actor=DAN, code=1)
                verdicts = [*document["gates"], *(v for step in document["steps"] for v in step["gates"])]
                failed = {verdict["gate"]: verdict["reason"] for verdict in verdicts if not verdict["passed"]}
                assert not document["allowed"]
                assert set(failed) == set(gates), failed
                for gate, reason in gates.items():
                    assert re.search(reason, failed[gate]), (gate, failed[gate])
            assert self.kinds().count("apply.intended") == intents

    def passes(self, environment: str) -> None:
        """The control: nothing stands in the way."""
        assert self.shell.json("plan", "--env", environment, actor=DAN)["allowed"]

    def distrusted(self, environment: str, message: str) -> None:
        """The ledger is no ledger any more: exit 4 for every command that asks it, and nothing is changed."""
        before = self.forger.file.read_bytes()
        with self.untouched(environment):
            for words in (("plan", "--env", environment), ("apply", "--env", environment), ("status",)):
                error = self.shell.error(*words, actor=DAN, code=4)
                assert (error["code"], bool(re.search(message, error["message"]))) == ("ledger", True), error
        assert self.forger.file.read_bytes() == before

    def accused(self, flaws: Flaws) -> None:
        """`ledger verify` names these entries, and no other, each for this reason (a pattern); none: all is well."""
        document = self.shell.json("ledger", "verify", code=4 if flaws else 0)
        assert {problem["seq"] for problem in document["problems"]} == set(flaws), document
        for seq, flaw in flaws.items():
            said = [problem["problem"] for problem in document["problems"] if problem["seq"] == seq]
            assert any(re.search(flaw, text) for text in said), said

    def trusted(self) -> None:
        assert self.shell.json("ledger", "verify")["ok"]
        self.shell.flow("status")


def besieged(shell: Shell) -> Siege:
    """The project as the module's text says."""
    versions = make_project(shell)
    environments = [f"{name}=sqlite:///{name}.db" for name in ("dev", "staging", "production")]
    words = [word for text in environments for word in ("--env", text)]
    words += [word for text in PEOPLE for word in ("--person", text)]
    shell.flow("init", "--key-store", "project", *words)
    siege = Siege(shell)
    for _ in range(2):
        edit(siege.config, r"(?m)^# (?=apply_roles)", "")
    shell.flow("policy", "record", actor=EVE)
    siege.helper.write_text(HELPER)
    write_script(versions, REV, upgrade=UPGRADE, imports="import words\n")
    shell.flow("track", actor=ADA)
    shell.flow("apply", "--env", "dev", actor=ADA)
    shell.flow("self-review", REV, actor=ADA)
    shell.flow("review", REV, "--approve", actor=BOB)
    return siege


def copied(siege: Siege, folder: Path) -> Siege:
    """The same project elsewhere, for another person at another terminal: nothing was seen there of its ledger."""
    shutil.copytree(siege.folder, folder / "shop")
    return Siege(replace(siege.shell, folder=folder / "shop", home=make_home(folder / "home")))


def attack(attack_id: str, say: Callable[[Siege], Flaws], gates: Mapping[str, str]) -> Any:
    """A parameter: what is forged, and by which gates and why it is held."""
    return pytest.param(say, gates, marks=pytest.mark.fault(attack_id), id=say.__name__.strip("_"))


@pytest.fixture(scope="session")
def _besieged(terminal: Terminal, tmp_path_factory: pytest.TempPathFactory) -> Siege:
    return besieged(terminal(tmp_path_factory.mktemp("besieged") / "shop"))


@pytest.fixture
def siege(_besieged: Siege, tmp_path: Path) -> Siege:
    """Reviewed; the approval is missing for staging."""
    return copied(_besieged, tmp_path)


@pytest.fixture(scope="session")
def _released(_besieged: Siege, tmp_path_factory: pytest.TempPathFactory) -> Siege:
    made = copied(_besieged, tmp_path_factory.mktemp("released"))
    made.approve()
    return made


@pytest.fixture
def released(_released: Siege, tmp_path: Path) -> Siege:
    """Approved, and ready for staging; production waits for that."""
    return copied(_released, tmp_path)
