"""Contributors from git, as the commands record, show and refuse them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.project import ADA, BEN, CARLA, DORA, Project
from tests.support.repository import Repository

STRANGER = "stranger@example.net"
UNKNOWN = f"git names authors whom nobody in the policy claims: {STRANGER}"
PATH = "migrations/versions/aaaa.py"


@pytest.fixture
def repository(project: Project) -> Repository:
    """The project's, with everything but migrations committed."""
    found = Repository(project.folder)
    found.commit(CARLA)
    return found


def said(project: Project, kind: str) -> dict[str, Any]:
    """The newest entry of a kind."""
    entry = project.json("log", "--kind", f"migration.{kind}")["entries"][-1]
    return dict(entry["predicate"])


def committed(project: Project, repository: Repository, by: str = ADA, message: str = "aaaa", **parts: Any) -> str:
    project.script("aaaa", **parts)
    return repository.commit(by, message)


def edit_policy(project: Project, old: str, new: str) -> None:
    path = project.folder / "migrate-flow.toml"
    text = path.read_text()
    assert text.count(old) == 1, text
    path.write_text(text.replace(old, new))
    project.flow("policy", "record", actor=CARLA)


def refuse_unknown(project: Project) -> None:
    edit_policy(project, "[policy]\n", '[policy]\nunknown_authors = "refuse"\n')


def claim(project: Project, person: str, address: str) -> None:
    edit_policy(project, f'[people."{person}"]\n', f'[people."{person}"]\naliases = ["{address}"]\n')


def test_each_entry_records_what_git_shows(project: Project, repository: Repository) -> None:
    head = committed(project, repository, message=f"aaaa\n\nCo-authored-by: Dora <{DORA.upper()}>")
    git = {"commit": head, "authors": [], "dirty": False}
    project.flow("track", actor=CARLA)
    created = said(project, "created")
    assert (created["contributors"], created["git"]) == ([ADA, DORA], git)
    project.flow("self-review", "aaaa", actor=ADA)
    reviewed = said(project, "self-reviewed")
    assert (reviewed["contributors"], reviewed["git"]) == ([ADA, DORA], git)
    head = repository.git("commit", "--quiet", "--allow-empty", "-m", "x") or repository.git("rev-parse", "HEAD")
    report = project.json("review", "aaaa", "--approve", actor=BEN)
    assert (report["notices"], report["changes"]) == ([], [])
    reviewed = said(project, "reviewed")
    assert (reviewed["contributors"], reviewed["git"]) == ([ADA, DORA], {**git, "commit": head})
    assert project.json("status")["migrations"][0]["contributors"] == [ADA, DORA]
    assert project.json("ledger", "verify")["ok"] is True


def test_whoever_tracks_a_script_of_others_may_review_it(project: Project, repository: Repository) -> None:
    committed(project, repository)
    project.flow("track", actor=BEN)
    assert said(project, "created")["contributors"] == [ADA]
    project.flow("self-review", "aaaa", actor=ADA)
    project.flow("review", "aaaa", "--approve", actor=BEN)


def test_whoever_tracks_what_nobody_committed_is_a_contributor(project: Project, repository: Repository) -> None:
    committed(project, repository)
    project.script("aaaa", upgrade="pass")
    report = project.json("track", actor=BEN)
    assert report["notices"] == ["the script is not committed as it is here: git does not know who changed it"]
    assert (said(project, "created")["contributors"], said(project, "created")["git"]["dirty"]) == ([ADA, BEN], True)
    made = project.json("new", "-m", "another", actor=CARLA)
    assert project.json("status", made["revision"])["migrations"][0]["contributors"] == [CARLA]


def test_a_stranger_s_address_makes_no_author_of_somebody_else(project: Project, repository: Repository) -> None:
    committed(project, repository, STRANGER)
    report = project.json("track", actor=ADA)
    assert report["notices"] == [UNKNOWN]
    assert said(project, "created")["git"]["authors"] == [STRANGER]
    assert said(project, "created")["contributors"] == [ADA]


