#!/usr/bin/env python3
"""Checks an unpacked bundle: python3 verify.py [FOLDER] [--genesis HASH] [--since SEQ:HASH]

Needs Python 3.8 or newer and ssh-keygen (OpenSSH 8.2 or newer), and nothing else: no network, nothing is written.
Exit 0: everything that could be checked holds. 4: something does not. 2: this is no bundle, or ssh-keygen is missing.

It checks files, chain, signatures, keys, policies and artifacts. It does not judge roles and the order of the flow:
`migrate-flow verify FILE` does. Whoever can change a bundle can change this script: take it from a copy that you trust.
"""

# ruff: noqa: B905, T201, UP006, UP035
from __future__ import annotations

import argparse
import base64
import collections
import concurrent.futures
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, Iterator

Json = Dict[str, Any]
NAMESPACE = "migrate-flow"
ORIGIN = "0" * 64
PREFIX, SUFFIX = "urn:migrate-flow:entry:", ":v1"
STORING = {"migration.created", "migration.self-reviewed", "apply.intended", "apply.refused", "target.adopted"}
GOVERNING = {"ledger.opened", "policy.proposed", "policy.endorsed"}
FIXED = {"README.md", "SHA256SUMS", "allowed_signers", "chain.tsv", "changes.csv", "header.json", "verify.py"}
PERSON = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,253}")
ANCHORS = {"genesis": r"(?:sha256:)?[0-9a-f]{64}", "since": r"[1-9][0-9]{0,18}:(?:sha256:)?[0-9a-f]{64}"}
POSITION = re.compile(r"([1-9][0-9]{0,15})\t([0-9a-f]{64})\t([0-9a-f]{64})\t([0-9a-f]{64})")
NUMBERED = re.compile(r"(?:entries/([0-9]{7,16})\.(?:json|sig)|policies/([0-9]{7,16})-[0-9a-f]{12}\.json)")


class Unusable(Exception):
    """This is no bundle, or it can't be checked here."""


