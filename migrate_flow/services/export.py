"""Evidence out of the ledger: the entries as they are, and a row for each change. That it was taken out is an entry."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from migrate_flow import __version__
from migrate_flow.core.audit import Change, Header, Reconciled, Selection
from migrate_flow.core.audit_notes import Watch
from migrate_flow.core.audit_outcomes import Outcomes
from migrate_flow.core.audit_people import deed
from migrate_flow.core.audit_rows import changes, in_promotion_order
from migrate_flow.core.brought import brought
from migrate_flow.core.entry import Draft, Entry, Kind, Subject
from migrate_flow.errors import IdentityError, LedgerError
from migrate_flow.services.allowed_signers import Person, keys_by_person
from migrate_flow.services.book import Book
from migrate_flow.services.reconcile import Look, in_reach, observer, reconcile, unjudged
from migrate_flow.services.signed import signed
from migrate_flow.services.survey import (
    SHOWN,
    Survey,
    broken,
    described,
    digests,
    entry_of,
    matcher,
    rows_of,
    survey,
)
from migrate_flow.services.told import reader
from migrate_flow.services.verify_chunk import rare_collections

if TYPE_CHECKING:
    from migrate_flow.config.load import Config
    from migrate_flow.core.chain import SeenHead
    from migrate_flow.core.history import History
    from migrate_flow.services.ports import Ledger, Target, Verifier

Judge = TypeVar("Judge", bound=Outcomes)
# What has rows judges which entries count.
_WITH_ROWS = frozenset({"csv", "xlsx", "md", "html", "bundle"})


class SurveyedBook(Book):
    """A book that knows who may sign, and nothing else of the past: none that is long is held to append one entry."""

    surveyed: History
    seen: SeenHead | None

    @cached_property
    def history(self) -> History:
        """Held against the trust anchor, and against what this machine saw before. Raises LedgerError."""
        ledger_id, genesis = self._anchor
        found = self.surveyed
        if (ledger_id and ledger_id != found.ledger) or (genesis and genesis != f"sha256:{found.genesis}"):
            raise LedgerError(
                f"this is not the ledger that the configuration names (found {found.ledger})",
                hint="correct [ledger] url, or restore the right ledger",
                where=self.ledger.describe(),
            )
        self._compare(found, self.seen)
        return found


@dataclass(frozen=True)
class Archive:
    """What an export needs: less than a workspace. book: of what was surveyed, and the head that this machine saw
    before. actor: whose key would sign by that, empty for nobody."""

    config: Config
    ledger: Ledger
    verifier: Verifier
    seen: Callable[[], SeenHead | None]
    book: Callable[[History, SeenHead | None], Book]
    actor: Callable[[History], str]
    target: Callable[[str, str], Target]
    tell: Callable[[], Iterable[str]] = tuple  # as a workspace's


@dataclass(frozen=True)
class Export:
    """Implements `exports.Exported`. unrecorded: why the ledger does not tell of it, empty if it does. seq: of the
    entry that does, else 0. folded: the past up to as_of, where it was needed already."""

    header: Header
    survey: Survey
    archive: Archive
    unrecorded: str = ""
    seq: int = 0
    folded: Watch | None = None

    @property
    def environments(self) -> tuple[str, ...]:
        return in_promotion_order(self.survey.policies[-1].policy)

    def entries(self) -> Iterator[Entry]:
        wanted = matcher(self.survey.selection)
        return (entry_of(row) for row in self._rows() if wanted(row))

    def skeleton(self) -> Iterator[tuple[int, str, str, str]]:
        return map(digests, self._rows())

    def changes(self) -> Iterator[Change]:
        """Each whole, if one of the selected entries speaks of it."""
        chosen, selection = self._chosen, self.survey.selection
        for change in changes(self.watch, reader(self.artifact, self.archive.config.project.ticket_pattern or "")):
            if selection.environment and change.environment != selection.environment:
                continue
            if selection.revision and change.revision != selection.revision:
                continue
            if chosen is None or not chosen.isdisjoint(change.entries):
                yield change

    def artifact(self, sha256: str) -> bytes | None:
        return self.archive.ledger.artifact(sha256)

    def artifacts_of(self) -> Iterator[str]:
        return iter(sorted({digest for entry in self.entries() for digest in brought(entry.document)}))

    def policies(self) -> Iterator[tuple[int, str, dict[str, Any]]]:
        for version in self.survey.policies:
            yield version.seq, version.policy.digest.removeprefix("sha256:"), dict(version.policy.document)

    def people(self) -> Mapping[str, Person]:
        known = {item.key: item.seq for item in self.survey.revoked}
        return keys_by_person(((version.seq, version.policy) for version in self.survey.policies), known)

    @property
    def history(self) -> History:
        """The whole past up to as_of, lean: made at the first use."""
        return self.watch.history

    @cached_property
    def watch(self) -> Watch:
        """Raises LedgerError where the ledger can't be trusted, or understood."""
        return self.folded or _fold(self.archive, self.header.as_of, Watch)

    @cached_property
    def _chosen(self) -> frozenset[int] | None:
        """Positions of the selected entries; None for all."""
        if self.survey.selection.whole:
            return None
        wanted = matcher(self.survey.selection)
        return frozenset(row[0] for row in self._rows() if wanted(row))

    def _rows(self) -> Iterator[Any]:
        """Those that were surveyed, and no others. Raises LedgerError."""
        last, head = self.header.as_of, self.survey.as_of.hash
        with closing(rows_of(self.archive.ledger)) as rows:
            for row in rows:
                yield row
                if row[0] == last:
                    if row[2] != head:
                        raise broken(self.archive.ledger, f"entry {last} is not the one that was read a moment ago")
                    return
        raise broken(self.archive.ledger, f"entry {last} is gone")


