"""`init`, `doctor`, `env`, `keys`, `people`, `policy` and `ledger`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from migrate_flow.core.document import Block, Cell, Document, Fields, Heading, Line, Table, Tone
from migrate_flow.core.entry import format_time
from migrate_flow.services.doctor import Check
from migrate_flow.services.environments import Listed, Tested
from migrate_flow.services.init import Initialised
from migrate_flow.services.people import Added
from migrate_flow.services.policy import Change, PolicyReport
from migrate_flow.services.verify_ledger import Verified
from migrate_flow.services.workspace import Workspace

_STATES = {"ok": ("✓", Tone.GOOD), "warning": ("!", Tone.WARN), "problem": ("✗", Tone.BAD)}


def init(done: Initialised) -> Document:
    data = {
        "ledger": {"id": done.ledger, "genesis": f"sha256:{done.genesis}"} if done.ledger else None,
        "environments": list(done.environments),
        "keys": [{"person": person, "key": public, "where": where} for person, public, where in done.keys],
        "warnings": list(done.warnings),
        "joined": done.joined,
    }
    blocks: list[Block] = [Line(f"key of {person}: {where}", Tone.GOOD) for person, _public, where in done.keys]
    if done.joined:
        strangers = [(person, public) for person, public, _where in done.keys if person in done.roles]
        if not strangers:
            blocks.append(Line("This project has its configuration and ledger, and you are in it: nothing to do."))
            blocks.append(Line("next: migrate-flow status"))
            return Document("init", data, tuple(blocks))
        blocks.append(Line("This project has its configuration and ledger already. Let a policy-admin run:"))
        for person, public in strangers:
            roles = " ".join(f"--role {role}" for role in done.roles[person])
            blocks.append(Line(f"migrate-flow people add {person} {roles} --key '{public}'", indent=1))
        blocks.append(Line("migrate-flow policy record", indent=1))
        return Document("init", data, tuple(blocks))
    blocks += [
        Line("wrote migrate-flow.toml; commit it", Tone.GOOD),
        Line(f"opened the ledger {done.ledger}", Tone.GOOD),
    ]
    blocks += [Line(f"! {text}", Tone.WARN) for text in done.warnings]
    blocks.append(Line("next: migrate-flow status"))
    return Document("init", data, tuple(blocks))


def doctor(checks: Sequence[Check]) -> Document:
    data = {
        "ok": not any(check.state == "problem" for check in checks),
        "checks": [{"area": c.area, "state": c.state, "message": c.message, "hint": c.hint} for c in checks],
    }
    blocks: list[Block] = []
    for check in checks:
        mark, tone = _STATES[check.state]
        blocks.append(Line(f"{mark} {check.area}: {check.message}", tone))
        if check.hint and check.state != "ok":
            blocks.append(Line(f"hint: {check.hint}", indent=2))
    return Document("doctor", data, tuple(blocks))


def environments(found: Sequence[Listed]) -> Document:
    data = {
        "environments": [
            {
                "name": e.name,
                "dialect": e.dialect,
                "requires": e.requires,
                "upstream": list(e.upstream),
                "url": e.url,
                "apply_roles": list(e.apply_roles),
            }
            for e in found
        ]
    }
    rows = tuple(
        (Cell(e.name, Tone.STRONG), Cell(e.dialect), Cell(e.requires), Cell(", ".join(e.upstream) or "-"), Cell(e.url))
        for e in found
    )
    return Document("env-list", data, (Table(("NAME", "DIALECT", "REQUIRES", "UPSTREAM", "URL"), rows, flexible=4),))


def tested(found: Sequence[Tested]) -> Document:
    data = {
        "environments": [
            {
                "name": t.name,
                "ok": t.ok,
                "problem": t.problem,
                "hint": t.hint,
                "server": t.observation.server,
                "target": t.observation.identity.uuid if t.observation.identity else None,
                "heads": list(t.observation.heads) if t.observation.heads is not None else None,
            }
            for t in found
        ]
    }
    blocks: list[Block] = []
    for test in found:
        if test.ok:
            known = f", target {test.observation.identity.uuid[:8]}" if test.observation.identity else ""
            blocks.append(Line(f"✓ {test.name}: {test.observation.server}{known}", Tone.GOOD))
        else:
            blocks += [Line(f"✗ {test.name}: {test.problem}", Tone.BAD), Line(f"hint: {test.hint}", indent=1)]
    return Document("env-test", data, tuple(blocks))


def keys(found: Sequence[tuple[str, str, str, str]], tried: Sequence[str]) -> Document:
    """found: (person, public key, fingerprint, where it lies)."""
    data = {"keys": [{"person": p, "key": k, "fingerprint": f, "where": w} for p, k, f, w in found]}
    if not found:
        lines = [Line("no key is here; looked in:"), *(Line(place, indent=1) for place in tried)]
        return Document("keys-list", data, (*lines, Line("hint: migrate-flow keys new EMAIL")))
    rows = tuple((Cell(p or "-", Tone.STRONG), Cell(f), Cell(w)) for p, _k, f, w in found)
    return Document("keys-list", data, (Table(("PERSON", "FINGERPRINT", "WHERE"), rows, flexible=2),))


def key(person: str, public: str, fingerprint: str, where: str) -> Document:
    data = {"person": person, "key": public, "fingerprint": fingerprint}
    blocks: tuple[Block, ...] = (
        Line(f"made a key of {person}: {where}", Tone.GOOD),
        Line(public),
        Line(f"fingerprint: {fingerprint}", Tone.FAINT),
        Line(f"next: a policy-admin runs migrate-flow people add {person} --role ROLE --key '{public}'"),
    )
    return Document("keys-new", data, blocks)


def added(done: Added, seq: int) -> Document:
    data = {"person": done.person, "roles": list(done.roles), "changed": done.changed, "seq": seq}
    word = "added" if done.fresh else "changed" if done.changed else "left as it was:"
    blocks: list[Block] = [Line(f"{word} {done.person} ({', '.join(done.roles)}) in migrate-flow.toml", Tone.GOOD)]
    blocks += [Line(f"! {text}", Tone.WARN) for text in done.warnings]
    if seq:
        blocks.append(Line(f"recorded the policy (entry {seq})", Tone.GOOD))
    elif done.changed:
        blocks.append(Line("next: migrate-flow policy record, by a policy-admin"))
    return Document("people-add", data, tuple(blocks))


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
    }
    pairs = (
        ("policy", Cell(f"{version.number}, recorded by {version.by} at {version.at:%Y-%m-%d %H:%M} UTC")),
        ("digest", Cell(version.policy.digest)),
    )
    blocks: list[Block] = [Fields(pairs), Line(""), *_policy_lines(version.policy.document)]
    blocks += [Line(f"! {text}", Tone.WARN) for text in report.shortages]
    if report.changes:
        blocks.append(Line("! migrate-flow.toml differs: migrate-flow policy diff", Tone.WARN))
    return Document("policy", data, tuple(blocks))


def _policy_lines(document: Any) -> list[Block]:
    rules = document["policy"]
    approvals = ", ".join(f"{count} × {role}" for role, count in rules["approvals"].items())
    blocks: list[Block] = [
        Line(f"{rules['peer_reviews']} peer review(s), approvals: {approvals}, separation {rules['separation']}"),
        Line(""),
    ]
    people = tuple(
        (Cell(name, Tone.STRONG), Cell(", ".join(p["roles"])), Cell(f"{len(p['keys'])}"))
        for name, p in document["people"].items()
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
        "changes": [{"path": c.path, "before": c.before, "after": c.after} for c in report.changes],
        "shortages": list(report.shortages),
    }
    number = report.version.number
    if not report.changes:
        return Document("policy-diff", data, (Line(f"the file says what policy {number} says"),))
    title = f"policy {number} recorded (entry {report.recorded})" if report.recorded else f"against policy {number}"
    blocks: list[Block] = [Heading(title)]
    for change in report.changes:
        blocks += _change(change)
    if not report.recorded:
        blocks.append(Line("next: migrate-flow policy record, by a policy-admin"))
    return Document("policy-diff", data, tuple(blocks))


def _change(change: Change) -> list[Block]:
    found: list[Block] = [Line(change.path, Tone.STRONG)]
    if change.before is not None:
        found.append(Line(f"- {json.dumps(change.before, ensure_ascii=False)}", Tone.BAD, 1))
    if change.after is not None:
        found.append(Line(f"+ {json.dumps(change.after, ensure_ascii=False)}", Tone.GOOD, 1))
    return found


def ledger(workspace: Workspace) -> Document:
    history = workspace.history
    data = {
        "id": history.ledger,
        "project": history.project,
        "where": workspace.book.ledger.describe(),
        "entries": history.head.seq,
        "head": f"sha256:{history.head.hash}",
        "genesis": f"sha256:{history.genesis}",
        "policy": history.policies[-1].number,
        "last_at": format_time(history.last_at) if history.last_at else None,
    }
    pairs = tuple((name, Cell(str(value))) for name, value in data.items())
    return Document("ledger-info", data, (Fields(pairs),))


def verified(report: Verified) -> Document:
    data = {
        "ok": report.ok,
        "entries": report.entries,
        "head": f"sha256:{report.head.hash}",
        "problems": [{"seq": p.seq, "problem": p.problem} for p in report.problems],
    }
    if report.ok:
        text = f"{report.entries} entries: chain, signatures, authority and artifacts hold"
        return Document("ledger-verify", data, (Line(text, Tone.GOOD), Line(f"head: {report.head}", Tone.FAINT)))
    count = len(report.problems)
    blocks: list[Block] = [Heading(f"{count} problem{'s' if count > 1 else ''} in {report.entries} entries")]
    blocks += [Line(f"entry {p.seq}: {p.problem}", Tone.BAD, 1) for p in report.problems]
    blocks.append(Line("hint: keep this file as it is, and restore the ledger from a backup"))
    return Document("ledger-verify", data, tuple(blocks))
