"""A way to production with one wrong step: everything else is as it should be, and still nobody passes.

Each attestation and application on the way is replaced by one that differs in a single dimension, and honest people go
on from there. The one that changed must not count, and production must stay closed.
"""

from __future__ import annotations

import binascii
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from migrate_flow.core.chain import Head
from migrate_flow.core.entry import Entry, Kind
from migrate_flow.core.lifecycle import fold
from migrate_flow.gates import judge
from migrate_flow.signing.public_key import pack
from migrate_flow.signing.sshsig import SignatureInvalid, public_key_of, sign, verify
from tests.support.builders import (
    ADA,
    BOB,
    CY,
    DAN,
    EVE,
    MANIFEST,
    OTHER_BYTES,
    REV,
    Scribe,
    digest,
    evidence,
    facts,
    files_of,
    opened,
    private_key,
    uuid,
)

OTHER = "0ther0ther00"
OTHER_MANIFEST = digest("the other migration")


@dataclass(frozen=True)
class Step:
    """One act on the way: who says what. signer, space: whose key signs it in which namespace."""

    actor: str
    kind: Kind
    fields: Mapping[str, Any]
    signer: str = ""
    space: str = "migrate-flow"

    def but(self, **fields: Any) -> Step:
        return replace(self, fields={**self.fields, **fields})


def about(**more: Any) -> dict[str, Any]:
    return {"revision": REV, "manifest": MANIFEST, **more}


def attempt(env: str, **more: Any) -> dict[str, Any]:
    return about(environment=env, target=uuid(env), direction="upgrade", attempt=f"to {env}", **more)


WAY = {
    "self-review": Step(ADA, Kind.SELF_REVIEWED, about(**evidence())),
    "review": Step(BOB, Kind.REVIEWED, about(verdict="approve")),
    "approval": Step(CY, Kind.APPROVED, about(role="backend-lead")),
    "dev intent": Step(ADA, Kind.APPLY_INTENDED, attempt("dev", from_heads=[])),
    "dev outcome": Step(ADA, Kind.APPLY_APPLIED, attempt("dev", heads=[REV])),
    "staging intent": Step(DAN, Kind.APPLY_INTENDED, attempt("staging", from_heads=[])),
    "staging outcome": Step(DAN, Kind.APPLY_APPLIED, attempt("staging", heads=[REV])),
}
APPLY = [name for name in WAY if "intent" in name or "outcome" in name]
ALL = list(WAY)
PEOPLE = [ADA, BOB, CY, DAN, EVE]


def begun() -> Scribe:
    """Two tracked migrations; the other one has been reviewed."""
    scribe = opened()
    scribe.created()
    other = {"revision": OTHER, "manifest": OTHER_MANIFEST}
    scribe.says(ADA, Kind.MIGRATION_CREATED, **other)
    scribe.says(ADA, Kind.SELF_REVIEWED, **other)
    scribe.says(BOB, Kind.REVIEWED, verdict="approve", **other)
    return scribe


def says(scribe: Scribe, step: Step) -> Entry:
    signed, signature = scribe.sign(step.actor, step.kind, key=step.signer, **step.fields)
    if step.space != "migrate-flow":
        signature = in_space(step.space, step.signer or step.actor, signed)
    return scribe.put(signed, signature)


def in_space(space: str, signer: str, message: bytes) -> str:
    """A signature that is right but for its namespace."""
    key, kind = private_key(signer), b"ssh-ed25519"
    inner = b"SSHSIG" + pack(space.encode(), b"", b"sha512", hashlib.sha512(message).digest())
    blob = pack(kind, key.public_key().public_bytes_raw())
    raw = b"SSHSIG\0\0\0\1" + pack(blob, space.encode(), b"", b"sha512", pack(kind, key.sign(inner)))
    text = binascii.b2a_base64(raw, newline=False).decode()
    lines = "\n".join(text[at : at + 70] for at in range(0, len(text), 70))
    return f"-----BEGIN SSH SIGNATURE-----\n{lines}\n-----END SSH SIGNATURE-----\n"


def walked(name: str = "", changed: Callable[[Scribe, Step], Step] | None = None) -> tuple[Scribe, int]:
    """The whole way, with one step changed; and the position of that step."""
    scribe, at = begun(), 0
    for step_name, step in WAY.items():
        if step_name == name and changed is not None:
            at = says(scribe, changed(scribe, step)).seq
        else:
            says(scribe, step)
    return scribe, at


def allowed(scribe: Scribe) -> bool:
    """Whether the gates let it through to production, signatures verified."""
    problems = []
    for entry in scribe.entries:
        try:
            verify(entry.statement, entry.signature)
        except SignatureInvalid as error:
            problems.append(f"{entry.seq}: {error}")
    return judge(facts(scribe, signature_problems=tuple(problems))).allowed


def test_the_way_leads_to_production() -> None:
    scribe, _at = walked()
    assert scribe.history().flawed == []
    assert allowed(scribe)


