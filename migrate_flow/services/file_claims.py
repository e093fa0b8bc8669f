"""What a verified file proves, and what it can't, in sentences for an auditor.

An area with a problem proves nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from migrate_flow.core.text import shortened
from migrate_flow.services.file_evidence import BUNDLE, Evidence, Judgement

if TYPE_CHECKING:
    from migrate_flow.core.chain import Head

_CHAIN = "each continues the one before it, and none was changed, moved, put in or taken out between them"
_AUTHORITY = (
    "each signer had the key, and by the policy in force at that position the right, to say what they said; "
    "each policy was signed by those whom the policy before it asks"
)
_COMPARE = "compare it with genesis in the migrate-flow.toml that you trust, or give --genesis"


def proved(evidence: Evidence, judged: Judgement, genesis: str, since: Head | None) -> Iterator[str]:
    header, bundle = evidence.header, evidence.form == BUNDLE
    count = judged.found.count
    if judged.holds("entries", "chain"):
        yield from _of_entries(evidence, judged)
    if bundle and judged.holds("artifacts") and judged.artifacts:
        what = f"{_count(judged.artifacts, 'artifact')} (scripts, rendered SQL, reports)"
        yield f"{what}: each has the bytes of its digest and was brought by an entry here, and none of those is missing"
    if bundle and header.whole and judged.holds("entries", "policies"):
        yield f"{_count(judged.policies, 'policy', 'policies')}, and allowed_signers: what the entries make them"
    elif bundle and count and judged.holds("entries", "policies"):
        yield "policies/: it holds each policy that a statement here names by its digest; allowed_signers has its keys"
    if bundle and judged.holds("files"):
        yield f"all {judged.files} files: as SHA256SUMS names them, none added and none gone"
    if bundle and evidence.own_readme:
        yield "README.md: what this version writes for such an export"
    if judged.own_changes:
        yield "changes.csv: the rows that the entries make, but for its column ticket"
    if judged.holds("header", "entries") and (count or bundle):
        yield "counts, positions, gaps and head in the header: counted again from the entries" + (
            "" if bundle or header.whole else ", as far as they are here"
        )
    if genesis and genesis == judged.genesis and judged.holds("entries", "chain", "anchors"):
        if header.whole:
            yield f"the ledger is the one that --genesis names: its first entry is sha256:{genesis}"
        else:
            yield "the first entry is the one that --genesis names"
    if since and judged.hashes.get(since.seq) == since.hash and judged.holds("entries", "chain", "anchors"):
        bound = ": nothing up to there was rewritten since" if bundle or header.whole else ""
        yield f"entry {since.seq} is the one that --since names{bound}"


def _of_entries(evidence: Evidence, judged: Judgement) -> Iterator[str]:
    found, header = judged.found, evidence.header
    signed = f"{_count(found.count, 'signature')}: each fits the exact bytes of its statement"
    if header.whole:
        yield f"{_count(found.count, 'entry', 'entries')}, {found.first} to {found.last}: {_CHAIN}"
        yield signed
        if judged.holds("authority"):
            yield _AUTHORITY
    elif evidence.form == BUNDLE:
        yield f"chain.tsv, {_count(judged.head.seq, 'position')}: each follows from the one before it"
        if found.count:
            yield f"{_count(found.count, 'entry', 'entries')}: each stands unchanged at its position of that chain"
            yield signed + ", and was made with a key that the policies here give to that person"
    elif found.count:
        yield f"{_count(found.count, 'entry', 'entries')}: each has the bytes of its hash; neighbours follow each other"
        yield signed


def not_proved(evidence: Evidence, judged: Judgement, genesis: str) -> Iterator[str]:
    bundle = evidence.form == BUNDLE
    yield from _origin(judged, genesis)
    yield (
        f"that nothing was appended or cut off behind entry {judged.head.seq}: compare the head with the ledger, or "
        "with one that was noted elsewhere (--since)"
    )
    if not evidence.header.whole:
        yield from _selection(evidence, judged)
    if not bundle:
        yield "scripts, SQL and reports: a jsonl does not hold them; the entries name their digests (a bundle has both)"
    yield "that the times are true: each is what its signer's clock said, only their order is proved"
    yield "that a key was in its owner's hands only: the policy says whose it is, and no more"
    fields = _unsigned(evidence, judged)
    yield f"who exported it, and how ledger and databases compared: nobody signed {fields} of the header"
    if judged.own_changes:
        yield "the column ticket of changes.csv: what is one, the project's configuration says"
    elif bundle:
        yield "the rows of changes.csv: changes.csv is a reading of the entries, which count"
    if bundle and evidence.own_readme is None:
        yield f"README.md: {shortened(evidence.header.product, 60)} wrote it, and this version can't write the same"
    if bundle and not evidence.own_script:
        yield "verify.py in the bundle: it is not this version's, so take a copy that did not come with the file"


def _origin(judged: Judgement, genesis: str) -> Iterator[str]:
    if not judged.genesis:
        yield "which ledger this is: entry 1 is left out, and only the header says what it was"
    elif not genesis:
        yield f"that this is the ledger you mean: its first entry is sha256:{judged.genesis}; {_COMPARE}"


def _unsigned(evidence: Evidence, judged: Judgement) -> str:
    """The fields of the header that no entry here can tell."""
    found, names = judged.found, list(evidence.header.unsigned)
    names += [] if found.project else ["project"]
    names += [] if found.count and found.last == judged.head.seq else ["at"]
    return shortened(", ".join(names), 200) or "the rest"


def _selection(evidence: Evidence, judged: Judgement) -> Iterator[str]:
    header, left = evidence.header, judged.found.left_out
    if not judged.found.count:
        yield "that nothing in the ledger fits the selection: no entry is here"
    how = ", ".join(f"{name} = {value}" for name, value in header.selection.items()) or "no filter is named"
    yield (
        f"authority (who was allowed to say what): it follows from all entries before, and {left} "
        f"{'is' if left == 1 else 'are'} left out by the selection ({how})"
    )
    if evidence.form == BUNDLE:
        yield f"that all entries of the selection are here: of the {left} that are not, only digests are (chain.tsv)"
        yield "revocations of keys, as far as their entries are left out: comments of allowed_signers, unsigned"
        if judged.unvouched:
            places = ", ".join(map(str, judged.unvouched[:10])) + (" …" if len(judged.unvouched) > 10 else "")
            yield f"that the policies of positions {places} came into force there: those entries are left out"
    else:
        yield (
            f"which entries are left out, how many ({left}) and the head: only the unsigned header says so; nor "
            "that all entries of the selection are here"
        )
        yield "the numbers of the entries, and their order: no number is signed (a bundle shows them by chain.tsv)"
        yield "whose keys signed: the policies are not here; compare the fingerprints with people you know"


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"
