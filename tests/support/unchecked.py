"""Checks that find nothing, for tests that are about something else: a rehearsal takes a second and hundreds of tests
self-review a script, some of which nobody could rehearse. What these claim is signed like any evidence.

In a test's own process the fixture `_unchecked` puts them in place, unless the test has the mark ``checked``; in forks
of the warm process the variable does. A fresh interpreter, as of the demo, always runs the real ones.
"""

from __future__ import annotations

import importlib
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

from migrate_flow.core.policy import Policy
from migrate_flow.core.rehearsal import Grade, Rehearsal
from migrate_flow.services.check import Checks
from migrate_flow.services.evidence import Checked
from migrate_flow.services.lint import Linted
from migrate_flow.services.ports import Scripts
from migrate_flow.services.progress import Progress
from migrate_flow.services.rehearse import Effort, Rehearsed
from migrate_flow.services.workspace import Workspace

MODULE = "migrate_flow.cli.self_review"
RULE_SET = "1:" + "0" * 16
SERVERS = {
    "sqlite": "SQLite 3.40.1",
    "postgresql": "PostgreSQL 18.6",
    "mariadb": "MariaDB 10.11.6",
    "mysql": "MariaDB 10.11.6",
}


@dataclass(frozen=True)
class Unchecked:
    """Stands for `Checks`."""

    scripts: Scripts

    def these(
        self,
        revisions: Sequence[str],
        _policy: Policy,
        _effort: Effort,
        dialects: Sequence[str] | None = None,
        _known: Sequence[Rehearsal] = (),
    ) -> Generator[Progress, None, Checked]:
        yield from ()
        found = {revision: self.scripts.manifest(revision) for revision in revisions}
        above = {one: self.scripts.manifest(one) for one in self.scripts.graph.ancestors(revisions)}
        rehearsals = tuple(
            Rehearsal(
                revision, dialect, SERVERS[dialect], manifest.digest, upgrade=True, downgrade=True, reupgrade=True,
                schema_restored=True, reupgrade_same=True, grade=Grade.LOSSLESS,
            )
            for dialect in dialects or ()
            for revision, manifest in found.items()
        )  # fmt: skip
        behaviours = {revision: manifest.behaviour for revision, manifest in above.items()}
        linted = Linted((), tuple(revisions), len(revisions), {}, 0, RULE_SET, "", ())
        paths = {revision: manifest.script.path for revision, manifest in found.items()}
        return Checked(linted, Rehearsed(rehearsals, paths, behaviours=behaviours))


def checks(workspace: Workspace) -> Checks:
    stand_in: Any = Unchecked(workspace.scripts)
    return stand_in  # type: ignore[no-any-return]


def put_in_place() -> None:
    """For the rest of this process."""
    module: Any = importlib.import_module(MODULE)
    module.checks = checks
