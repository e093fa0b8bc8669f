"""What the static rules and the rehearsals showed of a script, as signed entries hold it.

Evidence is bound to the script's sealed bytes, and a rehearsal also to what its ancestors do, to its dialect and to the
server's version. Anybody in the policy may record some (`check --record`, `self-review`): it is a signed claim, like
every attestation. It is judged with the rules that it was made with; newer rules inform, and refuse nothing.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from migrate_flow.core.ancestry import digest_of, line_of
from migrate_flow.core.entry import format_time
from migrate_flow.core.policy import Level, Policy
from migrate_flow.core.rehearsal import Grade

if TYPE_CHECKING:
    from migrate_flow.core.history import Attestation, RevisionRecord
    from migrate_flow.core.traits import Traits

# The rules whose waiver says that a script need not be undone.
REVERSIBILITY = frozenset(
    {"missing-downgrade", "empty-downgrade", "raising-downgrade", "irreversible-operation", "downgrade-not-inverse"}
)
_VERSION = re.compile(r"(\w+) (\d+)(?:\.(\d+))?")


@dataclass(frozen=True, slots=True)
class LintEvidence:
    """rule_set: names the rules as they were. errors, warnings: not waived. report: digest of the stored findings."""

    seq: int
    by: str
    at: str
    rule_set: str
    errors: int = 0
    warnings: int = 0
    waived: int = 0
    squawk: str = ""
    report: str = ""


@dataclass(frozen=True, slots=True)
class RehearsalEvidence:
    """server: name and version. ancestry: see `ancestry`. grade: empty where it could not be rehearsed. lost: what the
    upgrade drops that may hold data. report: digest of the whole rehearsal, with the SQL and the locks that it saw."""

    seq: int
    by: str
    at: str
    dialect: str
    server: str
    ancestry: str
    grade: str = ""
    upgrade: bool = False
    lost: tuple[str, ...] = ()
    error: str = ""
    report: str = ""

    @property
    def major(self) -> str:
        return major(self.server)

    @property
    def undone(self) -> bool:
        """Whether it ran, and can be undone."""
        return self.grade in (Grade.LOSSLESS, Grade.LOSSY)


@dataclass(frozen=True, slots=True)
class Evidence:
    """Of one script's bytes, oldest first."""

    lint: tuple[LintEvidence, ...] = ()
    rehearsals: tuple[RehearsalEvidence, ...] = ()

    def newest_lint(self) -> tuple[LintEvidence, ...]:
        """The newest word of each set of rules, oldest first."""
        newest: dict[str, LintEvidence] = {}
        for one in self.lint:
            newest.pop(one.rule_set, None)
            newest[one.rule_set] = one
        return tuple(newest.values())

    def newest_rehearsals(self, dialect: str, ancestries: Collection[str] = ()) -> tuple[RehearsalEvidence, ...]:
        """The newest word of each major version of the server, oldest first. What never came to a grade, or to know its
        server (a runner that timed out or crashed), is no version's word: any later rehearsal replaces it.

        ancestries: only on one of these, where some are given.
        """
        newest: dict[str, RehearsalEvidence] = {}
        for one in self.rehearsals:
            if one.dialect != dialect or (ancestries and one.ancestry not in ancestries):
                continue
            newest = {name: other for name, other in newest.items() if other.grade and name and name != one.major}
            newest[one.major] = one
        return tuple(newest.values())

    @property
    def risks(self) -> tuple[str, ...]:
        """What running showed, whatever the syntax tree says. What an upgrade was ever seen to drop stays a risk."""
        if not self.rehearsals:
            return ()
        found = []
        if any(one.lost or one.grade == Grade.LOSSY for one in self.rehearsals):
            found += ["destructive", "lossy"]
        newest = [
            one for dialect in {one.dialect for one in self.rehearsals} for one in self.newest_rehearsals(dialect)
        ]
        if any(one.grade == Grade.IRREVERSIBLE for one in newest):
            found.append("irreversible")
        return tuple(found)


NOTHING = Evidence()


def evidence_of(record: RevisionRecord, manifest: str) -> Evidence:
    """What counts of it."""
    said = [item for item in (*record.checks, *record.self_reviews) if item.manifest == manifest and not item.flaw]
    said.sort(key=lambda item: item.seq)
    lint = [_lint(item, item.fields["lint"]) for item in said if "lint" in item.fields]
    return Evidence(tuple(lint), tuple(one for item in said for one in _rehearsals(item)))


def _lint(said: Attestation, fields: Mapping[str, Any]) -> LintEvidence:
    return LintEvidence(
        said.seq,
        said.actor,
        format_time(said.at),
        fields["rule_set"],
        fields["errors"],
        fields["warnings"],
        fields["waived"],
        fields.get("squawk", ""),
        fields.get("report", ""),
    )


def _rehearsals(said: Attestation) -> Iterator[RehearsalEvidence]:
    for fields in said.fields.get("rehearsals", ()):
        yield RehearsalEvidence(
            said.seq,
            said.actor,
            format_time(said.at),
            fields["dialect"],
            fields["server"],
            fields["ancestry"],
            fields.get("grade", ""),
            fields.get("upgrade", False),
            tuple(fields.get("lost", ())),
            fields.get("error", ""),
            fields.get("report", ""),
        )


def ancestry(behaviours: Mapping[str, str]) -> str:
    """``sha256:…`` of what all ancestors do, by revision. A comment in one of them changes nothing."""
    return digest_of(sorted(line_of(revision, behaviour) for revision, behaviour in behaviours.items()))


def major(server: str) -> str:
    """``PostgreSQL 18`` of ``PostgreSQL 18.6 (Debian …)``, ``MariaDB 10.11`` of ``MariaDB 10.11.6``."""
    found = _VERSION.match(server)
    if found is None:
        return server
    name, first, second = found.groups()
    return f"{name} {first}" if name == "PostgreSQL" or not second else f"{name} {first}.{second}"


def rehearsed_on(policy: Policy) -> tuple[str, ...]:
    """Dialects of the environments that ask for approved migrations; of all where none does."""
    rules = policy.environments.values()
    approved = {one.dialect for one in rules if one.requires is Level.APPROVED}
    return tuple(sorted(approved or {one.dialect for one in rules}))


def may_stay_irreversible(policy: Policy, traits: Traits) -> bool:
    """Whether the policy takes a migration that can't be undone: it says so, and the script waives a rule about
    reversibility with a reason. It must have run, all the same."""
    return bool(policy.document["policy"].get("allow_irreversible")) and not traits.waived.isdisjoint(REVERSIBILITY)
