"""What an auditor can do with a ledger without this product: ten lines of hashing, and stock ssh-keygen."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import subprocess
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

LEDGER = Path(".migrate-flow", "ledger.db")


def rows(project: Path) -> list[dict[str, Any]]:
    """Every entry's columns, read straight from the file, oldest first."""
    with closing(sqlite3.connect(f"{(project / LEDGER).absolute().as_uri()}?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute("SELECT * FROM entry ORDER BY seq")]


def predicate(row: dict[str, Any]) -> dict[str, Any]:
    return dict(json.loads(row["statement"])["predicate"])


def kinds(project: Path) -> list[str]:
    return [row["kind"] for row in rows(project)]


def head(entries: Sequence[dict[str, Any]]) -> str:
    """The chain, computed anew from statements and signatures alone."""
    link = b"\0" * 32
    for row in entries:
        assert row["prev"] == link.hex()
        signature = hashlib.sha256(row["signature"].encode()).digest()
        link = hashlib.sha256(link + hashlib.sha256(row["statement"]).digest() + signature).digest()
        assert row["hash"] == link.hex(), f"entry {row['seq']}"
    return f"sha256:{link.hex()}"


def allowed_signers(entries: Sequence[dict[str, Any]]) -> str:
    """OpenSSH's file of that name, from the policies in the ledger."""
    policies = [predicate(row)["document"] for row in entries if row["kind"] in ("ledger.opened", "policy.proposed")]
    keys = {
        (name, key) for document in policies for name, person in document["people"].items() for key in person["keys"]
    }
    return "".join(f'{name} namespaces="migrate-flow" {key}\n' for name, key in sorted(keys))


def verified_by_ssh_keygen(project: Path, folder: Path) -> int:
    """How many entries stock ssh-keygen accepts as signed by whom they name; a missing ssh-keygen is an error."""
    entries = rows(project)
    (folder / "allowed_signers").write_text(allowed_signers(entries))
    for row in entries:
        assert _accepts(folder, row["actor"], row["statement"], row["signature"]), f"entry {row['seq']}"
        assert predicate(row)["actor"] == row["actor"]
    last = entries[-1]
    other = next(row["actor"] for row in entries if row["actor"] != last["actor"])
    assert not _accepts(folder, last["actor"], last["statement"] + b" ", last["signature"])
    assert not _accepts(folder, other, last["statement"], last["signature"])
    return len(entries)


def _accepts(folder: Path, person: str, statement: bytes, signature: str) -> bool:
    (folder / "entry.sig").write_text(signature)
    command = ["ssh-keygen", "-Y", "verify", "-f", "allowed_signers", "-I", person, "-n", "migrate-flow"]
    done = subprocess.run(
        [*command, "-s", "entry.sig"], input=statement, cwd=folder, capture_output=True, timeout=30, check=False
    )
    return done.returncode == 0
