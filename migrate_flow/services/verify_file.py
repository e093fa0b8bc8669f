"""Proves an export from its own bytes alone: no configuration, no ledger, no network. What it says of itself in its
header is never believed: it is counted again.

Where no entry is left out this is `verify_ledger`, with what a bundle adds held against the entries; for a selection
it is `verify_part`. `file_claims` says in words what that comes to.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import cast

from migrate_flow.core import canonical
from migrate_flow.core.audit_notes import Watch
from migrate_flow.core.audit_rows import changes
from migrate_flow.core.behaviour import syntax_tree
from migrate_flow.core.brought import brought
from migrate_flow.core.chain import Head
from migrate_flow.errors import UsageError
from migrate_flow.services import file_claims
from migrate_flow.services.charter import Charter
from migrate_flow.services.file_evidence import BUNDLE, Evidence, FileReport, Found, Judgement, header_problems
from migrate_flow.services.ports import Ledger, Verifier
from migrate_flow.services.survey import entry_of
from migrate_flow.services.told import reader
from migrate_flow.services.verify_chunk import Row, rare_collections
from migrate_flow.services.verify_ledger import SINCE, Problem, parse_head, verify
from migrate_flow.services.verify_part import follow_skeleton, judge_part, unbrought

_ARTIFACT = re.compile(r"artifact .{0,12}… ", re.DOTALL)
_UNCOUNTED = "it does not count: "  # so begins `verify_ledger` where an entry was not its signer's to make
_MOST_MISSING = 100  # entries that are named
_HASH = re.compile(r"(?:sha256:)?([0-9a-f]{64})")
# Areas whose problems say nothing against the entries, of which rows are made.
_BESIDE_ROWS = frozenset({"authority", "anchors", "readme"})
GENESIS = "--genesis"


def parse_genesis(text: str) -> str:
    """64 hex digits, out of ``sha256:…`` as a configuration has it. Raises UsageError."""
    match = _HASH.fullmatch(text.strip())
    if match is None:
        raise UsageError(
            f"{text!r} is no hash of an entry",
            hint="grep genesis migrate-flow.toml, and give --genesis sha256:… as it stands there",
            where=GENESIS,
        )
    return match[1]


def parse_since(text: str) -> Head:
    """As `verify_ledger.parse_head`, for this command. Raises UsageError."""
    try:
        return parse_head(text)
    except UsageError as error:
        hint = "migrate-flow verify FILE --since SEQ:sha256:HASH, as an earlier verification shows the head"
        raise UsageError(error.message, hint=hint, where=error.where) from error


def verify_file(
    evidence: Evidence, verifier: Verifier, *, genesis: str = "", since: Head | None = None, processes: int = 0
) -> FileReport:
    """genesis: hex, the first entry of the ledger that is meant. since: a head that somebody noted. processes: 0 for
    all cores. Raises UsageError where the file can't be read to its end."""
    asked = (since.seq,) if since else ()
    files = evidence.inspect()
    judge = judge_whole if evidence.header.whole else judge_part
    judged = replace(judge(evidence, verifier, asked, processes), files=files)
    anchors = list(_anchors(judged, genesis, since))
    areas = {"files": tuple(evidence.damage), **judged.problems, "anchors": tuple(anchors)}
    if evidence.own_readme is False:
        areas["readme"] = (Problem(0, "README.md is not what this version writes for such an export"),)
    alike = not any(listed for area, listed in areas.items() if area not in _BESIDE_ROWS)
    unlike = _unlike(evidence, verifier) if alike else None
    if unlike is not None:
        areas["changes"] = unlike
    judged = replace(judged, problems=areas, own_changes=None if unlike is None else not unlike)
    header = evidence.header
    return FileReport(
        file=evidence.where,
        form=evidence.form,
        entries=judged.found.count,
        head=judged.head,
        genesis=judged.genesis,
        ledger=judged.ledger,
        proved=tuple(file_claims.proved(evidence, judged, genesis, since)),
        not_proved=tuple(file_claims.not_proved(evidence, judged, genesis)),
        problems=tuple(dict.fromkeys(problem for area in areas.values() for problem in area)),
        signers=() if header.whole or evidence.form == BUNDLE else judged.signers,
        faults=frozenset(area for area, listed in areas.items() if listed),
    )


def _anchors(judged: Judgement, genesis: str, since: Head | None) -> Iterator[Problem]:
    """An anchor that was asked for holds, or is a problem."""
    if genesis and not judged.genesis:
        yield Problem(1, f"{GENESIS} can't be held against the first entry: it is not in this file")
    elif genesis and judged.genesis != genesis:
        text = f"another ledger: its first entry is sha256:{judged.genesis}, {GENESIS} names sha256:{genesis}"
        yield Problem(1, text)
    held = judged.hashes.get(since.seq) if since else None
    if since and held is None:
        why = f"the file ends at {judged.head.seq}" if since.seq > judged.head.seq else "it is not in this file"
        yield Problem(since.seq, f"{SINCE} can't be held against entry {since.seq}: {why}")
    elif since and held != since.hash:
        text = f"{SINCE} names sha256:{since.hash}, here it is sha256:{held}: rewritten, or another ledger"
        yield Problem(since.seq, text)


