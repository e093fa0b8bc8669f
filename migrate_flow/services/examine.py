"""What `doctor` asks of the policy, of the ledger as a file, and of each target beside what the ledger says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from migrate_flow.core.checkup import Check
from migrate_flow.core.dialects import KINDS
from migrate_flow.core.entry import Kind
from migrate_flow.core.policy import Level, Policy, shortages
from migrate_flow.errors import MigrateFlowError
from migrate_flow.gates import judge
from migrate_flow.gates.gate import Scope
from migrate_flow.services.book import TOLERANCE
from migrate_flow.services.facts import collect, look

if TYPE_CHECKING:
    from migrate_flow.services.workspace import Workspace

OLD_COPY = 100  # entries since the last export of the whole ledger: so many signatures would be lost with one file
_NOTICED = timedelta(seconds=30)
_ASKED = ("target-identified", "drift-free")  # the others are about a person, an hour, or said elsewhere


def posts(workspace: Workspace) -> Iterator[Check]:
    """What the policy asks for and nobody can do, revoked keys left out."""
    policy, add = workspace.policy, "migrate-flow people add EMAIL --role ROLE --key 'KEY'"
    for name in policy.people:
        if policy.keys_of(name) and not workspace.has_key(name):
            hint = f"migrate-flow keys new {name}; then migrate-flow people add {name} --key 'KEY'"
            yield Check("policy", "warning", f"every key of {name} is revoked: they sign nothing", hint)
    able = replace(policy, people={name: policy.people[name] for name in workspace.able(policy.people)})
    said = shortages(able)
    for text in said:
        yield Check("policy", "warning", text, add)
    for escalation in policy.escalations:
        asked = replace(able, approvals=policy.required_approvals(escalation.when))
        for text in shortages(asked):
            if text not in said:
                yield Check("policy", "warning", f"for {', '.join(escalation.when)}: {text}", add)
    yield from _appliers(workspace, able)


def _appliers(workspace: Workspace, able: Policy) -> Iterator[Check]:
    for name, rules in workspace.policy.environments.items():
        if rules.apply_roles and not able.holders(rules.apply_roles):
            roles = " or ".join(rules.apply_roles)
            hint = f"migrate-flow people role EMAIL --add {rules.apply_roles[0]}; or correct apply_roles of {name}"
            yield Check("policy", "problem", f"nobody may apply to {name}: it asks for {roles}", hint)


def clock(workspace: Workspace) -> Iterator[Check]:
    """This machine's beside the ledger server's, which is the one that counts."""
    offset = workspace.book.offset
    if abs(offset) > _NOTICED:
        way = "behind" if offset > timedelta() else "ahead of"
        refused = abs(offset) > TOLERANCE
        what = f"this machine's clock is {abs(offset).total_seconds():.0f} s {way} the ledger's server"
        state = "problem" if refused else "warning"
        yield Check("clock", state, what + (": nothing can be signed here" if refused else ""),
                    "timedatectl set-ntp true")  # fmt: skip


def copies(workspace: Workspace) -> Iterator[Check]:
    """Whether a ledger in a file was ever written out as a whole. Copies that others make can't be seen from here."""
    where, head = workspace.book.ledger.describe(), workspace.history.head.seq
    if "://" in where:
        return  # a server's backups are its own; nothing of them shows here
    whole = 0
    for entry in workspace.book.ledger.entries():
        if entry.kind == Kind.LEDGER_EXPORTED and _is_whole(entry.predicate):
            whole = entry.seq
    if head - whole >= OLD_COPY:
        since = f"the last export of all of it is entry {whole}" if whole else "no export of all of it is recorded"
        yield Check(
            "ledger", "warning", f"{where} may be the only copy of {head} entries: {since}",
            f"migrate-flow export --format bundle --output ledger-{head}.zip  # and keep it elsewhere",
        )  # fmt: skip


def _is_whole(said: Mapping[str, Any]) -> bool:
    """Whether an export held every entry, with its exact text."""
    counts = said.get("counts")
    return said.get("format") in ("bundle", "jsonl") and isinstance(counts, Mapping) and counts.get("left_out") == 0


def target(workspace: Workspace, name: str) -> Iterator[Check]:
    """Where the database and the ledger disagree: its identity, its version table, its receipts, schema and guard."""
    if name not in workspace.policy.environments:
        return
    try:
        decision = judge(collect(workspace, look(workspace, name), "", None), Scope.TARGET)
    except MigrateFlowError as error:
        yield Check(f"environment {name}", "problem", error.message, error.hint)
        return
    for verdict in decision.blockers:
        if verdict.gate in _ASKED:
            yield Check(f"environment {name}", "problem", verdict.reason, verdict.hint)
    yield from _no_guard(workspace, name)


def _no_guard(workspace: Workspace, name: str) -> Iterator[Check]:
    """Where approval is asked for, and the server could call a guard. One that somebody took away is no news, and one
    that went without a word is drift."""
    rules, targets = workspace.policy.environments[name], workspace.history.environment(name).targets
    asked = rules.requires is Level.APPROVED and KINDS[rules.dialect].guard
    if asked and targets and not any(target.guard.seq for target in targets.values()):
        what = "no guard: what is changed from outside of the flow shows when somebody looks, and not who did it"
        yield Check(f"environment {name}", "warning", what, f"migrate-flow guard install --env {name}")
