"""With the cache and without it everything is the same, but for what is read; and what changed is always read."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from migrate_flow import cache_folder
from migrate_flow.alembic_adapter.checkout import Checkout
from migrate_flow.alembic_adapter.scriptcache import PROJECTS, RACY_NS, ScriptCache
from migrate_flow.alembic_adapter.settings import read_settings
from migrate_flow.core.outline import Outline, manifest_traits
from migrate_flow.errors import ScriptError

ARGILLA = Path(__file__).parents[1] / "data" / "argilla"
INI = "[alembic]\nscript_location = %(here)s/migrations\nprepend_sys_path = .\n"
LATER = 3600 * 10**9
SCRIPT = '"""about {id}"""\n{imports}\nrevision = {id!r}\ndown_revision = {down!r}\n{more}\n'
UPGRADE = 'def upgrade():\n    op.drop_table("t_{id}")\ndef downgrade(): pass\n'


class Project:
    """On the disk. cache: its folder."""

    def __init__(self, folder: Path) -> None:
        self.root, self.cache = folder / "shop", folder / "cache"
        self.versions = self.root / "migrations" / "versions"
        self.versions.mkdir(parents=True)
        (self.root / "alembic.ini").write_text(INI)

    def add(self, id_: str, down: str | None = None, *, imports: str = "", more: str = "", body: str = UPGRADE) -> Path:
        path = self.versions / f"{id_}.py"
        path.write_text(SCRIPT.format(id=id_, down=down, imports=imports, more=more) + body.replace("{id}", id_))
        return path

    def checkout(self, *, cached: bool = True, now: int = LATER) -> Checkout:
        """now: ns from now on, at which it is read; by default so much later that no file is too new."""
        cache = ScriptCache(self.cache, str(self.root.resolve()), time.time_ns() + now) if cached else None
        return Checkout(read_settings(self.root / "alembic.ini"), self.root, imports=True, cache=cache)

    def seen(self, *, now: int = LATER) -> Any:
        checkout = self.checkout(now=now)
        summed_up = checkout.digests, checkout.order
        return dict(checkout.revisions), checkout.problems, checkout.outlines(checkout.revisions), *summed_up

    def read(self) -> Any:
        """From bytes, by the code that signs."""
        checkout = self.checkout(cached=False)
        outlines = {id_: _by_manifest(checkout, id_) for id_ in checkout.revisions}
        digests = {id_: outline.digest if outline else "" for id_, outline in outlines.items()}
        return checkout.revisions, checkout.problems, outlines, digests, checkout.graph.order()

    def stored(self) -> list[str]:
        """The scripts that have a row."""
        (file,) = self.cache.iterdir()
        body = cache_folder.read(file)
        assert body is not None
        return [json.loads(line)[0] for line in body.split(b"\n")[1:]]


def _by_manifest(checkout: Checkout, id_: str) -> Outline | None:
    try:
        manifest = checkout.manifest(id_)
    except ScriptError:
        return None
    return Outline(manifest.digest, manifest.behaviour, manifest_traits(manifest), manifest.digests)


def _edit(path: Path, old: str, new: str) -> None:
    """Once the clock of the file system, which may be a coarse one, has moved on."""
    text, before = path.read_text(), path.stat().st_ctime_ns
    while path.stat().st_ctime_ns == before:
        path.write_text(text.replace(old, new))


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


OPENED: list[str] | None = None


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    """What is opened or compiled, while somebody asks."""
    if OPENED is not None and event in ("open", "compile"):
        OPENED.append(f"{event} {arguments[1] if event == 'compile' else arguments[0]}")


sys.addaudithook(_hook)


def _touched(project: Project, do: Callable[[], object]) -> list[str]:
    """Names of the project's files that were opened, and sources that were parsed."""
    global OPENED
    OPENED = []
    try:
        do()
    finally:
        found, OPENED = OPENED, None
    ours = [
        line for line in found if (line.startswith("compile") and "<string>" not in line) or str(project.root) in line
    ]
    return sorted(line.replace(str(project.root.resolve()), "") for line in ours if "alembic.ini" not in line)


