"""Who wrote a file, as git tells it: the only caller of git's history.

The repository may be hostile: nothing here runs a program that its configuration names. Only commands are used that
read objects, so no hook, filter, monitor, pager or remote comes in; the files are compared as the bytes that are given.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from migrate_flow.errors import UsageError
from migrate_flow.services.authors import Author, Authorship

if TYPE_CHECKING:
    from migrate_flow.core.revision import SealedFile

LIMIT_S = 10.0
NO_ADDRESS = "(no address)"
_LONGEST_ADDRESS = 254
_MOST_RENAMES = 1000

_GIT = (
    "git", "--no-pager", "--no-optional-locks", "--no-replace-objects", "--literal-pathspecs",
    "-c", "core.fsmonitor=false", "-c", "log.showSignature=false",
)  # fmt: skip
# Not --follow: it takes a new script for a copy of the older one that it resembles, and names that one's author.
_LOG = (
    "log", "-z", "--format=%H%x00%ae%x00%B", "--no-merges", "--full-history", "--no-mailmap", "--encoding=UTF-8",
    "--no-show-signature", "--no-notes", "--no-color", "--no-ext-diff", "--no-textconv",
)  # fmt: skip
_CHANGES = ("diff-tree", "--stdin", "--root", "-r", "-z", "-M", f"-l{_MOST_RENAMES}", "--no-ext-diff", "--no-textconv")
_KEPT = (
    "PATH", "HOME", "XDG_CONFIG_HOME", "USERPROFILE", "HOMEDRIVE", "HOMEPATH", "SYSTEMROOT",
    "GIT_CEILING_DIRECTORIES", "GIT_DISCOVERY_ACROSS_FILESYSTEM",
)  # fmt: skip
_CO_AUTHOR = re.compile(r"^\s*co-authored-by\s*:(.*)$", re.IGNORECASE | re.MULTILINE)
_COMMIT = re.compile(rb"[0-9a-f]{40}(?:[0-9a-f]{24})?")


class _NoAnswer(Exception):
    """Git does not tell; the reason, for a person."""


@dataclass
class Git:
    """Implements `Authors`. root: the folder of migrate-flow.toml. The repository is looked up once.

    limit_s: for all that one question takes. A git that was too slow once, or has no repository here, is not asked
    again.
    """

    root: Path
    limit_s: float = LIMIT_S
    _end: float = field(default=0.0, init=False, repr=False)
    _silent: str = field(default="", init=False, repr=False)  # why it is not asked any more

    def authorship(self, files: Sequence[SealedFile]) -> Authorship:
        """Never raises: where git can't tell, the answer says why."""
        self._end = time.monotonic() + self.limit_s
        try:
            place = self._place
            paths = {place.prefix + file.path: file for file in files}
            committed = self._committed(place, paths)
            dirty = any(_blob(file.content, committed.get(path, "")) is None for path, file in paths.items())
            if place.shallow:
                problem = "this is a shallow clone, which names the last committer for every file"
                return Authorship(commit=place.commit, shallow=True, dirty=dirty, problem=problem)
            known = [path for path in paths if path in committed]
            authors = tuple(dict.fromkeys(self._authors(place, known)))
            problem = _unknown([file.path for path, file in paths.items() if path not in committed])
            if known and not authors:
                problem = "git's history shows no commit of it that is not a merge"
            return Authorship(authors, place.commit, dirty=dirty, problem=problem)
        except _NoAnswer as error:
            return Authorship(problem=str(error))

    def holds(self, path: str) -> bool:
        self._end = time.monotonic() + self.limit_s
        try:
            return bool(self._committed(self._place, [self._place.prefix + path]))
        except _NoAnswer:
            return False

    def since(self, ref: str, files: Sequence[tuple[str, bytes]]) -> frozenset[str]:
        """The paths of those files (path, content) that are not as where this branch left `ref`. Raises UsageError."""
        self._end = time.monotonic() + self.limit_s
        try:
            place = self._place
            told = self._ask("rev-parse", "--verify", "--end-of-options", f"{ref}^{{commit}}", folder=place.top)
            left = self._ask("merge-base", told.decode().strip(), place.commit, folder=place.top)
            then = self._committed(replace(place, commit=left.decode().strip()), [place.prefix + p for p, _ in files])
        except _NoAnswer as error:
            reason = str(error) if self._silent else "it is unknown here, or has no history in common with HEAD"
            message = f"git can't tell what changed since {ref!r}: {reason}"
            hint = "fetch it with its history (git fetch --unshallow), and name it as git does: origin/main"
            raise UsageError(message, hint=hint, where="--since") from None
        return frozenset(p for p, content in files if _blob(content, then.get(place.prefix + p, "")) is None)

    @cached_property
    def _place(self) -> _Place:
        try:
            told = self._ask(
                "rev-parse", "--is-shallow-repository", "--show-prefix", "--show-toplevel", folder=self.root
            )
            shallow, prefix, top = os.fsdecode(told).removesuffix("\n").split("\n")
            commit = self._ask("rev-parse", "--verify", "HEAD^{commit}", folder=self.root)
        except (_NoAnswer, ValueError) as error:
            self._silent = (
                str(error) if isinstance(error, _NoAnswer) else "git's answer about this folder can't be read"
            )
            raise _NoAnswer(self._silent) from error
        return _Place(Path(top), prefix, commit.decode().strip(), shallow == "true")

    def _committed(self, place: _Place, paths: Iterable[str]) -> dict[str, str]:
        """Path -> id of its content in HEAD."""
        told = self._ask("ls-tree", "-z", "--full-tree", place.commit, "--", *paths, folder=place.top)
        found = {}
        for line in filter(None, told.split(b"\0")):
            about, _, path = line.partition(b"\t")
            found[os.fsdecode(path)] = about.split()[-1].decode()
        return found

    def _authors(self, place: _Place, paths: Sequence[str]) -> Iterator[Author]:
        """Of these files, and of what they were renamed from, whichever branch that was on."""
        todo = [(place.commit, {path: path for path in paths})] if paths else []
        seen: set[tuple[str, str]] = set()
        while todo:
            start, names = todo.pop()  # names: as the file is called there -> as it is called now
            names = {then: now for then, now in names.items() if (start, then) not in seen}
            seen.update((start, then) for then in names)
            if not names:
                continue
            commits = self._commits(place, start, names)
            for commit, changes in self._changes(place, commits).items():
                older: dict[str, str] = {}
                for change in changes:
                    if change.path in names:
                        path = names[change.path].removeprefix(place.prefix)
                        yield from (Author(address, path, co) for address, co in commits[commit])
                        older |= {change.before: names[change.path]} if change.before else {}
                if older:
                    todo.append((f"{commit}^@", older))

    def _commits(self, place: _Place, start: str, paths: Iterable[str]) -> dict[str, list[tuple[str, bool]]]:
        """Commit -> addresses of its author and co-authors, each with whether it is a co-author's."""
        told = self._ask(*_LOG, start, "--", *paths, folder=place.top).split(b"\0")
        found = {}
        for commit, author, message in zip(told[0::3], told[1::3], told[2::3], strict=False):
            lines = _CO_AUTHOR.findall(message.decode("utf-8", "replace").replace("\r", "\n"))
            addresses = [(_address(author.decode("utf-8", "replace")), False)]
            found[commit.decode()] = addresses + [
                (_address(_in_brackets(line)), True) for line in filter(str.strip, lines)
            ]
        return found

    def _changes(self, place: _Place, commits: Iterable[str]) -> dict[str, list[_Change]]:
        """Commit -> the files that it changed."""
        given = "".join(f"{commit}\n" for commit in commits).encode()
        told = iter(self._ask(*_CHANGES, folder=place.top, given=given).split(b"\0") if given else ())
        found: dict[str, list[_Change]] = {}
        here: list[_Change] = []
        for token in told:
            if token.startswith(b":"):
                kind, first = token.split()[-1][:1], os.fsdecode(next(told))
                here.append(_Change(os.fsdecode(next(told)), first) if kind in b"RC" else _Change(first))
            elif _COMMIT.fullmatch(token):
                here = found.setdefault(token.decode(), [])
        return found

    def _ask(self, *words: str, folder: Path, given: bytes = b"") -> bytes:
        """What git prints. Raises _NoAnswer."""
        import subprocess

        if self._silent:
            raise _NoAnswer(self._silent)
        try:
            done = subprocess.run(
                [*_GIT, *words],
                cwd=folder,
                env=environment(),
                input=given,
                capture_output=True,
                timeout=max(0.0, self._end - time.monotonic()),
                check=False,
            )
        except subprocess.TimeoutExpired:
            self._silent = f"git did not answer within {self.limit_s:g} s"
            raise _NoAnswer(self._silent) from None
        except OSError:
            raise _NoAnswer("git is not installed here") from None
        if done.returncode != 0:
            raise _NoAnswer(_complaint(done.stderr))
        return done.stdout


