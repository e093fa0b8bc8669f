"""All that is wrong with a file of the right shape."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from migrate_flow.config import check_environments, check_people, urls
from migrate_flow.config.problem import Problem, shown
from migrate_flow.core.dialects import KINDS, scratched_by

if TYPE_CHECKING:
    from migrate_flow.config.settings import File

_LEDGERS = ("sqlite", "postgresql")


def problems(file: File) -> list[Problem]:
    """In the order of the file's sections; empty if the file can be used."""
    return [
        *_ledger(file),
        *check_environments.problems(file.environments),
        *check_people.problems(file.people, file.policy.recovery_keys),
        *_rehearsal(file),
    ]


def _ledger(file: File) -> Iterator[Problem]:
    if flaw := urls.flaw(file.ledger.url, _LEDGERS, name="ledger"):
        message, hint = flaw  # `env login` knows environments only
        stored = f"keyring set migrate-flow:url {file.project.name}/ledger"
        yield Problem(("ledger", "url"), message, hint.replace("migrate-flow env login ledger", stored))
    if bool(file.ledger.id) != bool(file.ledger.genesis):
        missing = "genesis" if file.ledger.id else "id"
        hint = "restore both lines from version control: init wrote them together"
        yield Problem(("ledger", missing), "id and genesis belong together", hint)


def _rehearsal(file: File) -> Iterator[Problem]:
    for key in dict.fromkeys(kind.scratch for kind in KINDS.values() if kind.scratch):
        url = getattr(file.rehearsal, key)
        if url and (flaw := urls.flaw(url, scratched_by(key), name="scratch")):
            yield Problem(("rehearsal", key), *flaw)
    baseline = file.rehearsal.baseline or ""
    kind, colon, name = baseline.partition(":")
    if kind == "environment" and colon and name.strip() not in file.environments:
        hint = f"one of: {', '.join(f'environment:{shown(known)}' for known in file.environments)}"
        yield Problem(("rehearsal", "baseline"), f"no environment {shown(name.strip())}", hint)
    if kind == "command" and colon and not name.strip():
        yield Problem(("rehearsal", "baseline"), "no command", 'write baseline = "command: …"')
