"""The project's migration scripts, listed as Alembic lists them and read without being run.

One bad file is one problem; the others are still listed.
"""

# Paths are text here: a project may have thousands of scripts, and Path is several times slower.
# ruff: noqa: PTH112, PTH118, PTH119

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING

from migrate_flow.alembic_adapter.files import read_sealed
from migrate_flow.alembic_adapter.header import Evaluate, read_header
from migrate_flow.alembic_adapter.settings import AlembicSettings
from migrate_flow.core.graph import RevisionGraph
from migrate_flow.core.revision import Revision, ScriptProblem
from migrate_flow.errors import ScriptError

if TYPE_CHECKING:
    from migrate_flow.alembic_adapter.scriptcache import ScriptCache
    from migrate_flow.alembic_adapter.settings import AlembicSettings

# The lint rules that speak of what is found here; a problem without one is `unusable-script`.
_OUTSIDE, _CHARACTERS = "symlink-outside", "bidi-or-control-characters"


# Path in the project (POSIX), why the file must not be read, and how it was found.
Listed = tuple[str, ScriptError | None, os.DirEntry[str] | None]


@dataclass(frozen=True, slots=True)
class ScriptTree:
    """revisions: by id, in the order of the files. A revision that others can't stand on (in a cycle) is left out;
    one whose parent is missing is kept, with a problem that carries its id. graph: of these revisions.
    """

    revisions: dict[str, Revision]
    problems: tuple[ScriptProblem, ...]
    graph: RevisionGraph


def read_scripts(
    settings: AlembicSettings,
    root: Path,
    *,
    whole: bool = False,
    evaluate: Evaluate | None = None,
    cache: ScriptCache | None = None,
    files: Iterable[Listed] | None = None,
) -> ScriptTree:
    """Read every script of the version locations. root: the folder of migrate-flow.toml.

    whole: find syntax errors below the headers too. evaluate: see ``read_header``. cache: for showing alone, headers
    of scripts that were not changed since. files: where they were listed already. Never raises for a file: what can't
    be used is a problem.
    """
    found: dict[str, Revision] = {}
    problems: list[ScriptProblem] = []
    for path, error, _entry in files if files is not None else list_scripts(settings, root):
        try:
            if error:
                raise error
            known = cache.header(path) if cache else None
            revision = known or _header(os.path.join(root, path), path, whole, evaluate, cache)
        except ScriptError as problem:
            problems.append(_problem(path, problem))
            continue
        first = found.setdefault(revision.id, revision)
        if first is not revision:
            problems.append(_twice(first, revision))
    return _linked(found, problems)


def _header(file: str, path: str, whole: bool, evaluate: Evaluate | None, cache: ScriptCache | None) -> Revision:
    source = read_sealed(file, path)
    if cache is not None:
        with suppress(ScriptError):  # what running a script gives may depend on more than its bytes
            revision = read_header(source, path, whole=whole)
            cache.learn_header(path, source, revision)
            return revision
    return read_header(source, path, whole=whole, evaluate=evaluate)


def list_scripts(settings: AlembicSettings, root: Path) -> Iterator[Listed]:
    """Each script once, in Alembic's order."""
    real = os.path.realpath(root)
    seen: set[str] = set()
    for location in settings.version_locations:
        folder = os.path.realpath(location)
        if os.path.isdir(folder) and not (folder + os.sep).startswith(real + os.sep):
            hint = "move migrate-flow.toml up to a folder that holds both"
            error = ScriptError("the version location lies outside the project", hint=hint, rule=_OUTSIDE)
            yield str(location), error, None
            continue
        for path, listed_error, entry in _listed(folder, settings.recursive):
            if path not in seen:
                seen.add(path)
                inside = path.startswith(real + os.sep)
                shown = path[len(real) + 1 :].replace(os.sep, "/") if inside else path
                yield shown, listed_error or _refused(shown, inside), entry


