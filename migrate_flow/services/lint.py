"""The static rules over the scripts of this checkout. Reads files; opens the ledger only to see what is applied."""

from __future__ import annotations

import difflib
import hashlib
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from migrate_flow.core.finding import Finding, Severity
from migrate_flow.core.revision import Revision, ScriptProblem
from migrate_flow.errors import ConfigError, ScriptError
from migrate_flow.lint.catalogue import all_rules, rule_set
from migrate_flow.lint.linter import Linter
from migrate_flow.lint.own import OWN
from migrate_flow.lint.reading import read_script
from migrate_flow.lint.recorded import SentSql, with_sent
from migrate_flow.lint.rule import Group, Rule
from migrate_flow.lint.script import Script, Settings
from migrate_flow.services.chosen import choose
from migrate_flow.services.squawk_sql import PREFIX, Squawk, SquawkFailed, findings, sql_files, without_twins

if TYPE_CHECKING:
    from migrate_flow.config.load import Config
    from migrate_flow.core.graph import RevisionGraph
    from migrate_flow.core.policy import Policy
    from migrate_flow.services.ports import Scripts
    from migrate_flow.services.workspace import Workspace

_IMPORTS = re.compile(rb"(?:^|[;:])[ \t]*(?:from[ \t]*([^\s.]*)|import\b([^#;\r\n]*))", re.M)
_NOT_THE_PROJECTS = sys.stdlib_module_names | {"alembic", "sqlalchemy"}


@dataclass(frozen=True)
class Project:
    """What the checks need of the world, the ledger apart. source: a script's bytes, by path; raises ScriptError.

    since: of these files (path, bytes), those that are not as they were where this branch left GIT_REF; raises
    UsageError. squawk: None where it is not asked for. file_template: Alembic's, empty where it is the default.
    """

    config: Config
    scripts: Scripts
    source: Callable[[str], bytes]
    since: Callable[[str, Sequence[tuple[str, bytes]]], frozenset[str]]
    squawk: Squawk | None
    file_template: str = ""


@dataclass(frozen=True)
class Linted:
    """revisions: that were looked at, parents first. files: how many, those that can't be used among them.

    lines: the source line of each finding, by (path, line). rules: how many were run. squawk: its version, empty where
    it did not run. notes: what was not looked at, and why. settled_by_running: rules whose doubts a rehearsal answers.
    read: sha256 (hex) of each script that was looked at, by path.
    """

    findings: tuple[Finding, ...]
    revisions: tuple[str, ...]
    files: int
    lines: Mapping[tuple[str, int], str]
    rules: int
    rule_set: str
    squawk: str
    notes: tuple[str, ...]
    settled_by_running: frozenset[str] = frozenset()
    read: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def ok(self) -> bool:
        return not any(finding.refuses for finding in self.findings)


@dataclass(frozen=True)
class Asked:
    """What is to be linted, by which policy. broken: whether files that can't be used are looked at too.

    sent: by revision, what a rehearsal saw its upgrade send.
    """

    revisions: tuple[str, ...]
    lint: Mapping[str, Any]
    broken: bool = True
    notes: tuple[str, ...] = ()
    sent: Mapping[str, Sequence[SentSql]] = field(default_factory=dict)


def lint(
    project: Project,
    texts: Sequence[str],
    since: str,
    workspace: Callable[[], Workspace],
    policy: Policy | None = None,
) -> Linted:
    """texts: REVs. Without them and without a git ref, what is not applied everywhere, as the ledger knows it.

    policy: whose rules; default, the ledger's where it is asked, else the file's.
    Raises UsageError, ScriptError, ConfigError, LedgerError.
    """
    return run(project, _asked(project, texts, since, workspace, policy))


def _asked(
    project: Project,
    texts: Sequence[str],
    since: str,
    workspace: Callable[[], Workspace],
    policy: Policy | None,
) -> Asked:
    file = project.config.policy.document["lint"]
    chosen = choose(project, texts, since, workspace)
    policy = policy or (chosen.workspace.policy if chosen.workspace else None)
    if policy is None:
        return Asked(chosen.revisions, file, broken=not texts)
    known = policy.document["lint"]
    differs = known != file
    notes = ("the rules are those of the policy in force: [lint] in the file differs",) if differs else ()
    return Asked(chosen.revisions, known, broken=not texts, notes=notes)