def drawn(dimension: str, name: str, data: st.DataObject) -> Callable[[Scribe, Step], Step]:
    """How the step differs, in this dimension alone."""

    def pick(*values: str) -> str:
        return data.draw(st.sampled_from(values))

    actor = WAY[name].actor
    others = [person for person in PEOPLE if person != actor]
    match dimension:
        case "person":
            other = pick(*others)
            return lambda _scribe, step: replace(step, actor=other, signer=actor)
        case "key":
            other = pick(*others)
            return lambda _scribe, step: replace(step, signer=other)
        case "role":
            role = pick("product-owner", "developer", "policy-admin", "release-manager", "")
            return lambda _scribe, step: step.but(role=role)
        case "revision":
            other = pick(OTHER, "f" * 12, "")
            return lambda _scribe, step: step.but(revision=other)
        case "digest":
            manifest = pick(OTHER_BYTES, OTHER_MANIFEST, "sha256:" + "0" * 64, "")
            subjects = data.draw(st.booleans())
            files = files_of(manifest if subjects else MANIFEST)
            return lambda _scribe, step: step.but(manifest=manifest, subjects=files)
        case "ledger":
            return lambda _scribe, step: step.but(_ledger=uuid("another ledger"))
        case "order":
            seq = data.draw(st.integers(-1, 40))
            wrong = data.draw(st.booleans())
            return lambda scribe, step: step.but(_after=wrong_head(scribe, seq, wrong=wrong))
        case "policy":
            return lambda _scribe, step: step.but(_policy=digest("another policy"))
        case "nonce":
            seq = data.draw(st.integers(1, 5))
            return lambda scribe, step: step.but(_nonce=scribe.entries[seq - 1].predicate["nonce"])
        case "namespace":
            space = pick("git", "file", "migrate-flo", "")
            return lambda _scribe, step: replace(step, space=space or "x")
        case "environment":
            env = pick("production", "moon", "staging" if "dev" in name else "dev")
            return lambda _scribe, step: step.but(environment=env)
        case _:
            direction = pick("downgrade", "sideways", "")
            return lambda _scribe, step: step.but(direction=direction)


def wrong_head(scribe: Scribe, seq: int, *, wrong: bool) -> Head:
    """A head that this ledger never had."""
    known = next((entry.hash for entry in scribe.entries if entry.seq == seq), "ab" * 32)
    return Head(seq, hashlib.sha256(known.encode()).hexdigest() if wrong or seq == 0 else known[::-1])


DIMENSIONS: dict[str, list[str]] = {
    "person": ALL,
    "key": ALL,
    "role": ["approval"],
    "revision": ALL,
    "digest": ALL,
    "ledger": ALL,
    "order": ALL,
    "policy": ALL,
    "nonce": ALL,
    "namespace": ALL,
    "environment": APPLY,
    "direction": APPLY,
}


@pytest.mark.parametrize("dimension", DIMENSIONS)
@settings(max_examples=60)
@given(data=st.data())
def test_one_wrong_dimension_and_nobody_passes(dimension: str, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(DIMENSIONS[dimension]))
    scribe, at = walked(name, drawn(dimension, name, data))
    # An author may vouch for whatever they like, and dev takes any bytes: that is another statement, and a true one.
    if not (name in ("self-review", "dev intent") and dimension in ("revision", "digest")):
        assert at in [said.seq for said in scribe.history().flawed], "it counts"
    assert not allowed(scribe)


@pytest.mark.parametrize("name", ALL)
def test_a_signature_of_another_statement_closes_the_gate(name: str) -> None:
    """The fold reads whose key a signature names; that it fits the bytes is for the gate."""
    scribe, _at = walked()
    good = scribe.entries[list(WAY).index(name) + 5]
    bad = sign(private_key(good.actor), b"something else")
    relinked = Scribe(entries=[])
    relinked.policy = scribe.policy
    for entry in scribe.entries:
        relinked.put(entry.statement, bad if entry is good else entry.signature)
    assert not allowed(relinked)


@pytest.mark.parametrize(("first", "second"), [("review", "self-review"), ("approval", "review")])
def test_what_comes_before_its_turn_does_not_count(first: str, second: str) -> None:
    scribe = begun()
    names = list(WAY)
    at, before = names.index(first), names.index(second)
    names[at], names[before] = names[before], names[at]
    for name in names:
        says(scribe, WAY[name])
    assert not allowed(scribe)


def test_an_intent_before_its_approval_does_not_count() -> None:
    scribe = begun()
    for name in ("self-review", "review", "dev intent", "dev outcome", "staging intent", "approval", "staging outcome"):
        says(scribe, WAY[name])
    assert [said.flaw for said in scribe.history().flawed] == [
        f"{REV} was peer-reviewed, staging asks for approved",
        "an outcome without an open attempt of that number",
    ]
    assert not allowed(scribe)


def test_an_intent_that_skips_an_environment_does_not_count() -> None:
    scribe = begun()
    for name in ("self-review", "review", "approval", "staging intent", "staging outcome"):
        says(scribe, WAY[name])
    assert scribe.history().flawed[0].flaw == f"{REV} did not stand in dev with these bytes"
    assert not allowed(scribe)


def test_the_whole_way_again_in_another_ledger_leads_nowhere() -> None:
    source, _at = walked()
    scribe = Scribe(ledger=uuid("another ledger"))
    scribe.opens()
    for entry in source.entries[1:]:
        scribe.put(entry.statement, entry.signature)
    history = fold(scribe.entries, public_key_of)
    assert {said.flaw for said in history.flawed} == {"made for another ledger"}
    assert not allowed(scribe)