@pytest.mark.parametrize(
    ("by", "message", "why"),
    [
        (BEN, "aaaa", f"{BEN} is the git author of {PATH}"),
        ("BEN@EXAMPLE.COM", "aaaa", f"{BEN} is the git author of {PATH}"),
        (ADA, f"aaaa\n\nCO-AUTHORED-BY: Ben <{BEN}>", f"{BEN} is the git co-author of {PATH}"),
        ("benny@home.example", "aaaa", f"{BEN} is the git author of {PATH} (as benny@home.example)"),
    ],
)
def test_a_contributor_by_git_is_refused_before_anything_is_signed(
    project: Project, repository: Repository, by: str, message: str, why: str
) -> None:
    claim(project, BEN, "Benny@Home.example")
    project.script("aaaa")
    project.flow("track", actor=ADA)  # when nobody has committed it, so that only git tells of Ben
    project.flow("self-review", "aaaa", actor=ADA)
    repository.commit(by, message)
    entries = len(project.json("log")["entries"])
    for verdict in ("--approve", "--request-changes"):
        refused = project.flow("review", "aaaa", verdict, "-m", "x", actor=BEN, code=1).err
        assert f"error: {why}: nobody reviews their own work" in refused
        assert "--as" not in refused
    assert len(project.json("log")["entries"]) == entries


def test_an_approver_by_git_is_refused_and_a_review_by_a_git_author_does_not_count_there(
    project: Project, repository: Repository
) -> None:
    project.script("aaaa")
    project.flow("track", actor=ADA)
    project.flow("self-review", "aaaa", actor=ADA)
    project.flow("review", "aaaa", "--approve", actor=BEN)
    repository.commit(CARLA)
    assert (
        f"{CARLA} is the git author of {PATH}: nobody approves"
        in project.flow("approve", "aaaa", actor=CARLA, code=1).err
    )
    repository.git("commit", "--quiet", "--amend", "--no-edit", "--author", f"Ben <{BEN}>")
    assert "aaaa is not peer-reviewed yet" in project.flow("approve", "aaaa", actor=CARLA, code=1).err


def test_the_reviewer_s_newer_history_counts_for_everybody(project: Project, repository: Repository) -> None:
    """The author's checkout knew less: what the reviewer's shows is part of the review."""
    project.script("aaaa")
    project.flow("track", actor=ADA)
    project.flow("self-review", "aaaa", actor=ADA)
    repository.commit(CARLA)
    project.flow("review", "aaaa", "--approve", actor=BEN)
    assert project.json("status")["migrations"][0]["contributors"] == [ADA, CARLA]
    repository.git("checkout", "--quiet", "--orphan", "again")
    repository.git("rm", "--quiet", "--cached", PATH)
    repository.git("commit", "--quiet", "-m", "without the script")
    assert f"{CARLA} contributed to aaaa: nobody approves" in project.flow("approve", "aaaa", actor=CARLA, code=1).err


def test_modules_that_the_script_imports_have_authors_too(project: Project, repository: Repository) -> None:
    (project.folder / "names.py").write_text('TABLE = "customers"\n')
    repository.commit(BEN)
    path = project.script("aaaa")
    path.write_text(
        path.read_text().replace("from alembic import op\n", "from alembic import op\nfrom names import TABLE\n")
    )
    repository.commit(ADA)
    project.flow("track", actor=ADA)
    assert project.json("status")["migrations"][0]["contributors"] == [ADA, BEN]


def test_without_git_only_what_is_recorded_counts_and_the_commands_say_so(project: Project) -> None:
    notice = "this is no git repository: only recorded contributors count"
    project.script("aaaa")
    assert project.json("track", actor=ADA)["notices"] == [notice]
    assert "git" not in said(project, "created")
    assert project.json("self-review", "aaaa", actor=ADA)["notices"] == [notice]
    assert f"! {notice}" in project.flow("review", "aaaa", "--approve", actor=BEN).out
    assert project.json("approve", "aaaa", actor=CARLA)["notices"] == [notice]
    assert project.json("show", "aaaa")["notices"] == []


