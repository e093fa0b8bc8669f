"""What changed since somebody vouched for a migration: said by `show`, `plan` and `review`, in words with a name."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Brought
from tests.support.project import ADA, BEN, CARLA, Project

VERSIONS = "migrations/versions"


def both_approved(project: Project) -> None:
    project.script("aaaa")
    project.script("bbbb", "aaaa")
    for revision in ("aaaa", "bbbb"):
        project.approved(revision)


@pytest.fixture
def approved(brought: Brought) -> Project:
    """bbbb stands on aaaa; both are approved."""
    return brought(both_approved)


def entry(project: Project, kind: str, revision: str = "bbbb") -> int:
    """Position of the newest entry of this kind."""
    found = project.json("log", "--kind", f"migration.{kind}")["entries"]
    return int([one["seq"] for one in found if one["revision"] == revision][-1])


def since(project: Project) -> str:
    return f"since {CARLA} approved it (entry {entry(project, 'approved')}): "


def shown(project: Project, revision: str = "bbbb") -> list[str]:
    """As `show` has it; `plan` has the same, but for what is said once for a whole plan."""
    found = list(project.json("show", revision)["changes"])
    planned = project.run("plan", "--env", "dev", "--format", "json", actor=ADA).json
    steps = [list(step["changes"]) for step in planned["steps"] if step["revision"] == revision]
    assert steps in ([], [[text for text in found if "at the self-review" not in text]])
    for text in found:
        assert f"! {text}" in project.flow("show", revision).out
    return found


def append(project: Project, path: str, text: str) -> None:
    file = project.folder / path
    file.write_text(file.read_text() + text)


def test_nothing_changed(approved: Project) -> None:
    assert shown(approved) == []
    approved.flow("apply", "--env", "dev", actor=ADA)
    assert shown(approved) == []


def test_an_ancestor_that_is_again_as_it_was_once(project: Project) -> None:
    path = project.script("aaaa")
    first = path.read_text()
    project.script("bbbb", "aaaa")
    project.approved("aaaa")
    append(project, f"{VERSIONS}/aaaa.py", "# other bytes\n")
    project.flow("self-review", "aaaa", actor=ADA)
    project.approved("bbbb")
    path.write_text(first)
    for _ in range(2):  # also from what the first one kept
        (said,) = project.json("show", "bbbb")["changes"]
        assert f"its ancestor aaaa ({VERSIONS}/aaaa.py) is not what the ledger knew then" in said


def test_nobody_vouched_yet(project: Project) -> None:
    project.script("aaaa")
    project.flow("track", actor=ADA)
    assert shown(project, "aaaa") == []


def test_its_own_bytes(approved: Project) -> None:
    append(approved, f"{VERSIONS}/bbbb.py", "\nX = 1\n")
    assert shown(approved) == [f"{since(approved)}{VERSIONS}/bbbb.py changed"]


def test_comments_alone(approved: Project) -> None:
    append(approved, f"{VERSIONS}/bbbb.py", "\n# a comment\n")
    assert shown(approved) == [
        f"{since(approved)}{VERSIONS}/bbbb.py changed: only comments, docstrings or formatting differ"
    ]


def test_modules_by_name(project: Project) -> None:
    for name in ("one", "two"):
        (project.folder / f"{name}.py").write_text("X = 1\n")
    path = project.script("bbbb", upgrade="import one, two")
    project.approved("bbbb")
    path.write_text(path.read_text().replace("import one, two", "import one, three"))
    (project.folder / "one.py").write_text("X = 2\n")
    (project.folder / "three.py").write_text("X = 3\n")
    assert [text.removeprefix(since(project)) for text in shown(project)] == [
        f"{VERSIONS}/bbbb.py changed",
        "one.py changed",
        "three.py is new",
        "two.py is gone",
    ]


def test_its_place_in_the_graph(approved: Project) -> None:
    approved.script("cccc", "aaaa")
    path = approved.script("bbbb", "cccc")
    path.write_text(path.read_text().replace("depends_on = None", 'depends_on = "aaaa"'))
    assert [text.removeprefix(since(approved)) for text in shown(approved)] == [
        f"{VERSIONS}/bbbb.py changed",
        "its down_revision was aaaa, is cccc",
        "its depends_on was None, is aaaa",
    ]


def test_an_ancestor_s_bytes_by_the_entry_that_knew_them(approved: Project) -> None:
    append(approved, f"{VERSIONS}/aaaa.py", "\nX = 1\n")
    known = entry(approved, "approved", "aaaa")
    expected = (
        f"{since(approved)}its ancestor aaaa ({VERSIONS}/aaaa.py) is not what the ledger knew then (entry {known})"
    )
    assert shown(approved) == [expected]
    approved.flow("self-review", "aaaa", actor=ADA)
    assert shown(approved) == [expected]
    approved.flow("self-review", "bbbb", actor=ADA)
    approved.flow("review", "bbbb", "--approve", actor=BEN)
    assert shown(approved) == [expected]  # nobody approved it on this ground yet
    approved.flow("revoke", str(entry(approved, "approved")), "-m", "again", actor=CARLA)
    approved.flow("approve", "bbbb", actor=CARLA)
    assert shown(approved) == []


def test_an_ancestor_that_was_adopted(project: Project) -> None:
    from alembic import command
    from alembic.config import Config

    project.script("aaaa")
    config = Config(str(project.folder / "alembic.ini"))
    config.set_main_option("sqlalchemy.url", f"sqlite:///{project.folder}/dev.db")
    command.upgrade(config, "head")
    project.flow("adopt", "--env", "dev", "-m", "it was there before", actor=CARLA)
    project.script("bbbb", "aaaa")
    project.approved("bbbb")
    assert shown(project) == []
    append(project, f"{VERSIONS}/aaaa.py", "\nX = 1\n")
    (text,) = shown(project)
    assert f"its ancestor aaaa ({VERSIONS}/aaaa.py) is not what the ledger knew then" in text


def test_what_new_wrote_and_its_author_edited_is_no_change_of_an_ancestor(project: Project) -> None:
    made = project.json("new", "-m", "first", actor=ADA)
    project.script("bbbb", made["revision"])
    project.flow("track", "bbbb", actor=ADA)
    append(project, made["path"], "\nX = 1\n")
    project.flow("self-review", "bbbb", actor=ADA)
    append(project, made["path"], "\nY = 1\n")
    assert shown(project) == []


def test_of_many_ancestors_the_first_ones_are_named(project: Project) -> None:
    ids = [f"a{n:03}" for n in range(12)]
    for parent, revision in zip([None, *ids], [*ids, "bbbb"], strict=True):
        project.script(revision, parent)
    project.flow("track", actor=ADA)
    project.flow("self-review", "bbbb", actor=ADA)
    for revision in ids:
        append(project, f"{VERSIONS}/{revision}.py", "\nX = 1\n")
    found = shown(project)
    assert len(found) == 11
    assert found[-1].endswith(": more of its ancestors are not what the ledger knew then")


def test_the_policy_by_its_number(approved: Project) -> None:
    path = approved.folder / "migrate-flow.toml"
    text = path.read_text()
    path.write_text(text.replace("peer_reviews = 1", "peer_reviews = 2"))
    assert path.read_text() != text
    approved.flow("people", "add", "eve@example.com", "--role", "developer", "--new-key", "--store", "project")
    approved.flow("policy", "record", actor=CARLA)
    recorded = approved.json("log", "--kind", "policy.proposed")["entries"][-1]["seq"]
    assert shown(approved) == [f"{since(approved)}policy 2 by {CARLA} is in force (entry {recorded}), it was policy 1"]


def test_env_py_and_the_configuration(approved: Project) -> None:
    append(approved, "migrations/env.py", "\n# another line\n")
    append(approved, "alembic.ini", "\n# another line\n")
    seq = entry(approved, "self-reviewed")
    assert shown(approved) == [
        f"{since(approved)}{what} is not what it was at the self-review (entry {seq})"
        for what in ("Alembic's configuration", "env.py")
    ]


def test_whoever_vouched_last_in_the_highest_place(project: Project) -> None:
    path = project.script("bbbb")
    project.flow("track", actor=ADA)
    deeds = (
        (("self-review", "bbbb"), ADA, "self-reviewed"),
        (("review", "bbbb", "--request-changes", "-m", "no"), BEN, "asked for changes to"),
        (("review", "bbbb", "--approve"), BEN, "reviewed"),
        (("approve", "bbbb"), CARLA, "approved"),
    )
    text = path.read_text()
    for words, person, deed in deeds:
        path.write_text(text)
        project.flow(*words, actor=person)
        path.write_text(text + "\nX = 1\n")
        (change,) = project.json("show", "bbbb")["changes"]
        assert change.startswith(f"since {person} {deed} it (entry ")


def test_a_reviewer_is_told_what_changed_since_the_last_approval(approved: Project) -> None:
    append(approved, f"{VERSIONS}/bbbb.py", "\nX = 1\n")
    approved.flow("self-review", "bbbb", actor=ADA)
    told = f"{since(approved)}{VERSIONS}/bbbb.py changed"
    answer = approved.flow("review", "bbbb", "--approve", "--format", "json", actor=BEN)
    assert (answer.json["changes"], f"! {told}" in answer.err) == ([told], True)


def test_an_approver_without_the_branch_is_told_too(approved: Project) -> None:
    append(approved, f"{VERSIONS}/bbbb.py", "\nX = 1\n")
    approved.flow("self-review", "bbbb", actor=ADA)
    (approved.folder / VERSIONS / "bbbb.py").unlink()
    assert approved.json("show", "bbbb")["changes"] == [f"{since(approved)}{VERSIONS}/bbbb.py changed"]


def test_a_script_is_read_once_for_a_whole_plan(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    from migrate_flow.alembic_adapter.checkout import Checkout

    ids = [f"a{n:03}" for n in range(30)]
    for parent, revision in zip([None, *ids], [*ids, "bbbb"], strict=True):
        project.script(revision, parent)
    project.flow("track", actor=ADA)
    reads: list[str] = []
    real = Checkout.manifest

    def counted(self: Checkout, revision: str) -> object:
        reads.append(revision)
        return real(self, revision)

    for revision in ids:
        append(project, f"{VERSIONS}/{revision}.py", "\nX = 1\n")
    monkeypatch.setattr(Checkout, "manifest", counted)
    project.flow("plan", "--env", "dev", actor=ADA)
    assert sorted(reads) == sorted([*ids, "bbbb"])