class Bundle:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.problems: list[tuple[int, str]] = []
        try:
            document = json.loads(self.read("header.json"))
            if document["schema"] != "migrate-flow/export/1" or not isinstance(document["header"], dict):
                raise ValueError("it is not of the schema migrate-flow/export/1")
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise Unusable(f"header.json can't be read: {error}") from None
        self.header: Json = document["header"]
        self.names = sorted(self.walk())
        self.hashes = [ORIGIN]
        self.digests: dict[int, tuple[str, str]] = {}
        self.policies: list[tuple[int, str, Json]] = []  # position, digest, document
        self.kinds: collections.Counter[str] = collections.Counter()
        self.seqs: list[int] = []
        self.vouched: set[int] = set()
        self.revoked: dict[str, int] = {}
        self.brought: dict[str, int] = {}

    def problem(self, seq: int, text: str) -> None:
        self.problems.append((seq, "".join(char if char.isprintable() else "?" for char in text)))

    def read(self, name: str) -> bytes:
        if (self.folder / name).is_symlink():
            raise Unusable(f"{name} is a link: what it leads to is no part of a bundle")
        return (self.folder / name).read_bytes()

    def walk(self) -> Iterator[str]:
        for folder, _folders, files in os.walk(str(self.folder)):
            yield from ((Path(folder) / file).relative_to(self.folder).as_posix() for file in files)

    def check_sums(self) -> None:
        listed, there = set(), set(self.names)
        for line in self.text("SHA256SUMS"):
            digest, _, name = line.partition("  ")
            if name in listed:
                self.problem(0, f"SHA256SUMS names {name!r} twice")
            listed.add(name)
            if name not in there:
                self.problem(seq_of(name), f"{name} is gone: SHA256SUMS names it")
            elif sha256(self.read(name)) != digest:
                self.problem(seq_of(name), f"{name} has other bytes than SHA256SUMS says")
        for name in self.names:
            if name not in listed and name != "SHA256SUMS":
                self.problem(seq_of(name), f"{name} is not named in SHA256SUMS")
            if not (name in FIXED or re.fullmatch(r"artifacts/[0-9a-f]{64}", name) or seq_of(name, "")):
                self.problem(0, f"it holds a file that is no part of an export: {name!r}")
        for name in sorted(FIXED - there):
            self.problem(0, f"{name} is missing")

    def text(self, name: str) -> list[str]:
        text = self.read(name).decode("utf-8", "backslashreplace") if name in self.names else ""
        return (text[:-1] if text.endswith("\n") else text).split("\n") if text else []

    def check_chain(self) -> None:
        for number, line in enumerate(self.text("chain.tsv"), start=1):
            if number == 1 and line == "seq\tstatement\tsignature\thash":
                continue
            found = POSITION.fullmatch(line)
            if number == 1 or not found:
                self.problem(0, f"chain.tsv: line {number} can't be read")
                return
            seq, statement, signature, said = int(found[1]), found[2], found[3], found[4]
            if seq != len(self.hashes):
                self.problem(seq, f"chain.tsv has position {seq} where {len(self.hashes)} belongs")
                return
            joined = bytes.fromhex(self.hashes[-1] + statement + signature)
            if sha256(joined) != said:
                self.problem(seq, "chain.tsv: its hash does not follow from its digests and the position before")
            self.hashes.append(said)
            self.digests[seq] = (statement, signature)

    def check_policies(self) -> None:
        for name in [name for name in self.names if seq_of(name, "policies/")]:
            data, seq = self.read(name), seq_of(name, "policies/")
            if not sha256(data).startswith(name[-17:-5]):
                self.problem(seq, f"{name} has other bytes than its name says")
            try:
                document = json.loads(data)
                owners(document)
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
                self.problem(seq, f"{name} can't be read as a policy")
            else:
                self.policies.append((seq, sha256(data), document))
        self.policies.sort(key=lambda policy: policy[0])  # not by name: positions may have more digits than others
        pairs = [pair for _seq, _digest, document in self.policies for pair in owners(document).items()]
        wanted = {f'{person} namespaces="{NAMESPACE}" {key}' for key, person in pairs}
        lines = [line for line in self.text("allowed_signers") if line.strip() and not line.startswith("#")]
        for line in sorted(wanted.symmetric_difference(lines)):
            self.problem(0, f"allowed_signers and policies/ do not say the same: {line[:100]!r}")

    def check_entries(self) -> None:
        if not self.policies:
            self.problem(0, "policies/ holds no policy, so nobody's key is known")
            return
        there = {name for name in self.names if seq_of(name)}
        nonces, asked, ledger, place = set(), [], None, 0
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            for seq in sorted(set(map(seq_of, there))):
                statement, signature = f"entries/{seq:07}.json", f"entries/{seq:07}.sig"
                if not there.issuperset((statement, signature)):
                    self.problem(seq, f"{statement} or its signature is missing")
                    continue
                data, signed = self.read(statement), self.read(signature)
                self.seqs.append(seq)
                if self.digests.get(seq) != (sha256(data), sha256(signed)):
                    self.problem(seq, "its bytes or its signature are not those of its position in chain.tsv")
                while place + 1 < len(self.policies) and self.policies[place + 1][0] < seq:
                    place += 1  # an entry is judged by the policy before it
                try:
                    document = json.loads(data)
                    predicate = document["predicate"]
                    actor, nonce = predicate["actor"], predicate["nonce"]
                    if nonce in nonces:
                        self.problem(seq, "its nonce is that of an earlier entry")
                    nonces.add(nonce)
                    if predicate["ledger"] != (ledger := ledger or predicate["ledger"]):
                        self.problem(seq, "it was made for another ledger")
                    if not PERSON.fullmatch(actor):
                        raise ValueError("its actor is no person")
                    self.check_statement(seq, document, self.policies[place][2], key_of(signed))
                    asked.append((seq, actor, pool.submit(self.verifies, statement, signature, actor)))
                except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
                    self.problem(seq, f"it can't be understood: {type(error).__name__} {str(error)[:80]!r}")
            for seq, actor, answer in asked:
                if not answer.result():
                    self.problem(seq, f"the signature is not one that a key of {actor} made over these bytes")
        if ledger is not None and ledger != self.header.get("ledger"):
            self.problem(0, f"the header names another ledger, the entries are of {str(ledger)[:80]!r}")

    def check_statement(self, seq: int, document: Json, policy: Json, key: str) -> None:
        predicate, kind = document["predicate"], document["predicateType"]
        if not (kind.startswith(PREFIX) and kind.endswith(SUFFIX)):
            raise ValueError("its predicate type is not ours")
        kind = kind[len(PREFIX) : -len(SUFFIX)]
        self.kinds[kind] += 1
        after = predicate["after"]
        if not 0 <= after["seq"] < min(seq, len(self.hashes)) or after["hash"] != "sha256:" + self.hashes[after["seq"]]:
            self.problem(seq, "it claims to follow an entry that this ledger does not hold")
        if predicate["policy"] not in {"sha256:" + digest for _seq, digest, _document in self.policies}:
            self.problem(seq, "it names a policy that policies/ does not hold")
        subjects = {subject["digest"]["sha256"] for subject in document["subject"] if kind in GOVERNING}
        here = {digest for place, digest, _document in self.policies if place == seq}
        self.vouched |= {seq} if here & subjects else set()
        if not here <= subjects:
            self.problem(seq, "policies/ says that another policy came into force here than the entry speaks of")
        if kind == "ledger.opened" and not here:
            self.problem(seq, "policies/ lacks the policy that this entry put in force")
        actor, rules = predicate["actor"], owners(policy)
        if rules.get(key) != actor:
            self.problem(seq, f"signed with a key that the policy in force there does not give to {actor}")
        elif key in self.revoked:
            self.problem(seq, f"signed with a key that entry {self.revoked[key]} revoked")
        if kind == "key.revoked":
            admin = "policy-admin" in policy["people"].get(actor, {}).get("roles", ()) or actor == "recovery"
            if admin or rules.get(predicate["public_key"]) == actor:
                self.revoked[predicate["public_key"]] = seq
        for digest in brought(kind, document):
            self.brought.setdefault(bare(digest), seq)

    def verifies(self, statement: str, signature: str, person: str) -> bool:
        words = ["ssh-keygen", "-Y", "verify", "-n", NAMESPACE, "-I", person]
        words += ["-f", str(self.folder / "allowed_signers"), "-s", str(self.folder / signature)]
        with (self.folder / statement).open("rb") as file:
            return subprocess.run(words, stdin=file, capture_output=True, check=False).returncode == 0

    def check_artifacts(self) -> int:
        here = [name[len("artifacts/") :] for name in self.names if name.startswith("artifacts/")]
        for digest in here:
            if digest not in self.brought:
                self.problem(0, f"artifact {digest[:12]}... belongs to no entry that is here")
            if sha256(self.read("artifacts/" + digest)) != digest:
                self.problem(self.brought.get(digest, 0), f"artifact {digest[:12]}... has other bytes")
        for digest in self.brought.keys() - set(here):
            self.problem(self.brought[digest], f"artifact {digest[:12]}... is gone")
        return len(here)

    def check_header(self) -> list[int]:
        """The positions that are left out."""
        last, there = len(self.hashes) - 1, set(self.seqs)
        left = [seq for seq in range(1, last + 1) if seq not in there]
        starts = [seq for seq in left if seq == 1 or seq - 1 in there]
        ends = [seq for seq in left if seq == last or seq + 1 in there]
        counted = {
            "as_of": last, "head": self.hashes[-1], "genesis": self.hashes[min(1, last)], "entries": len(self.seqs),
            "first": (self.seqs or [0])[0], "last": (self.seqs or [0])[-1], "left_out": len(left),
            "gaps": list(map(list, zip(starts, ends)))[:1000], "counts": dict(self.kinds),
        }  # fmt: skip
        for seq in left[:100] if not self.header.get("left_out") else ():
            self.problem(seq, "it is missing: the header says that nothing is left out")
        for name, value in counted.items():
            said = self.header.get(name)
            if (bare(said) if isinstance(said, str) else said) != value:
                self.problem(0, f"the header says {name} {str(said)[:80]!r}, the bundle holds {str(value)[:80]}")
        return left


