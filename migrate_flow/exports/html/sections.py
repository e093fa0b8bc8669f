"""One migration as its section of the page tells it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING

from migrate_flow.exports.html.tally import Migration, adopted, alike

if TYPE_CHECKING:
    from migrate_flow.core.audit import Act, Change, Checked
    from migrate_flow.core.snapshot import Difference
    from migrate_flow.exports.html.stored import Rendered, Stored

MOST_DIFFERENCES = 100  # the snapshots hold all of them


@dataclass(frozen=True, slots=True)
class Step:
    """An act, with what it was. tone: ``good``, ``bad``, ``warn`` or empty. environments: empty for those about the
    script."""

    act: Act
    word: str
    tone: str = ""
    environments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Fact:
    """values: with the environments that they are true of, empty where of all."""

    label: str
    values: tuple[tuple[str, tuple[str, ...]], ...]
    code: bool = False


@dataclass(frozen=True, slots=True)
class Changed:
    """What happened to the schema. problem: why that can't be told. more: how many differences are left out."""

    environments: tuple[str, ...]
    differences: tuple[Difference, ...] = ()
    problem: str = ""
    more: int = 0


@dataclass(frozen=True, slots=True)
class Section:
    migration: Migration
    newest: Change
    about: tuple[Fact, ...]
    identifiers: tuple[Fact, ...]
    steps: tuple[Step, ...]
    lint: tuple[Checked, ...]
    rehearsals: tuple[Checked, ...]
    schema: tuple[Changed, ...]
    sql: tuple[tuple[int, Rendered], ...]
    exceptions: tuple[tuple[str, tuple[str, ...]], ...]
    entries: tuple[int, ...]
    adopted: bool


# Label, and how the value of a change is written.
_ABOUT: tuple[tuple[str, Callable[[Change], str]], ...] = (
    ("Rationale", attrgetter("rationale")),
    ("Contract mapping", attrgetter("contract_mapping")),
    ("Rollback", attrgetter("rollback_note")),
    ("Ticket", attrgetter("ticket")),
    ("Objects", lambda change: ", ".join(change.objects)),
    ("Contributors", lambda change: ", ".join(change.contributors)),
    ("Escalations", lambda change: "; ".join(change.escalations)),
)
_IDENTIFIERS: tuple[tuple[str, Callable[[Change], str]], ...] = (
    ("Script", attrgetter("path")),
    ("Script digest", attrgetter("script_digest")),
    ("Manifest", attrgetter("manifest")),
    ("SQL digest", attrgetter("sql_digest")),
    ("Git commit", attrgetter("git_commit")),
    ("Attempt", attrgetter("attempt")),
    ("Target", attrgetter("target")),
    ("Schema before", attrgetter("schema_before")),
    ("Schema after", attrgetter("schema_after")),
    ("Versions", lambda change: ", ".join(f"{name} {version}" for name, version in sorted(change.versions.items()))),
)


def section(migration: Migration, stored: Stored) -> Section:
    changes = migration.changes
    by_review = {change.self_reviewer.seq: change for change in changes if change.self_reviewer}
    return Section(
        migration=migration,
        newest=changes[-1],
        about=tuple(_facts(changes, _ABOUT)),
        identifiers=tuple(_facts(changes, _IDENTIFIERS, code=True)),
        steps=tuple(_steps(changes)),
        lint=_checks(changes, attrgetter("lint")),
        rehearsals=_checks(changes, attrgetter("rehearsals")),
        schema=tuple(_schema(changes, stored)),
        sql=tuple((seq, one) for seq, change in sorted(by_review.items()) for one in stored.rendered(seq, change)),
        exceptions=tuple(alike((text, change.environment) for change in changes for text in change.exceptions)),
        entries=tuple(sorted({seq for change in changes for seq in change.entries})),
        adopted=all(adopted(change) for change in changes),
    )


def _facts(
    changes: tuple[Change, ...], asked: tuple[tuple[str, Callable[[Change], str]], ...], *, code: bool = False
) -> Iterator[Fact]:
    for label, value_of in asked:
        values = tuple(alike((value_of(change), change.environment) for change in changes))
        if len(values) == 1:
            values = ((values[0][0], ()),)
        if kept := tuple((text, environments) for text, environments in values if text):
            yield Fact(label, kept, code)


def _checks(changes: tuple[Change, ...], of: Callable[[Change], tuple[Checked, ...]]) -> tuple[Checked, ...]:
    found = dict.fromkeys(check for change in changes for check in of(change))
    return tuple(sorted(found, key=attrgetter("seq")))


def _steps(changes: tuple[Change, ...]) -> Iterator[Step]:
    """By position; what is about the script once, and what is about an environment with its name."""
    found: dict[tuple[int, str], tuple[Act, str, list[str]]] = {}
    for change in changes:
        for word, tone, act in _acts(change):
            _, _, environments = found.setdefault((act.seq, word), (act, tone, []))
            if word in _IN_ENVIRONMENT and change.environment:
                environments.append(change.environment)
    for (_, word), (act, tone, environments) in sorted(found.items(), key=lambda item: item[0]):
        yield Step(act, word, "bad" if act.flaw else tone, tuple(dict.fromkeys(environments)))


_IN_ENVIRONMENT = frozenset(
    {"applied", "found there and adopted", "tried", "waived a gate", "refused", "failed", "rolled back"}
)


def _acts(change: Change) -> Iterator[tuple[str, str, Act]]:
    if change.author:
        yield "created", "", change.author
    if change.self_reviewer:
        yield "self-reviewed", "", change.self_reviewer
    if change.applier and adopted(change):
        yield "found there and adopted", "warn", change.applier
    elif change.applier:
        yield ("applied", "good", change.applier) if change.applied_at else ("tried", "warn", change.applier)
    for word, tone, acts in (
        ("reviewed", "", change.reviewers),
        ("approved", "good", change.approvers),
        ("waived a gate", "warn", change.waivers),
        ("refused", "bad", change.refused),
        ("failed", "bad", change.failed),
        ("rolled back", "warn", change.rollbacks),
        ("does not count", "bad", change.uncounted),
    ):
        for act in acts:
            yield word, tone, act


def _schema(changes: tuple[Change, ...], stored: Stored) -> Iterator[Changed]:
    found: dict[tuple[Difference, ...] | str, list[str]] = {}
    for change in changes:
        changed = stored.changed(change) if change.attempt else None
        if changed is not None:
            found.setdefault(changed, []).append(change.environment)
    for changed, environments in found.items():
        if isinstance(changed, str):
            yield Changed(tuple(environments), problem=changed)
        else:
            shown = changed[:MOST_DIFFERENCES]
            yield Changed(tuple(environments), shown, more=len(changed) - len(shown))


def parents(migration: Migration, anchors: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Revisions, with the anchor of their section, or none."""
    return tuple((parent, anchors.get(parent, "")) for parent in migration.changes[-1].parents)