def _unlike(evidence: Evidence, verifier: Verifier) -> tuple[Problem, ...] | None:
    """What of changes.csv is not what the entries make it; None where it can't be made again: of a selection, of what
    another version wrote, or of scripts in which this Python finds no syntax, and another one did."""
    if evidence.form != BUNDLE or evidence.own_readme is None or not evidence.header.whole:
        return None
    watch, scripts = Watch(verifier.key_of), set[str]()

    def artifact(digest: str) -> bytes | None:
        scripts.add(digest)
        return evidence.artifact(digest)

    try:
        with rare_collections():
            for row in evidence.rows():
                watch.take(entry_of(row))
            found = tuple(islice(evidence.unlike(changes(watch, reader(artifact, ""))), _MOST_MISSING))
    except (ValueError, KeyError, TypeError):
        return None  # no rows are made of a ledger like that
    if found and not all(map(_has_syntax, map(evidence.artifact, sorted(scripts)))):
        return None
    return tuple(Problem(0, text) for text in found)


def _has_syntax(script: bytes | None) -> bool:
    try:
        syntax_tree(script or b"")
    except SyntaxError:
        return False
    return True


class _Followed:
    """The file as the storage port that `verify_ledger` asks, and who looks on while the rows go by."""

    def __init__(self, evidence: Evidence, verifier: Verifier, asked: tuple[int, ...]) -> None:
        self._evidence, self._asked = evidence, asked
        self.found = Found.of(evidence.header)
        self.charter = Charter(verifier.key_of) if evidence.form == BUNDLE else None
        self.hashes: dict[int, str] = {}
        self.contents = 0
        self.strays: list[Problem] = []  # artifacts
        self._brought: set[str] = set()

    def raw_rows(self) -> Iterator[Row]:
        for row in self._evidence.rows():
            self.found.row(row)
            if row[0] in self._asked:
                self.hashes[row[0]] = row[2]
            if self.charter:
                self.charter.row(row)
                self._brought.update(_brought(row[3]))
            yield row

    def artifacts(self) -> Iterator[tuple[str, bytes]]:
        for digest, content in self._evidence.artifacts():
            self.contents += 1
            if digest not in self._brought:
                self.strays.append(unbrought(digest))
            yield digest, content

    def describe(self) -> str:
        return self._evidence.where


def judge_whole(evidence: Evidence, verifier: Verifier, asked: tuple[int, ...], processes: int = 0) -> Judgement:
    """asked: positions whose hashes somebody wants to know. Raises UsageError where the file can't be read."""
    problems: dict[str, list[Problem]] = {"chain": []}
    hashes = follow_skeleton(evidence, problems["chain"])
    ledger = _Followed(evidence, verifier, asked)
    of_bundle = evidence.form == BUNDLE  # a jsonl holds no artifacts
    # It asks for no more than is there.
    report = verify(cast(Ledger, ledger), verifier, processes=processes, stored=of_bundle)
    found = ledger.found
    problems |= {"entries": list(found.disorder), "authority": [], "artifacts": list(ledger.strays)}
    for problem in report.problems:
        problems[_area(problem.problem)].append(problem)
    if of_bundle:
        if hashes.last > found.last:
            missing = range(found.last + 1, min(hashes.last, found.last + _MOST_MISSING) + 1)
            problems["entries"] += [Problem(seq, _lacks(seq)) for seq in missing]
            found.gap(found.last + 1, hashes.last)
        problems["policies"] = list(_charter_problems(evidence, ledger.charter)) if ledger.charter else []
    head = Head(found.last, found.head)
    problems["header"] = list(header_problems(evidence.header, found, head, report.genesis, report.ledger))
    return Judgement(
        found=found,
        problems={area: tuple(listed) for area, listed in problems.items()},
        head=head,
        genesis=report.genesis,
        ledger=report.ledger,
        hashes=ledger.hashes,
        artifacts=ledger.contents,
        policies=report.policies,
    )


def _area(problem: str) -> str:
    if _ARTIFACT.match(problem):
        return "artifacts"
    return "authority" if problem.startswith(_UNCOUNTED) else "entries"


def _brought(statement: bytes) -> list[str]:
    try:
        return brought(canonical.known(statement))
    except ValueError:
        return []  # `verify_ledger` has a word for it


def _lacks(seq: int) -> str:
    return f"entry {seq} is missing: chain.tsv has its position, and the header says that nothing is left out"


def _charter_problems(bundle: Evidence, charter: Charter) -> Iterator[Problem]:
    """What the entries make of policies and keys, against the files that say so."""
    said = {(version.seq, version.policy.digest[7:]) for version in charter.policies}
    there = set()
    for seq, name, data in bundle.policies():
        digest = hashlib.sha256(data).hexdigest()
        there.add((seq, digest))
        if not digest.startswith(name):
            yield Problem(seq, f"the policy that came into force here has other bytes than {name}…")
    for seq, digest in sorted(there - said):
        yield Problem(seq, f"policies/ holds a policy ({digest[:12]}…) that no entry put in force there")
    for seq, digest in sorted(said - there):
        yield Problem(seq, f"policies/ lacks the policy that this entry put in force ({digest[:12]}…)")
    if bundle.signers() != charter.signers:
        yield Problem(0, "allowed_signers is not what the policies and revocations in the entries make it")
