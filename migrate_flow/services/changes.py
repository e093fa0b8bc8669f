"""What changed since somebody last vouched for a migration, in plain sentences. It informs; the gates decide.

Compared are its own bytes and its place, the bytes of its ancestors as the ledger knew them then, the policy, and
env.py with Alembic's configuration.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from migrate_flow.core.entry import Kind
from migrate_flow.core.outline import Outline
from migrate_flow.errors import ScriptError

if TYPE_CHECKING:
    from migrate_flow.core.history import Attestation, History, RevisionRecord
    from migrate_flow.core.revision import Manifest, Revision
    from migrate_flow.services.workspace import Workspace

_SURROUNDINGS = {"configuration": "Alembic's configuration"}
_MOST_ANCESTORS = 10


@dataclass(frozen=True, slots=True)
class Content:
    """A migration's bytes and its place. files: sha256 by path, the script first."""

    files: Mapping[str, str]
    behaviour: str
    down_revision: tuple[str, ...]
    depends_on: tuple[str, ...]

    @staticmethod
    def of_entry(said: Attestation) -> Content:
        """said: an entry that stored the bytes."""
        fields = said.fields
        return Content(
            {subject.name: subject.sha256 for subject in said.subjects},
            fields.get("behaviour", ""),
            tuple(fields.get("down_revision", ())),
            tuple(fields.get("depends_on", ())),
        )

    @staticmethod
    def here(manifest: Manifest | Outline, header: Revision) -> Content:
        files = dict(manifest.files if isinstance(manifest, Outline) else manifest.digests)
        return Content(files, manifest.behaviour, header.down_revision, header.depends_on)

    def changed_files(self, now: Content) -> list[str]:
        """Paths, sorted: other bytes, new or gone."""
        return sorted({path for path, _sha256 in self.files.items() ^ now.files.items()})

    def moved(self, now: Content) -> list[str]:
        places = (
            ("down_revision", self.down_revision, now.down_revision),
            ("depends_on", self.depends_on, now.depends_on),
        )
        return [
            f"{name} was {', '.join(before) or None}, is {', '.join(after) or None}"
            for name, before, after in places
            if set(before) != set(after)
        ]


class Changes:
    """For these revisions of one checkout: each script is read once. known: manifests that were read already."""

    def __init__(
        self, workspace: Workspace, revisions: Sequence[str], known: Mapping[str, Manifest] | None = None
    ) -> None:
        self.workspace = workspace
        self.revisions = revisions
        self._manifests: dict[str, Manifest | None] = {**(known or {})}
        self._told: dict[str, list[tuple[int, str]]] = {}  # of those in _below
        self._unlike_until: dict[str, float] = {}
        self._unedited: dict[str, str] = {}

    def since(self, revision: str, *, surroundings: bool = True) -> tuple[str, ...]:
        """Each sentence names who vouched, and in which entry. surroundings: of env.py and the configuration too."""
        record = self.workspace.history.record(revision)
        said = vouched(record)
        if said is None:
            return ()
        found = [*self._own(record, said), *self._ancestors(revision, said), *self._policy(said)]
        if surroundings and (reviewed := _bytes_of(record, said)) is not None:
            names = other_surroundings(self._surroundings, reviewed.fields)
            found += [f"{name} is not what it was at the self-review (entry {reviewed.seq})" for name in names]
        return tuple(f"since {said.actor} {_deed(said)} it (entry {said.seq}): {text}" for text in found)

    @cached_property
    def _surroundings(self) -> Mapping[str, str]:
        return self.workspace.runner.environment_digests()

    def _own(self, record: RevisionRecord, said: Attestation) -> list[str]:
        reviewed, now = _bytes_of(record, said), self._now(record)
        if reviewed is None or now is None:
            return []
        then = Content.of_entry(reviewed)
        script = next(iter(now.files))
        found = []
        for path in then.changed_files(now):
            deed = "is new" if path not in then.files else "is gone" if path not in now.files else "changed"
            same = path == script and then.behaviour == now.behaviour != ""
            found.append(f"{path} {deed}" + (": only comments, docstrings or formatting differ" if same else ""))
        return [*found, *(f"its {text}" for text in then.moved(now))]

    def _now(self, record: RevisionRecord) -> Content | None:
        """As this checkout has it, else as the ledger stored it last."""
        manifest, header = self._manifest(record.id), self.workspace.scripts.revisions.get(record.id)
        if manifest is not None and header is not None:
            return Content.here(manifest, header)
        stored = record.last_content()
        return Content.of_entry(stored) if stored else None

    def _manifest(self, revision: str) -> Manifest | None:
        if revision not in self._manifests:
            try:
                self._manifests[revision] = self.workspace.scripts.manifest(revision)
            except ScriptError:
                self._manifests[revision] = None  # not here, or it can't be read: status says so
        return self._manifests[revision]

    def _ancestors(self, revision: str, said: Attestation) -> list[str]:
        """Those whose bytes the ledger knew when it was said, and that are others now."""
        found: list[str] = []
        for ancestor in sorted(id_ for id_ in self._below.get(revision, ()) if self._unlike_until[id_] > said.seq):
            known = [(seq, manifest) for seq, manifest in self._told[ancestor] if seq < said.seq]
            now = self._manifest(ancestor)
            if known and now is not None and known[-1][1] != now.digest:
                if len(found) == _MOST_ANCESTORS:
                    return [*found, "more of its ancestors are not what the ledger knew then"]
                path = self.workspace.scripts.revisions[ancestor].path
                found.append(
                    f"its ancestor {ancestor} ({path}) is not what the ledger knew then (entry {known[-1][0]})"
                )
        return found

    @cached_property
    def _below(self) -> Mapping[str, frozenset[str]]:
        """By revision: its ancestors that ever had other bytes than now, as far as the ledger knows.

        From the bases up, so that a whole plan costs one look at each script and not one for each pair.
        """
        graph = self.workspace.scripts.graph
        wanted = [revision for revision in self.revisions if revision in graph.revisions]
        reached = graph.ancestors(wanted).union(wanted)
        below: dict[str, frozenset[str]] = {}
        for id_ in (id_ for id_ in graph.order() if id_ in reached):
            parents = graph.parents(id_)
            others = [below[parent] for parent in parents if below[parent]]
            edited = [parent for parent in parents if self._edited(parent)]
            below[id_] = frozenset(edited).union(*others) if edited or len(others) != 1 else others[0]
        self.workspace.book.keep_unedited(self._unedited)
        return below

    def _edited(self, revision: str) -> bool:
        """Whether its bytes were ever others; notes from which position on they are as now."""
        known = self.workspace.book.unedited.get(revision)
        if known is not None and self._here(revision) == known:
            return False  # by far the most, for which no record need be read
        told = heard(self.workspace.history, self.workspace.history.record(revision))
        if not told:
            return False
        if len({manifest for _seq, manifest in told}) == 1:
            self._unedited[revision] = known = told[0][1]
            if self._here(revision) == known:
                return False
        now = self._manifest(revision)
        unlike = [n for n, (_seq, manifest) in enumerate(told) if now is not None and manifest != now.digest]
        if unlike:
            self._told[revision] = told
            later = told[unlike[-1] + 1 :]
            self._unlike_until[revision] = later[0][0] if later else float("inf")
        return bool(unlike)

    def _here(self, revision: str) -> str:
        """The digest of what is here, of a script that imports nothing without parsing it, which of thousands of
        ancestors takes seconds."""
        return self.workspace.scripts.digest_alone(revision)

    def _policy(self, said: Attestation) -> list[str]:
        versions = self.workspace.history.policies
        then = [version.number for version in versions if version.seq < said.seq][-1]
        now = versions[-1]
        if then == now.number:
            return []
        return [f"policy {now.number} by {now.by} is in force (entry {now.seq}), it was policy {then}"]


