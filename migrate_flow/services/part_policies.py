"""The policies of a bundle whose entries are a selection: held against what the signers name, not against the entries
that put them in force, which may be left out."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from migrate_flow.core import canonical
from migrate_flow.core.entry import Kind, kind_of
from migrate_flow.core.policy import Policy
from migrate_flow.core.policy_entries import GOVERNING
from migrate_flow.services.verify_ledger import Problem


class PartPolicies:
    """known: position and policy, oldest first, of those that can be read."""

    def __init__(self, files: Sequence[tuple[int, str, bytes]], problems: list[Problem]) -> None:
        self.known: list[tuple[int, Policy]] = []
        self._digests: dict[str, list[int]] = {}  # as statements name them -> positions
        self._vouched: set[int] = set()
        self._revoked: dict[str, int] = {}
        self._place = 0  # of the policy in force, for entries come in order
        self.count = len(files)
        for seq, name, data in files:
            digest = hashlib.sha256(data).hexdigest()
            if not digest.startswith(name):
                problems.append(Problem(seq, f"the policy that came into force here has other bytes than {name}…"))
            try:
                self.known.append((seq, Policy.from_document(canonical.read(data))))
            except (ValueError, KeyError, TypeError, AttributeError):
                problems.append(Problem(seq, "the policy that came into force here can't be read"))
            else:
                self._digests.setdefault(f"sha256:{digest}", []).append(seq)

    @property
    def unvouched(self) -> tuple[int, ...]:
        """Positions of those whose own entry is not here. That others name them shows little: whoever makes up a policy
        can sign under it."""
        return tuple(sorted({seq for seqs in self._digests.values() for seq in seqs} - self._vouched))

    def entry(self, seq: int, document: Mapping[str, Any], key: str) -> Iterator[str]:
        """Problems of the next entry. key: the verified signature's, or empty."""
        predicate, kind = document["predicate"], kind_of(document)
        named, actor = predicate["policy"], predicate["actor"]
        if named not in self._digests:
            yield f"it names a policy that policies/ does not hold ({str(named)[:19]}…)"
        if kind == Kind.LEDGER_OPENED or kind in GOVERNING:
            yield from self._governs(seq, document)
        elif any(seq in places for places in self._digests.values()):
            yield "policies/ says that a policy came into force here, but this entry is about something else"
        policy = self._in_force(seq)
        if not key or policy is None:
            return
        if policy.owners.get(key) != actor:
            yield f"signed with a key that the policy in force is not known to give to {actor}"
        elif key in self._revoked:
            yield f"signed with a key that entry {self._revoked[key]} revoked"
        if kind == Kind.KEY_REVOKED and (
            policy.owners.get(predicate["public_key"]) == actor or policy.may_govern(actor)
        ):
            self._revoked[predicate["public_key"]] = seq

    def _governs(self, seq: int, document: Mapping[str, Any]) -> Iterator[str]:
        digests = {f"sha256:{subject['digest']['sha256']}" for subject in document["subject"]}
        here = {digest for digest, places in self._digests.items() if seq in places}
        if here and not here <= digests:
            yield "policies/ says that another policy came into force here than this entry speaks of"
        if kind_of(document) == Kind.LEDGER_OPENED and not here:
            yield "policies/ lacks the policy that this entry put in force"
        self._vouched |= {seq} if here & digests else set()

    def _in_force(self, seq: int) -> Policy | None:
        """An entry is judged by the policy before it; the one that opens the ledger by its own."""
        while self._place + 1 < len(self.known) and self.known[self._place + 1][0] < seq:
            self._place += 1
        return self.known[self._place][1] if self.known else None