def gather(archive: Archive, selection: Selection, format_name: str, *, as_of: int = 0, record: bool = True) -> Export:
    """What is asked for, with its entry in the ledger unless nobody here can sign one. as_of: the position up to which
    the ledger is exported, 0 for its head.

    Raises UsageError for a selection of what the ledger never heard of, LedgerError, BusyError, Refused.
    """
    seen = archive.seen()
    found = survey(archive.ledger, archive.verifier.key_of, selection, as_of)
    if not found.policies:
        raise LedgerError("the ledger is empty", hint="migrate-flow init", where=archive.ledger.describe())
    book = archive.book(found.history, seen)
    history = book.history
    who = archive.actor(history)
    watch = _fold(archive, found.as_of.seq, Watch) if format_name in _WITH_ROWS else None
    reconciled = _beside(archive, found, watch, observer(lambda name: archive.target(name, who)))
    header = Header(
        product=f"migrate-flow {__version__}",
        project=history.project,
        ledger=history.ledger,
        genesis=f"sha256:{history.genesis}",
        by=who if who in history.policy.people else "",
        at=found.at,
        as_of=found.as_of.seq,
        head=f"sha256:{found.as_of.hash}",
        selection=found.selection,
        first=found.first,
        last=found.last,
        entries=found.entries,
        counts=dict(sorted(found.counts.items())),
        left_out=found.as_of.seq - found.entries,
        gaps=tuple(found.gaps),
        reconciliation=reconciled,
        recorded=record,
        notices=tuple(_notices(found, watch)),
    )
    export = Export(header, found, archive, folded=watch)
    if not record:
        return export
    try:
        return replace(export, seq=_record(book, header, format_name))
    except IdentityError as error:
        why = f"{error.message}; {error.hint}" if error.hint else error.message
        header = replace(header, by="")  # nobody is taken for a person whose key is not here
    except LedgerError as error:
        if "can't be trusted" in error.message:
            raise
        why = error.message
    return replace(export, header=replace(header, recorded=False), unrecorded=why)


def _record(book: Book, header: Header, format_name: str) -> int:
    """That it was exported. Nothing that others append meanwhile matters to it."""
    fields = {
        "format": format_name,
        "selection": described(header.selection),
        "as_of": {"seq": header.as_of, "hash": header.head},
        "counts": {"entries": header.entries, "left_out": header.left_out},
    }
    subject = Subject("ledger", header.head.removeprefix("sha256:"))
    return book.append(Draft(Kind.LEDGER_EXPORTED, [subject], fields)).seq


def _notices(found: Survey, watch: Watch | None) -> Iterator[str]:
    """What a reader of any row must know, the newest first. watch: None where nobody judged what counts."""
    if found.gaps and sum(end - start + 1 for start, end in found.gaps) < found.as_of.seq - found.entries:
        yield f"of the gaps only the first {len(found.gaps)} are listed; more positions are left out"
    owners = {key: owner for version in found.policies for key, owner in version.policy.owners.items()}
    for revocation in found.revoked[: -SHOWN - 1 : -1]:
        why = f": {revocation.why}" if revocation.why else ""
        owner = owners.get(revocation.key, "somebody")
        yield f"{revocation.by} revoked a key of {owner} (entry {revocation.seq}){why}"
    if len(found.revoked) > SHOWN:
        yield f"and {len(found.revoked) - SHOWN} more keys that were revoked"
    for seq, kind, actor, why in found.flawed[: -SHOWN - 1 : -1]:
        yield f"{actor} {deed(kind)} (entry {seq}), which does not count: {why}"
    if len(found.flawed) > SHOWN:
        yield f"and {len(found.flawed) - SHOWN} more entries about policies and keys that do not count"
    flaws = watch.uncounted if watch else {}
    for seq, kind, environment, actor in reversed(found.rare):
        flaw = f", which does not count: {flaws[seq]}" if seq in flaws else ""
        yield f"{actor} {deed(kind)}{f' of {environment}' if environment else ''} (entry {seq}){flaw}"
    if found.rarities > len(found.rare):
        yield f"and {found.rarities - len(found.rare)} more entries that concern no single migration"
    if found.rare and watch is None:
        yield "whether these entries count is not judged in this format"
    seq, actor, times = found.exported
    if times:
        before = f", the newest of {times} exports" if times > 1 else ""
        yield f"{actor} exported the ledger (entry {seq}){before}"


def _beside(archive: Archive, found: Survey, watch: Watch | None, look: Look) -> tuple[Reconciled, ...]:
    """The ledger beside the databases. watch: None for a format that needs nobody to judge the entries: then they are
    judged if there is a database in reach, and what can't be trusted agrees with none."""
    configured = archive.config.environments
    if watch is not None:
        return tuple(reconcile(found, watch, look, configured))
    if not in_reach(found, look, configured):
        return tuple(unjudged(found, look, configured))
    try:
        outcomes = _fold(archive, found.as_of.seq, Outcomes)
    except LedgerError as error:
        return tuple(unjudged(found, look, configured, error.message))
    return tuple(reconcile(found, outcomes, look, configured))


def _fold(archive: Archive, last: int, judge: type[Judge]) -> Judge:
    """The past up to a position, each signature verified. Raises LedgerError where the ledger can't be trusted, or
    understood."""
    verifier, ledger = archive.verifier, archive.ledger
    watch = judge(verifier.key_of)
    try:
        with rare_collections(), closing(signed(ledger, verifier, last)) as entries:
            for entry, key in entries:
                watch.take(entry, key)
    except (ValueError, KeyError, TypeError) as error:
        raise LedgerError(
            f"the ledger can't be understood: {error}", hint="migrate-flow ledger verify", where=ledger.describe()
        ) from error
    return watch
