"""Who signed, in which roles and with which key, and who recorded them: by position, from the policies in force."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterator
from functools import lru_cache
from sys import intern
from typing import TYPE_CHECKING

from migrate_flow.core.audit import Act
from migrate_flow.core.entry import Entry, Kind, format_time
from migrate_flow.core.fingerprint import fingerprint

if TYPE_CHECKING:
    from migrate_flow.core.history import Attestation, History, PolicyVersion, Revocation

_KEPT = 256  # acts: each is told of once for every environment, one after the other


class People:
    """history: as far as it is known; it grows."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._roles: dict[tuple[int, str], tuple[str, ...]] = {}
        self._acts: dict[int, Act] = {}
        self._told: dict[tuple[int, frozenset[str]], tuple[str, ...]] = {}
        self._recorders: dict[tuple[int, str, str, frozenset[str]], tuple[int, frozenset[str]]] = {}

    def act(self, entry: Entry, key: str, text: str, flaw: str) -> Act:
        """The entry that was just taken in."""
        version, actor = self._history.policies[-1], entry.actor
        if type(actor) is str:  # a keyholder may have signed anything
            actor = intern(actor)
        return Act(entry.seq, entry.kind, actor, entry.at, self._held(version, actor), named(key), text, flaw)

    def said(self, said: Attestation, text: str = "", flaw: str = "") -> Act:
        """text: beside what it says itself: the role of an approval, the verdict of a review."""
        known = self._acts.get(said.seq)
        if known is not None and known.flaw == flaw:
            return known
        own = said.fields.get("role") or said.fields.get("verdict") or ""
        words = ": ".join(part for part in (own if own != "approve" else "", text) if part)
        roles = self._held(self.version_at(said.seq), said.actor)
        if len(self._acts) > _KEPT:
            self._acts.clear()
        act = Act(said.seq, said.kind, said.actor, format_time(said.at), roles, named(said.key), words, flaw)
        self._acts[said.seq] = act
        return act

    def version_at(self, seq: int) -> PolicyVersion:
        """The policy by which an entry is judged: in force before its position, but for the genesis."""
        policies = self._history.policies
        at = bisect_right(policies, seq - 1, key=lambda version: version.seq)
        return policies[max(0, at - 1)]

    def _held(self, version: PolicyVersion, person: str) -> tuple[str, ...]:
        place = (version.number, person)
        if place not in self._roles:
            known = version.policy.people.get(person)
            self._roles[place] = tuple(sorted(known.roles)) if known else ()
        return self._roles[place]

    def revoked(self, act: Act) -> Revocation | None:
        """By whom the key that signed it was revoked since."""
        if not self._history.revoked:
            return None
        return next((item for item in self._history.revoked.values() if named(item.key) == act.key), None)

    def only_by(self, said: Attestation, contributors: frozenset[str]) -> tuple[str, ...]:
        """What of a person nobody but contributors of the migration ever recorded, in words: the key that signed, the
        role in which it did, or both. The same is asked for every environment, one after the other."""
        place = (said.seq, contributors)
        found = self._told.get(place)
        if found is None:
            if len(self._told) > _KEPT:
                self._told.clear()
            found = self._told[place] = tuple(self._attester_only_by(said, contributors))
        return found

    def _attester_only_by(self, said: Attestation, contributors: frozenset[str]) -> Iterator[str]:
        role = said.fields["role"] if said.kind == Kind.APPROVED else ""
        roles = frozenset([role]) if role else None
        asked = said.kind in (Kind.APPROVED, Kind.REVIEWED)
        name = (f"role {role}" if role else "role as a reviewer") if asked else ""
        yield from self._only_by(said.actor, said.seq, said.kind, named(said.key), (name, roles), contributors)

    def applier_only_by(self, act: Act, roles: Collection[str], contributors: frozenset[str]) -> Iterator[str]:
        """As `only_by`, of whoever set out to apply it and is no contributor. roles: one of them was needed, if any."""
        if act.person not in contributors:
            role = ("role as an applier" if roles else "", frozenset(roles))
            yield from self._only_by(act.person, act.seq, act.kind, act.key, role, contributors)

    def _only_by(
        self,
        person: str,
        seq: int,
        kind: str,
        key: str,
        role: tuple[str, frozenset[str] | None],
        contributors: frozenset[str],
    ) -> Iterator[str]:
        """role: in words, empty where none was needed, and those of which one was; None for the reviewers' of then."""
        asked: list[tuple[str, str, frozenset[str] | None]] = [(key, "key", None)]
        if role[0]:
            asked.append(("", *role))
        found: dict[tuple[int, frozenset[str]], list[str]] = {}
        for own, name, wanted in asked:
            first, signers = self._recorded(person, seq, own, wanted)
            if signers and signers <= contributors:
                found.setdefault((first, signers), []).append(f"the {name}")
        for (first, signers), names in found.items():
            were = "were" if len(names) > 1 else "was"
            yield (
                f"{' and '.join(names)} of {person} {were} recorded by {' and '.join(sorted(signers))} alone "
                f"(entry {first}), who contributed to this migration; {person} {deed(kind)} in entry {seq}"
            )

    def _recorded(self, person: str, seq: int, key: str, roles: frozenset[str] | None) -> tuple[int, frozenset[str]]:
        """The first policy that gave the person this key, or where there is none one of the roles, and everybody who
        signed one that did, up to the act at the position. key: fingerprint."""
        upto = self.version_at(seq).number
        place = (upto, person, key, roles or frozenset())
        if place not in self._recorders:
            told = [
                version
                for version in self._history.policies[:upto]
                if (
                    key in map(named, version.policy.keys_of(person))
                    if key
                    else version.policy.has_role(person, roles or version.policy.review_roles)
                )
            ]
            signers = frozenset(name for version in told for name in version.by.split(", "))
            self._recorders[place] = (told[0].seq if told else 0, signers)
        return self._recorders[place]


