"""Whose work a migration is, as git shows it now: what entries record of that, and who is refused for it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from migrate_flow.core.standing import Standing, claimed, refuses_unknown_authors, unclaimed
from migrate_flow.errors import Refused
from migrate_flow.services.authors import Author, Authors, Authorship

if TYPE_CHECKING:
    from migrate_flow.core.policy import Policy
    from migrate_flow.core.revision import Manifest, SealedFile

_MOST_RECORDED = 50  # addresses in one entry; the number of all of them is recorded too
_MOST_NAMED = 5
_MOST_ASKED = 1000  # files in one question to git: their names are arguments of a command
_NOT_HERE = Authorship(problem="this checkout does not hold the script")


@dataclass(frozen=True, slots=True)
class Contribution:
    """people: person of the policy -> what makes a contributor of them, in words. unknown: addresses of nobody."""

    seen: Authorship
    people: Mapping[str, str]
    unknown: tuple[str, ...]

    @property
    def notices(self) -> tuple[str, ...]:
        """What a reader must know about how far git was heard."""
        found = []
        if self.seen.problem:
            found.append(f"{self.seen.problem}: only recorded contributors count")
        elif self.seen.dirty:
            found.append("the script is not committed as it is here: git does not know who changed it")
        return (*found, *unknown_notices(self.unknown))


class Place(Protocol):
    """Where somebody works: with the ledger (a Workspace) or apart from it."""

    @property
    def authors(self) -> Authors: ...

    @property
    def policy(self) -> Policy: ...

    @property
    def claims(self) -> Mapping[str, Collection[str]]: ...  # address -> whoever claimed it in any policy so far


class PlanAuthors:
    """Whose work the scripts of a plan are, by git: read once for all of them, and only if somebody asks."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._read: dict[str, list[Author]] = {}  # by path
        self._problems: list[str] = []
        self._dirty = False  # whether one of the files is not as HEAD has it

    def read(self, manifests: Iterable[Manifest]) -> None:
        """Ask git about all of these at once."""
        files = {file.path: file for manifest in manifests for file in manifest.files if file.path not in self._read}
        wanted = list(files.values())
        for start in range(0, len(wanted), _MOST_ASKED):
            self._ask(wanted[start : start + _MOST_ASKED])

    def _ask(self, files: Sequence[SealedFile]) -> None:
        seen = self._place.authors.authorship(files)
        self._read |= {file.path: [] for file in files}
        for author in seen.authors:
            self._read[author.path].append(author)
        if seen.problem and seen.problem not in self._problems:
            self._problems.append(seen.problem)
        elif seen.dirty and not seen.problem:
            self._dirty = True

    def of(self, manifest: Manifest) -> Contribution:
        """What git shows of one of them."""
        self.read([manifest])
        authors = tuple(author for file in manifest.files for author in self._read[file.path])
        return _contribution(self._place, Authorship(authors))

    @property
    def notices(self) -> tuple[str, ...]:
        """How far git was heard about all that was asked."""
        found = [f"{problem}: only recorded contributors count" for problem in self._problems]
        if self._dirty:
            found.append("not every script is committed as it is here: git does not know who changed it")
        return tuple(found)


def contribution(workspace: Place, manifest: Manifest | None) -> Contribution:
    """What git shows of the script and its modules. None: they are not in this checkout."""
    return _contribution(workspace, workspace.authors.authorship(manifest.files) if manifest else _NOT_HERE)


def _contribution(workspace: Place, seen: Authorship) -> Contribution:
    addresses = [author.address for author in seen.authors]
    earlier = {person: address for address in addresses for person in workspace.claims.get(address.casefold(), ())}
    owners = {**earlier, **claimed(workspace.policy, addresses)}
    return Contribution(
        seen,
        {person: _why(person, address, seen.authors) for person, address in owners.items()},
        unclaimed(workspace.policy, addresses),
    )


def _why(person: str, address: str, authors: Iterable[Author]) -> str:
    author = min((a for a in authors if a.address == address), key=lambda a: a.co_author)
    deed = "co-author" if author.co_author else "author"
    known_as = f" (as {address})" if address != person else ""
    return f"{person} is the git {deed} of {author.path}{known_as}"


def created_fields(found: Contribution, signer: str) -> dict[str, Any]:
    """Whoever tracks a script is a contributor only if git names somebody else for all of it."""
    others = found.people.keys() - {signer}
    is_theirs = not others or found.seen.dirty or bool(found.seen.problem)
    return contribution_fields(found, [signer] if is_theirs else ())


def contribution_fields(found: Contribution, also: Iterable[str] = ()) -> dict[str, Any]:
    """What an entry records. also: contributors whom git need not name."""
    seen = found.seen
    recorded: dict[str, Any] = {"contributors": sorted({*found.people, *also})}
    if seen.commit:
        git: dict[str, Any] = {"commit": seen.commit, "authors": list(found.unknown[:_MOST_RECORDED])}
        git |= {"more": len(found.unknown) - _MOST_RECORDED} if len(found.unknown) > _MOST_RECORDED else {}
        recorded["git"] = {**git, "dirty": seen.dirty, **({"shallow": True} if seen.shallow else {})}
    return recorded


def require_known_authors(policy: Policy, revision: str, addresses: Iterable[str]) -> None:
    """Raises Refused where the policy asks that somebody in it claims every author."""
    unknown = unclaimed(policy, addresses)
    if unknown and refuses_unknown_authors(policy):
        raise Refused(
            f"git names authors of {revision} whom nobody in the policy claims: {_named(unknown)}",
            hint=claim_hint(),
            where="policy.unknown_authors",
        )


def require_another(
    revision: str, person: str, found: Contribution, standing: Standing | None, deed: str, hint: str
) -> None:
    """Raises Refused for a contributor, with the reason. standing: None where the ledger can't be asked. deed:
    ``reviews`` or ``approves``."""
    why = found.people.get(person)
    if why is None and standing is not None and person in standing.contributors:
        why = f"{person} contributed to {revision}"
    if why is not None:
        raise Refused(f"{why}: nobody {deed} their own work", hint=hint)


def unknown_notices(addresses: tuple[str, ...]) -> tuple[str, ...]:
    """At most one notice."""
    if not addresses:
        return ()
    return (f"git names authors whom nobody in the policy claims: {_named(addresses)}",)


def claim_hint() -> str:
    return (
        "add each address to its person's aliases in migrate-flow.toml, or: "
        "migrate-flow people add EMAIL --role ROLE --key 'KEY'; then migrate-flow policy record"
    )


def _named(addresses: tuple[str, ...]) -> str:
    more = len(addresses) - _MOST_NAMED
    return ", ".join(addresses[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
