"""The README of a bundle: how to check each claim with `sha256sum` and `ssh-keygen`, by hand.

Each block of commands is run by a test in a folder with nothing but the bundle.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from migrate_flow.core.audit import Header, Selection
from migrate_flow.exports.md import escaped

if TYPE_CHECKING:
    from migrate_flow.services.file_evidence import Claimed

_TEXT = """\
# Evidence from a migration ledger

This bundle holds {entries} of the ledger of the project {project}, up to position {as_of}.
{selection}
A ledger is a list of signed statements: who wrote, reviewed, approved and applied which database migration, and by
which policy.
Whoever reads this can check it without the program that wrote it.
The commands need bash, `sha256sum` and `ssh-keygen` (OpenSSH 8.2 or newer); run them in the folder of this file.

| file | what it is |
|---|---|
| `entries/0000001.json`, `.sig` | a statement (in-toto, JSON) and its signature (SSHSIG), as they were signed |
| `chain.tsv` | every position of the ledger: digests of statement and signature, and the chain's hash |
| `artifacts/` | migration scripts, rendered SQL and reports, each named by its SHA-256 |
| `policies/` | each policy, named by the position that put it in force and its digest: people, keys, roles, rules |
| `allowed_signers` | the keys of those policies, as `ssh-keygen` reads them |
| `changes.csv`, `header.json` | summaries, derived from the entries; nobody signed them |
| `verify.py` | makes all of the checks below at once |
| `SHA256SUMS` | digests of all other files |

## Everything at once

```bash
python3 verify.py
```

It needs Python 3.8 or newer and nothing else.
Whoever can change a bundle can change its `verify.py`, too: take the script from another copy, or check by hand as
below, or use `migrate-flow verify FILE`, which also judges who had the right to say what.

## 1. The files are complete

```bash
sha256sum --check --quiet SHA256SUMS && echo "all files are as SHA256SUMS says"
```

This finds accidents.
Whoever changes files on purpose writes a new `SHA256SUMS`; the next steps are for that.

## 2. Each statement was signed, by whom

```bash
for statement in entries/*.json; do
  signature="${{statement%.json}}.sig"
  person=$(ssh-keygen -Y find-principals -f allowed_signers -s "$signature" 2> /dev/null)
  if ! ssh-keygen -Y verify -f allowed_signers -I "$person" -n migrate-flow -s "$signature" < "$statement" &> /dev/null
  then echo "$statement: NOT SIGNED WITH A KNOWN KEY"
  elif ! grep -qF '"actor":"'"$person"'"' "$statement"
  then echo "$statement: SIGNED BY $person FOR SOMEBODY ELSE"
  else echo "$statement: signed by $person"
  fi
done
```

The comments in `allowed_signers` say from which position a key was valid, and which entry revoked it.
Whose key it is, the policies say; each is signed itself, as an entry by a policy-admin of the policy before it.

## 3. The chain holds

`hash(n) = sha256(hash(n-1) + sha256(statement) + sha256(signature))`, over the bytes of the digests; `hash(0)` is 32
zero bytes.

```bash
before=$(printf '0%.0s' {{1..64}})
{{ read -r _; while IFS=$'\\t' read -r seq statement signature hash; do
  bytes=$(printf '%s' "$before$statement$signature" | sed 's/../\\\\x&/g')
  found=$(printf "$bytes" | sha256sum | cut -d ' ' -f 1)
  [ "$found" = "$hash" ] || {{ echo "position $seq: THE CHAIN IS BROKEN"; exit 1; }}
  before=$hash; last=$seq
done; echo "the chain holds up to position $last, whose hash is $before"; }} < chain.tsv
```

That each entry stands at its position of the chain:

```bash
for statement in entries/*.json; do
  seq=$(basename "$statement" .json | sed 's/^0*//')
  line=$(printf '%s\\t%s\\t%s\\t' "$seq" \\
    "$(sha256sum < "$statement" | cut -d ' ' -f 1)" "$(sha256sum < "${{statement%.json}}.sig" | cut -d ' ' -f 1)")
  grep -q "^$line" chain.tsv || echo "$statement: NOT AT ITS POSITION"
done; echo "done"
```

## 4. It is the ledger that you mean

The hash of position 1 is the genesis; the project's `migrate-flow.toml` names it under `[ledger]`.
The newest hash is the head: note it, and a later bundle can be held against it.

```bash
sed -n 2p chain.tsv | cut -f 4
tail -n 1 chain.tsv | cut -f 4
```

When this bundle was written, they were:

    genesis sha256:{genesis}
    head    {as_of}:sha256:{head}

## 5. Scripts, SQL and reports

Each file in `artifacts/` is named by its digest, and the statements name that digest: under `subject` the scripts.

```bash
for artifact in artifacts/*; do
  [ -e "$artifact" ] || continue
  [ "$(sha256sum < "$artifact" | cut -d ' ' -f 1)" = "${{artifact#artifacts/}}" ] || echo "$artifact: OTHER BYTES"
  grep -qrF "${{artifact#artifacts/}}" entries || echo "$artifact: NO ENTRY NAMES IT"
done; echo "done"
```

## 6. The policies

Each statement names under `policy` the digest of the policy that its signer went by.

```bash
for policy in policies/*.json; do
  digest=$(sha256sum < "$policy" | cut -d ' ' -f 1)
  case "$policy" in *-"${{digest:0:12}}".json) ;; *) echo "$policy: OTHER BYTES";; esac
  if grep -qrF "sha256:$digest" entries
  then echo "$policy: named by signed statements"
  else echo "$policy: named by no entry here"
  fi
done
```

## What nothing here can prove

- That the times are true: each is what the signer's clock said. Their order is proved.
- That nothing was appended to the ledger after position {as_of}, or cut off behind it before this was written.
- That a key was in its owner's hands only.
- Who wrote this bundle, and how the ledger compared with the databases then: `header.json` says it, and is not signed.
{more}"""

_PART = """\
- Anything of what the {left_out} entries said that the selection leaves out: `chain.tsv` has their digests only. So
  it can't be told here whether they should have been selected, nor who had which right at an entry's position.
"""


def readme(header: Header) -> str:
    """For this export."""
    count = f"{header.entries} {'entry' if header.entries == 1 else 'entries'}"
    filters = ", ".join(f"{name} = {escaped(value)}" for name, value in asdict(header.selection).items() if value)
    selection = f"It is a selection ({filters}); {header.left_out} are left out.\n" if header.left_out else ""
    return _TEXT.format(
        entries=f"all {count}" if not header.left_out else count,
        project=escaped(header.project),
        as_of=header.as_of,
        genesis=header.genesis.removeprefix("sha256:"),
        head=header.head.removeprefix("sha256:"),
        selection=selection,
        more=_PART.format(left_out=header.left_out) if header.left_out else "",
    )


def readme_again(said: Claimed) -> str:
    """For an export of which only this is known."""
    return readme(header_again(said))


def header_again(said: Claimed) -> Header:
    return Header(
        product=said.product,
        project=said.project,
        ledger=said.ledger,
        genesis=f"sha256:{said.genesis}",
        by="",
        at=said.at,
        as_of=said.head.seq,
        head=f"sha256:{said.head.hash}",
        selection=Selection(**said.selection),
        first=said.first,
        last=said.last,
        entries=said.entries,
        counts=said.counts,
        left_out=said.left_out,
    )
