"""What `ledger verify` finds, and that it names the entry: one thing wrong at a time, in a ledger of 60 entries."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from migrate_flow.core.chain import ORIGIN, Head, link
from migrate_flow.core.entry import Entry, Kind, project
from migrate_flow.core.lifecycle import fold
from migrate_flow.errors import UsageError
from migrate_flow.services.verify_ledger import Problem, Seen, Verified, parse_head, verify
from migrate_flow.signing.sshsig import public_key_of, sign
from tests.services.ledgers import (
    CONTENTS,
    LENGTH,
    SCRIPTS,
    Signatures,
    Stored,
    fill,
    ledger,
    scribe,
    stored,
    values_of,
)
from tests.support.builders import ADA, BOB, CY, EVE, LEDGER, MANIFEST, REV, Scribe, digest, opened, private_key

SCRIPT = b"as reviewed"  # the bytes of builders' MANIFEST


def check(changed: Stored, **how: Any) -> Verified:
    return verify(changed, Signatures(), **how)


def problems(changed: Stored, **how: Any) -> list[tuple[int, str]]:
    return [(problem.seq, problem.problem) for problem in check(changed, **how).problems]


def linked(statements: Sequence[tuple[bytes, str]]) -> list[Entry]:
    """A chain that is whole in itself, as somebody makes it who can write to the database."""
    made: list[Entry] = []
    for statement, signature in statements:
        made.append(project(len(made) + 1, made[-1].hash if made else ORIGIN, statement, signature))
    return made


def signed(actor: str, document: dict[str, Any] | bytes) -> tuple[bytes, str]:
    data = document if isinstance(document, bytes) else json.dumps(document, separators=(",", ":")).encode()
    return data, sign(private_key(actor), data)


def with_last(change: Callable[[dict[str, Any]], None], written: Scribe | None = None) -> Stored:
    """A small ledger whose last entry was changed before it was signed by its own signer."""
    written = written or small()
    *others, last = written.entries
    document = json.loads(last.statement)
    change(document)
    document = {key: document[key] for key in sorted(document)}
    document["predicate"] = {key: document["predicate"][key] for key in sorted(document["predicate"])}
    pairs = [(entry.statement, entry.signature) for entry in others]
    return stored(linked([*pairs, signed(last.actor, document)]), [SCRIPT])


def small() -> Scribe:
    written = opened()
    written.created()
    written.self_reviewed()
    written.reviewed()
    return written


def test_a_sound_ledger_has_no_problem_and_says_what_it_is() -> None:
    report = check(ledger())
    head = scribe().head
    assert report == Verified(LENGTH, head, (), scribe().entries[0].hash, LEDGER, policies=2)
    assert report.ok


def test_an_empty_ledger_is_a_problem() -> None:
    assert problems(Stored([])) == [(0, "the ledger is empty")]


def test_a_missing_entry_is_named() -> None:
    rows = [row for row in ledger().rows if row["seq"] != 59]
    found = problems(Stored(rows, ledger().contents))
    assert found[:2] == [(60, "entry 59 is missing"), (60, "it does not continue the chain")]
    assert {seq for seq, _ in found} == {60}


def test_an_entry_that_was_taken_out_and_the_rest_linked_anew_is_found_by_its_successor() -> None:
    pairs = [(entry.statement, entry.signature) for entry in scribe().entries if entry.seq != 20]
    found = problems(stored(linked(pairs), CONTENTS))
    assert (20, "it claims to follow an entry that this ledger does not hold") in found


def test_an_entry_that_was_put_in_twice_is_found_by_its_nonce() -> None:
    pairs = [(entry.statement, entry.signature) for entry in (*scribe().entries, scribe().entries[-1])]
    found = problems(stored(linked(pairs), CONTENTS))
    assert (LENGTH + 1, "its nonce is that of an earlier entry") in found
    assert {seq for seq, _ in found} == {LENGTH + 1}


def test_another_signature_by_the_same_person_over_other_bytes_is_found() -> None:
    other = scribe().entries[10].signature
    assert (9, "the signature is not valid: the signature does not fit the signed bytes") in problems(
        ledger().changed(9, signature=other)
    )


def test_one_damaged_entry_is_one_entry_with_problems() -> None:
    """Not one in each that follows: they are judged by the hash that is stored, and by what they say themselves."""
    entry = next(entry for entry in scribe().entries if b"which lock?" in entry.statement)
    flipped = entry.statement.replace(b"which lock?", b"which rock?")
    assert {seq for seq, _ in problems(ledger().changed(entry.seq, statement=flipped))} == {entry.seq}
    unreadable = ledger().changed(60, statement=b"\xff{")
    assert problems(unreadable) == [
        (60, "its hash is not that of its bytes"),
        (60, "the signature is not valid: the signature does not fit the signed bytes"),
        (60, "the statement can't be read: 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte"),
    ]


@pytest.mark.parametrize(
    "signature",
    ["", "text", "-----BEGIN SSH SIGNATURE-----\n\n-----END SSH SIGNATURE-----\n", "\ud800", None, 7, b"\xff", b""],
    ids=repr,
)
def test_a_signature_that_can_not_be_read_is_a_problem_of_its_entry_alone(signature: object) -> None:
    found = problems(ledger().changed(60, signature=signature))
    assert {seq for seq, _ in found} == {60}
    assert any(problem.startswith("the signature is not valid: ") for _, problem in found)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        *(("statement", lambda row: row["statement"].decode()), ("statement", lambda _row: None)),
        *(("signature", lambda row: row["signature"].encode()), ("hash", lambda row: row["hash"].encode())),
        *(("prev", lambda row: row["prev"].encode()), ("prev", lambda _row: 7), ("hash", lambda _row: None)),
    ],
)
def test_a_value_of_another_type_is_a_problem_though_it_reads_the_same(
    column: str, value: Callable[[dict[str, Any]], object]
) -> None:
    kind = "bytes" if column == "statement" else "text"
    found = problems(ledger().changed(LENGTH, **{column: value(ledger().rows[-1])}))
    assert (LENGTH, f"column {column} does not hold {kind}") in found
    assert {seq for seq, _ in found} == {LENGTH}


@pytest.mark.parametrize("value", ["60", None, 60.5, b"60"], ids=repr)
def test_a_position_that_is_no_number_is_found(value: object) -> None:
    rows = [*ledger().rows[:-1], ledger().rows[-1] | {"seq": value}]
    altered = Stored(rows, ledger().contents)
    altered.raw_rows = lambda: map(values_of, rows)
    assert problems(altered) == [(60, "column seq does not hold a number")]


@pytest.mark.parametrize("column", ["kind", "revision", "environment", "actor", "at"])
@pytest.mark.parametrize("value", [None, "other", b"other", 7, ""], ids=repr)
def test_a_column_that_says_something_else_than_the_statement_is_found(column: str, value: object) -> None:
    row = next(row for row in ledger().rows if row["environment"])
    expected = [(row["seq"], f"column {column} is not what the statement says")]
    assert problems(ledger().changed(row["seq"], **{column: value})) == expected
    as_bytes = str(row[column]).encode()
    assert problems(ledger().changed(row["seq"], **{column: as_bytes})) == expected


SPELLINGS: dict[str, Callable[[bytes], bytes]] = {
    "space": lambda data: data.replace(b'":', b'": ', 1),
    "line end": lambda data: data + b"\n",
    "order": lambda data: json.dumps(dict(reversed(json.loads(data).items())), separators=(",", ":")).encode(),
    "escape": lambda data: data.replace(b"/Statement", b"\\/Statement"),
    "character": lambda data: data.replace(b"Statement", b"\\u0053tatement"),
    "twice": lambda data: data.replace(b'"_type":', b'"_type":"x","_type":', 1),
    "float": lambda data: data.replace(b'"seq":3', b'"seq":3.0'),
    "exponent": lambda data: data.replace(b'"seq":3', b'"seq":3e0'),
}


@pytest.mark.parametrize("how", SPELLINGS)
def test_a_statement_in_another_spelling_is_found_though_its_signer_signed_it(how: str) -> None:
    *others, last = small().entries
    data = SPELLINGS[how](last.statement)
    assert data != last.statement
    again = sign(private_key(BOB), data)
    changed = replace(last, statement=data, signature=again, hash=link(last.prev, data, again))
    (seq, problem), *_more = problems(stored([*others, changed], [SCRIPT]))
    assert seq == 4
    assert problem.startswith("the statement ")


def test_a_signer_without_the_right_is_named_with_the_reason() -> None:
    written = small()
    written.approved(EVE)
    written.approved(CY, role="product-owner")
    found = problems(stored(written.entries, [SCRIPT]))
    assert found == [
        (5, f"it does not count: {EVE} is not in the policy"),
        (6, f"it does not count: {CY} has not the role product-owner"),
    ]


def test_authority_is_what_the_fold_says_of_the_same_entries() -> None:
    """Verifying keeps less of each entry than the fold does elsewhere, and judges the same."""
    written = fill(Scribe())
    files = {"revision": "aaaa03", "manifest": digest(SCRIPTS[3])}
    written.reviewed(ADA, **files)
    written.attests(EVE, Kind.REVOKED, **files, of=33)
    written.attests(EVE, Kind.WITHDRAWN, **files)
    written.self_reviewed(**files)
    written.approved(BOB, **files)
    written.reviewed(BOB, "perhaps", **files)
    written.intends(env="staging", revision="unheard", manifest=files["manifest"])
    written.ends(Kind.APPLY_APPLIED, env="staging", **files)
    written.approved(EVE, **files, _ledger="another")
    history = fold(written.entries, public_key_of)
    flaws = [(said.seq, f"it does not count: {said.flaw}") for said in history.flawed]
    assert len(flaws) >= 5
    assert problems(stored(written.entries, CONTENTS)) == flaws


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda d: d["predicate"].update(nonce=[1]), "it has no nonce"),
        (lambda d: d["predicate"].pop("nonce"), "it has no nonce"),
        (lambda d: d["predicate"].update(after=None), "it claims to follow"),
        (lambda d: d["predicate"].update(after={"seq": "3", "hash": ORIGIN}), "it claims to follow"),
        (lambda d: d["predicate"].update(after={"seq": 4, "hash": "sha256:None"}), "it claims to follow"),
        (lambda d: d["predicate"].update(after={"seq": 99, "hash": "sha256:None"}), "it claims to follow"),
        (lambda d: d["predicate"].update(after={"seq": 99, "hash": "sha256:"}), "it claims to follow"),
        (lambda d: d.update(subject="text"), "malformed"),
        (lambda d: d.update(subject=[{"name": "x", "digest": {"sha256": []}}]), "malformed"),
        (lambda d: d["predicate"].update(revision={"a": 1}), "malformed"),
        (lambda d: d["predicate"].update(ledger="another"), "made for another ledger"),
    ],
)
def test_whatever_a_keyholder_signs_is_judged_and_never_raises(
    change: Callable[[dict[str, Any]], None], problem: str
) -> None:
    found = problems(with_last(change))
    assert {seq for seq, _ in found} == {4}
    assert any(problem in text for _, text in found)


@pytest.mark.parametrize("data", [b"[]", b"7", b"null", b"{}", b'{"predicate":[]}', b'{"predicate":{}}', b"[" * 9999])
def test_json_that_is_no_statement_is_a_problem_of_its_entry(data: bytes) -> None:
    row = ledger().rows[-1]
    found = problems(ledger().changed(LENGTH, statement=data, signature=sign(private_key(ADA), data)))
    assert {seq for seq, _ in found} == {row["seq"]}
    assert any(problem.startswith("the statement ") for _, problem in found)


def test_a_kind_that_this_version_does_not_know_is_named() -> None:
    row = ledger().rows[-1]
    data = row["statement"].replace(b"migration.created", b"migration.blessed")
    said = "the statement is not one of ours: its kind 'migration.blessed' is not known to this version"
    assert (LENGTH, said) in problems(ledger().changed(LENGTH, statement=data))


def test_artifacts_are_held_against_their_digests_and_against_the_entries_that_brought_them() -> None:
    (digest, content), *others = ledger().contents
    first = next(
        entry.seq
        for entry in scribe().entries
        if digest in entry.statement.decode() and entry.kind == "migration.created"
    )
    name = f"artifact {digest[:12]}…"
    rows = ledger().rows
    assert problems(Stored(rows, others)) == [(first, f"{name} is gone")]
    assert problems(Stored(rows, [(digest, content + b" "), *others])) == [(first, f"{name} has other bytes")]
    assert problems(Stored(rows, [(digest, content.decode()), *others])) == [
        (first, f"{name} is not stored as text and bytes")
    ]
    renamed = Stored(rows, [(digest.upper(), content), *others])
    assert problems(renamed) == [(0, f"artifact {digest.upper()[:12]}… has other bytes"), (first, f"{name} is gone")]
    more = hashlib.sha256(b"more").hexdigest()
    assert problems(Stored(rows, [*ledger().contents, (more, b"more")])) == []


def test_sql_that_a_self_review_stored_must_be_there() -> None:
    written = opened()
    written.created()
    sql = hashlib.sha256(b"ALTER").hexdigest()
    written.self_reviewed(sql={"sqlite": {"upgrade": f"sha256:{sql}"}, "mysql": {"problem": "no"}})
    assert problems(stored(written.entries, [SCRIPT, b"ALTER"])) == []
    assert problems(stored(written.entries, [SCRIPT])) == [(3, f"artifact {sql[:12]}… is gone")]


def test_entries_that_only_speak_of_a_script_need_not_have_brought_it() -> None:
    written = small()
    *others, last = written.entries
    assert problems(stored(others, [SCRIPT])) == problems(stored([*others, last], [SCRIPT])) == []
    assert last.kind == Kind.REVIEWED


def test_the_trust_anchor_of_the_configuration() -> None:
    genesis = f"sha256:{scribe().entries[0].hash}"
    assert problems(ledger(), ledger_id=LEDGER, genesis=genesis) == []
    assert problems(ledger(), ledger_id="another", genesis="sha256:00") == [
        (1, f"this is ledger {LEDGER}, the configuration names another"),
        (1, "the first entry is not the genesis that the configuration names (sha256:00)"),
    ]


def test_a_ledger_holds_every_head_that_somebody_saw_of_it() -> None:
    seen = [Seen("this machine", scribe().entries[40].head), Seen("receipt in dev", scribe().entries[9].head)]
    report = check(ledger(), seen=seen, since=scribe().entries[0].head)
    assert report.ok
    assert report.seen == (*seen, Seen("--since", scribe().entries[0].head))


def test_a_ledger_that_was_cut_off_is_whole_in_itself_and_found_by_who_saw_more_of_it() -> None:
    cut = stored(scribe().entries[:50], CONTENTS)
    assert problems(cut) == []
    head = scribe().entries[50].head
    (problem,) = problems(cut, seen=[Seen("this machine", head)])
    assert problem == (
        51,
        f"when it was last seen (this machine), this entry was sha256:{head.hash}; here there is none: "
        "the ledger was restored, cut off or replaced",
    )
    assert problems(cut, since=head)[0][1].startswith("when it was last seen (--since), this entry was sha256:")


def test_a_ledger_that_went_on_differently_is_found_by_who_saw_the_other_end() -> None:
    written = small()
    other = stored([*written.entries[:3], *linked_after(written.entries[:3])], [SCRIPT])
    (problem,) = check(other, since=written.entries[3].head).problems
    assert isinstance(problem, Problem)
    assert f"here it is sha256:{other.rows[3]['hash']}" in problem.problem


def linked_after(entries: Sequence[Entry]) -> list[Entry]:
    written = Scribe(entries=list(entries), policy=small().policy)
    return [written.attests(BOB, Kind.REVIEWED, MANIFEST, verdict="approve", comment="instead", revision=REV)]


@pytest.mark.parametrize("text", ["{seq}:{hash}", "{seq}:sha256:{hash}", " {seq}:{hash}\n"])
def test_an_auditor_names_a_head_as_position_and_hash(text: str) -> None:
    assert parse_head(text.format(seq=120, hash="ab" * 32)) == Head(120, "ab" * 32)


HASH = "ab" * 32
FORMS = ("", "120", f"sha256:{HASH}", f"0:{HASH}", f"-1:{HASH}", f"7:{HASH.upper()}", f"7:md5:{HASH}", f"7:{HASH[1:]}",
         f"7:{HASH}a", f"{'9' * 20}:{HASH}", f"\u0667:{HASH}")  # fmt: skip


@pytest.mark.parametrize("text", FORMS)
def test_another_form_of_a_head_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="names no entry with its hash") as raised:
        parse_head(text)
    assert raised.value.where == "--since"
