"""The people of the audited project at work: each act is one call of a real service, signed with the person's own key.

All in one process: one workspace, whose person changes; a clock that is told what time it is; git asked once for all
scripts of a commit; SQL rendered here instead of in a process of its own; checks that find what the story says.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, TypeVar
from unittest.mock import patch

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from migrate_flow.alembic_adapter.checkout import Checkout
from migrate_flow.bootstrap import initialise, wiring
from migrate_flow.services import apply as applying
from migrate_flow.services import approve as approving
from migrate_flow.services import evidence, policy, review, rollback, self_review, track, withdraw
from migrate_flow.services.rehearse import Effort
from migrate_flow.services.run import Report
from migrate_flow.services.workspace import Workspace
from migrate_flow.signing.private_key import private_text, public_text
from tests.support.audited_scripts import Script
from tests.support.audited_tools import Found, Remembered, Runner, Scripts
from tests.support.project import alembic_project

PEOPLE = {
    "eve": ("policy-admin",),
    "fay": ("policy-admin",),
    "ada": ("developer",),
    "ben": ("developer",),
    "hal": ("developer",),
    "cy": ("backend-lead",),
    "ida": ("backend-lead", "developer"),
    "gil": ("product-owner",),
    "dan": ("release-manager",),
}
DEVELOPERS = ("ada", "ben", "hal")
ENVIRONMENTS = ("dev", "staging", "production")
START = datetime(2025, 1, 7, 9, 0, tzinfo=UTC)  # a Tuesday
T = TypeVar("T")


def mail(name: str) -> str:
    return f"{name}@example.com"


@dataclass
class Clock:
    """Every look takes a moment, so that no two entries have one time."""

    moment: datetime = START

    def __call__(self) -> datetime:
        self.moment += timedelta(milliseconds=137)
        return self.moment

    def passes(self, **length: float) -> None:
        self.moment += timedelta(**length)

    def to(self, hour: int, *days: int) -> None:
        """The next such hour in UTC on one of these days, 0 being a Monday."""
        self.moment = self.moment.replace(minute=0, second=0) + timedelta(hours=1)
        while self.moment.hour != hour or self.moment.weekday() not in (days or range(5)):
            self.moment += timedelta(hours=1)


def finished(events: Generator[Any, None, T]) -> T:
    """What an act returns, its progress unseen."""
    while True:
        try:
            next(events)
        except StopIteration as end:
            found: T = end.value
            return found


@dataclass
class Team:
    """folder: of the project. rng: decides who does what, and how long they take."""

    folder: Path
    rng: Random
    clock: Clock = field(default_factory=Clock)
    space: Workspace = field(init=False)
    scripts: dict[str, Script] = field(default_factory=dict)  # by revision, as they are now
    _committed: bool = False

    @staticmethod
    @contextmanager
    def founded(folder: Path, seed: int) -> Iterator[Team]:
        """A new project whose ledger holds its genesis. What tools keep for a user lies beside it while this lasts."""
        folder.mkdir(parents=True)
        team = Team(folder, Random(f"{seed} team"))
        home = folder.parent / f"{folder.name}-home"
        own = {"HOME": str(home), "XDG_STATE_HOME": str(home / "state"), "GIT_CONFIG_NOSYSTEM": "1"}
        with patch.dict(os.environ, own), patch.object(wiring, "now", team.clock):
            alembic_project(folder)
            for name in PEOPLE:
                team.new_key(name, f"{seed} {name}")
            subprocess.run(["git", "init", "--quiet", "--initial-branch", "main", str(folder)], check=True)
            with patch.object(initialise.InitTools, "now", team.clock):
                team._found()
            yield team

    def _found(self) -> None:
        people = tuple(f"{mail(name)}={','.join(roles)}" for name, roles in PEOPLE.items())
        environments = tuple(f"{name}=sqlite:///{name}.db" for name in ENVIRONMENTS)
        wishes = initialise.Wishes(self.folder, environments, "", people, (), "", "project")
        initialise.initialise(wishes, lambda path, text: _write(path, text))
        self.reopen()

    def new_key(self, name: str, seed: str) -> str:
        """The public half of a person's key, made of the seed; an older one is put away."""
        key = Ed25519PrivateKey.from_private_bytes(Random(seed).randbytes(32))
        private = self.folder / ".migrate-flow" / "keys" / mail(name)
        private.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        private.unlink(missing_ok=True)
        private.touch(0o600)
        private.write_text(private_text(key))
        private.with_name(f"{private.name}.pub").write_text(f"{public_text(key)} {mail(name)}\n")
        return public_text(key)

    def reopen(self) -> None:
        """Read configuration, keys, scripts and ledger anew."""
        space = wiring.workspace(self.folder / "migrate-flow.toml", "")
        made = space.scripts
        assert isinstance(made, Checkout)
        known = getattr(self, "space", None)
        scripts = known.scripts.reread() if known else Scripts(made.settings, made.root, imports=made.imports)
        space.authors = known.authors if known else Remembered(space.authors)
        self.space = space
        self._use(scripts)

    def _use(self, scripts: Any) -> None:
        self.space.scripts = scripts
        project = self.space.config.project
        self.space.runner = Runner(scripts, tuple(project.x), project.url_env)

    def by(self, name: str) -> Workspace:
        """The workspace, in somebody's hands a while later."""
        self.clock.passes(minutes=self.rng.randint(1, 25))
        self.space.actor = mail(name)
        return self.space

    # Scripts

    def commit(self, scripts: Sequence[Script]) -> None:
        """Written, and a commit for each, by its authors; git learns of them without a look at the folder."""
        told = [part for number, script in enumerate(scripts) for part in self._commit(script, first=number == 0)]
        subprocess.run(["git", "fast-import", "--quiet", "--force"], input=b"".join(told), cwd=self.folder, check=True)
        self._use(self.space.scripts.reread())
        authors: Any = self.space.authors
        authors.git.__dict__.pop("_place", None)  # HEAD is another one
        authors.learn([file for script in scripts for file in self.space.scripts.manifest(script.revision).files])

    def _commit(self, script: Script, *, first: bool) -> Iterator[bytes]:
        content = script.text.encode()
        path = self.folder / script.path
        path.write_bytes(content)
        self.scripts[script.revision] = script
        author, *others = (name if "@" in name else mail(name) for name in script.authors)
        words = "".join([script.message, "\n\n", *(f"Co-authored-by: Somebody <{one}>\n" for one in others)]).encode()
        when = f"{int(self.clock.moment.timestamp())} +0000"
        yield f"commit refs/heads/main\ncommitter Somebody <{author}> {when}\ndata {len(words)}\n".encode() + words
        if first and self._committed:
            yield b"\nfrom refs/heads/main^0"
        self._committed = True
        yield f"\nM 100644 inline {script.path}\ndata {len(content)}\n".encode() + content + b"\n"

    # What people say

    def track(self, script: Script) -> None:
        track.track(self.by(script.authors[0]), [script.revision])

    def vouch(self, script: Script, *, lossy: bool = False) -> None:
        space = self.by(script.authors[0])
        checks: Any = Found(space.scripts, lossy=lossy)
        examined = finished(self_review.examine(space, checks, script.revision, Effort()))
        self_review.self_review(space, examined, {})

    def checked(self, script: Script, by: str, *, broken: bool = False, lossy: bool = False) -> None:
        """As `check --record`."""
        space = self.by(by)
        found = Found(space.scripts, broken=broken, lossy=lossy)
        evidence.record(space, finished(found.these([script.revision], space.policy, Effort(), ["sqlite"])))

    def review(self, script: Script, by: str, comment: str = "", verdict: str = "approve") -> int:
        return review.review(self.by(by), script.revision, verdict, comment).seq

    def approve(self, script: Script, by: str = "cy", comment: str = "", role: str = "") -> int:
        return approving.approve(self.by(by), script.revision, role, comment).seq

    def waive(self, script: Script, gate: str, why: str, environment: str = "production") -> None:
        approving.waive(self.by("cy"), script.revision, gate, environment, why)

    def revoke(self, seq: int, by: str, why: str) -> None:
        withdraw.revoke(self.by(by), seq, why)

    def withdraw(self, script: Script, why: str) -> None:
        """Its file goes too."""
        withdraw.withdraw(self.by(script.authors[0]), script.revision, why)
        (self.folder / script.path).unlink()
        self._use(self.space.scripts.reread())

    def another(self, *but: str) -> str:
        """A developer who is none of these."""
        return self.rng.choice([name for name in DEVELOPERS if name not in but])

    # What they do

    def apply(self, environment: str, to: str, by: str = "dan") -> Report:
        request = applying.Request(environment, to, confirmed=True)
        return finished(applying.apply(self.by(by), request))

    def roll_back(self, environment: str, to: str, why: str) -> Report:
        return finished(rollback.rollback(self.by("dan"), rollback.Request(environment, [to], why)))

    # Policy

    def edits(self, *changes: tuple[str, str]) -> None:
        """The configuration: each old text is there once, and another stands in its place."""
        path = self.folder / "migrate-flow.toml"
        text = path.read_text()
        for old, new in changes:
            assert text.count(old) == 1, (old, text)
            text = text.replace(old, new)
        path.write_text(text)
        self.reopen()

    def record_policy(self, *signers: str) -> None:
        for name in signers:
            policy.record(self.by(name))  # the first proposes, the others endorse


def done(report: Report) -> None:
    """There was something to do, and every step of it ended well."""
    outcomes = [(ran.step.revision, str(ran.outcome), ran.error) for ran in report.ran]
    assert outcomes, blockers(report)
    assert {outcome for _revision, outcome, _error in outcomes} <= {"applied", "rolled-back"}, (
        outcomes,
        blockers(report),
    )


def blockers(report: Report) -> list[tuple[str, str]]:
    steps = (verdict for step in report.plan.steps for verdict in step.decision.blockers)
    return [(verdict.gate, verdict.reason) for verdict in (*report.plan.gates.blockers, *steps)]


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
