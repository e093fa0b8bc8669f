"""Listing scripts: the same files that Alembic loads, and for each bad one a problem while the others are listed."""

from __future__ import annotations

import os
import stat
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

from migrate_flow.alembic_adapter.scripts import ScriptTree, read_scripts
from migrate_flow.alembic_adapter.settings import read_settings
from migrate_flow.core.graph import RevisionGraph
from migrate_flow.core.revision import ScriptProblem

INI = "[alembic]\nscript_location = %(here)s/migrations\n"


class Project:
    """An Alembic project on disk that scripts are added to."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.versions = root / "migrations" / "versions"
        self.versions.mkdir(parents=True)
        self.configure(INI)

    def configure(self, text: str) -> None:
        (self.root / "alembic.ini").write_text(text)

    def add(self, name: str, id_: str = "", down: object = None, more: str = "") -> Path:
        path = self.versions / name
        path.parent.mkdir(parents=True, exist_ok=True)
        text = f'"""about {id_}"""\nrevision = {id_ or path.stem!r}\ndown_revision = {down!r}\n{more}\n'
        path.write_text(text + "def upgrade(): pass\ndef downgrade(): pass\n")
        return path

    def read(self, **options: bool) -> ScriptTree:
        return read_scripts(read_settings(self.root / "alembic.ini"), self.root, **options)

    def alembic(self) -> ScriptDirectory:
        scripts = ScriptDirectory.from_config(Config(str(self.root / "alembic.ini")))
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "File .* loaded twice")
            scripts.revision_map.heads  # noqa: B018 loads the files
        return scripts


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def as_alembic_lists(project: Project) -> dict[str, str]:
    """id → path in the project, of what Alembic loads."""
    return {
        s.revision: Path(s.path).relative_to(project.root.resolve()).as_posix()
        for s in project.alembic().walk_revisions()
    }


def same_as_alembic(project: Project) -> ScriptTree:
    tree = project.read()
    assert not tree.problems
    assert {id_: revision.path for id_, revision in tree.revisions.items()} == as_alembic_lists(project)
    graph, theirs = RevisionGraph(tree.revisions.values()), project.alembic()
    assert set(graph.heads()) == set(theirs.get_heads())
    assert set(graph.real_heads()) == set(theirs.get_heads(consider_depends_on=True))
    assert set(graph.bases()) == set(theirs.get_bases())
    return tree


def only(tree: ScriptTree) -> ScriptProblem:
    (problem,) = tree.problems
    assert problem.hint
    return problem


def test_linear(project: Project) -> None:
    project.add("a1_first.py", "a1")
    project.add("b2_second.py", "b2", "a1")
    tree = same_as_alembic(project)
    assert list(tree.revisions) == ["a1", "b2"]
    assert tree.revisions["b2"].path == "migrations/versions/b2_second.py"
    assert tree.revisions["b2"].message == "about b2"


def test_branches_merges_labels_dependencies_and_several_bases(project: Project) -> None:
    project.add("a1.py")
    project.add("b2.py", down="a1", more="branch_labels = ('left',)")
    project.add("c3.py", down="a1")
    project.add("d4.py", down=("b2", "c3"))
    project.add("e5.py", more="branch_labels = 'apart'\ndepends_on = 'left'")
    project.add("f6.py", down="e5", more="depends_on = ['d4']")
    tree = same_as_alembic(project)
    graph = RevisionGraph(tree.revisions.values())
    theirs = project.alembic()
    for id_ in tree.revisions:
        assert set(graph.labels(id_)) == theirs.get_revision(id_).branch_labels
    assert graph.real_heads() == ("f6",)
    assert graph.heads() == ("d4", "f6")


def test_the_names_that_alembic_skips(project: Project) -> None:
    project.add("a1.py")
    for name in ("__init__.py", "__init__x.py", ".#b2.py", "b2.pyc", "b2.txt", "b2.PY", "b2py", "__pycache__/c3.py"):
        project.add(name, "b2", "gone")
    (project.versions / "folder.py").mkdir()
    project.add("below/d4.py", "d4")
    assert set(same_as_alembic(project).revisions) == {"a1"}


def test_hidden_files_and_odd_names_count(project: Project) -> None:
    project.add(".a1.py", "a1")
    project.add("b 2 größer.py", "b2", "a1")
    assert set(same_as_alembic(project).revisions) == {"a1", "b2"}


def test_recursive(project: Project) -> None:
    project.configure(INI + "recursive_version_locations = true\n")
    project.add("z/a1.py", "a1")
    project.add("2026/10/b2.py", "b2", "a1")
    project.add("2026/c3.py", "c3", "b2")
    project.add("2026/__pycache__/d4.py", "d4", "gone")
    (project.versions / "linked").symlink_to(project.versions / "z")
    assert list(same_as_alembic(project).revisions) == ["c3", "b2", "a1"]


def test_several_version_locations_and_one_file_twice(project: Project) -> None:
    project.configure(
        INI + "path_separator = newline\nversion_locations =\n %(here)s/more\n migrations/versions\n more/.\n"
    )
    project.add("a1.py")
    project.add("../../more/b2.py", "b2", "a1")
    tree = project.read()
    assert list(tree.revisions) == ["b2", "a1"]
    assert not tree.problems


def test_links_inside_the_project_go_by_their_targets_name(project: Project) -> None:
    target = project.add("../shared/a1_real.py", "a1")
    (project.versions / "other_name.txt").symlink_to(target)
    (project.versions / "link.py").symlink_to(target)
    note = project.root / "note.txt"
    note.write_text("no script")
    (project.versions / "b2.py").symlink_to(note)
    assert same_as_alembic(project).revisions["a1"].path == "migrations/shared/a1_real.py"


def test_a_project_below_a_linked_folder(project: Project, tmp_path_factory: pytest.TempPathFactory) -> None:
    project.add("a1.py")
    link = tmp_path_factory.mktemp("elsewhere") / "link"
    link.symlink_to(project.root)
    tree = read_scripts(read_settings(link / "alembic.ini"), link)
    assert tree.revisions["a1"].path == "migrations/versions/a1.py"


def test_no_versions_folder_yet(project: Project) -> None:
    project.versions.rmdir()
    tree = project.read()
    assert (tree.revisions, tree.problems, tree.graph.heads()) == ({}, (), ())


def test_a_link_to_outside_is_not_read(project: Project, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside") / "b2.py"
    outside.write_text('revision = "b2"\ndown_revision = "a1"\n')
    project.add("a1.py")
    (project.versions / "b2.py").symlink_to(outside)
    tree = project.read()
    assert "link to a file outside the project" in only(tree).problem
    assert set(tree.revisions) == {"a1"}


def test_a_version_location_outside(project: Project, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside")
    (outside / "b2.py").write_text('revision = "b2"\ndown_revision = None\n')
    project.configure(INI + f"path_separator = newline\nversion_locations =\n migrations/versions\n {outside}\n")
    project.add("a1.py")
    tree = project.read()
    assert only(tree).problem == "the version location lies outside the project"
    assert only(tree).path == str(outside)
    assert set(tree.revisions) == {"a1"}


def test_what_can_not_be_read_never_blocks(project: Project) -> None:
    project.add("a1.py")
    os.mkfifo(project.versions / "b2.py")
    (project.versions / "c3.py").symlink_to("/dev/zero")
    (project.versions / "d4.py").symlink_to(project.versions / "gone.py")
    (project.versions / "e5.py").symlink_to(project.versions / "e5.py")
    (project.versions / "f6.py").write_bytes(b"#" * (1 << 20) + b"#")
    tree = project.read()
    assert set(tree.revisions) == {"a1"}
    problems = {p.path.rpartition("/")[2]: p.problem for p in tree.problems}
    assert problems["b2.py"] == "this is not a regular file"
    assert problems["gone.py"] == "the file can't be read: No such file or directory"
    assert problems["f6.py"] == "the file is over 1 MiB"
    assert "zero" not in str(problems)  # /dev/zero is no .py file
    assert "symbolic links" in problems["e5.py"]


@pytest.fixture
def not_root() -> Iterator[None]:
    """root reads everything: be nobody for a while."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    yield
    if root:
        os.seteuid(0)


