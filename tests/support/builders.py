"""Builders: people with real keys, policies, a scribe who signs real entries, and facts that say only what matters.

Ada wrote the migration, Bob reviews it, Cy approves it; Dan holds every role but the admin's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from migrate_flow.core import canonical
from migrate_flow.core.chain import EMPTY, Head
from migrate_flow.core.entry import Draft, Entry, Kind, Subject, format_time, project, statement
from migrate_flow.core.evidence import ancestry, evidence_of
from migrate_flow.core.facts import Facts, Identity, Observation
from migrate_flow.core.history import History
from migrate_flow.core.lifecycle import fold
from migrate_flow.core.policy import Policy, PolicyFile
from migrate_flow.core.revision import manifest_digest
from migrate_flow.core.standing import Standing, stand
from migrate_flow.core.target_entries import adoption_state
from migrate_flow.ledger.store import LedgerStore
from migrate_flow.signing.private_key import public_text
from migrate_flow.signing.sshsig import public_key_of, sign

ADA, BOB, CY, DAN, EVE = (f"{name}@example.com" for name in ("ada", "bob", "cy", "dan", "eve"))
TEAM: Mapping[str, tuple[str, ...]] = {
    ADA: ("developer", "policy-admin"),
    BOB: ("developer",),
    CY: ("backend-lead",),
    DAN: ("developer", "backend-lead", "product-owner"),
}

REV = "3f2a9c01d4e5"
START = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)  # a Monday
LATER = START + timedelta(days=1)


def uuid(name: str) -> str:
    return str(uuid5(NAMESPACE_URL, name))


LEDGER = uuid("ledger")


_FILES: dict[str, list[Subject]] = {}  # by manifest


def digest(text: str) -> str:
    """The manifest's digest of a script with this text; an entry that names it speaks of that script."""
    files = [Subject(f"versions/{REV}.py", hashlib.sha256(text.encode()).hexdigest())]
    found = manifest_digest((file.name, file.sha256) for file in files)
    _FILES[found] = files
    return found


def files_of(manifest: str) -> list[Subject]:
    """The files of a manifest that `digest` made; one that fits nothing for any other."""
    return _FILES.get(manifest, [Subject("versions/nothing.py", "0" * 64)])


MANIFEST, OTHER_BYTES = digest("as reviewed"), digest("edited since")


def linted(errors: int = 0, rule_set: str = "1:aaaa", **more: Any) -> dict[str, Any]:
    """The field ``lint``."""
    return {"rule_set": rule_set, "errors": errors, "warnings": 0, "waived": 0, **more}


def rehearsal(grade: str = "lossless", server: str = "SQLite 3.40.1", **more: Any) -> dict[str, Any]:
    """One of the field ``rehearsals``, of a script without ancestors."""
    fields = {"dialect": "sqlite", "server": server, "ancestry": ancestry({}), "grade": grade, "upgrade": True}
    return fields | more


def evidence() -> dict[str, Any]:
    """The fields of checks that found nothing."""
    return {"lint": linted(), "rehearsals": [rehearsal()]}


@cache
def private_key(name: str) -> Ed25519PrivateKey:
    """A person's key, the same in every run."""
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest())


def public_key(name: str) -> str:
    return public_text(private_key(name))


def environment(name: str, **keys: Any) -> dict[str, Any]:
    """One environment of a policy document."""
    default = {
        "name": name,
        "dialect": "sqlite",
        "requires": "approved" if keys.get("upstream") else "created",
        "upstream": [],
        "apply_roles": [],
        "confirm": False,
        "soak": None,
        "windows": [],
        "personal": False,
    }
    return default | keys


PROMOTION = (
    environment("dev"),
    environment("staging", upstream=["dev"]),
    environment("production", upstream=["staging"]),
)


def policy_document(
    people: Mapping[str, Iterable[str]] = TEAM, environments: Iterable[dict[str, Any]] = PROMOTION, **rules: Any
) -> dict[str, Any]:
    """people: roles by name. rules: keys of [policy]."""
    default = {
        "separation": "strict",
        "peer_reviews": 1,
        "approvals": {"backend-lead": 1},
        "approval_expires": None,
        "escalations": [],
        "review_roles": ["developer"],
        "admins": 1,
        "allow_irreversible": False,
        "unknown_authors": "warn",
    }
    assert rules.keys() <= default.keys()
    return {
        "v": 1,
        "people": {
            name: {"roles": sorted(roles), "keys": [public_key(name)], "aliases": []} for name, roles in people.items()
        },
        "policy": default | rules,
        "lint": {"contract_tables": [], "severity": {}, "plugins": [], "drift_ignore": []},
        "environments": list(environments),
    }