# -- the same with and without


IMPORTS = (
    "",
    "import os, json",
    "from shared import words",
    "import shared.words as w",
    "from shared import *",
    "import gone",
)
BODIES = (
    UPGRADE,
    "",
    "def upgrade(:\n",
    'def upgrade():\n    op.execute("DELETE FROM x")  # migrate-flow: ignore[a] - b\n',
)
MORE = (
    "",
    'branch_labels = ("left",)',
    'depends_on = "r0"',
    "depends_on = [x for x in ()]",
    'branch_labels = "zwei ä"',
)
SHARED = (
    "WORD = 1\n",
    "import shared.more\n",
    '__all__ = ["more"]\n',
    "syntax error(\n",
    "def upgrade(): op.drop_table('y')\n",
)


@st.composite
def scripts(draw: st.DrawFn) -> list[tuple[str, str | None, str, str, str]]:
    count = draw(st.integers(1, 6))
    names = [f"r{number}" for number in range(count)]
    parents = [None, *names, "gone"]
    choose = [st.sampled_from(given) for given in (parents, IMPORTS, MORE, BODIES)]
    return [(name, *draw(st.tuples(*choose))) for name in names]  # type: ignore[misc] # as drawn


@settings(max_examples=60, deadline=None)
@given(scripts(), st.sampled_from(SHARED), scripts(), st.sampled_from(SHARED))
def test_generated_trees(before: Any, shared: str, after: Any, shared_after: str) -> None:
    """Cold, warm, and after files changed, came and went."""
    with tempfile.TemporaryDirectory() as folder:
        project = Project(Path(folder))
        (project.root / "shared").mkdir()
        for made, text in ((before, shared), (after, shared_after)):
            time.sleep(0.02)  # longer than a tick of the file system's clock
            for path in project.versions.iterdir():
                path.unlink()
            for name in ("words", "more", "__init__"):
                (project.root / "shared" / f"{name}.py").write_text(text if name != "more" else "")
            for id_, down, imports, more, body in made:
                project.add(id_, down, imports=imports, more=more, body=body)
            plain = project.read()
            assert project.seen() == plain
            assert project.seen() == plain


def test_a_real_history(tmp_path: Path) -> None:
    shutil.copytree(ARGILLA, tmp_path / "argilla")
    project = Project(tmp_path)
    project.root = tmp_path / "argilla"
    plain = project.read()
    assert len(plain[2]) > 20
    assert project.seen() == plain
    touched = _touched(project, lambda: project.seen())
    assert touched == []
    assert project.seen() == plain


# -- what is read


def test_a_warm_cache_reads_and_parses_nothing(project: Project) -> None:
    (project.root / "words.py").write_text(f"WORD = {str(project.root)!r}\n")  # which this process never read before
    for number in range(20):
        project.add(f"r{number}", f"r{number - 1}" if number else None, imports="import words")
    cold = _touched(project, project.seen)
    assert sum("compile" in line for line in cold) == 22  # each once, and the module for its names and its traits
    assert _touched(project, project.seen) == []
    project.add("r5", "r4", imports="import words # changed")
    assert [line for line in _touched(project, project.seen) if "open" in line] == [
        "open /migrations/versions/r5.py"
    ] * 2


def test_without_a_cache_every_byte_is_read(project: Project) -> None:
    project.add("r1")
    project.seen()
    checkout = project.checkout(cached=False)
    assert _touched(project, lambda: checkout.manifest("r1")).count("open /migrations/versions/r1.py") == 2
    warm = project.checkout()
    assert warm.revisions
    assert "open /migrations/versions/r1.py" in _touched(project, lambda: warm.manifest("r1"))


def test_one_revision_is_parsed_alone(project: Project) -> None:
    project.add("r1")
    project.add("r2", "r1")
    checkout = project.checkout()
    assert list(checkout.outlines(["r2", "nowhere"])) == ["r2"]
    assert len([line for line in _touched(project, project.seen) if "compile" in line]) == 1


