"""The revision graph: which revision stands on which, and what an argument such as ``head`` means in it.

The rules are Alembic's (``RevisionMap``, ``HeadMaintainer``), the algorithms are not: each walk is linear and
without recursion. ``down_revision`` makes a lineage; ``depends_on`` only says what must be there before.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from migrate_flow.errors import ScriptError

if TYPE_CHECKING:
    from migrate_flow.core.revision import Revision

SHORTEST_PREFIX = 4
_STATUS = "migrate-flow status"


class RevisionGraph:
    """Built once from the revisions of a tree. Missing parents are left out of every walk and listed in ``missing``.

    Of two revisions with one id, or with one branch label, the first counts. Everything that returns several ids
    returns them sorted, or in an order that depends on nothing but the graph.
    """

    def __init__(self, revisions: Iterable[Revision]) -> None:
        self.revisions: dict[str, Revision] = {}
        for revision in revisions:
            self.revisions.setdefault(revision.id, revision)
        self._names = {id_: id_ for id_ in self.revisions}
        for revision in self.revisions.values():
            for label in revision.branch_labels:
                self._names.setdefault(label, revision.id)
        self._down: dict[str, tuple[str, ...]] = {}
        self._parents: dict[str, tuple[str, ...]] = {}
        self.missing: tuple[tuple[str, str], ...] = self._link()
        self._up = _reversed(self._down)
        depends = any(revision.depends_on for revision in self.revisions.values())
        self._children = _reversed(self._parents) if depends else self._up

    def _link(self) -> tuple[tuple[str, str], ...]:
        missing = []
        for id_, revision in self.revisions.items():
            down, depends_on = revision.down_revision, revision.depends_on
            if len(down) > 1 or not self.revisions.keys() >= set(down):
                missing += [(id_, p) for p in down if p not in self.revisions]
                down = tuple(dict.fromkeys(p for p in down if p in self.revisions))
            self._down[id_] = self._parents[id_] = down
            if depends_on:
                needed = [self._names[d] for d in depends_on if d in self._names]
                self._parents[id_] = tuple(dict.fromkeys([*down, *needed]))
                missing += [(id_, d) for d in depends_on if d not in self._names]
        return tuple(missing)

    def parents(self, id_: str) -> tuple[str, ...]:
        """What must be applied right before: down_revision, then depends_on as ids (labels resolved)."""
        return self._parents[id_]

    def children(self, id_: str) -> tuple[str, ...]:
        """The revisions that name this one in down_revision or depends_on."""
        return tuple(self._children[id_])

    def heads(self, without: frozenset[str] = frozenset()) -> tuple[str, ...]:
        """Revisions that no other has as down_revision: what ``head`` means. without: as if these were not there."""
        return tuple(
            sorted(id_ for id_, up in self._up.items() if not up or without.issuperset(up) if id_ not in without)
        )

    def real_heads(self) -> tuple[str, ...]:
        """Heads that no other revision depends on either: what ``heads`` means, the version table's last rows."""
        return tuple(sorted(id_ for id_, children in self._children.items() if not children))

    def bases(self) -> tuple[str, ...]:
        """Revisions that declare no down_revision."""
        return tuple(sorted(id_ for id_, revision in self.revisions.items() if not revision.down_revision))

    def ancestors(self, ids: Iterable[str]) -> set[str]:
        """All that stands below any of these; one of them is in it only as the ancestor of another."""
        return _reach(ids, self._parents)

    def descendants(self, ids: Iterable[str]) -> set[str]:
        """All that stands on any of these, by down_revision or depends_on."""
        return _reach(ids, self._children)

    def applied_from(self, heads: Iterable[str]) -> set[str]:
        """Everything that is applied where the version table holds these rows, ids that the tree lacks included."""
        rows = set(heads)
        return rows | self.ancestors(rows)

    def heads_after(self, applied: Collection[str]) -> tuple[str, ...]:
        """The rows of Alembic's version table when exactly these are applied: those below no other of them.

        After a downgrade Alembic may leave a row too many, where a revision names a parent and that one's ancestor.
        Compare rows with ``applied_from``, which reads both alike.
        """
        return tuple(sorted(set(applied) - self.ancestors(applied)))

    def cycles(self) -> set[str]:
        """Revisions that can't be ordered because they stand, over others, on themselves."""
        if len(self._order) == len(self.revisions):
            return set()
        stuck = set(self.revisions)
        for edges, line in ((self._parents, self._up), (self._children, self._down)):
            stuck -= set(_sorted_by(edges, stuck, line))
        return stuck

    def order(self) -> tuple[str, ...]:
        """All revisions, parents first; a branch's run stays together, siblings go by id. ScriptError on a cycle."""
        if len(self._order) < len(self.revisions):
            raise ScriptError(
                f"the revisions {_some(sorted(self.cycles()))} stand on each other in a cycle",
                hint="correct the down_revision or depends_on of one of them",
            )
        return self._order

    @cached_property
    def _order(self) -> tuple[str, ...]:
        return tuple(_sorted_by(self._parents, self.revisions.keys(), self._up))

    def pending(self, applied: Collection[str], to: Iterable[str]) -> tuple[str, ...]:
        """What must be applied to reach ``to``, parents first. ScriptError if that needs a script that is not there."""
        done = set(applied)
        wanted = self.applied_from(to) - done
        lost = {p: id_ for id_, p in self.missing if id_ in wanted and p not in done}
        lost |= dict.fromkeys(wanted - self.revisions.keys(), "the target")
        if lost:
            parent, id_ = min(lost.items())
            raise ScriptError(f"{id_} needs revision {parent!a}, which no script declares", hint=_STATUS)
        return tuple(id_ for id_ in self.order() if id_ in wanted)

    def labels(self, id_: str) -> tuple[str, ...]:
        """The branch labels that Alembic shows for a revision (``RevisionMap._add_branches``): its own, those of what
        it stands on by down_revision, and those that come down to it on an unbranched line.
        """
        if id_ not in self.revisions:
            return ()
        sources = {id_} | _reach([id_], self._down) | self._same_tip(id_)
        return tuple(sorted({label for source in sources for label in self.revisions[source].branch_labels}))

    def _same_tip(self, id_: str) -> set[str]:
        """Where nothing branches or merges from here up to a tip: that tip, and all that lead to it alone."""
        tip, seen = id_, set[str]()
        while tip not in seen and len(self._children[tip]) <= 1 and len(self._down[tip]) <= 1:
            seen.add(tip)
            if not self._up[tip]:
                break
            tip = self._up[tip][0]
        else:
            return set()
        found, todo = {tip}, [tip]
        while todo:
            for below in self._down[todo.pop()]:
                if below not in found and len(self._up[below]) == 1:
                    found.add(below)
                    todo.append(below)
        return found

    def resolve(self, rev: str) -> tuple[str, ...]:
        """The ids that an argument names, () for ``base``: an id, a prefix of 4 or more characters, ``head``,
        ``heads``, ``base``, a branch label (the revision that declares it), or one of these after ``LABEL@``.

        Raises ScriptError for what is unknown or ambiguous.
        """
        label, at, name = rev.partition("@") if "@" in rev else ("", "", rev)
        branch = self._lineage(self._named(label)) if at else None
        if name == "base":
            return ()
        if name not in ("head", "heads"):
            found = self._named(name, branch)
            if branch is not None and found not in branch:
                raise ScriptError(f"revision {found} is not on the branch {label!a}", hint=_STATUS)
            return (found,)
        heads = self.real_heads() if name == "heads" and branch is None else self.heads()
        if branch is not None:
            heads = tuple(h for h in heads if h in branch)
        if name == "head" and len(heads) > 1:
            raise self._several(rev, heads)
        return heads

    def _lineage(self, id_: str) -> set[str]:
        return {id_} | _reach([id_], self._down) | _reach([id_], self._up)

    def _named(self, name: str, branch: Collection[str] | None = None) -> str:
        """The one id that a full id, a label or a prefix means."""
        if name in self._names:
            return self._names[name]
        found = set()
        if len(name) >= SHORTEST_PREFIX:
            found = {id_ for full, id_ in self._names.items() if full.startswith(name)}
        if branch is not None:
            found.intersection_update(branch)
        if len(found) == 1:
            return found.pop()
        if found:
            raise ScriptError(f"{name!a} could be {_some(sorted(found))}", hint="give more characters of the id")
        raise self._unknown(name)

    def _unknown(self, name: str) -> ScriptError:
        message = f"no script here declares a revision or branch {name!a}"
        import difflib

        near = difflib.get_close_matches(name, self._names, n=3)
        if not near and len(name) >= SHORTEST_PREFIX:  # of an id only the beginning is typed, as a rule
            starts = {full[: len(name)]: full for full in sorted(self._names, reverse=True)}
            near = [starts[start] for start in difflib.get_close_matches(name, starts, n=3, cutoff=0.7)]
        if 0 < len(name) < SHORTEST_PREFIX and any(n.startswith(name) for n in self._names):
            message += f"; the start of an id needs {SHORTEST_PREFIX} characters"
        elif near:
            message += f"; did you mean {' or '.join(near)}?"
        return ScriptError(message, hint=_STATUS)

    def _several(self, rev: str, heads: Sequence[str]) -> ScriptError:
        labels = [f"{label}@head" for head in heads for label in self.labels(head)[:1]]
        ways = ", ".join(dict.fromkeys([heads[0], *labels[:2], "heads"]))
        return ScriptError(
            f"there are {len(heads)} heads for {rev!a}: {_some(heads)}",
            hint=f"name one of them, or a branch's, or all: {ways}",
        )


