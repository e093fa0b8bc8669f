"""docs/reference/documents.md: the keys of each JSON document, read from what commands print in a project's life."""

from __future__ import annotations

import re
import sqlite3
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import move_in
from tests.docs.reference import FOLDER, NOTE, table
from tests.support.project import ADA, BEN, CARLA, Project, governed

FILE = FOLDER / "documents.md"
HEAD = f"""\
# JSON documents

{NOTE.format(source="the story in `tests/docs/reference/documents.py`")}
`--format json` prints one document, alone on stdout.
Its `schema` is `migrate-flow/NAME/1`; a key that is there stays, and new ones may come.
An error is `migrate-flow/error/1`, see [exit codes](exit-codes.md#errors).

`a.b` is the key `b` of the object `a`; `a[]` is each item of a list.
`ENV`, `DIALECT`, `ROLE` and the like stand for names.
The tables are read from documents that commands printed on SQLite.
What was null or an empty list in all of them is told as `null` or `list` alone.
Entries' predicates are told under [entries](entries.md), policies under [configuration](configuration.md).
"""
OTHERS = """
## Others

Not read from a run, for they take a PostgreSQL server, an OS keyring, several admins or a file:

| document | by | keys |
|---|---|---|
| `guard` | `guard install`, `guard status`, `guard remove` | `environment`, `act` (`install`, `status`, `remove`), \
`ok`, `installed`, `complete`, `mode`, `version`, `problem`, `recorded` (`mode`, `version`, `seq`), `logged`, \
`explained`, `log`, `hint`, `seq` |
| `env-login` | `env login` | `environment`, `stored` |
| `env-logout` | `env logout` | `environment`, `forgotten` |
| `policy-diff` | `policy endorse` | as above |
| `ledger-grants` | `ledger grants` | `role`, `sql` |
| `export` | none: `export --output FILE` prints it as text | |
"""
NAMES = {
    "ENV": {"dev", "staging", "production"},
    "DIALECT": {"sqlite", "postgresql", "mariadb", "mysql"},
    "ROLE": {"backend-lead", "developer", "release-manager"},
}
DOCUMENT = re.compile(r"migrate-flow/([a-z-]+)/1")
GROUPS = frozenset({"drift", "env", "keys", "people", "policy", "ledger"})
SECOND = frozenset(
    (
        *("accept", "add", "copy", "diff", "info", "list", "new", "record"),
        *("remove", "revoke", "role", "show", "submit", "test", "upgrade", "verify"),
    )
)
ELSEWHERE = frozenset({"predicate", "document"})
KINDS = {str: "text", int: "number", float: "number", bool: "true or false", list: "list", dict: "object"}

Said = Callable[..., None]
Found = dict[str, tuple[set[str], list[Any]]]  # name -> the commands that print it, and what they printed


def found_here() -> Found:
    """The story in a fresh project, with a home of its own."""
    with tempfile.TemporaryDirectory() as temporary, pytest.MonkeyPatch.context() as patch:
        move_in(Path(temporary, "home"), patch)
        folder = Path(temporary, "shop")
        folder.mkdir()
        patch.chdir(folder)
        return story(governed(folder))


def story(project: Project) -> Found:
    """What each command printed, by the document's name. project: under the flow, and nothing done yet."""
    found: Found = defaultdict(lambda: (set(), []))

    def said(*words: str, actor: str = "") -> None:
        answer = project.run(*words, "--format", "json", actor=actor)
        match = DOCUMENT.fullmatch(answer.json["schema"]) if answer.out else None
        assert match, answer
        assert match[1] != "error", answer
        commands, documents = found[match[1]]
        commands.add(" ".join(words[: 2 if words[0] in GROUPS and words[1:2] and words[1] in SECOND else 1]))
        documents.append(answer.json)

    _begin(said)
    _to_production(project, said)
    _by_hand(project, said)
    _look(said)
    _ledger(project, said)
    return found


def _begin(said: Said) -> None:
    said("keys", "new", "eve@example.com", "--store", "file")
    said("keys", "list")
    said("init", "--person", "zoe@example.com", "--key-store", "file")
    said("people", "add", "eve@example.com", "--role", "developer", "--new-key", "--store", "project")
    said("policy", "diff")
    said("policy", "record", actor=CARLA)
    said("people", "role", "eve@example.com", "--add", "release-manager", "--record", actor=CARLA)
    said("people", "remove", "eve@example.com", "--record", actor=CARLA)
    said("policy", "show")
    for command in ("list", "test"):
        said("env", command)


