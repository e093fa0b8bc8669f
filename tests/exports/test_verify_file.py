"""What `verify FILE` proves of an export, and what it leaves open."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from migrate_flow.core.audit import Selection
from migrate_flow.core.chain import Head, link
from migrate_flow.errors import UsageError
from migrate_flow.formats import Medium, render
from migrate_flow.ledger.store import create_store
from migrate_flow.services.file_evidence import FileReport
from migrate_flow.signing.sshsig import sign
from migrate_flow.views.verifying import verified
from tests.exports.bundles import (
    MANIFEST,
    REVISION,
    SCRIPT,
    Sample,
    bundled,
    by_script,
    check,
    lines,
    repacked,
    summed,
    unzipped,
)
from tests.exports.tampering import edited_line, entry, header, replaced
from tests.support.builders import ADA, BOB, EVE, LEDGER, Scribe, private_key


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
