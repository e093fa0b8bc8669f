"""Who may sign for whom, as `ssh-keygen -Y verify` reads it, from the policies that a ledger went through.

The file knows people and keys; what it can't say is from which entry to which a key was somebody's. That stands in the
comment before each line, and who verifies by hand compares it with the position.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from migrate_flow.core.fingerprint import fingerprint

if TYPE_CHECKING:
    from migrate_flow.core.policy import Policy

NAMESPACE = "migrate-flow"
Person = tuple[tuple[str, int, int], ...]  # public key, position from which it signed, position that revoked it or 0

_HEAD = f"""\
# Who signs with which key: for ssh-keygen -Y verify -f allowed_signers -n {NAMESPACE} -I PERSON -s N.sig < N.json
# A key is valid by position and not by time: an entry counts if it stands after the one that brought the key, and
# before the one that revoked it.
"""


def allowed_signers(people: Mapping[str, Person]) -> str:
    """The file's text, the same for the same people in whatever order."""
    lines = [_HEAD]
    for person, keys in sorted(people.items()):
        for key, valid, revoked in sorted(keys, key=lambda one: (one[1], one[0])):
            ended = f", revoked by entry {revoked}" if revoked else ""
            lines.append(f"\n# {person} {fingerprint(key)}: valid from entry {valid}{ended}\n")
            lines.append(f'{person} namespaces="{NAMESPACE}" {key}\n')
    return "".join(lines)


def keys_by_person(policies: Iterable[tuple[int, Policy]], revoked: Mapping[str, int]) -> dict[str, Person]:
    """policies: each with the position from which it was in force, oldest first. revoked: by public key, the position
    of the entry that did it."""
    found: dict[str, dict[str, int]] = {}
    for seq, policy in policies:
        for key, person in policy.owners.items():
            found.setdefault(person, {}).setdefault(key, seq)
    return {
        person: tuple(
            (key, valid, revoked.get(key, 0)) for key, valid in sorted(keys.items(), key=lambda one: one[::-1])
        )
        for person, keys in sorted(found.items())
    }


def expected(policies: Iterable[tuple[int, Policy]], revoked: Mapping[str, int]) -> bytes:
    """The file that these policies make, of whatever origin; empty, as no file is, where a key in them is none."""
    try:
        return allowed_signers(keys_by_person(policies, revoked)).encode()
    except (ValueError, TypeError, AttributeError, IndexError):
        return b""
