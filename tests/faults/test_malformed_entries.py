"""Entries that can't be understood, signed by somebody with a key: they are named, and take nothing from anybody.

Only what is no statement of ours makes the whole ledger unreadable: exit 4, and not a guess.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from migrate_flow.signing.sshsig import sign
from tests.faults.siege import BOB, CY, DAN, EVE, REV, RIGHT, Siege
from tests.support.forger import policy_subject, written

NOT_OF_ITS_FILES = "its manifest is not the digest of the files that it names"
NOT_OURS = "the ledger can't be trusted: entry {seq} is no statement of ours"


def _created(**fields: Any) -> Callable[[Siege], int]:
    """By Bob: `created` of nothing."""
    return lambda siege: siege.forger.says(BOB, "migration.created", **{"revision": "bbbb01", **fields})


def _review(**fields: Any) -> Callable[[Siege], int]:
    """By Bob, of the right bytes."""
    return lambda siege: siege.forger.attests(BOB, "migration.reviewed", REV, **{"verdict": "approve", **fields})


def _framed(**frame: Any) -> Callable[[Siege], int]:
    return _review(frame=frame)


def _policy(actor: str, change: Callable[[dict[str, Any]], None]) -> Callable[[Siege], int]:
    """As the one in force, but for the change."""

    def say(siege: Siege) -> int:
        document = json.loads(json.dumps(dict(siege.forger.history().policy.document)))
        change(document)
        subjects = [policy_subject(document)]
        return siege.forger.says(actor, "policy.proposed", subjects=subjects, base="x", document=document)

    return say


def _rules(**rules: Any) -> Callable[[dict[str, Any]], None]:
    return lambda document: document["policy"].update(rules)


def _windows(*windows: str) -> Callable[[dict[str, Any]], None]:
    return lambda document: document["environments"][-1].update(windows=list(windows))


def _says(actor: str, kind: str, **fields: Any) -> Callable[[Siege], int]:
    return lambda siege: siege.forger.says(actor, kind, **fields)


def _attests(actor: str, kind: str, **fields: Any) -> Callable[[Siege], int]:
    return lambda siege: siege.forger.attests(actor, kind, REV, **fields)


SOMETHING = {"target": "x", "environment": "staging", "attempt": "x", "direction": "upgrade"}
READABLE: Mapping[str, tuple[str, Callable[[Siege], int]]] = {
    "nothing but the frame": (NOT_OF_ITS_FILES, _says(BOB, "migration.created")),
    "a verdict that is none": ("approves or requests changes, and nothing else", _review(verdict="perhaps")),
    "a verdict that is a number": ("malformed: the field verdict", _review(verdict=7)),
    "no verdict": ("malformed: KeyError 'verdict'", _review(verdict=None)),
    "a list for a comment": ("malformed: the field comment", _review(comment=["x"])),
    "contributors that are no list": ("malformed: the field contributors", _review(contributors=EVE)),
    "files that are named twice": ("its files are not named apart", _review(files=[("a", b"1"), ("a", b"2")])),
    "files without digest": ("malformed: KeyError 'digest'", _review(subjects=[{"name": "a"}])),
    "files that are numbers": ("malformed: TypeError", _review(subjects=[7])),
    "no nonce": ("it has no nonce", _framed(nonce=None)),
    "a list for a nonce": ("malformed: the field nonce", _framed(nonce=["x"])),
    "a map for a policy": ("malformed: the field policy", _framed(policy={})),
    "a number for a ledger": ("malformed: the field ledger", _framed(ledger=7)),
    "no predecessor": ("made after an entry that this ledger does not hold", _framed(after=None)),
    "a predecessor to come": ("does not hold", _framed(after={"seq": 10**9, "hash": "sha256:x"})),
    "no policy": ("made under a policy that was not in force", _framed(policy=None)),
    "a time in words": ("malformed: ValueError", _framed(at="yesterday")),
    "a time of another zone": ("malformed: ValueError", _framed(at="2026-11-22T13:20:00.000000+02:00")),
    "an approval without role": (
        "malformed: KeyError 'role'",
        _attests(CY, "migration.approved"),
    ),
    "a revocation of nothing": ("malformed: KeyError 'of'", _attests(CY, "attestation.revoked")),
    "a key that is none": ("malformed: KeyError 'public_key'", _says(EVE, "key.revoked")),
    "an endorsement of nothing": ("malformed: KeyError 'of'", _says(EVE, "policy.endorsed")),
    "a policy that is none": (
        "malformed: KeyError 'people'",
        _says(EVE, "policy.proposed", document={"v": 1}, base="x"),
    ),
    "a policy to come": ("policy version 2 is not known", _says(EVE, "policy.proposed", document={"v": 2}, base="x")),
    "an eternal policy": ("malformed: ValueError", _policy(BOB, _rules(approval_expires="9" * 6000 + "d"))),
    "a policy with words for numbers": ("malformed: TypeError", _policy(EVE, _rules(peer_reviews="1"))),
    "a window to another file": ("no time zone", _policy(BOB, _windows("mon-thu 09:00-16:00 ../../../etc/passwd"))),
    "an outcome of nothing": (NOT_OF_ITS_FILES, _says(DAN, "apply.applied", **SOMETHING)),
    "an intent without heads": (
        "malformed",
        _attests(DAN, "apply.intended", **SOMETHING, from_heads=7),
    ),
    "an adoption of nothing": ("malformed: KeyError", _says(EVE, "target.adopted", environment="staging")),
    "10 MB of comment": (NOT_OF_ITS_FILES, _created(comment="x" * 10_000_000)),
    "a replacement by nothing": ("malformed: KeyError", _says(EVE, "target.replaced", environment="staging")),
}


@pytest.mark.fault("A21")
def test_malformed_entries_take_nothing_from_anybody(released: Siege) -> None:
    """All of them in one ledger. Each is named; what is rightly allowed goes on."""
    flaws = {say(released): flaw for flaw, say in READABLE.values()}
    assert len(flaws) == len(READABLE)
    released.accused(flaws)
    for words in (("status",), ("show", REV), ("log",), ("inbox",)):
        released.shell.flow(*words, actor=BOB)
    released.passes("staging")
    released.shell.flow("apply", "--env", "staging", actor=DAN)
    assert released.contents("staging") == RIGHT


@pytest.mark.fault("A21")
def test_a_right_review_of_10_mb_is_a_review(released: Siege) -> None:
    released.forger.attests(BOB, "migration.reviewed", REV, verdict="approve", comment="x" * 10_000_000)
    released.trusted()
    released.passes("staging")


def _edited(change: Callable[[bytes], bytes], **fields: Any) -> Callable[[Siege], int]:
    """What Bob would say, written another way."""

    def say(siege: Siege) -> int:
        predicate = siege.forger.predicate(BOB, revision="bbbb01", **fields)
        statement = change(written("migration.created", [], predicate))
        signature = sign(siege.forger.key(BOB), statement)
        return siege.forger.put(statement, signature, said=("migration.created", predicate))

    return say


_TWICE = (b'{"_type', b'{"subject":[],"_type')
_DEEP = (b'"DEEP"', b"[" * 100_000 + b"]" * 100_000)


def _opened_again(siege: Siege) -> int:
    document = dict(siege.forger.history().policy.document)
    subjects = [policy_subject(document)]
    return siege.forger.says(EVE, "ledger.opened", subjects=subjects, project="shop", number=1, document=document)


UNREADABLE: Mapping[str, tuple[str, str, Callable[[Siege], int]]] = {
    "a kind of a later version": (
        "entry {seq}: its kind 'target.observed' is not known to this version",
        "target.observed",
        _says(BOB, "target.observed"),
    ),
    "nested deeply": (NOT_OURS, "nested too deeply", _edited(lambda text: text.replace(*_DEEP), comment="DEEP")),
    "a key twice": (NOT_OURS, "duplicate key", _edited(lambda text: text.replace(*_TWICE, 1))),
    "no map": (
        NOT_OURS,
        "not one of ours",
        _edited(lambda text: text.replace(b'"predicate":{', b'"predicate":7,"x":{')),
    ),
    "of another format": (NOT_OURS, "predicate type", _edited(lambda text: text.replace(b"urn:migrate-", b"urn:x-"))),
}


@pytest.mark.fault("A22")
@pytest.mark.parametrize(("message", "problem", "say"), UNREADABLE.values(), ids=UNREADABLE)
def test_what_is_no_statement_of_ours_closes_everything(
    released: Siege, message: str, problem: str, say: Callable[[Siege], int]
) -> None:
    seq = say(released)
    released.distrusted("staging", message.format(seq=seq))
    released.accused({seq: problem})
