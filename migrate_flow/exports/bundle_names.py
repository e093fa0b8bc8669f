"""The names of a bundle's files, and the forms of those lines that programs read."""

from __future__ import annotations

import re
from functools import cache
from importlib import resources

README, HEADER, CHAIN, CHANGES = "README.md", "header.json", "chain.tsv", "changes.csv"
SIGNERS, SUMS, VERIFIER = "allowed_signers", "SHA256SUMS", "verify.py"
ALWAYS = (README, HEADER, CHAIN, CHANGES, SIGNERS, SUMS, VERIFIER)
ENTRIES, ARTIFACTS, POLICIES = "entries/", "artifacts/", "policies/"

CHAIN_HEAD = "seq\tstatement\tsignature\thash"
CHAIN_LINE = re.compile(r"([1-9][0-9]{0,15})\t([0-9a-f]{64})\t([0-9a-f]{64})\t([0-9a-f]{64})")
_POLICY = re.compile(rf"{POLICIES}([0-9]{{7,16}})-([0-9a-f]{{12}})\.json")
_ENTRY = re.compile(rf"{ENTRIES}([0-9]{{7,16}})\.(json|sig)")
_ARTIFACT = re.compile(rf"{ARTIFACTS}[0-9a-f]{{64}}")
_UNSAFE = re.compile(r"[\x00-\x1f\x7f\\:]")


def entry(seq: int) -> tuple[str, str]:
    """The names of statement and signature."""
    return f"{ENTRIES}{seq:07}.json", f"{ENTRIES}{seq:07}.sig"


def policy(seq: int, digest: str) -> str:
    """digest: hex."""
    return f"{POLICIES}{seq:07}-{digest[:12]}.json"


def policy_of(name: str) -> tuple[int, str] | None:
    """Position and the digits of its digest; None for a name that `policy` does not make."""
    match = _POLICY.fullmatch(name)
    if match is None or int(match[1]) < 1 or policy(int(match[1]), match[2]) != name:
        return None
    return int(match[1]), match[2]


def code(name: str) -> int:
    """Twice the position of an entry's file, and one more for a signature; 0 for any other name."""
    match = _ENTRY.fullmatch(name)
    if match is None:
        return 0
    number = 2 * int(match[1]) + (match[2] == "sig")
    return number if number > 1 and of_code(number) == name else 0


def of_code(number: int) -> str:
    return entry(number // 2)[number % 2]


def position(name: str) -> int:
    """Of an entry's file; 0 for any other."""
    return code(name) // 2


def known(name: str) -> bool:
    """Whether a bundle has files of this name, entries apart."""
    return name in ALWAYS or _ARTIFACT.fullmatch(name) is not None or policy_of(name) is not None


def folder(name: str) -> bool:
    return name in (ENTRIES, ARTIFACTS, POLICIES)


def unsafe(name: str) -> bool:
    """Whether it would land outside of the folder that it is unpacked into, or be something else on another system."""
    return bool(_UNSAFE.search(name)) or name.startswith("/") or ".." in name.split("/") or not name


@cache
def verifier() -> bytes:
    """The bytes of `bundle_verify`, which a bundle carries as verify.py."""
    return resources.files("migrate_flow.exports").joinpath("bundle_verify.py").read_bytes()
