"""`people`, `policy` and `keys revoke`."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

from migrate_flow.core.document import Block, Cell, Document, Fields, Heading, Line, Table, Tone
from migrate_flow.core.entry import format_time
from migrate_flow.core.fingerprint import fingerprint
from migrate_flow.core.policy import RECOVERY

if TYPE_CHECKING:
    from migrate_flow.services.people import Edited
    from migrate_flow.services.policy import Change, PolicyReport, Waiting
    from migrate_flow.services.revoke_key import KeyRevoked


def edited(done: Edited, name: str, recorded: PolicyReport | None = None) -> Document:
    """name: `people-add`, `people-remove` or `people-role`. recorded: what `--record` brought."""
    seq = recorded.recorded if recorded else 0
    data = {
        "person": done.person,
        "roles": list(done.roles),
        "changed": done.changed,
        "gone": done.gone,
        "seq": seq,
        "waiting": [_waiting(item) for item in recorded.waiting] if recorded else [],
    }
    roles = ", ".join(done.roles) or "no role"
    word = "added" if done.fresh else "changed" if done.changed else "left as it was:"
    what = f"removed {done.person} from" if done.gone else f"{word} {done.person} ({roles}) in"
    blocks: list[Block] = [Line(f"{what} migrate-flow.toml", Tone.GOOD)]
    blocks += [Line(f"! {text}", Tone.WARN) for text in done.warnings]
    if recorded and seq:
        blocks += _recorded(recorded)
    elif done.changed:
        blocks.append(Line("next: migrate-flow policy record, by a policy-admin"))
    return Document(name, data, tuple(blocks))


def _recorded(report: PolicyReport) -> list[Block]:
    """What became of a signature: the policy is in force, or waits for more."""
    own = [item for item in report.waiting if report.version.seq < report.recorded]
    if not own:
        return [Line(f"policy {report.version.number} is in force (entry {report.recorded})", Tone.GOOD)]
    return [Line(f"signed (entry {report.recorded})", Tone.GOOD), *(line for item in own for line in _wait(item))]


def _wait(item: Waiting) -> list[Block]:
    names = " or ".join(item.who) or "nobody is left"
    return [
        Line(
            f"! the policy of entry {item.seq}, signed by {', '.join(item.by)}, waits for {item.missing} more",
            Tone.WARN,
        ),
        Line(f"next: ask {names} for migrate-flow policy endorse {item.seq}"),
    ]


def _waiting(item: Waiting) -> dict[str, Any]:
    return {
        "seq": item.seq,
        "by": list(item.by),
        "missing": item.missing,
        "who": list(item.who),
        "changes": _changes(item.changes),
    }


def _changes(changes: Sequence[Change]) -> list[dict[str, Any]]:
    return [{"path": c.path, "before": c.before, "after": c.after} for c in changes]


def key_revoked(done: KeyRevoked) -> Document:
    data = {
        "person": done.person,
        "fingerprint": done.fingerprint,
        "seq": done.seq,
        "since": done.since or None,
        "undone": [
            {"seq": said.seq, "kind": said.kind, "revision": said.revision, "by": said.actor} for said in done.undone
        ],
        "look_at": list(done.look_at),
    }
    blocks: list[Block] = [Line(f"revoked {done.fingerprint} of {done.person} (entry {done.seq})", Tone.GOOD)]
    if done.since:
        count = len(done.undone)
        blocks.append(
            Line(f"{count} of what it signed since entry {done.since} no longer count{'s' * (count == 1)}", indent=1)
        )
        blocks += [Line(f"entry {said.seq}: {said.kind} {said.revision}", indent=2) for said in done.undone]
    else:
        blocks.append(Line("what it signed before stays valid; to undo that too: --since SEQ", Tone.FAINT, 1))
    if done.look_at:
        names = ", ".join(map(str, done.look_at))
        blocks.append(
            Line(f"! look at entries {names}: it signed policies or applications, which stay as they are", Tone.WARN)
        )
    if not done.keeps:
        blocks.append(Line(f"{done.person} has no key any more; to make one: migrate-flow keys new {done.person}"))
    return Document("keys-revoke", data, tuple(blocks))


def policy(report: PolicyReport) -> Document:
    version = report.version
    data = {
        "number": version.number,
        "digest": version.policy.digest,
        "recorded_by": version.by,
        "at": format_time(version.at),
        "seq": version.seq,
        "document": version.policy.document,
        "file_differs": bool(report.changes),
        "shortages": list(report.shortages),
        "waiting": [_waiting(item) for item in report.waiting],
        "revoked_keys": sorted(fingerprint(key) for key in report.revoked),
    }
    pairs = (
        ("policy", Cell(f"{version.number}, recorded by {version.by} at {version.at:%Y-%m-%d %H:%M} UTC")),
        ("digest", Cell(version.policy.digest)),
    )
    blocks: list[Block] = [Fields(pairs), Line(""), *_policy_lines(version.policy.document, report.revoked)]
    blocks += [Line(f"! {text}", Tone.WARN) for text in report.shortages]
    if report.changes:
        blocks.append(Line("! migrate-flow.toml differs: migrate-flow policy diff", Tone.WARN))
    for item in report.waiting:
        blocks += _wait(item)
    return Document("policy", data, tuple(blocks))


def _keys(keys: Sequence[str], revoked: Collection[str]) -> str:
    names = [fingerprint(key) + (" (revoked)" if key in revoked else "") for key in keys]
    return ", ".join(names) or "none"


def _policy_lines(document: Any, revoked: Collection[str]) -> list[Block]:
    rules = document["policy"]
    offline = rules.get("recovery_keys", ())
    recovery = [(RECOVERY, {"roles": ["signs policies and revocations"], "keys": offline})] if offline else []
    approvals = ", ".join(f"{count} × {role}" for role, count in rules["approvals"].items())
    blocks: list[Block] = [
        Line(f"{rules['peer_reviews']} peer review(s), approvals: {approvals}, separation {rules['separation']}"),
        Line(""),
    ]
    people = tuple(
        (Cell(name, Tone.STRONG), Cell(", ".join(p["roles"])), Cell(_keys(p["keys"], revoked)))
        for name, p in (*document["people"].items(), *recovery)
    )
    blocks.append(Table(("PERSON", "ROLES", "KEYS"), people, flexible=1))
    places = tuple(
        (Cell(e["name"], Tone.STRONG), Cell(e["requires"]), Cell(", ".join(e["upstream"]) or "-"), Cell(e["dialect"]))
        for e in document["environments"]
    )
    return [*blocks, Line(""), Table(("ENVIRONMENT", "REQUIRES", "UPSTREAM", "DIALECT"), places)]


def policy_diff(report: PolicyReport) -> Document:
    data = {
        "number": report.version.number,
        "recorded": report.recorded,
        "changes": _changes(report.changes),
        "shortages": list(report.shortages),
        "waiting": [_waiting(item) for item in report.waiting],
    }
    number = report.version.number
    blocks: list[Block] = [Heading("what changes" if report.recorded else f"against policy {number}")]
    for change in report.changes:
        blocks += _change(change)
    if not report.changes:
        blocks = [Line(f"the file says what policy {number} says")]
    if report.recorded:
        blocks += _recorded(report)
    else:
        blocks += [line for item in report.waiting for line in _wait(item)]
        if report.changes:
            blocks.append(Line("next: migrate-flow policy record, by a policy-admin"))
    return Document("policy-diff", data, tuple(blocks))


def _change(change: Change) -> list[Block]:
    found: list[Block] = [Line(change.path, Tone.STRONG)]
    if change.before is not None:
        found.append(Line(f"- {json.dumps(change.before, ensure_ascii=False)}", Tone.BAD, 1))
    if change.after is not None:
        found.append(Line(f"+ {json.dumps(change.after, ensure_ascii=False)}", Tone.GOOD, 1))
    return found