def _to_production(project: Project, said: Said) -> None:
    said("new", "-m", "an idea", "--rev-id", "cccc", "--rationale", "A try.", actor=ADA)
    said("self-review", "cccc", "--attest", actor=ADA)
    said("withdraw", "cccc", "-m", "no", actor=ADA)
    next((project.folder / "migrations" / "versions").glob("cccc*.py")).unlink()
    project.script("aaaa")
    project.script("bbbb", "aaaa", 'op.drop_column("t_aaaa", "nothing")')
    said("track", "aaaa", "bbbb", actor=ADA)
    for command in ("lint", "check", "rehearse"):
        said(command, "aaaa", "bbbb")
    said("lint", "--explain", "drop-column")
    said("plan", "--env", "production")
    said("apply", "aaaa", "--env", "production", actor=ADA)
    said("self-review", "aaaa", actor=ADA)
    said("inbox", actor=BEN)
    said("review", "aaaa", "--approve", "-m", "fine", actor=BEN)
    said("approve", "aaaa", "--detached", "approval.json", actor=CARLA)
    said("ledger", "submit", "approval.json")
    for env in ("dev", "staging", "production"):
        said("plan", "--env", env, "--to", "aaaa", actor=CARLA)
        said("apply", "aaaa", "--env", env, actor=CARLA)
    said("approve", "aaaa", "--waive", "soaked", "--env", "production", "-m", "urgent", actor=CARLA)
    said("apply", "bbbb", "--env", "dev", actor=ADA)
    said("rollback", "--env", "production", "--to", "base", "-m", "early", "--confirm", "production", actor=CARLA)
    said("recover", "--env", "production")


def _by_hand(project: Project, said: Said) -> None:
    with closing(sqlite3.connect(project.folder / "dev.db")) as database, database:
        database.execute("CREATE TABLE by_hand (id INTEGER PRIMARY KEY)")
    said("drift", "--env", "dev", actor=ADA)
    said("drift", "accept", "--env", "dev", "-m", "stays", actor=ADA)
    said("drift")
    with closing(sqlite3.connect(project.folder / "staging.db")) as database, database:
        database.execute("DELETE FROM alembic_version")
        database.execute("DROP TABLE t_aaaa")
    said("adopt", "--env", "staging", "-m", "plain alembic downgrade", actor=CARLA)
    said("compare", "dev", "production")


def _look(said: Said) -> None:
    said("status")
    said("show", "aaaa")
    said("log")
    said("doctor")


def _ledger(project: Project, said: Said) -> None:
    seq = project.json("log", "--kind", "migration.reviewed")["entries"][0]["seq"]
    said("revoke", str(seq), "-m", "not quite", actor=BEN)
    keys = {key["person"]: key["fingerprint"] for key in project.json("keys", "list")["keys"]}
    said("keys", "revoke", keys[BEN], "-m", "laptop stolen", actor=BEN)
    said("ledger", "info")
    said("ledger", "verify")
    said("ledger", "upgrade")
    said("ledger", "copy", "sqlite:///copy.db")
    project.flow("export", "--format", "bundle", "--output", "all.zip", "--no-record")
    said("verify", "all.zip")


def written(found: Found) -> str:
    parts = [HEAD]
    for name, (commands, documents) in sorted(found.items()):
        by = ", ".join(f"`{command}`" for command in sorted(commands))
        rows = [[f"`{path}`", _told(kinds)] for path, kinds in _shape(documents).items()]
        parts.append(f"\n## {name}\n\nBy {by}.\n\n{table(('key', 'is'), rows)}")
    return "".join([*parts, OTHERS])


def _told(kinds: set[str]) -> str:
    """An empty list says nothing beside one that is not."""
    lists = any(kind.startswith("list of") for kind in kinds)
    return " or ".join(sorted(kinds - ({"list"} if lists else set())))


def _shape(documents: list[Any]) -> dict[str, set[str]]:
    """Path -> what is found there, over all documents; in the order in which they come."""
    shape: dict[str, set[str]] = {}
    for document in documents:
        for path, kind in _paths(document, ""):
            shape.setdefault(path, set()).add(kind)
    return shape


def _paths(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if path and not path.endswith("[]"):
        yield path, _kind(value)
    if isinstance(value, dict) and path.rpartition(".")[2] not in ELSEWHERE:
        for key, item in value.items():
            if path or key != "schema":
                yield from _paths(item, f"{path}.{_name(key)}".lstrip("."))
    elif isinstance(value, list):
        for item in value:
            if isinstance(item, dict | list):
                yield from _paths(item, f"{path}[]")


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, list) and value and not isinstance(value[0], dict | list):
        return f"list of {KINDS[type(value[0])]}"
    return KINDS[type(value)]


def _name(key: str) -> str:
    if "@" in key:
        return "PERSON"
    return next((name for name, known in NAMES.items() if key in known), key)