@lru_cache(maxsize=4096)
def named(key: str) -> str:
    """The fingerprint; empty for what is no key."""
    try:
        return fingerprint(key) if key else ""
    except (ValueError, IndexError):
        return ""


def deed(kind: str) -> str:
    """``approved``"""
    return _DEEDS.get(kind, kind)


_DEEDS: dict[str, str] = {
    Kind.LEDGER_OPENED: "opened the ledger",
    Kind.POLICY_PROPOSED: "proposed a policy",
    Kind.POLICY_ENDORSED: "endorsed a policy",
    Kind.MIGRATION_CREATED: "created it",
    Kind.CHECKED: "recorded checks",
    Kind.SELF_REVIEWED: "self-reviewed it",
    Kind.REVIEWED: "reviewed it",
    Kind.APPROVED: "approved it",
    Kind.WITHDRAWN: "withdrew it",
    Kind.REVOKED: "took back an attestation",
    Kind.GATE_WAIVED: "waived a gate",
    Kind.APPLY_INTENDED: "set out to apply it",
    Kind.APPLY_APPLIED: "applied it",
    Kind.APPLY_FAILED: "failed to apply it",
    Kind.APPLY_PARTIAL: "applied a part of it",
    Kind.APPLY_RECOVERED: "settled an attempt",
    Kind.APPLY_REFUSED: "was refused",
    Kind.TARGET_ADOPTED: "adopted the database",
    Kind.TARGET_REPLACED: "replaced the database",
    Kind.DRIFT_FOUND: "found drift",
    Kind.DRIFT_ACCEPTED: "accepted drift",
    Kind.GUARD_INSTALLED: "installed the guard",
    Kind.GUARD_REMOVED: "removed the guard",
    Kind.KEY_REVOKED: "revoked a key",
    Kind.LEDGER_EXPORTED: "exported the ledger",
}