def test_a_shallow_clone_names_nobody_and_says_so(
    project: Project, repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    committed(project, repository, BEN)
    project.flow("track", actor=BEN)
    repository.git("commit", "--quiet", "--allow-empty", "-m", "by the last committer", by=ADA)
    clone = tmp_path / "clone"
    repository.git("clone", "--quiet", "--depth", "1", f"file://{project.folder}", str(clone))
    monkeypatch.chdir(clone)
    (clone / ".migrate-flow").symlink_to(project.folder / ".migrate-flow")
    for path in (PATH, "alembic.ini"):
        assert (clone / path).exists()
    report = Project(clone).json("self-review", "aaaa", actor=BEN)
    assert [text.partition(",")[0] for text in report["notices"]] == ["this is a shallow clone"]
    recorded = said(Project(clone), "self-reviewed")
    assert (recorded["contributors"], recorded["git"]["shallow"], recorded["git"]["authors"]) == ([BEN], True, [])


def test_an_approver_without_the_branch_goes_by_the_ledger(project: Project, repository: Repository) -> None:
    committed(project, repository)
    project.flow("track", actor=ADA)
    project.flow("self-review", "aaaa", actor=ADA)
    project.flow("review", "aaaa", "--approve", actor=BEN)
    (project.folder / PATH).unlink()
    (notice,) = project.json("approve", "aaaa", actor=CARLA)["notices"]
    assert notice.startswith("this checkout does not hold the script")


def test_an_unknown_author_is_shown_to_whoever_looks(project: Project, repository: Repository) -> None:
    committed(project, repository, STRANGER)
    project.approved("aaaa")
    assert UNKNOWN in project.json("show", "aaaa")["notices"]
    assert UNKNOWN in project.json("plan", "--env", "dev", actor=ADA)["notices"]
    assert f"! {UNKNOWN}" in project.flow("plan", "--env", "dev", actor=ADA).out
    claim(project, DORA, STRANGER)
    assert UNKNOWN not in project.json("plan", "--env", "dev", actor=ADA)["notices"]
    assert DORA in project.json("status")["migrations"][0]["contributors"]


def test_unknown_authors_can_be_refused_by_everybody_who_vouches(project: Project, repository: Repository) -> None:
    refuse_unknown(project)
    committed(project, repository)
    project.flow("track", actor=ADA)
    project.flow("self-review", "aaaa", actor=ADA)
    project.script("aaaa", upgrade="pass")
    repository.commit(STRANGER)
    refused = project.flow("self-review", "aaaa", actor=ADA, code=1).err
    assert f"error: git names authors of aaaa whom nobody in the policy claims: {STRANGER}" in refused
    assert "aliases" in refused
    assert "migrate-flow people add" in refused
    repository.git("revert", "--no-edit", "HEAD", by=STRANGER)
    for words, person in (
        (("review", "aaaa", "--approve"), BEN),
        (("review", "aaaa", "--request-changes", "-m", "x"), BEN),
    ):
        assert STRANGER in project.flow(*words, actor=person, code=1).err
    claim(project, DORA, STRANGER.upper())
    project.flow("review", "aaaa", "--approve", actor=BEN)
    repository.git("commit", "--quiet", "--amend", "--no-edit", "--author", "X <x@example.org>")
    assert "x@example.org" in project.flow("approve", "aaaa", actor=CARLA, code=1).err


def test_a_policy_that_refuses_later_stops_what_was_vouched_for_before(
    project: Project, repository: Repository
) -> None:
    committed(project, repository, STRANGER)
    project.approved("aaaa")
    project.flow("apply", "--env", "dev", actor=ADA)
    refuse_unknown(project)
    (step,) = project.json("plan", "--env", "staging", actor=ADA, code=1)["steps"]
    (blocker,) = [verdict for verdict in step["gates"] if not verdict["passed"]]
    assert (blocker["gate"], STRANGER in blocker["reason"], blocker["who"]) == ("peer-reviewed", True, [CARLA])
    claim(project, DORA, STRANGER)
    assert project.json("plan", "--env", "staging", actor=ADA)["allowed"]


def test_what_only_git_knows_yet_is_shown(project: Project, repository: Repository) -> None:
    project.script("aaaa")
    project.flow("track", actor=ADA)
    repository.commit(BEN)
    assert project.json("show", "aaaa")["notices"] == [f"{BEN} is the git author of {PATH}; no entry says so yet"]


def test_a_crowd_of_unknown_authors_is_counted_rather_than_listed(project: Project, repository: Repository) -> None:
    crowd = "\n".join(f"Co-authored-by: P <p{n:03}@crowd.example>" for n in range(60))
    committed(project, repository, message=f"aaaa\n\n{crowd}")
    (notice,) = project.json("track", actor=ADA)["notices"]
    assert notice.endswith("p004@crowd.example and 55 more")
    git = said(project, "created")["git"]
    assert (len(git["authors"]), git["authors"][0], git["more"]) == (50, "p000@crowd.example", 10)
