"""Taking back: a migration by its author, an attestation by its signer."""

from __future__ import annotations

from tests.support.project import ADA, BEN, CARLA, Project


def state(project: Project) -> str:
    return str(project.json("status")["migrations"][0]["state"])


def test_withdraw_and_take_up_again(project: Project) -> None:
    project.script("aaaa")
    project.approved("aaaa")
    project.flow("withdraw", "aaaa", "-m", "not needed", actor=BEN, code=1)
    project.flow("withdraw", "aaaa", actor=ADA, code=2)
    project.flow("withdraw", "aaaa", "-m", "not needed", actor=ADA)
    assert state(project) == "withdrawn"
    failed = {
        verdict["gate"]
        for verdict in project.json("plan", "--env", "dev", actor=ADA, code=1)["steps"][0]["gates"]
        if not verdict["passed"]
    }
    assert failed == {"tracked"}
    project.flow("self-review", "aaaa", actor=ADA)
    assert state(project) == "self-reviewed"  # what was said before the withdrawal does not count
    project.flow("review", "aaaa", "--approve", actor=BEN)
    project.flow("approve", "aaaa", actor=CARLA)
    project.flow("apply", "--env", "dev", actor=ADA)
    assert "rollback" in project.flow("withdraw", "aaaa", "-m", "late", actor=ADA, code=1).err
    assert project.json("ledger", "verify")["ok"] is True


def test_a_branch_that_was_withdrawn_stands_in_nobodys_way(project: Project) -> None:
    for revision, parent in (("aaaa", None), ("bbbb", "aaaa"), ("cccc", "aaaa"), ("dddd", "cccc")):
        project.script(revision, parent)
    project.flow("track", actor=ADA)

    def blocked() -> dict[str, set[str]]:
        steps = project.json("plan", "--env", "dev", actor=ADA, code=1)["steps"]
        failed = {step["revision"]: {v["gate"] for v in step["gates"] if not v["passed"]} for step in steps}
        return {revision: gates for revision, gates in failed.items() if gates}

    assert blocked() == {revision: {"single-head"} for revision in ("aaaa", "bbbb", "cccc", "dddd")}
    project.flow("withdraw", "dddd", "-m", "not needed", actor=ADA)
    assert blocked() == {revision: {"single-head"} for revision in ("aaaa", "bbbb", "cccc")}  # cccc is a head now
    project.flow("withdraw", "cccc", "-m", "not needed", actor=ADA)
    project.flow("apply", "--env", "dev", actor=ADA)
    applied = {row["revision"]: row["applied"]["dev"] for row in project.json("status")["migrations"]}
    assert [revision for revision, where in applied.items() if where] == ["aaaa", "bbbb"]
    assert "its author withdrew it" in project.flow("apply", "dddd", "--env", "dev", actor=ADA, code=1).out


def test_a_signer_takes_back_their_own_approval(project: Project) -> None:
    project.script("aaaa")
    project.approved("aaaa")
    project.flow("apply", "--env", "dev", actor=ADA)
    seq = str(project.json("log", "--kind", "migration.approved")["entries"][0]["seq"])
    project.flow("revoke", seq, "-m", "I was wrong", actor=BEN, code=1)
    project.flow("revoke", "1", "-m", "I was wrong", actor=CARLA, code=2)
    project.flow("revoke", seq, "-m", "I was wrong", actor=CARLA)
    project.flow("revoke", seq, "-m", "again", actor=CARLA, code=1)
    assert state(project) == "peer-reviewed"
    project.flow("apply", "--env", "staging", actor=ADA, code=1)
    project.flow("approve", "aaaa", actor=CARLA)
    project.flow("apply", "--env", "staging", actor=ADA)
    assert project.json("ledger", "verify")["ok"] is True