def test_an_unreadable_file_and_folder(not_root: None) -> None:
    with tempfile.TemporaryDirectory() as folder:  # pytest's own folders are closed to others
        project = Project(Path(folder))
        project.configure(INI + "recursive_version_locations = true\n")
        project.add("a1.py")
        project.add("b2.py").chmod(0)
        closed = project.add("closed/c3.py").parent
        closed.chmod(0)
        tree = project.read()
        closed.chmod(stat.S_IRWXU)
    assert set(tree.revisions) == {"a1"}
    assert [p.problem for p in tree.problems] == [
        "the file can't be read: Permission denied",
        "the folder can't be read: Permission denied",
    ]


@pytest.mark.parametrize("name", ["a\nb.py", "a\x1b[31m.py", "a\u202eb.py", os.fsdecode(b"caf\xe9.py")])
def test_names_that_could_forge_a_manifest_or_a_terminal(project: Project, name: str) -> None:
    project.add("a1.py")
    project.add(name, "b2", "a1")
    tree = project.read()
    assert "characters that can't be shown" in only(tree).problem
    assert only(tree).path.isprintable()
    assert set(tree.revisions) == {"a1"}


def test_a_bad_file_is_one_problem_with_its_line(project: Project) -> None:
    project.add("a1.py")
    (project.versions / "b2.py").write_text("revision = 'b2'\ndown_revision = (\n")
    project.add("c3.py", "c" * 33)
    (project.versions / "empty.py").touch()
    tree = project.read()
    assert set(tree.revisions) == {"a1"}
    found = {(p.path.rpartition("/")[2], p.line): p.problem for p in tree.problems}
    assert found["b2.py", 2].startswith("syntax error")
    assert "33 characters" in found["c3.py", 2]
    assert found["empty.py", 0] == "the file declares no revision"