def _some(ids: Sequence[str]) -> str:
    return ", ".join(ids[:5]) + (f" and {len(ids) - 5} more" if len(ids) > 5 else "")


def _reversed(edges: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
    back: dict[str, list[str]] = {id_: [] for id_ in edges}
    for id_ in sorted(edges):
        for other in edges[id_]:
            back[other].append(id_)
    return back


def _reach(ids: Iterable[str], edges: Mapping[str, Sequence[str]]) -> set[str]:
    """Everything that one or more steps lead to."""
    found: set[str] = set()
    todo = list(ids)
    while todo:
        for other in edges.get(todo.pop(), ()):
            if other not in found:
                found.add(other)
                todo.append(other)
    return found


def _sorted_by(
    edges: Mapping[str, Sequence[str]], among: Collection[str], line: Mapping[str, Collection[str]]
) -> list[str]:
    """Kahn's sort on a stack: what an id's edges lead to comes before it; ``line`` says what to follow first."""
    if len(among) < len(edges):
        edges = {id_: [other for other in edges[id_] if other in among] for id_ in among}
    waits = {id_: len(others) for id_, others in edges.items()}
    back = _reversed(edges)
    ready = sorted((id_ for id_, count in waits.items() if not count), reverse=True)
    found = []
    while ready:
        id_ = ready.pop()
        found.append(id_)
        others = back[id_]
        if len(others) > 1:
            own = set(line[id_])
            others = sorted(others, key=lambda o: (o not in own, o), reverse=True)
        for other in others:
            waits[other] -= 1
            if not waits[other]:
                ready.append(other)
    return found
