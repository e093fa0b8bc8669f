"""Rolling back: the bytes that were applied, newest first, gated and recorded."""

from __future__ import annotations

import sqlite3

import pytest

from tests.cli.conftest import Brought
from tests.support.project import ADA, BEN, CARLA, Project


def tables(project: Project, name: str) -> set[str]:
    database = sqlite3.connect(project.folder / f"{name}.db")
    found = {row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE name LIKE 't\\_%' ESCAPE '\\'")}
    database.close()
    return found


def promote(project: Project, *revisions: str) -> None:
    parent = None
    for revision in revisions:
        project.script(revision, parent)
        project.approved(revision)
        parent = revision
    project.flow("apply", "--env", "dev", actor=ADA)
    project.flow("apply", "--env", "staging", actor=ADA)


def aaaa_promoted(project: Project) -> None:
    promote(project, "aaaa")


@pytest.fixture
def promoted(brought: Brought) -> Project:
    """aaaa stands in dev and staging."""
    return brought(aaaa_promoted)


def test_newest_first_and_recorded(project: Project) -> None:
    promote(project, "aaaa", "bbbb", "cccc")
    report = project.json(
        "rollback", "--env", "staging", "--to", "aaaa", "-m", "slow", "--confirm", "staging", actor=ADA
    )
    assert report["schema"] == "migrate-flow/rollback/1"
    assert [(s["revision"], s["direction"], s["outcome"]) for s in report["steps"]] == [
        ("cccc", "downgrade", "rolled-back"),
        ("bbbb", "downgrade", "rolled-back"),
    ]
    assert tables(project, "staging") == {"t_aaaa"}
    states = {m["revision"]: m["applied"]["staging"]["state"] for m in project.json("status")["migrations"]}
    assert states == {"aaaa": "applied", "bbbb": "rolled-back", "cccc": "rolled-back"}
    intents = project.json("log", "--kind", "apply.intended")["entries"]
    assert [(e["predicate"]["direction"], e["predicate"].get("comment")) for e in intents[-2:]] == [
        ("downgrade", "slow")
    ] * 2
    assert project.json("ledger", "verify")["ok"] is True


def test_a_lossy_downgrade_asks_for_the_confirmation(promoted: Project) -> None:
    answer = promoted.flow("rollback", "--env", "staging", "--to", "base", "-m", "why", actor=ADA, code=2)
    assert "--confirm staging" in answer.err
    plan = promoted.json("rollback", "--env", "staging", "--to", "base", "-m", "why", "--dry-run", actor=ADA)
    assert "lossy" in plan["steps"][0]["risks"]
    assert "DROP TABLE t_aaaa" in plan["steps"][0]["sql"]
    assert tables(promoted, "staging") == {"t_aaaa"}


def test_downstream_first_unless_allowed(promoted: Project) -> None:
    words = ("rollback", "--env", "dev", "--to", "base", "-m", "why", "--confirm", "dev")
    refused = promoted.json(*words, actor=ADA, code=1)
    failed = [v for v in refused["steps"][0]["gates"] if not v["passed"]]
    assert [v["gate"] for v in failed] == ["downstream-rolled-back"]
    assert "staging" in failed[0]["reason"]
    assert tables(promoted, "dev") == {"t_aaaa"}
    promoted.flow(*words, "--allow-ahead", actor=ADA)
    assert tables(promoted, "dev") == set()


def test_the_applied_bytes_run_though_the_file_changed_or_is_gone(project: Project) -> None:
    promote(project, "aaaa", "bbbb")
    path = project.script("bbbb", "aaaa", downgrade="raise RuntimeError('not these bytes')")
    project.flow("rollback", "--env", "staging", "--to", "aaaa", "-m", "why", "--confirm", "staging", actor=ADA)
    assert tables(project, "staging") == {"t_aaaa"}
    path.unlink()
    project.flow("rollback", "--env", "dev", "--to", "aaaa", "-m", "why", "--confirm", "dev", actor=ADA)
    assert tables(project, "dev") == {"t_aaaa"}


def test_after_a_rollback_approvals_from_before_do_not_count_there(promoted: Project) -> None:
    promoted.flow("rollback", "--env", "staging", "--to", "base", "-m", "why", "--confirm", "staging", actor=ADA)
    refused = promoted.json("apply", "--env", "staging", actor=ADA, code=1)
    failed = [v for v in refused["steps"][0]["gates"] if not v["passed"]]
    assert [v["gate"] for v in failed] == ["approved"]
    assert "rolled back since" in failed[0]["reason"]
    promoted.flow("approve", "aaaa", actor=CARLA)
    promoted.flow("apply", "--env", "staging", actor=ADA)
    assert tables(promoted, "staging") == {"t_aaaa"}


def test_an_irreversible_script_is_refused(project: Project) -> None:
    project.script("aaaa", downgrade="pass")
    project.flow("track", actor=ADA)
    project.flow("apply", "--env", "dev", actor=ADA)
    refused = project.json("rollback", "--env", "dev", "--to", "base", "-m", "why", actor=ADA, code=1)
    assert "reversible" in [v["gate"] for v in refused["steps"][0]["gates"] if not v["passed"]]


def test_a_failing_downgrade_leaves_the_revision_standing(project: Project) -> None:
    project.script("aaaa", downgrade='op.drop_table("t_aaaa"); 1 / 0')
    project.flow("track", actor=ADA)
    project.flow("apply", "--env", "dev", actor=ADA)
    words = ("rollback", "--env", "dev", "--to", "base", "-m", "why", "--confirm", "dev")
    report = project.json(*words, actor=ADA, code=3)
    assert [s["outcome"] for s in report["steps"]] == ["failed"]
    assert tables(project, "dev") == {"t_aaaa"}
    assert project.json("status")["migrations"][0]["applied"]["dev"]["state"] == "applied"


def test_branches_and_merges_are_undone_one_revision_at_a_time(project: Project) -> None:
    project.script("aaaa")
    project.script("bbbb", "aaaa")
    project.script("cccc", "aaaa")
    project.script("dddd", ("bbbb", "cccc"))  # type: ignore[arg-type]
    project.flow("track", actor=ADA)
    project.flow("apply", "--env", "dev", actor=ADA)
    words = ("rollback", "--env", "dev", "-m", "why", "--confirm", "dev")
    report = project.json(*words, "--to", "bbbb", actor=ADA)
    assert [s["revision"] for s in report["steps"]] == ["dddd"]
    assert project.json("plan", "--env", "dev", actor=ADA)["heads"] == ["bbbb", "cccc"]
    project.flow(*words, "--to", "aaaa", actor=ADA)
    assert tables(project, "dev") == {"t_aaaa"}
    project.flow("apply", "--env", "dev", actor=ADA)
    assert tables(project, "dev") == {"t_aaaa", "t_bbbb", "t_cccc", "t_dddd"}


def test_asked_wrongly(promoted: Project) -> None:
    assert "-m" in promoted.flow("rollback", "--env", "dev", "--to", "base", actor=ADA, code=2).err
    promoted.flow("rollback", "--env", "dev", "--to", "base", "-m", " ", actor=ADA, code=2)
    assert (
        "does not stand"
        in promoted.flow("rollback", "--env", "dev", "--to", "zzzz", "-m", "why", actor=ADA, code=2).err
    )
    nothing = promoted.json("rollback", "--env", "dev", "--to", "aaaa", "-m", "why", actor=BEN)
    assert nothing["steps"] == []


def test_after_a_rollback_the_board_asks_for_approval_once_more(promoted: Project) -> None:
    promoted.flow("rollback", "--env", "staging", "--to", "base", "-m", "slow", "--confirm", "staging", actor=ADA)
    assert promoted.json("status")["migrations"][0]["next"] == "migrate-flow approve aaaa"
    (waiting,) = promoted.json("inbox", actor=CARLA)["waiting"]
    assert waiting["command"] == "migrate-flow approve aaaa"
    promoted.flow("approve", "aaaa", actor=CARLA)
    assert promoted.json("status")["migrations"][0]["next"] == "migrate-flow apply aaaa --env staging"
    promoted.flow("apply", "--env", "staging", actor=ADA)