def brought(kind: str, document: Json) -> Iterator[str]:
    """Digests of the artifacts that came with an entry."""
    predicate = document["predicate"]
    if kind in STORING:
        yield from (subject["digest"]["sha256"] for subject in document["subject"])
    found = [way.get(name) for way in predicate.get("sql", {}).values() for name in ("upgrade", "downgrade")]
    found += [check.get("report") for check in [predicate.get("lint", {}), *predicate.get("rehearsals", ())]]
    found.append(predicate.get("schema", {}).get("snapshot"))
    yield from (bare(digest) for digest in found if digest)


def owners(policy: Json) -> dict[str, str]:
    """Public key -> person."""
    found = {key: person for person, said in policy["people"].items() for key in said["keys"]}
    return {**found, **dict.fromkeys(policy["policy"].get("recovery_keys", ()), "recovery")}


def key_of(signature: bytes) -> str:
    """The public key that an SSHSIG names."""
    raw = base64.b64decode(b"".join(line for line in signature.splitlines() if not line.startswith(b"-----")))
    if raw[:6] != b"SSHSIG":
        raise ValueError("its signature is none of ssh-keygen's")
    blob = raw[14 : 14 + int.from_bytes(raw[10:14], "big")]
    kind = blob[4 : 4 + int.from_bytes(blob[:4], "big")]
    return kind.decode("ascii") + " " + base64.b64encode(blob).decode("ascii")