def policy(people: Mapping[str, Iterable[str]] = TEAM, **keys: Any) -> Policy:
    """keys: as policy_document's."""
    return Policy.from_document(policy_document(people, **keys))


def _nothing_new(entries: Iterable[Entry]) -> None:
    assert not list(entries)


def _subject(kind: Kind, fields: Mapping[str, Any]) -> Subject:
    if "document" in fields:
        return Subject("policy", canonical.digest(fields["document"])[7:])
    return Subject(str(kind), "0" * 64)


@dataclass
class Scribe:
    """Writes really signed entries for anybody, allowed or not: into a store, else into a list.

    A minute passes before each entry.
    """

    store: LedgerStore | None = None
    ledger: str = LEDGER
    now: datetime = START
    entries: list[Entry] = field(default_factory=list)
    policy: str = ""  # digest of the one that its statements name, the newest in force

    def __post_init__(self) -> None:
        if self.entries:
            self.policy = self.history().policy.digest

    @property
    def head(self) -> Head:
        return self.entries[-1].head if self.entries else EMPTY

    def history(self) -> History:
        return fold(self.entries, public_key_of)

    def standing(self, manifest: str | None = MANIFEST, **how: Any) -> Standing:
        history = self.history()
        return stand(history.record(REV), manifest, how.pop("policy", history.policy), **how)

    def sign(self, actor: str, kind: Kind, *, key: str = "", **fields: Any) -> tuple[bytes, str]:
        """The statement and its signature. key: whose key signs, if not the actor's.

        Fields with an underscore replace parts of the frame: _ledger, _nonce, _at, _after, _policy.
        """
        frame = {
            "ledger": self.ledger,
            "nonce": uuid(f"{self.ledger} {self.head}"),
            "at": format_time(self.now),
            "after": self.head,
            "policy": self.policy,
        } | {name[1:]: fields.pop(name) for name in list(fields) if name.startswith("_")}
        subjects = fields.pop("subjects", None)
        if subjects is None:
            subjects = _FILES.get(fields.get("manifest", ""), []) or [_subject(kind, fields)]
        signed = statement(Draft(kind, subjects, fields), actor=actor, **frame)
        return signed, sign(private_key(key or actor), signed)

    def put(self, signed: bytes, signature: str, artifacts: Iterable[bytes] = ()) -> Entry:
        """Append these very bytes."""
        if self.store is None:
            entry = project(self.head.seq + 1, self.head.hash, signed, signature)
        else:
            entry = self.store.append(signed, signature, artifacts, seen=self.head, recheck=_nothing_new)
        self.entries.append(entry)
        return entry

    def says(self, actor: str, kind: Kind, *, artifacts: Iterable[bytes] = (), **fields: Any) -> Entry:
        self.now += timedelta(minutes=1)
        return self.put(*self.sign(actor, kind, **fields), artifacts)

    def opens(self, document: Mapping[str, Any] | None = None, by: str = ADA) -> Entry:
        document = document or policy_document()
        self.policy = canonical.digest(document)
        return self.says(by, Kind.LEDGER_OPENED, project="shop", number=1, document=document)

    def proposes(self, document: Mapping[str, Any], by: str = ADA, base: str = "", **more: Any) -> Entry:
        base = base or self.history().policy.digest
        entry = self.says(by, Kind.POLICY_PROPOSED, base=base, document=document, **more)
        self.policy = self.history().policy.digest
        return entry

    def endorses(self, of: int, by: str, document: Mapping[str, Any], **more: Any) -> Entry:
        subject = Subject("policy", canonical.digest(document)[7:])
        entry = self.says(by, Kind.POLICY_ENDORSED, subjects=[subject], of=of, **more)
        self.policy = self.history().policy.digest
        return entry

    def attests(self, actor: str, kind: Kind, manifest: str = MANIFEST, **fields: Any) -> Entry:
        return self.says(actor, kind, **{"revision": REV, "manifest": manifest} | fields)

    def created(self, by: str = ADA, manifest: str = MANIFEST, **more: Any) -> Entry:
        return self.attests(by, Kind.MIGRATION_CREATED, manifest, **more)

    def checked(self, by: str = ADA, manifest: str = MANIFEST, **more: Any) -> Entry:
        return self.attests(by, Kind.CHECKED, manifest, **more)

    def self_reviewed(self, by: str = ADA, manifest: str = MANIFEST, **more: Any) -> Entry:
        """With evidence that nothing was found."""
        return self.attests(by, Kind.SELF_REVIEWED, manifest, **evidence() | more)

    def reviewed(self, by: str = BOB, verdict: str = "approve", manifest: str = MANIFEST, **more: Any) -> Entry:
        return self.attests(by, Kind.REVIEWED, manifest, verdict=verdict, **more)

    def approved(self, by: str = CY, role: str = "backend-lead", manifest: str = MANIFEST, **more: Any) -> Entry:
        return self.attests(by, Kind.APPROVED, manifest, role=role, **more)

    def intends(self, by: str = ADA, env: str = "dev", attempt: str = "a1", **more: Any) -> Entry:
        fields = {"target": uuid(env), "direction": "upgrade", "from_heads": [], "attempt": attempt}
        return self.attests(by, Kind.APPLY_INTENDED, environment=env, **fields | more)

    def ends(self, kind: Kind, by: str = ADA, env: str = "dev", attempt: str = "a1", **more: Any) -> Entry:
        fields = {"target": uuid(env), "heads": [REV], "attempt": attempt, "direction": "upgrade"}
        return self.attests(by, kind, environment=env, **fields | more)

    def applied(self, by: str = ADA, env: str = "dev", attempt: str = "", **more: Any) -> Entry:
        """An intent and its good outcome."""
        attempt = attempt or f"a{self.head.seq}"
        self.intends(by, env, attempt, **more)
        return self.ends(Kind.APPLY_APPLIED, by, env, attempt, target=more.get("target", uuid(env)))

    def adopts(self, by: str = ADA, env: str = "dev", state: str = "", **more: Any) -> Entry:
        """state: default, what the rules call a revision that is found there."""
        history, target = self.history(), str(more.get("target", uuid(env)))
        state = state or adoption_state(history, history.environment(env), target, REV, MANIFEST)
        fields = {
            "target": uuid(env),
            "heads": [REV],
            "revisions": [adopted(state)],
            "subjects": _FILES[MANIFEST],
        }
        return self.says(by, Kind.TARGET_ADOPTED, environment=env, **fields | more)