def _listed(folder: str, recursive: bool) -> Iterator[Listed]:
    """Real paths of what Alembic would load (``Script._list_py_dir``): a link goes by its target's name."""
    todo = [folder]
    while todo:
        here = todo.pop()
        try:
            with os.scandir(here) as entries:
                listed = sorted(entries, key=attrgetter("name"))
        except FileNotFoundError:
            continue
        except OSError as error:
            hint = f"ls -ld {shlex.quote(here)}"
            yield here, ScriptError(f"the folder can't be read: {error.strerror}", hint=hint), None
            continue
        folders = [entry.path for entry in listed if entry.is_dir(follow_symlinks=False)]
        for entry in listed if not here.endswith("__pycache__") else ():
            path, name, linked = entry.path, entry.name, entry.is_symlink()
            if linked:
                path = os.path.realpath(path)
                name = os.path.basename(path)
            if not name.endswith(".py") or name.startswith(("__init__", ".#")):
                continue
            if not (os.path.isdir(path) if linked else entry.is_dir()):
                yield path, None, entry
        todo += reversed(folders) if recursive else []


def _refused(shown: str, inside: bool) -> ScriptError | None:
    if not inside:
        hint = "put the script itself into the folder"
        return ScriptError("this is a link to a file outside the project", hint=hint, rule=_OUTSIDE)
    if not shown.isprintable():
        hint = "rename it: the name would be part of what is signed"
        return ScriptError("the file's name holds characters that can't be shown", hint=hint, rule=_CHARACTERS)
    return None


def _problem(path: str, error: ScriptError) -> ScriptProblem:
    line = error.where.rpartition(":")[2]
    shown = path if path.isprintable() else ascii(path)[1:-1]
    return ScriptProblem(shown, int(line) if line.isdigit() else 0, error.message, error.hint, rule=error.rule)


def _twice(first: Revision, second: Revision) -> ScriptProblem:
    problem = f"revision {first.id} is declared here and in {first.path}"
    hint = "give one of the two files another id"
    return ScriptProblem(second.path, 0, problem, hint, first.id, "duplicate-revision")


def _linked(found: dict[str, Revision], problems: list[ScriptProblem]) -> ScriptTree:
    """Add what is wrong between the files."""
    graph = RevisionGraph(found.values())
    stuck = graph.cycles()
    for id_ in sorted(stuck):
        problems.append(_cycle(found[id_], graph, stuck))
    for id_, parent in graph.missing:
        problems.append(_missing(found[id_], parent))
    for id_, revision in found.items() if stuck else ():
        if used := [p for p in graph.parents(id_) if p in stuck and id_ not in stuck]:
            problem = f"it stands on {used[0]}, which is part of a cycle"
            problems.append(ScriptProblem(revision.path, 0, problem, f"correct {found[used[0]].path}", id_, "cycle"))
    problems += _label_clashes(found)
    if stuck:
        found = {id_: revision for id_, revision in found.items() if id_ not in stuck}
        graph = RevisionGraph(found.values())
    return ScriptTree(found, tuple(problems), graph)


def _cycle(revision: Revision, graph: RevisionGraph, stuck: set[str]) -> ScriptProblem:
    """Name the way round, from the revision's own parents on."""
    way = [revision.id]
    while len(way) < 6 and way[-1] not in way[:-1]:
        way.append(next(p for p in graph.parents(way[-1]) if p in stuck))
    problem = f"revision {revision.id} stands on itself: {' → '.join(way)}"
    hint = "correct the down_revision or depends_on of one of them"
    return ScriptProblem(revision.path, 0, problem, hint, revision.id, "cycle")


def _missing(revision: Revision, parent: str) -> ScriptProblem:
    name = "down_revision" if parent in revision.down_revision else "depends_on"
    hint = f"restore that script (git log --all --oneline -S {shlex.quote(parent)}), or correct {name}"
    problem = f"its {name} {parent!a} is declared by no usable script"
    return ScriptProblem(revision.path, 0, problem, hint, revision.id, "missing-parent")


def _label_clashes(found: dict[str, Revision]) -> Iterator[ScriptProblem]:
    """Alembic refuses a label that is used twice, or that is an id."""
    taken = dict(found)
    for revision in found.values():
        for label in revision.branch_labels:
            first = taken.setdefault(label, revision)
            if first is not revision or label in found:
                problem = f"the branch label {label!a} is already used by {first.path}"
                yield ScriptProblem(revision.path, 0, problem, "give the branch another label", revision.id)
