"""The members of a bundle, as `verify FILE` asks for them. Which names a bundle has stands in `bundle_names`."""

from __future__ import annotations

import hashlib
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, BinaryIO

from migrate_flow import __version__
from migrate_flow.core import canonical
from migrate_flow.core.chain import ORIGIN
from migrate_flow.core.entry import kind_of
from migrate_flow.errors import UsageError
from migrate_flow.exports import bundle_names as names
from migrate_flow.exports import rows_again
from migrate_flow.exports.archive import Archive, Damaged, Member
from migrate_flow.exports.bundle_readme import header_again, readme_again
from migrate_flow.services.file_evidence import BUNDLE, Claimed
from migrate_flow.services.verify_ledger import Problem

if TYPE_CHECKING:
    from migrate_flow.core.audit import Change
    from migrate_flow.services.verify_chunk import Row

# Bytes that one member may have which is read whole.
LARGEST_TEXT, LARGEST_ARTIFACT = 16 << 20, 256 << 20
_LONGEST_LINE = 1 << 12
_UNTOLD = ("", None, None, "", "")
_MOST_DAMAGE = 1000  # a file with more is no more damaged


class Bundle:
    """Implements `Evidence`. Raises UsageError for a zip that no bundle is, or that would be risky to unpack."""

    form = BUNDLE

    def __init__(self, file: BinaryIO, where: str, claimed: Callable[[Mapping[str, Any], str], Claimed]) -> None:
        self.where = where
        self.damage: list[Problem] = []
        self.own_readme: bool | None
        self._archive = Archive(file, where)
        self._others: dict[str, int] = {}  # name -> place in the directory
        self._codes, self._places = array("Q"), array("Q")  # of entries/: see `bundle_names.code`
        self._index()
        if names.HEADER not in self._others:
            raise self._refused(f"it holds no {names.HEADER}")
        try:
            document = canonical.loads(self._read(names.HEADER))
        except ValueError as error:
            raise self._refused(f"{names.HEADER} is no JSON ({str(error)[:120]})") from error
        if not isinstance(document, dict):
            raise self._refused(f"{names.HEADER} is no JSON object")
        self.header = claimed(document, f"{where}:{names.HEADER}")
        for name in names.ALWAYS:
            if name not in self._others:
                self._note(Problem(0, f"{name} is missing"))
        self.own_script = self._read(names.VERIFIER) == names.verifier()
        self.own_readme = None
        if self.header.product == f"migrate-flow {__version__}":
            self.own_readme = self._read(names.README) == readme_again(self.header).encode()

    def _index(self) -> None:
        for member in self._archive.members():
            if names.folder(member.name) and not member.size:
                continue  # other programs write one for each folder
            if names.unsafe(member.name):
                raise self._refused(f"it holds a file that would land elsewhere when it is unpacked: {member.name!r}")
            code = names.code(member.name)
            if code:
                self._codes.append(code)
                self._places.append(member.place)
            elif member.name in self._others:
                raise self._twice(member.name)
            else:
                self._others[member.name] = member.place
                if not names.known(member.name):
                    self._note(Problem(0, f"it holds a file that is no part of an export: {member.name!r}"))
        if any(one > other for one, other in zip(self._codes, self._codes[1:], strict=False)):
            pairs = sorted(zip(self._codes, self._places, strict=True))
            self._codes, self._places = array("Q", (c for c, _ in pairs)), array("Q", (p for _, p in pairs))
        for one, other in zip(self._codes, self._codes[1:], strict=False):
            if one == other:
                raise self._twice(names.of_code(one))

    def inspect(self) -> int:
        """Hold every member against SHA256SUMS."""
        listed: set[int] = set()
        count = 0
        for number, line in enumerate(self._lines(names.SUMS), start=1):
            digest, mark, name = line.partition("  ")
            place = self._place(name)
            if not mark or len(digest) != 64:
                self._note(Problem(0, f"{names.SUMS}: line {number} can't be read"))
            elif place is None:
                self._note(Problem(names.position(name), f"{name} is gone: {names.SUMS} names it"))
            elif place in listed:
                self._note(Problem(0, f"{names.SUMS} names {name} twice"))
            else:
                listed.add(place)
                count += 1
                if self._digest(self._archive.member(place)) != digest:
                    text = f"{name} has other bytes than {names.SUMS} says"
                    self._note(Problem(names.position(name), text))
        there = len(self._others) + len(self._codes) - (names.SUMS in self._others)
        if there != count:
            for member in self._archive.members():
                if member.place not in listed and not names.folder(member.name) and member.name != names.SUMS:
                    text = f"{member.name} is not named in {names.SUMS}"
                    self._note(Problem(names.position(member.name), text))
        return there + 1

    def skeleton(self) -> Iterator[tuple[int, str, str, str]]:
        for number, line in enumerate(self._lines(names.CHAIN), start=1):
            if number == 1:
                if line == names.CHAIN_HEAD:
                    continue
                self._note(Problem(0, f"{names.CHAIN} does not begin with its line of headings"))
            found = names.CHAIN_LINE.fullmatch(line)
            if found is None:
                self._note(Problem(0, f"{names.CHAIN}: line {number} can't be read"))
                return
            yield int(found[1]), found[2], found[3], found[4]

    def rows(self) -> Iterator[Row]:
        """Entries with their place in chain.tsv; of what a line is missing, the hash is empty."""
        chain = self.skeleton()
        before, here = (0, ORIGIN), next(chain, None)
        for seq, statement, signature in self._entries():
            while here is not None and here[0] < seq:
                before, here = (here[0], here[3]), next(chain, None)
            own = here[3] if here is not None and here[0] == seq else ""
            prev = before[1] if before[0] == seq - 1 else ""
            yield (seq, prev, own, statement, signature, *_projected(statement))

    def artifacts(self) -> Iterator[tuple[str, bytes]]:
        for name in sorted(self._others):
            if name.startswith(names.ARTIFACTS) and names.known(name):
                yield name.removeprefix(names.ARTIFACTS), self._read(name, LARGEST_ARTIFACT)

    def artifact(self, digest: str) -> bytes | None:
        name = names.ARTIFACTS + digest
        return self._read(name, LARGEST_ARTIFACT) if name in self._others else None

    def unlike(self, changes: Iterable[Change]) -> Iterator[str]:
        lines = self._lines(names.CHANGES, rows_again.LONGEST_LINE)
        return rows_again.unlike(lines, changes, header_again(self.header))

    def policies(self) -> list[tuple[int, str, bytes]]:
        found = [(names.policy_of(name), name) for name in self._others]
        return sorted((*told, self._read(name)) for told, name in found if told)

    def signers(self) -> bytes:
        return self._read(names.SIGNERS)

    def _entries(self) -> Iterator[tuple[int, bytes, str]]:
        index = 0
        while index < len(self._codes):
            seq, is_signature = divmod(self._codes[index], 2)
            if is_signature:
                self._note(Problem(seq, f"{names.of_code(self._codes[index])} is there without its statement"))
                index += 1
                continue
            statement, signature = self._member(self._places[index], LARGEST_TEXT), b""
            index += 1
            if index < len(self._codes) and self._codes[index] == 2 * seq + 1:
                signature = self._member(self._places[index], LARGEST_TEXT)
                index += 1
            else:
                self._note(Problem(seq, "its signature is missing"))
            # What is no text is no signature, and must not become another one by being read.
            yield seq, statement, signature.decode(errors="backslashreplace")

    def _place(self, name: str) -> int | None:
        if code := names.code(name):
            at = bisect_left(self._codes, code)
            return self._places[at] if at < len(self._codes) and self._codes[at] == code else None
        return self._others.get(name)

    def _read(self, name: str, most: int = LARGEST_TEXT) -> bytes:
        place = self._others.get(name)
        return b"" if place is None else self._member(place, most)

    def _member(self, place: int, most: int) -> bytes:
        member = self._archive.member(place)
        try:
            return self._archive.read(member, most)
        except Damaged as error:
            self._damaged(member, error)
            return error.data

    def _digest(self, member: Member) -> str:
        digest = hashlib.sha256()
        try:
            for part in self._archive.chunks(member):
                digest.update(part)
        except Damaged as error:
            self._damaged(member, error)
        return digest.hexdigest()

    def _lines(self, name: str, longest: int = _LONGEST_LINE) -> Iterator[str]:
        """Of a text that may be too large to be held."""
        place = self._others.get(name)
        if place is None:
            return
        member, rest = self._archive.member(place), b""
        try:
            for part in self._archive.chunks(member):
                *lines, rest = (rest + part).split(b"\n")
                yield from (line.decode(errors="backslashreplace") for line in lines)
                if len(rest) > longest:
                    break
        except Damaged as error:
            self._damaged(member, error)
        if rest:
            yield rest[:longest].decode(errors="backslashreplace")

    def _damaged(self, member: Member, error: Damaged) -> None:
        self._note(Problem(names.position(member.name), f"{member.name}: {error}"))

    def _note(self, problem: Problem) -> None:
        """A file is read more than once."""
        if len(self.damage) < _MOST_DAMAGE and problem not in self.damage:
            self.damage.append(problem)

    def _twice(self, name: str) -> UsageError:
        return self._refused(f"it holds two files named {name}, and no two programs need see the same one")

    def _refused(self, problem: str) -> UsageError:
        return UsageError(
            f"this zip is no bundle: {problem}",
            hint="migrate-flow export --format bundle --output FILE makes one; repacked: zip what is in its folder",
            where=self.where,
        )


def _projected(statement: bytes) -> tuple[Any, ...]:
    """Kind, revision, environment, actor and time as the statement says, which a bundle does not store apart."""
    try:
        document = canonical.known(statement)
        predicate = document["predicate"]
        optional = (predicate.get("revision"), predicate.get("environment"))
        values = (kind_of(document), *optional, predicate["actor"], predicate["at"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return _UNTOLD  # whoever judges the statement says what is wrong with it
    texts = all(isinstance(value, str) or (value is None and at in (1, 2)) for at, value in enumerate(values))
    return values if texts else _UNTOLD