def adopted(state: str, revision: str = REV, manifest: str = MANIFEST) -> dict[str, Any]:
    """One revision of an adoption."""
    files = [{"path": file.name, "sha256": file.sha256} for file in _FILES[manifest]]
    return {"revision": revision, "manifest": manifest, "state": state, "files": files}


def opened(document: Mapping[str, Any] | None = None, **rules: Any) -> Scribe:
    """A ledger with nothing but its genesis. rules: as policy_document's."""
    scribe = Scribe()
    scribe.opens(document or policy_document(**rules))
    return scribe


def tracked(**rules: Any) -> Scribe:
    """A ledger that knows Ada's migration. rules: as policy_document's."""
    scribe = opened(**rules)
    scribe.created()
    return scribe


def approved(**rules: Any) -> Scribe:
    """A ledger in which Ada's migration went all the way to staging."""
    scribe = opened(**rules)
    scribe.created()
    scribe.self_reviewed()
    scribe.reviewed()
    scribe.approved()
    scribe.applied(env="dev")
    scribe.applied(env="staging")
    return scribe


def identity(env: str = "production", **parts: Any) -> Identity:
    return replace(Identity(uuid(env), "shop", env, LEDGER), **parts)


def facts(
    scribe: Scribe | None = None, *, env: str = "production", keys: Mapping[str, Any] | None = None, **only: Any
) -> Facts:
    """An approved migration on its way to production, but for what is named.

    Production is the database that the ledger knows, an empty one if it knows none. scribe: the ledger.
    keys: other rules for the environment. only: fields of Facts.
    """
    history = (scribe or approved()).history()
    rules = replace(history.policy.environments[env], **keys or {})
    manifest = only.get("manifest", MANIFEST)
    targets = history.environment(env).targets
    known = targets.get(uuid(env))
    seen = Observation("sqlite", identity=identity(env), heads=known.heads) if known else Observation("sqlite")
    row = only.get("observation", seen).identity
    default = {
        "revision": REV,
        "rules": rules,
        "history": history,
        "policy": history.policy,
        "policy_file": PolicyFile(history.policy.digest, in_force=True, recorded=1),
        "standing": stand(history.record(REV), manifest or None, history.policy, now=LATER),
        "manifest": manifest,
        "behaviour": "",
        "actor": ADA,
        "now": LATER,
        "observation": seen,
        "target": targets.get(row.uuid) if row else None,
        "upstream": {name: history.environment(name).latest(REV) for name in rules.upstream},
        "evidence": evidence_of(history.record(REV), manifest),
        "ancestries": (ancestry({}),),
    }
    return Facts(**default | only)
