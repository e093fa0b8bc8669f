"""`drift`, `drift accept` and `compare`, and schema changes wherever they are shown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from migrate_flow.core.document import Block, Document, Heading, Line, Tone
from migrate_flow.services.schema import difference_fields
from migrate_flow.views.guarding import guard_blocks, log_blocks, log_values

if TYPE_CHECKING:
    from migrate_flow.core.snapshot import Difference
    from migrate_flow.services.compare import Compared, Side
    from migrate_flow.services.drift import Accepted, Drifted

_MOST = 50
_TONES = {"added": Tone.GOOD, "removed": Tone.BAD, "changed": Tone.WARN}


def drift(found: Sequence[Drifted]) -> Document:
    """The keys of one environment at the top where there is one; for several, the worst, and each by itself."""
    each = [_drift_values(one) for one in found]
    states = [one.clean for one in found]
    clean = False if False in states else None if None in states else True
    if len(found) == 1:
        data = each[0]
    else:
        together = [{**item, "environment": one["environment"]} for one in each for item in one["differences"]]
        rows = [{**row, "environment": one["environment"]} for one in each for row in one["log"]]
        data = {"environment": None, "clean": clean, "differences": together, "log": rows, "environments": each}
    blocks: list[Block] = []
    for one in found:
        blocks += [*([Line("")] if blocks else []), *_drift_blocks(one)]
    return Document("drift", data, tuple(blocks or [Line("no environment is configured here")]))


def _drift_values(one: Drifted) -> dict[str, Any]:
    recorded = one.drift.recorded
    return {
        "environment": one.environment,
        "clean": one.clean,
        "differences": difference_fields(one.drift.differences),
        "log": log_values(one.log),
        "reason": one.elsewhere or one.reason or None,
        "hint": one.elsewhere_hint or None,
        "recorded": {"seq": recorded.seq, "fingerprint": recorded.fingerprint} if recorded else None,
        "observed": one.drift.now or None,
        "seq": one.seq or None,
    }


def _drift_blocks(one: Drifted) -> Iterator[Block]:
    name, drift = one.environment, one.drift
    yield Heading(name)
    if one.elsewhere:
        yield Line(one.elsewhere, Tone.BAD, 1)
        yield Line(f"next: {one.elsewhere_hint}", indent=1)
    if drift.guard:
        yield from guard_blocks(drift.guard, name)
    if drift.schema:
        yield from _schema_blocks(one)
    elif drift.unknown:
        yield Line(f"can't be told: {drift.unknown}", Tone.WARN, 1)
        yield Line(f"next: migrate-flow env test {name}; or begin anew from what is there:", indent=1)
        yield Line(f"migrate-flow drift accept --env {name} -m WHY", indent=1)
    elif drift.recorded is None:
        yield Line(one.reason, Tone.FAINT, 1)
    elif not one.elsewhere:
        yield Line(f"the schema is as entry {drift.recorded.seq} has it", Tone.GOOD, 1)
    if one.log:
        yield Line("by the guard's log, from outside the flow since then:", indent=1)
        yield from log_blocks(one.log, 2)
    if one.seq:
        yield Line(f"recorded as entry {one.seq}", Tone.FAINT, 1)


def _schema_blocks(one: Drifted) -> Iterator[Block]:
    found, recorded = one.drift.schema, one.drift.recorded
    since = f" since entry {recorded.seq}" if recorded else ""
    what = "1 object was" if len(found) == 1 else f"{len(found)} objects were"
    yield Line(f"{what} changed outside of the flow{since}", Tone.BAD, 1)
    yield from difference_blocks(found, "recorded", "now", 2)
    yield Line("next: undo it by hand, or bring it into a migration;", indent=1)
    yield Line(f"where it is to stay: migrate-flow drift accept --env {one.environment} -m WHY", indent=1)


def difference_blocks(found: Sequence[Difference], before: str, after: str, indent: int) -> Iterator[Block]:
    """before, after: what the two sides are called."""
    wide = max(len(before), len(after))
    for one in found[:_MOST]:
        yield Line(f"{one.change}: {one.object}", _TONES.get(one.change, Tone.PLAIN), indent)
        if one.change == "changed":
            yield Line(f"{before:<{wide}}  {one.expected}", indent=indent + 1)
            yield Line(f"{after:<{wide}}  {one.observed}", indent=indent + 1)
    if len(found) > _MOST:
        yield Line(f"and {len(found) - _MOST} more (--format json)", Tone.FAINT, indent)


def accepted(done: Accepted) -> Document:
    data = {
        "environment": done.environment,
        "seq": done.seq or None,
        "differences": difference_fields(done.differences),
        "log": log_values(done.log),
        "reason": done.unknown or None,
    }
    if not done.seq:
        return Document("drift-accept", data, (Line(f"{done.environment} is as recorded: there is nothing to accept"),))
    said = f"the schema of {done.environment} is right as it is (entry {done.seq})"
    blocks: list[Block] = [Line(said, Tone.GOOD), *difference_blocks(done.differences, "before", "now", 1)]
    if done.log:
        blocks += [Line("explained, of the guard's log:", indent=1), *log_blocks(done.log, 2)]
    if done.guard:
        blocks += guard_blocks(done.guard, done.environment)
    return Document("drift-accept", data, blocks)


def compared(found: Compared) -> Document:
    sides = [found.one, found.other]
    data = {
        "environments": [side.environment for side in sides],
        "equal": found.equal,
        "revisions": {side.environment: {"heads": list(side.heads), "only": list(side.only)} for side in sides},
        "fingerprints": {side.environment: side.fingerprint for side in sides},
        "servers": {side.environment: side.server for side in sides},
        "differences": difference_fields(found.found.differences),
        "reason": found.found.unknown or None,
    }
    return Document("compare", data, tuple(_compared_blocks(found, sides)))


def _compared_blocks(found: Compared, sides: Iterable[Side]) -> Iterator[Block]:
    one, other = (side.environment for side in sides)
    yield Heading(f"{one} and {other}")
    for side in sides:
        if side.only:
            yield Line(f"only {side.environment} stands at: {', '.join(side.only)}", Tone.WARN, 1)
    if found.found.unknown:
        yield Line(f"can't be told: {found.found.unknown}", Tone.WARN, 1)
    elif found.found.differences:
        count = len(found.found.differences)
        tone = Tone.BAD if found.same_revisions else Tone.WARN
        yield Line(f"{count} object{'s differ' if count > 1 else ' differs'}", tone, 1)
        yield from difference_blocks(found.found.differences, one, other, 2)
        if found.same_revisions:
            hint = f"migrate-flow drift --env {one}; migrate-flow drift --env {other}"
            yield Line(f"both stand at the same revisions, so one of them was changed by hand; next: {hint}", indent=1)
    else:
        yield Line("the same schema" if found.same_revisions else "the same schema, at other revisions", Tone.GOOD, 1)


def changes(name: str, found: Sequence[Difference]) -> Iterator[Block]:
    """What an application did to a schema."""
    yield Line(f"{name}:" if found else f"{name}: nothing", Tone.STRONG if found else Tone.FAINT, 1)
    yield from difference_blocks(found, "before", "after", 2)