# -- what changed


def _away(project: Project) -> None:
    (project.versions / "r2.py").unlink()


def _renamed(project: Project) -> None:
    (project.versions / "r2.py").rename(project.versions / "other.py")


def _edited_in_place(project: Project) -> None:
    path = project.versions / "r1.py"
    told = path.stat()
    _edit(path, "t_r1", "t_xx")
    os.utime(path, ns=(told.st_atime_ns, told.st_mtime_ns))


def _linked(project: Project) -> None:
    (project.versions / "r3.py").symlink_to(project.add("elsewhere", "r2").rename(project.root / "r3.py"))


CHANGES: dict[str, Callable[[Project], object]] = {
    "a new script": lambda project: project.add("r3", "r2"),
    "one is gone": _away,
    "another name": _renamed,
    "the same size and time": _edited_in_place,
    "a link": _linked,
    "a module": lambda project: _edit(project.root / "words.py", "1", "2"),
    "no module any more": lambda project: (project.root / "words.py").unlink(),
    "a module before it": lambda project: (
        (project.root / "words").mkdir() or (project.root / "words/__init__.py").touch()
    ),
    "a module that can't be used": lambda project: (
        (project.root / "words.so").touch() or (project.root / "words.pyc").touch()
    ),
    "a folder of scripts": lambda project: (project.versions / "more").mkdir(),
    "nothing": lambda project: None,
}


@pytest.mark.parametrize("what", CHANGES)
def test_what_is_summed_up_is_so_now(project: Project, what: str) -> None:
    (project.root / "words.py").write_text("WORD = 1\n")
    project.add("r1", imports="import words")
    project.add("r2", "r1")
    before = project.seen()
    assert project.seen() == before == project.read()
    CHANGES[what](project)
    assert project.seen() == project.seen() == project.read()
    assert (project.seen() == before) == (what in ("nothing", "a folder of scripts"))


def test_what_is_summed_up_holds_while_a_file_is_too_new_to_tell(project: Project) -> None:
    project.add("r1")
    project.add("r2", "r1")
    for now in (0, 0, LATER, LATER):
        assert project.seen(now=now) == project.read()


def test_a_new_script_with_a_module_that_is_older(project: Project) -> None:
    """The module is kept while the script is too new for it: what is summed up is that of before."""
    project.add("r1")
    project.seen()
    (project.root / "words.py").write_text("WORD = 1\n")
    time.sleep(0.05)
    new = project.add("r2", "r1", imports="import words")
    checkout = project.checkout(now=new.stat().st_ctime_ns + RACY_NS - 20_000_000 - time.time_ns())
    assert [*checkout.digests] == ["r1", "r2"]
    assert checkout.outlines(["r1", "r2"]).keys() == {"r1", "r2"}
    assert checkout.digest_alone("r2")
    assert project.stored() == ["migrations/versions/r1.py"]
    assert project.seen() == project.read()