def heard(history: History, record: RevisionRecord) -> list[tuple[int, str]]:
    """(position, manifest) of everything in the ledger that tells of a revision's bytes, in order."""
    # What a check was made of may be another branch's bytes: it changes nothing.
    said = [
        item
        for item in record.everything()
        if item.was_valid and item.kind != Kind.CHECKED and not _from_template(item)
    ]
    targets = (target for environment in history.environments.values() for target in environment.targets.values())
    ran = [target.applications[record.id] for target in targets if record.id in target.applications]
    told = [(item.seq, item.manifest) for item in said] + [(item.seq, item.manifest) for item in ran]
    return sorted((seq, manifest) for seq, manifest in told if manifest)


def changed_since(workspace: Workspace, revision: str) -> tuple[str, ...]:
    """For one revision; see Changes.since."""
    return Changes(workspace, [revision]).since(revision)


def vouched(record: RevisionRecord) -> Attestation | None:
    """The newest approval, else the newest review, else the newest self-review that counts."""
    for attestations in (record.approvals, record.reviews, record.self_reviews):
        newest = next((said for said in reversed(attestations) if not said.flaw), None)
        if newest is not None:
            return newest
    return None


def other_surroundings(now: Mapping[str, str], fields: Mapping[str, Any]) -> list[str]:
    """What is not as an entry recorded it, of env.py and Alembic's configuration."""
    then = fields.get("environment_digests") or {}
    return [_SURROUNDINGS.get(name, name) for name, digest in then.items() if now.get(name) != digest]


def difference(said: Attestation, manifest: Manifest | Outline, header: Revision) -> str:
    """What is not as it was self-reviewed, in few words: files by name, and the place in the graph."""
    then, now = Content.of_entry(said), Content.here(manifest, header)
    return "; ".join([", ".join(then.changed_files(now)), *then.moved(now)])


def _bytes_of(record: RevisionRecord, said: Attestation) -> Attestation | None:
    """The self-review that stored the bytes of which an attestation speaks."""
    reviews: Sequence[Attestation] = record.self_reviews
    return next(
        (s for s in reversed(reviews) if s.was_valid and s.manifest == said.manifest and s.seq <= said.seq), None
    )


def _from_template(said: Attestation) -> bool:
    """What `new` wrote, before its author edited it: nobody vouched for these bytes."""
    return said.kind == Kind.MIGRATION_CREATED and said.fields.get("via") == "new"


def _deed(said: Attestation) -> str:
    if said.kind == Kind.APPROVED:
        return "approved"
    if said.kind == Kind.REVIEWED:
        return "asked for changes to" if said.fields["verdict"] == "request-changes" else "reviewed"
    return "self-reviewed"
