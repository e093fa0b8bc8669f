"""`init`, `doctor`, `env`, `keys`, `people`, `policy` and `ledger`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from migrate_flow.core.document import Block, Cell, Document, Fields, Heading, Line, Table, Tone
from migrate_flow.core.entry import format_time
from migrate_flow.services.remedies import remedies

if TYPE_CHECKING:
    from migrate_flow.core.checkup import Check
    from migrate_flow.services.environments import Listed, Tested
    from migrate_flow.services.init import Initialised
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
        "recovery_key": done.recovery or None,
        "succeeds": {"ledger": done.succeeds.ledger, "head": str(done.succeeds.head)} if done.succeeds else None,
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
    if done.succeeds:
        blocks += [
            Line(f"it follows {done.succeeds.ledger}, at {done.succeeds.head}: nothing approved there counts here"),
            Line("next: migrate-flow adopt --env ENV --new-target -m WHY, for each environment"),
        ]
    if done.recovery:
        blocks += [
            Line(f"wrote the recovery key {done.recovery}", Tone.GOOD),
            Line("put it where no computer reads it, and use it when the admins' keys are lost:", indent=1),
            Line("MIGRATE_FLOW_SIGNING_KEY_FILE=FILE migrate-flow policy record", indent=1),
        ]
    blocks += [Line(f"! {text}", Tone.WARN) for text in done.warnings]
    blocks.append(Line("next: migrate-flow status"))
    return Document("init", data, tuple(blocks))


def doctor(checks: Sequence[Check], mended: Sequence[str] = ()) -> Document:
    """mended: what `--fix` did, in words; the checks are of afterwards."""
    data = {
        "ok": not any(check.state == "problem" for check in checks),
        "checks": [
            {"area": c.area, "state": c.state, "message": c.message, "hint": c.hint, "fix": c.will} for c in checks
        ],
        "fixed": list(mended),
    }
    blocks: list[Block] = [Line(f"mended: {text}", Tone.GOOD) for text in mended]
    for check in checks:
        mark, tone = _STATES[check.state]
        blocks.append(Line(f"{mark} {check.area}: {check.message}", tone))
        if check.hint and check.state != "ok":
            blocks.append(Line(f"hint: {check.hint}", indent=2))
    can = sum(bool(check.will) for check in checks)
    if can:
        blocks.append(Line(f"migrate-flow doctor --fix mends {can} of these: {_listed(checks)}"))
    return Document("doctor", data, tuple(blocks))


def _listed(checks: Sequence[Check]) -> str:
    return "; ".join(check.will for check in checks if check.will)


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


def stored(name: str) -> Document:
    line = Line(f"stored in the OS keyring; try it: migrate-flow env test {name}")
    return Document("env-login", {"environment": name, "stored": True}, (line,))


def forgotten(name: str, was_there: bool) -> Document:
    line = Line(f"{name}: forgotten" if was_there else f"{name}: nothing was stored")
    return Document("env-logout", {"environment": name, "forgotten": was_there}, (line,))


def keys(found: Sequence[tuple[str, str, str, str, str]], tried: Sequence[str]) -> Document:
    """found: (person, public key, fingerprint, where it lies, store)."""
    data = {"keys": [{"person": p, "key": k, "fingerprint": f, "where": w, "store": s} for p, k, f, w, s in found]}
    if not found:
        lines = [Line("no key is here; looked in:"), *(Line(place, indent=1) for place in tried)]
        return Document("keys-list", data, (*lines, Line("hint: migrate-flow keys new EMAIL")))
    rows = tuple((Cell(p or "-", Tone.STRONG), Cell(f), Cell(w)) for p, _k, f, w, _s in found)
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
        **({} if report.ok else {"hints": list(remedies(report))}),
        "policies": report.policies,
        "seen": [{"where": s.where, "seq": s.head.seq, "hash": f"sha256:{s.head.hash}"} for s in report.seen],
    }
    if report.ok:
        text = f"{report.entries} entries: chain, signatures, authority and artifacts hold"
        lines = [Line(text, Tone.GOOD), Line(f"head: {report.head}", Tone.FAINT)]
        lines += [Line(f"extends entry {s.head.seq} as it was seen: {s.where}", Tone.FAINT) for s in report.seen]
        return Document("ledger-verify", data, tuple(lines))
    count = len(report.problems)
    blocks: list[Block] = [Heading(f"{count} problem{'s' if count > 1 else ''} in {report.entries} entries")]
    blocks += [Line(f"entry {p.seq}: {p.problem}", Tone.BAD, 1) for p in report.problems]
    blocks += [Line(f"hint: {text}") for text in remedies(report)]
    return Document("ledger-verify", data, tuple(blocks))