def test_an_edit_with_size_and_time_put_back(project: Project) -> None:
    path = project.add("r1")
    before, told = project.seen(), path.stat()
    _edit(path, "t_r1", "x_r1")
    os.utime(path, ns=(told.st_atime_ns, told.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (told.st_size, told.st_mtime_ns)
    assert project.seen() == project.read() != before


def test_another_file_under_the_same_name(project: Project) -> None:
    path = project.add("r1")
    before, told = project.seen(), path.stat()
    other = path.with_suffix(".new")
    other.write_text(path.read_text().replace("t_r1", "x_r1"))
    os.utime(other, ns=(told.st_atime_ns, told.st_mtime_ns))
    other.replace(path)
    assert project.seen() == project.read() != before


def test_a_module_that_changes(project: Project) -> None:
    project.add("r1", imports="import words")
    words = project.root / "words.py"
    words.write_text("WORD = 1\n")
    before = project.seen()
    _edit(words, "1", "2")
    assert project.seen() == project.read() != before
    words.unlink()
    assert project.seen() == project.read()


@pytest.mark.parametrize(("age", "kept"), [(RACY_NS - 10**8, False), (RACY_NS + 10**8, True)])
def test_what_was_just_changed_is_read_again(project: Project, age: int, kept: bool) -> None:
    """Within the two seconds a further edit may leave every time as it is."""
    path = project.add("r1")
    project.seen(now=path.stat().st_ctime_ns + age - time.time_ns())
    assert (project.cache.is_dir() and len(project.stored()) == 1) == kept
    assert ("open /migrations/versions/r1.py" in _touched(project, project.seen)) == (not kept)


def test_a_header_that_only_running_it_tells_is_asked_each_time(project: Project) -> None:
    (project.root / "labels.txt").write_text("left")
    project.add("r1")
    project.seen()
    project.add(
        "r1", more=f"import pathlib\nbranch_labels = pathlib.Path({str(project.root / 'labels.txt')!r}).read_text()"
    )
    for label in ("left", "right"):
        (project.root / "labels.txt").write_text(label)
        found = project.seen()
        assert found == project.read()
        assert found[0]["r1"].branch_labels == (label,)


# -- the file


def test_scripts_that_are_gone_are_forgotten(project: Project) -> None:
    project.add("r1")
    gone = project.add("r2", "r1")
    project.seen()
    gone.unlink()
    project.seen()
    assert project.stored() == ["migrations/versions/r1.py"]


def test_nothing_is_written_where_nothing_is_new(project: Project) -> None:
    project.add("r1")
    project.seen()
    (file,) = project.cache.iterdir()
    before = file.stat()
    project.seen()
    assert (file.stat().st_ino, file.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def _spoil(body: bytes) -> Iterator[bytes]:
    first, _, rows = body.partition(b"\n")
    head = json.loads(first)
    yield b""
    yield b"not json"
    yield b"[]"
    yield json.dumps({**head, "made_by": "another version"}).encode() + b"\n" + rows
    yield json.dumps({**head, "root": "'/elsewhere'"}).encode() + b"\n" + rows


def test_a_file_that_is_no_cache_of_this_project(project: Project) -> None:
    project.add("r1")
    plain = project.seen()
    (file,) = project.cache.iterdir()
    body = cache_folder.read(file)
    assert body is not None
    for spoilt in _spoil(body):
        cache_folder.write(file, spoilt, most=PROJECTS)
        assert len(_touched(project, lambda: project.checkout().revisions)) == 1, spoilt[:50]
        assert project.seen() == plain
    for torn in (file.read_bytes()[:-10], b"\0" * 100):
        file.write_bytes(torn)
        assert project.seen() == plain


def test_no_cache_can_be_kept(project: Project) -> None:
    project.add("r1")
    project.cache.write_text("a file is in the way")
    assert project.seen() == project.seen() == project.read()


def test_two_that_end_together(project: Project) -> None:
    """The later one's file stands, whole."""
    project.add("r1")
    first, second = project.checkout(), project.checkout()
    both = first.outlines(["r1"]), second.outlines(["r1"])
    assert both[0] == both[1] == project.seen()[2]
    assert project.stored() == ["migrations/versions/r1.py"]


def test_many_processes_at_once(project: Project) -> None:
    for number in range(30):
        project.add(f"r{number}", f"r{number - 1}" if number else None)
    code = (
        "import sys; from pathlib import Path; from tests.alembic_adapter.test_scriptcache import Project\n"
        "project = object.__new__(Project); project.root, project.cache = map(Path, sys.argv[1:])\n"
        "assert project.seen() == project.read()"
    )
    words = [sys.executable, "-c", code, str(project.root), str(project.cache)]
    running = [subprocess.Popen(words, cwd=Path(__file__).parents[2]) for _ in range(4)]
    assert [one.wait(60) for one in running] == [0] * 4
    assert _touched(project, project.seen) == []
