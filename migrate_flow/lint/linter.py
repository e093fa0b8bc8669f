"""Runs the rules over one script. What can't be judged is a finding, never a pass."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from migrate_flow.core.finding import Finding, Severity
from migrate_flow.lint import own
from migrate_flow.lint.severity import applies, rank, severity_of
from migrate_flow.lint.waivers import Waiver, read_waivers

if TYPE_CHECKING:
    from migrate_flow.lint.own import Own
    from migrate_flow.lint.rule import Rule
    from migrate_flow.lint.script import Script


@dataclass(frozen=True)
class Linter:
    """rules: all there are, in their order. severity: as configured, by slug. dialects: of the project.

    others: rules that somebody else runs (``squawk/…``, the rehearsal's), as far as they did; their prefixes count too.
    """

    rules: tuple[Rule, ...]
    severity: Mapping[str, str] = field(default_factory=dict)
    dialects: frozenset[str] = frozenset()

    def findings(
        self, script: Script, found_elsewhere: Iterable[Finding] = (), others: Collection[str] = ()
    ) -> tuple[Finding, ...]:
        """By line, the worst first. found_elsewhere: what others found in this script, to be waived here too.
        others: the slugs, or ``name/`` for all that begin so, that they looked for."""
        found = [*self.problems(script), *self.hits(script), *found_elsewhere]
        waivers = read_waivers(script)
        fixed = {rule.slug for rule in self.rules if not rule.waivable} | {item.slug for item in own.OWN}
        waived = [item if item.rule in fixed else _waive(item, waivers) for item in dict.fromkeys(found)]
        waived += self.about_waivers(script, waivers, waived, others, fixed)
        shown = [item for item in waived if item.severity is not Severity.OFF]
        return tuple(sorted(shown, key=lambda item: (item.line, -rank(item.severity), item.rule, item.message)))

    @cached_property
    def running(self) -> tuple[tuple[Rule, Severity], ...]:
        """The rules that are looked at, with what they mean here: those that apply and are not off."""
        found = [
            (rule, severity_of(rule, self.dialects, self.severity))
            for rule in self.rules
            if applies(rule, self.dialects)
        ]
        return tuple((rule, severity) for rule, severity in found if severity is not Severity.OFF)

    @cached_property
    def slugs(self) -> frozenset[str]:
        return frozenset(rule.slug for rule, _ in self.running)

    def hits(self, script: Script) -> Iterator[Finding]:
        for rule, severity in self.running:
            try:
                for hit in rule.check(script):
                    most = rule.unsure if hit.needs_rehearsal and rule.unsure else severity
                    here = min(severity, most, key=rank)
                    yield Finding(
                        rule.slug, here, script.revision, script.path, hit.line, hit.message, hit.hint,
                        needs_rehearsal=hit.needs_rehearsal,
                    )  # fmt: skip
            except Exception as error:
                message = f"the rule {rule.slug} ended with {type(error).__name__}: {error}"
                hint = f'report it; to go on for now, under [lint]: severity = {{ {rule.slug} = "off" }}'
                yield self.own(own.RULE_CRASHED, script, 0, message, hint)

    def problems(self, script: Script) -> Iterator[Finding]:
        """What keeps the file from being used, as far as no rule speaks of it."""
        for problem in script.problems:
            if (problem.rule or own.UNUSABLE_SCRIPT.slug) not in self.slugs:
                yield self.own(own.UNUSABLE_SCRIPT, script, problem.line, problem.problem, problem.hint)
        # One that could not even be read carries no id, and its problem says more than the parser.
        if script.tree is None and all(problem.revision for problem in script.problems):
            line, message = _syntax_error(script)
            yield self.own(own.SYNTAX_ERROR, script, line, message, f"python -m py_compile {script.path}")

    def about_waivers(
        self,
        script: Script,
        waivers: Iterable[Waiver],
        found: Collection[Finding],
        others: Collection[str],
        fixed: Collection[str],
    ) -> Iterator[Finding]:
        known = {rule.slug for rule in self.rules} | {item.slug for item in own.OWN} | set(others)
        ran = self.slugs | set(others)
        for waiver in waivers:
            if not waiver.slugs:
                hint = "write: # migrate-flow: ignore[RULE] the reason"
                yield self.own(
                    own.UNKNOWN_WAIVER, script, waiver.line, "this comment waives nothing: it can't be read", hint
                )
            elif not waiver.reason:
                hint = f"write: # migrate-flow: ignore[{', '.join(waiver.slugs)}] the reason"
                yield self.own(own.WAIVER_WITHOUT_REASON, script, waiver.line, "this waiver does not say why", hint)
            for slug in waiver.slugs:
                if not _named(slug, known) and "/" not in slug:
                    message = f"there is no rule {slug}{_near(slug, known)}"
                    yield self.own(own.UNKNOWN_WAIVER, script, waiver.line, message, "migrate-flow lint --explain RULE")
                elif waiver.reason and (_named(slug, ran) or slug in fixed):
                    yield from self.unused(script, waiver, slug, found, fixed)

    def unused(
        self, script: Script, waiver: Waiver, slug: str, found: Collection[Finding], fixed: Collection[str]
    ) -> Iterator[Finding]:
        if slug in fixed:
            message, hint = f"{slug} can't be waived", "mend what it finds, and take the comment out"
        elif any(item.rule == slug and waiver.passes(slug, item.line) for item in found):
            return
        else:
            message = f"nothing on this statement is found by {slug}"
            hint = "take the comment out, or put it on the statement that it speaks of"
        yield self.own(own.UNUSED_WAIVER, script, waiver.line, message, hint)

    def own(self, what: Own, script: Script, line: int, message: str, hint: str) -> Finding:
        severity = what.severity_here(self.severity)
        return Finding(what.slug, severity, script.revision, script.path, line, message, hint)


def _waive(finding: Finding, waivers: Iterable[Waiver]) -> Finding:
    for waiver in waivers:
        if waiver.passes(finding.rule, finding.line):
            return replace(finding, reason=waiver.reason)
    return finding


def _named(slug: str, names: Collection[str]) -> bool:
    return slug in names or f"{slug.partition('/')[0]}/" in names


def _near(slug: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(slug, known, n=1)
    return f"; did you mean {near[0]}?" if near else ""


def _syntax_error(script: Script) -> tuple[int, str]:
    from migrate_flow.core.behaviour import syntax_tree

    try:
        syntax_tree(script.content)
    except SyntaxError as error:
        return error.lineno or 0, f"syntax error: {error.msg}"
    return 0, "the script can't be parsed"