def run(project: Project, asked: Asked) -> Linted:
    """Raises ConfigError."""
    rules = all_rules(asked.lint["plugins"], project.config.root)
    settings = settings_of(project, asked.lint)
    severity = asked.lint["severity"]
    linter = Linter(rules, severity, settings.dialects)
    scripts = _scripts(project, asked, settings)
    remarks, version, notes = _squawk(project.squawk, scripts, settings, asked)
    found: list[Finding] = list(_unasked(scripts, severity) if notes else ())
    lines: dict[tuple[str, int], str] = {}
    graph = {rule.slug for rule in rules if rule.group is Group.GRAPH} | {own.slug for own in OWN}
    for script in scripts:
        others = (PREFIX,) if version else ()
        here = without_twins(linter.findings(script, remarks.get(script.path, ()), others), script)
        if script.header and script.revision not in asked.revisions:
            here = tuple(finding for finding in here if finding.rule in graph)
        found += here
        lines |= {(f.path, f.line): script.lines[f.line - 1] for f in here if 0 < f.line <= len(script.lines)}
    notes = (*asked.notes, *notes, *_unknown_severities(severity, rules, project.config, asked.lint))
    return Linted(
        tuple(found),
        asked.revisions,
        len(scripts),
        lines,
        len(linter.running),
        rule_set(rules),
        version,
        notes,
        frozenset(rule.slug for rule in rules if rule.settled_by_running),
        {script.path: hashlib.sha256(script.content).hexdigest() for script in scripts},
    )


def again(project: Project, linted: Linted, lint: Mapping[str, Any], sent: Mapping[str, Sequence[SentSql]]) -> Linted:
    """The same scripts, with what was sent where their source does not tell. Raises ConfigError."""
    asked = Asked(tuple(sent), lint, broken=False, sent=sent)
    fresh = run(project, asked)
    kept = [finding for finding in linted.findings if finding.revision not in sent]
    found = sorted([*kept, *fresh.findings], key=lambda one: (_place(linted, one), one.line))
    read = {**linted.read, **fresh.read}
    return replace(linted, findings=tuple(found), lines={**linted.lines, **fresh.lines}, read=read)


def _place(linted: Linted, finding: Finding) -> int:
    return linted.revisions.index(finding.revision) if finding.revision in linted.revisions else len(linted.revisions)


def settings_of(project: Project, lint: Mapping[str, Any]) -> Settings:
    config = project.config
    return Settings(
        dialects=frozenset(rules.dialect for rules in config.policy.environments.values()),
        contract_tables=tuple(lint["contract_tables"]),
        ticket_pattern=config.project.ticket_pattern or "",
        constraint_names=lint.get("constraint_names", {}),
        file_template=project.file_template,
        revision_pattern=lint.get("revision_pattern", ""),
    )


def conflicting_heads(graph: RevisionGraph) -> tuple[str, ...]:
    """Heads that share a label, or have none; branches with labels of their own may each have one."""
    labels = {head: graph.labels(head) or ("",) for head in graph.heads()}
    taken = [label for found in labels.values() for label in found]
    return tuple(head for head, found in labels.items() if any(taken.count(label) > 1 for label in found))


def _scripts(project: Project, asked: Asked, settings: Settings) -> list[Script]:
    """Those asked for, in their order, then the files that can't be used."""
    problems: dict[str, list[ScriptProblem]] = {}
    for problem in project.scripts.problems:
        problems.setdefault(problem.path, []).append(problem)
    by_path = {header.path: header for header in project.scripts.revisions.values()}
    chosen = [project.scripts.revisions[id_].path for id_ in asked.revisions]
    chosen += sorted(problems.keys() - set(chosen)) if asked.broken else []
    heads = conflicting_heads(project.scripts.graph)
    read = [_read(project, path, by_path.get(path), problems.get(path, []), settings, heads) for path in chosen]
    return [with_sent(script, asked.sent.get(script.revision, ())) for script in read]


