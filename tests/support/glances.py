"""Any ledger, as hypothesis makes it up: entries of all kinds, by people who may and people who may not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from migrate_flow.core.entry import Entry, Kind
from migrate_flow.core.history import History
from migrate_flow.heads import LocalHeads
from migrate_flow.ledger.read_model import ReadModel
from migrate_flow.ledger.store import LedgerStore
from migrate_flow.services.book import Book
from migrate_flow.services.glance import Glance
from migrate_flow.signing import sshsig
from tests.support.builders import (
    ADA,
    BOB,
    CY,
    DAN,
    EVE,
    LATER,
    MANIFEST,
    OTHER_BYTES,
    TEAM,
    Scribe,
    environment,
    opened,
    policy_document,
    public_key,
    uuid,
)

PLACES = (
    environment("dev"),
    environment("mine", personal=True),
    environment("production", upstream=["dev"]),
)
WITH_EVE = policy_document({**TEAM, EVE: ("developer", "backend-lead")}, environments=PLACES)
TWO_ADMINS = policy_document({**TEAM, BOB: ("developer", "policy-admin")}, environments=PLACES, admins=2)
REVISIONS = tuple(f"aaaa{number:02}" for number in range(3))
GO_ON = {"decision": "resume", "statements": {"1": "done"}}
SCHEMA = {"fingerprint": "f" * 8, "snapshot": "e" * 8, "normaliser": "1", "server_major": "16"}

people = st.sampled_from([ADA, ADA, BOB, CY, DAN, EVE])
places = st.sampled_from(["dev", "dev", "mine", "production"])
Deed = Callable[[Scribe], object]


def _about(kind: Kind, **fields: Any) -> st.SearchStrategy[Deed]:
    def deed(by: str, revision: str, manifest: str, more: dict[str, Any]) -> Deed:
        return lambda s: s.attests(by, kind, manifest, revision=revision, **more)

    more = st.fixed_dictionaries(fields)
    return st.builds(deed, people, st.sampled_from(REVISIONS), st.sampled_from([MANIFEST, MANIFEST, OTHER_BYTES]), more)


def ran(s: Scribe, by: str, env: str, **more: Any) -> None:
    """An intent and its good outcome."""
    attempt = f"a{s.head.seq}"
    s.intends(by, env, attempt, down_revision=[REVISIONS[0]], message="what it does", **more)
    s.ends(Kind.APPLY_APPLIED, by, env, attempt, schema=SCHEMA, **more)


def way(by: str, revision: str, manifest: str, env: str) -> Deed:
    """All the way: so that later deeds meet something that stands."""

    def deed(s: Scribe) -> None:
        said = {"revision": revision, "manifest": manifest}
        s.created(**said)
        s.self_reviewed(**said, contributors=[ADA], git={"authors": ["Old@Example.com"]})
        s.reviewed(**said)
        s.approved(**said)
        ran(s, by, env, **said)

    return deed


def _run(by: str, revision: str, env: str, direction: str, kind: Kind | None, target: str) -> Deed:
    def deed(s: Scribe) -> None:
        attempt, more = f"a{s.head.seq}", {"revision": revision, "direction": direction, "target": uuid(target or env)}
        s.intends(by, env, attempt, operator={"host": "here", "pid": 7}, **more)
        if kind is not None:
            outcome = {"outcome": "applied"} if kind is Kind.APPLY_RECOVERED else {}
            s.ends(kind, by, env, attempt, schema=SCHEMA, **outcome, **more)

    return deed


def _settle(by: str, env: str, more: dict[str, Any]) -> Deed:
    """The open attempt of an environment, if there is one."""

    def deed(s: Scribe) -> None:
        for _target, attempt in s.history().environment(env).open_attempts():
            said = {"revision": attempt.revision, "direction": attempt.direction}
            s.ends(Kind.APPLY_RECOVERED, by, env, attempt.id, **said, **more)
            if "decision" in more:
                s.intends(by, env, f"again {s.head.seq}", resumes=attempt.id, **said)

    return deed


def _of_target(kind: Kind, **fields: Any) -> st.SearchStrategy[Deed]:
    return st.builds(
        lambda by, env: lambda s: s.says(by, kind, environment=env, target=uuid(env), **fields), people, places
    )


def _revoke_key(by: str, whose: str, since: int) -> Deed:
    return lambda s: s.says(by, Kind.KEY_REVOKED, public_key=public_key(whose), since=min(since, s.head.seq))


def _endorse(by: str) -> Deed:
    def deed(s: Scribe) -> None:
        for proposal in s.history().pending():
            s.endorses(proposal.seq, by, proposal.policy.document)

    return deed


outcomes = st.sampled_from([None, Kind.APPLY_APPLIED, Kind.APPLY_FAILED, Kind.APPLY_PARTIAL, Kind.APPLY_RECOVERED])
deeds: st.SearchStrategy[Deed] = st.one_of(
    st.builds(way, people, st.sampled_from(REVISIONS), st.sampled_from([MANIFEST, OTHER_BYTES]), places),
    _about(Kind.MIGRATION_CREATED),
    _about(Kind.CHECKED),
    _about(Kind.SELF_REVIEWED, message=st.text(max_size=5)),
    _about(Kind.REVIEWED, verdict=st.sampled_from(["approve", "request-changes", "?"]), comment=st.text(max_size=5)),
    _about(Kind.APPROVED, role=st.sampled_from(["backend-lead", "product-owner"])),
    _about(Kind.GATE_WAIVED, gate=st.just("soaked")),
    _about(Kind.WITHDRAWN),
    _about(Kind.REVOKED, of=st.integers(0, 30)),
    _about(Kind.APPLY_REFUSED),
    st.builds(
        _run,
        people,
        st.sampled_from(REVISIONS),
        places,
        st.sampled_from(["upgrade", "upgrade", "downgrade"]),
        outcomes,
        st.sampled_from(["", "", "another"]),
    ),
    st.builds(
        _settle,
        people,
        places,
        st.sampled_from(
            [{"outcome": "failed"}, {"outcome": "partial", "decision": "resume", "statements": {"1": "done"}}]
        ),
    ),
    st.builds(lambda by, env: lambda s: s.adopts(by, env), people, places),
    st.builds(
        lambda env, uid: lambda s: s.says(ADA, Kind.TARGET_REPLACED, environment=env, target=uuid(uid)),
        places,
        st.sampled_from(["new", "dev"]),
    ),
    _of_target(Kind.DRIFT_FOUND, schema=SCHEMA, guard="off"),
    _of_target(Kind.DRIFT_ACCEPTED, schema=SCHEMA, comment="meant"),
    _of_target(Kind.GUARD_INSTALLED, mode="audit", version="1"),
    _of_target(Kind.GUARD_REMOVED),
    st.builds(lambda by, what: lambda s: s.proposes(what, by), people, st.sampled_from([WITH_EVE, TWO_ADMINS])),
    st.builds(_endorse, people),
    st.builds(_revoke_key, people, st.sampled_from([BOB, CY, EVE]), st.sampled_from([0, 0, 2, 5])),
    st.builds(lambda by: lambda s: s.says(by, Kind.LEDGER_EXPORTED, as_of={}), people),
)


def ledger(said: list[Deed]) -> list[Entry]:
    scribe = opened(policy_document(environments=PLACES))
    for deed in said:
        deed(scribe)
    return scribe.entries


class Signatures:
    key_of = staticmethod(sshsig.public_key_of)
    verify = staticmethod(sshsig.verify)


def glance(store: LedgerStore, folder: Path) -> Glance:
    """As a new process has it. folder: of the user's caches and notes."""
    heads = LocalHeads(str(folder), folder)
    return Glance(store, Signatures(), lambda: LATER, heads, ReadModel(folder / "cache", "here"))


def book(store: LedgerStore, folder: Path) -> Book:
    heads = LocalHeads(str(folder), folder)
    return Book(store, Signatures(), lambda: NotImplemented, lambda: LATER, heads)


def everything(history: History) -> dict[str, Any]:
    """All that a fold came to, also what comparing two leaves out."""
    targets = {
        (name, part, uuid): target
        for name, known in history.environments.items()
        for part, found in (("targets", known.targets), ("retired", known.retired))
        for uuid, target in found.items()
    }
    applications = {
        (*address, revision): found
        for address, target in targets.items()
        for revision, found in target.applications.items()
    }
    attempts = {address: target.attempt for address, target in targets.items() if target.attempt}
    history.files = {}  # what was judged already: nothing depends on it
    return {
        "history": history,
        "order": [list(part) for part in (history.revisions, history.environments, applications, history.claims)],
        "places": {address: dict(found.place) for address, found in applications.items()},
        "attempts": {address: dict(attempt.place) for address, attempt in attempts.items()},
        "shared": all(record.claims is history.claims for record in history.revisions.values()),
        "kinds": [(type(said.kind), type(said.at.tzinfo)) for said in history.attestations()],
    }