@dataclass(frozen=True, slots=True)
class _Place:
    """The repository. prefix: of the project in it, with a slash at its end, or empty. commit: HEAD."""

    top: Path
    prefix: str
    commit: str
    shallow: bool


@dataclass(frozen=True, slots=True)
class _Change:
    """before: the name that it had, empty where it was not renamed."""

    path: str
    before: str = ""


def environment() -> dict[str, str]:
    """The person's own configuration of git stays (it says which folders they trust); what points git elsewhere, and
    every secret of ours, does not."""
    kept = {name: value for name, value in os.environ.items() if name in _KEPT or name.startswith("GIT_CONFIG")}
    # A partial clone would fetch what it lacks, through whatever program its configuration names.
    return {**kept, "LC_ALL": "C", "GIT_ALLOW_PROTOCOL": "none", "GIT_NO_LAZY_FETCH": "1", "GIT_GRAFT_FILE": os.devnull}


def _complaint(stderr: bytes) -> str:
    first = stderr.decode("utf-8", "replace").strip().partition("\n")[0].removeprefix("fatal: ")
    if first.startswith("not a git repository"):
        return "this is no git repository"
    if first == "Needed a single revision":
        return "git has no commit yet"
    return f"git can't be read here: {first or 'no reason given'}"


def _unknown(paths: Sequence[str]) -> str:
    return f"git's HEAD does not hold {', '.join(paths[:3])}{' …' if len(paths) > 3 else ''}" if paths else ""


def _blob(content: bytes, wanted: str) -> str | None:
    """The id, if the bytes are those of a committed blob; line ends may be Windows' in the checkout."""
    algorithm = hashlib.sha1 if len(wanted) == 40 else hashlib.sha256
    for form in (content, content.replace(b"\r\n", b"\n")):
        if algorithm(b"blob %d\0" % len(form) + form, usedforsecurity=False).hexdigest() == wanted:
            return wanted
    return None


def _in_brackets(text: str) -> str:
    found = re.search(r"<([^<>]*)>", text)
    return found.group(1) if found else text


def _address(text: str) -> str:
    """In the form in which it can be signed: NFC, printable, of bounded length, lower case."""
    plain = "".join(c if c.isprintable() else "?" for c in unicodedata.normalize("NFC", text.strip().lower()))
    return plain[:_LONGEST_ADDRESS] or NO_ADDRESS