def seq_of(name: str, folder: str = "entries/") -> int:
    """The position in a name, if it is as bundles write it; else 0."""
    found = NUMBERED.fullmatch(name) if name.startswith(folder) else None
    digits = (found[1] or found[2]) if found else "0"
    return int(digits) if digits == f"{int(digits):07}" else 0


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def bare(digest: str) -> str:
    return digest.replace("sha256:", "", 1)


def check_anchors(bundle: Bundle, genesis: str, since: str) -> None:
    if genesis and bundle.hashes[1:2] != [bare(genesis)]:
        bundle.problem(1, "another ledger: its first entry is not the one that --genesis names")
    if since:
        seq, said = int(since.partition(":")[0]), since.partition(":")[2]
        if seq >= len(bundle.hashes):
            bundle.problem(seq, f"--since can't be held against it: the bundle ends at {len(bundle.hashes) - 1}")
        elif bundle.hashes[seq] != bare(said):
            bundle.problem(seq, "--since names another hash: history was rewritten, or it is another ledger")


def report(bundle: Bundle, left: list[int], artifacts: int, genesis: str) -> int:
    for seq, text in sorted(set(bundle.problems)):
        print(f"PROBLEM entry {seq}: {text}" if seq else f"PROBLEM {text}")
    if bundle.problems:
        print(f"{len(set(bundle.problems))} problem(s): do not rely on this bundle")
        return 4
    last = len(bundle.hashes) - 1
    print("proved: all files are as SHA256SUMS says")
    print(f"proved: the chain of positions 1 to {last}; its head is {last}:sha256:{bundle.hashes[-1]}")
    if bundle.seqs:
        print(f"proved: {len(bundle.seqs)} entries stand unchanged at their positions, each signed by its actor's key")
    if artifacts:
        print(f"proved: {artifacts} artifacts have the bytes of their digests, none is gone, none was put in")
    print("proved: policies/ holds the policies that the statements name, and allowed_signers says what they say")
    print("NOT proved: roles and the order of the flow (migrate-flow verify FILE judges them)")
    if left:
        print(f"NOT proved: anything of what the {len(left)} entries said that the selection left out")
    if places := [seq for seq, _digest, _document in bundle.policies if seq not in bundle.vouched]:
        print(f"NOT proved: that the policies of positions {places[:20]} came into force there: left out")
    if not genesis:
        print(f"NOT proved: that this is the ledger you mean; its genesis is sha256:{bundle.hashes[min(1, last)]}")
    print(f"NOT proved: what came after {last}; true times; README.md, header.json, changes.csv, # in allowed_signers")
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description="Check an unpacked bundle.")
    parser.add_argument("folder", nargs="?", default=Path(__file__).resolve().parent, type=Path)
    parser.add_argument("--genesis", default="", metavar="HASH", help="of the ledger's first entry, as you know it")
    parser.add_argument("--since", default="", metavar="SEQ:HASH", help="a head that was noted elsewhere")
    asked = parser.parse_args()
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        if not shutil.which("ssh-keygen"):
            raise Unusable("ssh-keygen is not here: install OpenSSH's client")
        for name, form in ANCHORS.items():
            if not re.fullmatch(f"({form})?", getattr(asked, name)):
                raise Unusable(f"--{name} has another form: --help shows it")
        bundle = Bundle(asked.folder)
        bundle.check_sums()
        bundle.check_chain()
        bundle.check_policies()
        bundle.check_entries()
        artifacts = bundle.check_artifacts()
        left = bundle.check_header()
        check_anchors(bundle, asked.genesis, asked.since)
    except (Unusable, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return report(bundle, left, artifacts, asked.genesis)


if __name__ == "__main__":
    sys.exit(main())