def _read(
    project: Project,
    path: str,
    header: Revision | None,
    problems: list[ScriptProblem],
    settings: Settings,
    heads: tuple[str, ...],
) -> Script:
    symlink = any(problem.rule == "symlink-outside" for problem in problems)
    try:
        content = project.source(path)
    except ScriptError as error:
        unread = ScriptProblem(path, 0, error.message, error.hint, rule=error.rule)
        return Script(path, b"", header, None, settings, tuple(problems or [unread]), heads, symlink=symlink)
    return read_script(
        path, content, header, settings, tuple(problems), heads, symlink, _modules(project, header, content)
    )


def _modules(project: Project, header: Revision | None, content: bytes) -> Mapping[str, str]:
    """The project's own modules that a script imports: path by name."""
    if header is None or _imported(content) <= _NOT_THE_PROJECTS:
        return {}  # most scripts: sealing costs as much as all the rules
    try:
        files = project.scripts.manifest(header.id).files[1:]
    except ScriptError:
        return {}  # who seals it, says why it can't be
    return {file.module: file.path for file in files}


def _imported(content: bytes) -> set[str]:
    """The first name of each import, empty for a relative one; rather one too many."""
    found = set()
    for source, listed in _IMPORTS.findall(content):
        found |= (
            {part.strip().partition(b".")[0].partition(b" ")[0] for part in listed.split(b",")} if listed else {source}
        )
    return {name.decode("utf-8", "replace") for name in found}


def _squawk(
    squawk: Squawk | None, scripts: Iterable[Script], settings: Settings, asked: Asked
) -> tuple[dict[str, list[Finding]], str, tuple[str, ...]]:
    """Findings by path, the version that made them, and what to say where there is none."""
    if "postgresql" not in settings.dialects:
        return {}, "", ()
    if squawk is None:
        return {}, "", ("squawk was not asked: --no-squawk",)
    version = squawk.version()
    if not version:
        note = "squawk is not installed, so PostgreSQL's SQL was not looked at by it"
        return {}, "", (f"{note}: pip install 'migrate-flow[postgresql]'",)
    files = [file for script in scripts for file in sql_files(script)]
    try:
        return findings(squawk.lint(files), asked.lint["severity"]), version, ()
    except SquawkFailed as error:
        return {}, "", (f"squawk {version} could not be used, so nothing was looked at by it: {error}",)


def _unasked(scripts: Iterable[Script], severity: Mapping[str, str]) -> Iterator[Finding]:
    """Where the policy counts on one of squawk's rules, silence is no pass."""
    counted = sorted(slug for slug, level in severity.items() if slug.startswith(PREFIX) and level == Severity.ERROR)
    for script in scripts if counted else ():
        message = f"the policy makes {counted[0]} an error, and squawk did not look at this script"
        hint = "pip install 'migrate-flow[postgresql]', and leave --no-squawk out"
        yield Finding(f"{PREFIX}not-asked", Severity.ERROR, script.revision, script.path, 0, message, hint)


def _unknown_severities(
    severity: Mapping[str, str], rules: Iterable[Rule], config: Config, lint: Mapping[str, Any]
) -> tuple[str, ...]:
    """In the file an error, as any unknown key; a policy in force may name rules that are no more."""
    known = {rule.slug for rule in rules} | {own.slug for own in OWN}
    unknown = [slug for slug in severity if slug not in known and not slug.startswith(PREFIX)]
    told = []
    for slug in unknown:
        near = difflib.get_close_matches(slug, known, n=1)
        meant = f"; did you mean {near[0]}?" if near else ""
        told.append(f"[lint] severity: there is no rule {slug}{meant}")
    if told and lint is config.policy.document["lint"]:
        raise ConfigError(told[0].partition(": ")[2], hint="migrate-flow lint --explain RULE", where="lint.severity")
    return tuple(told)
