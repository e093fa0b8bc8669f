"""`plan`, `apply`, `recover` and `adopt`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from migrate_flow.core.document import Block, Code, Document, Heading, Line, Members, Tone
from migrate_flow.core.plan import DONE, Outcome, Plan, PlannedStep
from migrate_flow.core.text import shortened
from migrate_flow.core.verdict import Decision
from migrate_flow.services.schema import difference_fields
from migrate_flow.views import verdicts
from migrate_flow.views.drifting import difference_blocks

if TYPE_CHECKING:
    from migrate_flow.services.adopt import Adopted
    from migrate_flow.services.attempt import Ran
    from migrate_flow.services.recover import Recovered
    from migrate_flow.services.run import Report

_LONGEST = 120  # characters of a message beside a revision
_TONES = {
    Outcome.APPLIED: Tone.GOOD,
    Outcome.ROLLED_BACK: Tone.GOOD,
    Outcome.PLANNED: Tone.PLAIN,
    Outcome.SKIPPED: Tone.FAINT,
    Outcome.BLOCKED: Tone.BAD,
    Outcome.FAILED: Tone.BAD,
    Outcome.PARTIAL: Tone.BAD,
}


def plan(planned: Plan, *, full: bool = True, name: str = "plan", command: str = "") -> Document:
    """full: show SQL and passed gates too, not only what blocks. name: `plan` or `rollback`. command: that runs it."""

    def steps() -> Iterator[dict[str, Any]]:
        for step in planned.steps:
            outcome = Outcome.PLANNED if step.decision.allowed else Outcome.BLOCKED
            yield {**_step(step, outcome), "changes": list(step.changes)}

    def blocks() -> Iterator[Block]:
        yield from _plan_blocks(planned, full=full)
        if command and planned.steps and planned.allowed:
            yield Line(f"next: {command}")

    return Document(name, {**_head(planned), "steps": Members(steps)}, Members(blocks))


def _head(planned: Plan) -> dict[str, Any]:
    return {
        "environment": planned.environment,
        "allowed": planned.allowed,
        "digest": planned.digest,
        "target": planned.target or None,
        "heads": list(planned.heads),
        "gates": verdicts.values(planned.gates),
        "notices": list(planned.notices),
    }


def _step(step: PlannedStep, outcome: Outcome, duration_s: float | None = None) -> dict[str, Any]:
    return {
        "revision": step.revision,
        "message": step.message,
        "direction": step.direction,
        "manifest": step.manifest.digest,
        "outcome": outcome.value,
        "gates": verdicts.values(step.decision),
        "sql": step.sql,
        "sql_note": step.sql_note,
        "risks": list(step.risks),
        "locks": [
            {"relation": lock.relation, "mode": lock.mode, "rows": step.rows.get(lock.relation)} for lock in step.locks
        ],
        "duration_s": duration_s,
    }


def _plan_blocks(planned: Plan, *, full: bool) -> Iterator[Block]:
    count = len(planned.steps)
    down = any(step.direction == "downgrade" for step in planned.steps)
    verb = "roll back" if down else "apply"
    what = f"{count} revision{'s' if count > 1 else ''} to {verb}" if count else "nothing to do"
    where = ", ".join(planned.heads) or ("an empty database" if planned.gates.allowed else "")
    yield Heading(f"{planned.environment}: {what}" + (f", from {where}" if count and where else ""))
    yield from (Line(f"! {notice}", Tone.WARN) for notice in planned.notices)
    shown = verdicts.everything(planned.gates) if full else verdicts.blockers(planned.gates)
    if shown:
        yield from (Line(""), Line(f"{planned.environment} itself", Tone.STRONG), *shown)
    if not count:
        return
    shared = verdicts.without(verdicts.shared([step.decision for step in planned.steps]), planned.gates)
    of_all = verdicts.everything(shared) if full else verdicts.blockers(shared)
    if of_all:
        yield from (Line(""), Line(f"each of the {count}", Tone.STRONG), *of_all)
    said = Decision((*planned.gates.verdicts, *shared.verdicts))
    for number, step in enumerate(planned.steps, start=1):
        yield from (Line(""), *_step_blocks(said, number, step, full=full))
    yield Line("")
    blocked = sum(not step.decision.allowed for step in planned.steps)
    if planned.allowed:
        yield Line(f"Nothing stands against it. digest: {planned.digest}", Tone.GOOD)
    else:
        done = "rolled back" if down else "applied"
        yield Line(f"Blocked: {blocked or 'all'} of {count}. Nothing is {done}.", Tone.BAD)
        ready = 0 if down else len(planned.ready())
        if ready:
            command = f"migrate-flow apply --env {planned.environment} --ready"
            yield Line(f"The first {ready} could go ahead alone: {command}")
        elif first := next((v for step in planned.steps for v in step.decision.blockers if v.hint), None):
            yield Line(f"next: {first.hint}")


def _step_blocks(said: Decision, number: int, step: PlannedStep, *, full: bool) -> list[Block]:
    """said: the verdicts that stand above all steps."""
    own = verdicts.without(step.decision, said)
    tone = Tone.STRONG if own.allowed else Tone.BAD
    mark = "ready" if step.decision.allowed else "blocked"
    blocks: list[Block] = [Line(f"{number}. {step.revision}  {shortened(step.message, _LONGEST)}  [{mark}]", tone)]
    if step.risks:
        blocks.append(Line(f"risks: {', '.join(step.risks)}", Tone.WARN, 1))
        if step.direction == "downgrade" and "lossy" in step.risks:
            blocks.append(Line("what these tables or columns hold is lost for good", Tone.BAD, 1))
    blocks += [Line(f"! {change}", Tone.WARN, 1) for change in step.changes]
    if full:
        blocks += verdicts.everything(own)
        blocks += [_lock(step, mode) for mode in sorted({lock.mode for lock in step.locks})]
        if step.sql_note:
            blocks.append(Line(f"SQL: {step.sql_note}", Tone.FAINT, 1))
        if step.sql is not None:
            blocks.append(Code(step.sql or "(no SQL)", "sql"))
    else:
        blocks += verdicts.blockers(own)
    return blocks


def _lock(step: PlannedStep, mode: str) -> Line:
    """Such as ``locks until it commits: AccessExclusiveLock on public.users (about 1,200,000 rows)``."""
    tables = [lock.relation for lock in step.locks if lock.mode == mode]
    said = [f"{name} (about {step.rows[name]:,} rows)" if name in step.rows else name for name in tables]
    return Line(f"locks until it commits: {mode} on {', '.join(said)}", Tone.WARN, 1)


def executed(report: Report, name: str) -> Document:
    """name: `apply` or `rollback`."""
    data = {
        **_head(report.plan),
        "steps": [
            {
                **_step(ran.step, ran.outcome, ran.duration_s),
                "error": ran.error,
                "left": list(ran.left),
                "attempt": ran.attempt or None,
                "tries": ran.tries,
                "compared": [one.fields() for one in ran.unlike],
            }
            for ran in report.ran
        ],
        "recovered": [_recovered(item) for item in report.recovered],
    }
    return Document(name, data, tuple(_executed_blocks(report)))


def _executed_blocks(report: Report) -> list[Block]:
    blocks: list[Block] = [_recovered_line(item) for item in report.recovered]
    ran = [item for item in report.ran if item.outcome not in (Outcome.BLOCKED, Outcome.SKIPPED)]
    if not ran:
        return [*blocks, *_plan_blocks(report.plan, full=False)]
    environment = report.plan.environment
    blocks.append(Heading(environment))
    for item in report.ran:
        blocks += _ran_blocks(item)
    done = sum(item.outcome in DONE for item in report.ran)
    blocks += [block for item in report.ran for block in _beside(environment, item)]
    blocks += [Line(""), *_closing(report, environment, done)]
    return blocks


def _ran_blocks(item: Ran) -> list[Block]:
    time = f"  {item.duration_s:.2f} s" if item.duration_s is not None else ""
    what = f"{item.step.revision}  {shortened(item.step.message, _LONGEST)}"
    blocks: list[Block] = [Line(f"{item.outcome.value:<11} {what}{time}", _TONES[item.outcome], 1)]
    if item.error:
        blocks.append(Line(item.error, Tone.BAD, 2))
    blocks += [Line(f"- {text}", Tone.BAD, 3) for text in item.left]
    if item.outcome is Outcome.BLOCKED:
        blocks += verdicts.blockers(item.step.decision, 2)
    return blocks


def _beside(environment: str, item: Ran) -> Iterator[Block]:
    """The same schema in every environment: said where it is so, and where it is not."""
    for one in item.unlike:
        if one.equal:
            yield Line(f"the same schema as in {one.environment}", Tone.GOOD, 1)
        elif one.unknown:
            yield Line(f"not compared with {one.environment}: {one.unknown}", Tone.WARN, 1)
        else:
            yield Line(f"not the schema of {one.environment}, which stands at the same revisions:", Tone.BAD, 1)
            yield from difference_blocks(one.differences, one.environment, environment, 2)


def _closing(report: Report, environment: str, done: int) -> list[Block]:
    worst = report.worst
    word = "rolled back" if any(ran.step.direction == "downgrade" for ran in report.ran) else "applied"
    if worst is Outcome.APPLIED:
        return [Line(f"{done} {word}, each with its receipt in {environment} and its entry in the ledger.", Tone.GOOD)]
    blocks: list[Block] = [Line(f"{done} {word} before that; they stay so.")] if done else []
    if worst is Outcome.FAILED:
        blocks.append(Line("The failed revision left nothing behind: the target is as it was before it.", Tone.BAD))
        blocks.append(Line(f"hint: mend the cause, then migrate-flow plan --env {environment}"))
    elif worst is Outcome.PARTIAL:
        blocks.append(Line("The target is partly changed: nothing else runs there until it is settled.", Tone.BAD))
        blocks.append(Line(f"hint: migrate-flow recover --env {environment}"))
    else:
        blocks.append(Line("The rest is blocked.", Tone.BAD))
    return blocks


def recovered(environment: str, found: Sequence[Recovered]) -> Document:
    data = {"environment": environment, "recovered": [_recovered(item) for item in found]}
    blocks: list[Block] = [_recovered_line(item) for item in found]
    return Document("recover", data, tuple(blocks or [Line(f"{environment}: no attempt is open, nothing to settle")]))


def _recovered(item: Recovered) -> dict[str, Any]:
    return {
        "attempt": item.attempt,
        "revision": item.revision,
        "direction": item.direction,
        "outcome": item.outcome.value,
        "reason": item.reason,
        "decision": item.decision or None,
        "seq": item.seq,
    }


def _recovered_line(item: Recovered) -> Line:
    decided = {"abandoned": "is given up: what it left was undone, as stated", "resume": "goes on with the next apply"}
    shown = {Outcome.APPLIED: "was applied", Outcome.PARTIAL: "stays open: decide with --resume or --abandon"}
    word = decided.get(item.decision) or shown.get(item.outcome, "failed and left nothing behind")
    if item.decision == "resume" and item.direction == "downgrade":
        word = "goes on with the next rollback"
    return Line(
        f"settled: the interrupted attempt on {item.revision} in {item.environment} {word} ({item.reason})",
        _TONES[item.outcome],
    )


def adopted(report: Adopted) -> Document:
    data = {
        "environment": report.environment,
        "target": report.target,
        "heads": list(report.heads),
        "grandfathered": list(report.grandfathered),
        "out_of_band": list(report.out_of_band),
        "gone": list(report.gone),
        "seq": report.seq,
        "differences": difference_fields(report.differences),
    }
    return Document("adopt", data, tuple(_adopted_blocks(report)))


def _adopted_blocks(report: Adopted) -> list[Block]:
    if not report.seq:
        return [Line(f"{report.environment}: the ledger and the version table agree, nothing to adopt")]
    heads = ", ".join(report.heads) or "no revision"
    blocks: list[Block] = [Heading(f"{report.environment} adopted at {heads} (entry {report.seq})")]
    if report.grandfathered:
        count = len(report.grandfathered)
        blocks.append(
            Line(f"{count} grandfathered: they stand there, and were never reviewed or approved here", indent=1)
        )
    if report.out_of_band:
        names = ", ".join(report.out_of_band)
        blocks.append(Line(f"out of band: {names}: they came there outside the flow, and are marked so", Tone.WARN, 1))
    if report.differences:
        blocks.append(Line("its schema is not what was recorded before, and is taken as it is:", Tone.WARN, 1))
        blocks += difference_blocks(report.differences, "before", "now", 2)
    if report.gone:
        blocks.append(Line(f"gone: {', '.join(report.gone)}: no longer applied there", Tone.WARN, 1))
    return blocks
