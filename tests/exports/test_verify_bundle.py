"""Whatever is done to a bundle is named: by `verify FILE`, and by the script in the bundle, also where SHA256SUMS was
written anew."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from migrate_flow.core import canonical
from migrate_flow.core.chain import link
from migrate_flow.signing.sshsig import sign
from tests.exports.bundles import (
    REVISION,
    Sample,
    bundled,
    by_script,
    check,
    lines,
    repacked,
    summed,
    unzipped,
)
from tests.exports.tampering import PARTLY, TAMPERINGS, entry, header, pairs_of, rewritten, without
from tests.support.builders import BOB, private_key


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