def test_a_syntax_error_in_a_body_is_found_when_asked_for(project: Project) -> None:
    path = project.add("a1.py")
    path.write_text(path.read_text() + "def f(:\n")
    assert set(project.read().revisions) == {"a1"}
    tree = project.read(whole=True)
    assert not tree.revisions
    assert only(tree).line == 7


def test_one_id_in_two_files(project: Project) -> None:
    project.add("a_first.py", "a1")
    project.add("b_second.py", "a1")
    project.add("c3.py", "c3", "a1")
    tree = project.read()
    assert tree.revisions["a1"].path == "migrations/versions/a_first.py"
    assert only(tree).path == "migrations/versions/b_second.py"
    assert only(tree).revision == "a1"
    assert "migrations/versions/a_first.py" in only(tree).problem
    with pytest.warns(UserWarning, match="present more than once"):  # and then runs the second file
        assert project.alembic().get_revision("a1").path.endswith("b_second.py")


def test_missing_parents_and_dependencies(project: Project) -> None:
    project.add("a1.py")
    project.add("b2.py", "b2", "gone")
    project.add("c3.py", "c3", "a1", more="depends_on = ('a1', 'nowhere')")
    tree = project.read()
    assert set(tree.revisions) == {"a1", "b2", "c3"}
    assert [(p.revision, p.problem) for p in tree.problems] == [
        ("b2", "its down_revision 'gone' is declared by no usable script"),
        ("c3", "its depends_on 'nowhere' is declared by no usable script"),
    ]
    assert "git log --all --oneline -S gone" in tree.problems[0].hint


def test_cycles_are_left_out_and_what_stands_on_them_is_named(project: Project) -> None:
    project.add("a1.py")
    project.add("b2.py", "b2", "c3")
    project.add("c3.py", "c3", "d4")
    project.add("d4.py", "d4", "b2")
    project.add("e5.py", "e5", "e5")
    project.add("f6.py", "f6", more="depends_on = 'f6'")
    project.add("g7.py", "g7", "c3")
    tree = project.read()
    assert set(tree.revisions) == {"a1", "g7"}
    problems = {p.revision: p.problem for p in tree.problems}
    assert problems["b2"] == "revision b2 stands on itself: b2 → c3 → d4 → b2"
    assert problems["e5"] == "revision e5 stands on itself: e5 → e5"
    assert problems["f6"] == "revision f6 stands on itself: f6 → f6"
    assert problems["g7"] == "it stands on c3, which is part of a cycle"
    assert set(problems) == {"b2", "c3", "d4", "e5", "f6", "g7"}
    with pytest.raises(Exception, match="is detected in revisions"):
        project.alembic().get_heads()


def test_one_branch_label_on_two_revisions(project: Project) -> None:
    project.add("a1.py", more="branch_labels = 'left'")
    project.add("b2.py", "b2", "a1", more="branch_labels = ('left', 'right')")
    project.add("c3.py", "c3", "a1", more="branch_labels = 'a1'")
    tree = project.read()
    assert {(p.revision, p.problem) for p in tree.problems} == {
        ("b2", "the branch label 'left' is already used by migrations/versions/a1.py"),
        ("c3", "the branch label 'a1' is already used by migrations/versions/a1.py"),
    }
    project.add("b2.py", "b2", "a1", more="branch_labels = 'b2'")
    assert {p.revision for p in project.read().problems} == {"b2", "c3"}
    with pytest.raises(Exception, match="already used by"):
        project.alembic().get_heads()


def test_expressions_are_evaluated_only_by_leave(project: Project) -> None:
    project.add("a1.py", more="branch_labels = (cli.EXPAND,)")
    assert "needs an import" in only(project.read()).problem
    tree = read_scripts(
        read_settings(project.root / "alembic.ini"), project.root, evaluate=lambda source, path: (("expand",), None)
    )
    assert tree.revisions["a1"].branch_labels == ("expand",)


def test_listing_runs_nothing_of_the_project(project: Project) -> None:
    project.add("a1.py", more="raise SystemExit('ran')")
    (project.root / "migrations" / "env.py").write_text("raise SystemExit('ran')")
    assert set(project.read().revisions) == {"a1"}
    assert not list(project.root.rglob("__pycache__"))
