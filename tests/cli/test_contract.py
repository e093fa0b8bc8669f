"""What scripts rely on: exit codes, the error form, the JSON keys."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from tests.support.project import ADA, BEN, CARLA, DORA, Project

MIGRATION_KEYS = {
    "revision", "down_revision", "message", "path", "in_tree", "digest", "state", "stale", "author", "reviews",
    "approvals", "applied", "next",
}  # fmt: skip
WRONG = [
    (["statsu"], "Did you mean 'status'"),
    (["apply"], "--env"),
    (["apply", "--env", "nope"], "no environment 'nope'"),
    (["plan", "--env", "dev", "--to", "zzzz"], "zzzz"),
    (["status", "--format", "yaml"], "yaml"),
    (["status", "zzzz"], "zzzz"),
    (["--as", "nobody@example.com", "new", "-m", "x"], "nobody@example.com is not in the policy"),
    (["new", "-m", "x"], "keys of several people are here"),
    (["--as", ADA, "new", "-m", " "], "message is empty"),
    (["--as", BEN, "review", "aaaa"], "aaaa"),
    (["status", "--output", "missing/folder/x"], "can't be written: there is no folder missing/folder"),
    (["--config", "nowhere.toml", "status"], "nowhere.toml"),
    (["approve", "aaaa", "--waive", "soaked"], "--env"),
    (["recover", "--env", "dev", "--abandon"], "-m"),
    (["env", "login", "dev"], "no user"),
    (["env", "test", "nope"], "nope"),
    (["people", "add", "zoe@example.com"], "a role or a key"),
    (["people", "add", "zoe@example.com", "--role", "developer", "--key", "ssh-rsa AAAA"], "key"),
    (["init", "--env", "dev"], "NAME=URL"),
]


@pytest.mark.parametrize(("words", "fragment"), WRONG, ids=[" ".join(words)[:50] for words, _ in WRONG])
def test_asked_wrongly_is_one_error_exit_2_and_changes_nothing(
    project: Project, words: list[str], fragment: str
) -> None:
    before = _files(project.folder)
    answer = project.flow(*words, code=2)
    assert answer.out == ""
    assert answer.err.startswith("error: ")
    assert fragment in answer.err
    assert "\nhint: " in answer.err
    if "status" not in words or "--format" not in words:
        as_json = project.flow(*words, "--format", "json", code=2)
        error = json.loads(as_json.out)
        assert error["schema"] == "migrate-flow/error/1"
        assert set(error["error"]) == {"code", "message", "hint", "where"}
        assert as_json.err == ""
    assert _files(project.folder) == before


def _files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_outside_a_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    answer = Project(tmp_path).flow("status", code=2)
    assert "migrate-flow init" in answer.err
    assert Project(tmp_path).flow("init", code=2).err.startswith("error: there is no Alembic project here")


def test_status_has_the_promised_keys(project: Project) -> None:
    project.script("aaaa")
    board = project.json("status")
    assert set(board) >= {"schema", "ledger", "environments", "migrations"}
    assert board["schema"] == "migrate-flow/status/1"
    assert set(board["ledger"]) == {"id", "entries", "head"}
    assert board["environments"] == ["dev", "staging", "production"]
    (migration,) = board["migrations"]
    assert set(migration) >= MIGRATION_KEYS
    assert migration["state"] == "untracked"
    assert migration["applied"] == {"dev": None, "staging": None, "production": None}
    assert migration["next"] == "migrate-flow track aaaa"


def test_every_blocker_at_once_with_who_and_hint(project: Project) -> None:
    project.script("aaaa")
    plan = project.json("plan", "--env", "production", actor=ADA, code=1)
    assert plan["schema"] == "migrate-flow/plan/1"
    assert plan["allowed"] is False
    (step,) = plan["steps"]
    failed = {verdict["gate"] for verdict in step["gates"] if not verdict["passed"]}
    assert failed == {
        "tracked", "self-reviewed", "content-unchanged", "peer-reviewed", "approved", "upstream-applied",
        "lint-clean", "rehearsed",
    }  # fmt: skip
    for verdict in step["gates"]:
        assert set(verdict) >= {"gate", "passed", "reason", "hint", "who"}
        assert verdict["passed"] or (verdict["reason"] and verdict["hint"])
    assert step["outcome"] == "blocked"
    assert step["sql"] is None
    refused = project.json("apply", "--env", "production", actor=ADA, code=1)
    assert refused["schema"] == "migrate-flow/apply/1"
    assert refused["allowed"] is False
    assert [item["outcome"] for item in refused["steps"]] == ["blocked"]
    assert not (project.folder / "production.db").exists()
    assert project.json("log", "--kind", "apply.refused")["entries"][0]["environment"] == "production"


def test_from_script_to_production(project: Project) -> None:
    project.script("aaaa")
    project.flow("track", actor=ADA)
    project.flow("apply", "--env", "dev", actor=ADA)
    project.flow("review", "aaaa", "--approve", actor=BEN, code=1)
    project.flow("self-review", "aaaa", actor=ADA)
    project.flow("approve", "aaaa", actor=CARLA, code=1)
    project.flow("review", "aaaa", "--approve", actor=ADA, code=1)
    project.flow("review", "aaaa", "--approve", actor=DORA, code=1)
    project.flow("review", "aaaa", "--approve", actor=BEN)
    project.flow("approve", "aaaa", actor=BEN, code=1)
    project.flow("approve", "aaaa", actor=CARLA)
    project.flow("approve", "aaaa", actor=CARLA, code=1)
    project.flow("apply", "aaaa", "--env", "production", actor=DORA, code=1)
    project.flow("apply", "aaaa", "--env", "staging", actor=DORA)
    done = project.json("apply", "aaaa", "--env", "production", actor=DORA)
    assert [(step["revision"], step["outcome"]) for step in done["steps"]] == [("aaaa", "applied")]
    assert "CREATE TABLE t_aaaa" in done["steps"][0]["sql"]
    again = project.json("apply", "aaaa", "--env", "production", actor=DORA)
    assert (again["allowed"], again["steps"]) == (True, [])
    (migration,) = project.json("status")["migrations"]
    assert {name: found["state"] for name, found in migration["applied"].items()} == dict.fromkeys(
        ("dev", "staging", "production"), "applied"
    )
    assert [found["by"] for found in migration["reviews"]] == [BEN]
    assert [(found["by"], found["role"]) for found in migration["approvals"]] == [(CARLA, "backend-lead")]
    assert project.json("ledger", "verify")["ok"] is True


def test_an_edit_after_approval_makes_it_stale_and_says_so(project: Project) -> None:
    path = project.script("aaaa")
    project.approved("aaaa")
    path.write_text(path.read_text().replace("A test.", "Another test."))
    (migration,) = project.json("status")["migrations"]
    assert (migration["state"], migration["stale"]) == ("created", True)
    shown = project.json("show", "aaaa")
    assert "only comments" in " ".join(shown["changes"])
    answer = project.flow("approve", "aaaa", actor=CARLA, code=1)
    assert answer.err.count("sha256:") == 2
    project.flow("self-review", "aaaa", actor=ADA)
    assert project.json("status")["migrations"][0]["state"] == "self-reviewed"


def test_the_plan_can_be_pinned(project: Project) -> None:
    project.script("aaaa")
    project.flow("track", actor=ADA)
    digest = project.json("apply", "--env", "dev", "--dry-run", actor=ADA)["digest"]
    assert project.json("plan", "--env", "dev", actor=ADA)["digest"] == digest
    project.flow("apply", "--env", "dev", "--plan", "sha256:" + "0" * 64, actor=ADA, code=1)
    project.flow("apply", "--env", "dev", "--plan", digest, actor=ADA)


def test_ready_applies_what_stands_before_the_first_blocker(project: Project) -> None:
    project.script("aaaa")
    project.script("bbbb", "aaaa")
    project.approved("aaaa")
    project.flow("track", actor=ADA)
    project.flow("apply", "--env", "dev", actor=ADA)
    blocked = project.json("apply", "--env", "staging", actor=ADA, code=1)
    assert [step["outcome"] for step in blocked["steps"]] == ["skipped", "blocked"]
    ready = project.json("apply", "--env", "staging", "--ready", actor=ADA)
    assert [step["outcome"] for step in ready["steps"]] == ["applied", "blocked"]
    nothing = project.json("apply", "--env", "staging", "--ready", actor=ADA)
    assert [step["outcome"] for step in nothing["steps"]] == ["blocked"]


def test_a_failing_script_is_exit_3_and_leaves_nothing(project: Project) -> None:
    project.script("aaaa")
    path = project.script("bbbb", "aaaa", upgrade='op.create_table("half", sa.Column("id", sa.Integer)); 1 / 0')
    project.flow("track", actor=ADA)
    report = project.json("apply", "--env", "dev", actor=ADA, code=3)
    assert [step["outcome"] for step in report["steps"]] == ["applied", "failed"]
    assert "ZeroDivisionError" in report["steps"][1]["error"]
    with sqlite3.connect(project.folder / "dev.db") as database:
        tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master")}
        assert "t_aaaa" in tables
        assert "half" not in tables
    database.close()
    assert project.json("status")["migrations"][1]["applied"]["dev"]["state"] == "failed"
    path.unlink()
    project.script("bbbb", "aaaa")
    project.flow("apply", "--env", "dev", actor=ADA)


def test_a_script_that_commits_and_then_fails_left_something(project: Project) -> None:
    upgrade = 'op.create_table("half", sa.Column("id", sa.Integer)); op.execute("COMMIT"); 1 / 0'
    project.script("aaaa", upgrade=upgrade)
    project.flow("track", actor=ADA)
    report = project.json("apply", "--env", "dev", actor=ADA, code=6)
    assert report["steps"][0]["outcome"] == "partial"
    assert "ZeroDivisionError" in report["steps"][0]["error"]
    project.flow("apply", "--env", "dev", actor=ADA, code=6)
    project.flow("recover", "--env", "dev", actor=ADA, code=6)


def test_an_import_that_the_text_does_not_show_is_refused(project: Project) -> None:
    (project.folder / "my_helper.py").write_text("VALUE = 1\n")
    project.script("aaaa", upgrade='__import__("importlib").import_module("my_" + "helper")')
    project.flow("track", actor=ADA)
    error = project.json("apply", "--env", "dev", actor=ADA, code=3)["steps"][0]["error"]
    assert "nobody reviewed it" in error


def test_an_approval_counts_as_long_as_its_signer_holds_the_role(project: Project) -> None:
    project.script("aaaa")
    project.approved("aaaa")
    project.flow("apply", "--env", "dev", actor=ADA)
    file = project.folder / "migrate-flow.toml"
    text = file.read_text()
    file.write_text(
        text.replace('roles = ["backend-lead", "policy-admin"]', 'roles = ["policy-admin"]').replace(
            'roles = ["release-manager"]', 'roles = ["release-manager", "backend-lead"]'
        )
    )
    project.flow("policy", "record", actor=CARLA)
    refused = project.json("apply", "--env", "staging", actor=ADA, code=1)
    (verdict,) = [v for v in refused["steps"][0]["gates"] if not v["passed"]]
    assert verdict["gate"] == "approved"
    assert "no longer holds the role" in verdict["reason"]


def test_a_stamped_version_row_is_no_application(project: Project) -> None:
    from alembic import command
    from alembic.config import Config

    project.script("aaaa")
    project.approved("aaaa")
    config = Config("alembic.ini")
    config.set_main_option("sqlalchemy.url", "sqlite:///dev.db")
    command.stamp(config, "aaaa")
    found = project.json("adopt", "--env", "dev", "-m", "trust me", actor=ADA)
    assert found["out_of_band"] == ["aaaa"]
    assert "upstream-applied" in {
        v["gate"]
        for v in project.json("apply", "--env", "staging", actor=ADA, code=1)["steps"][0]["gates"]
        if not v["passed"]
    }


def test_new_leaves_nothing_that_can_not_be_used(project: Project) -> None:
    for words in (
        ["-m", 'quotes """ in it'],
        ["-m", "x", "--rationale", '"""'],
        ["-m", "x", "--rev-id", "a b"],
        ["-m", "x", "--rev-id", "../../x"],
        ["-m", "x", "--rev-id", "x" * 33],
    ):
        project.flow("new", *words, actor=ADA, code=2)
    project.script("aaaa")
    project.flow("new", "-m", "x", "--rev-id", "aaaa", actor=ADA, code=2)
    assert [path.name for path in (project.folder / "migrations" / "versions").glob("*.py")] == ["aaaa.py"]
    assert project.json("status")["problems"] == []


def test_an_output_that_can_not_be_written_is_found_before_anything_is_done(project: Project) -> None:
    project.script("aaaa")
    project.flow("track", actor=ADA)
    project.flow("apply", "--env", "dev", "--output", "missing/file", actor=ADA, code=2)
    assert not (project.folder / "dev.db").exists()
    project.flow("status", "--output", "/dev/null", "--format", "json")
    assert Path("/dev/null").is_char_device()


def test_policy_in_the_file_only_blocks_writers_and_is_shown_to_readers(project: Project) -> None:
    project.script("aaaa")
    file = project.folder / "migrate-flow.toml"
    file.write_text(file.read_text().replace('separation = "strict"', 'separation = "two-person"'))
    assert "never recorded" in project.flow("track", actor=ADA, code=1).err
    assert "policy diff" in project.flow("status").out
    verdicts = project.json("plan", "--env", "dev", actor=ADA, code=1)["gates"]
    assert [v["gate"] for v in verdicts if not v["passed"]] == ["policy-current"]
    project.flow("policy", "diff", code=1)
    project.flow("policy", "record", actor=ADA, code=1)
    project.flow("policy", "record", actor=CARLA)
    project.flow("policy", "diff")
    project.flow("track", actor=ADA)
    file.write_text(file.read_text().replace('separation = "two-person"', 'separation = "strict"'))
    project.flow("apply", "--env", "dev", actor=ADA)
    assert "policy 2 of the ledger is in force" in project.flow("status").out


def test_a_window_can_be_waived_for_a_day_by_an_approver(project: Project) -> None:
    file = project.folder / "migrate-flow.toml"
    head, tail = file.read_text().split("[environments.staging]")
    never = "sat-sun 00:00-00:01 UTC"  # a minute of the week-end
    tail = tail.replace("# windows =", "windows =", 1).replace("mon-thu 09:00-16:00 Europe/Berlin", never, 1)
    tail = tail.replace("# soak =", "soak =", 1)
    file.write_text(f"{head}[environments.staging]{tail}")
    project.flow("policy", "record", actor=CARLA)
    project.script("aaaa")
    project.approved("aaaa")
    project.flow("apply", "--env", "dev", actor=ADA)
    plan = project.json("plan", "--env", "staging", actor=ADA, code=1)
    failed = [verdict["gate"] for verdict in plan["steps"][0]["gates"] if not verdict["passed"]]
    assert failed == ["soaked", "in-window"]
    waive = ("approve", "aaaa", "--env", "staging", "--waive")
    project.flow(*waive, "soaked", actor=CARLA, code=2)
    project.flow(*waive, "approved", "-m", "please", actor=CARLA, code=2)
    project.flow(*waive, "soaked", "-m", "please", actor=ADA, code=1)
    project.flow(*waive, "soaked", "-m", "the shop is down", actor=CARLA)
    project.flow(*waive, "in-window", "-m", "the shop is down", actor=CARLA)
    project.flow("apply", "--env", "staging", actor=ADA)


def test_typed_confirmation(project: Project) -> None:
    file = project.folder / "migrate-flow.toml"
    head, tail = file.read_text().split("[environments.staging]")
    file.write_text(f"{head}[environments.staging]{tail.replace('# confirm = true', 'confirm = true', 1)}")
    project.flow("policy", "record", actor=CARLA)
    project.script("aaaa")
    project.approved("aaaa")
    project.flow("apply", "--env", "dev", actor=ADA)
    assert "--confirm staging" in project.flow("apply", "--env", "staging", actor=ADA, code=2).err
    project.flow("apply", "--env", "staging", "--confirm", "production", actor=ADA, code=1)
    project.flow("apply", "--env", "staging", "--confirm", "staging", actor=ADA)
    project.flow("apply", "--env", "staging", actor=ADA)  # nothing to do, nothing to confirm


def test_a_revision_slipped_below_an_applied_head_is_named(project: Project) -> None:
    project.script("aaaa")
    project.script("bbbb", "aaaa")
    project.flow("track", actor=ADA)
    project.flow("apply", "--env", "dev", actor=ADA)
    project.script("cccc", "aaaa")
    project.script("bbbb", "cccc")
    project.flow("track", actor=ADA)
    plan = project.json("plan", "--env", "dev", actor=ADA, code=1)
    (step,) = [step for step in plan["steps"] if step["revision"] == "cccc"]
    (verdict,) = [verdict for verdict in step["gates"] if verdict["gate"] == "ancestors-applied"]
    assert not verdict["passed"]
    assert "below bbbb" in verdict["reason"]


def test_several_heads(project: Project) -> None:
    project.script("aaaa")
    project.script("bbbb", "aaaa")
    project.script("cccc", "aaaa")
    project.flow("track", actor=ADA)
    plan = project.json("plan", "--env", "dev", actor=ADA, code=1)
    assert "single-head" in {v["gate"] for step in plan["steps"] for v in step["gates"] if not v["passed"]}
    project.flow("apply", "bbbb", "--env", "dev", actor=ADA)
    project.flow("apply", "cccc", "--env", "dev", actor=ADA, code=1)
    merged = project.json("new", "-m", "merge", "--merge", "bbbb", "--merge", "cccc", actor=ADA)["revision"]
    project.flow("apply", "--env", "dev", actor=ADA)
    assert project.json("plan", "--env", "dev", actor=ADA)["heads"] == [merged]


def test_broken_files_are_listed_and_stop_writers(project: Project) -> None:
    project.script("aaaa")
    (project.folder / "migrations" / "versions" / "broken.py").write_text("def upgrade(:\n")
    board = project.json("status")
    assert [found["revision"] for found in board["migrations"]] == ["aaaa"]
    assert board["problems"][0]["path"].endswith("broken.py")
    assert "broken.py:1" in project.flow("plan", "--env", "dev", actor=ADA, code=2).err


def test_a_script_without_upgrade_is_refused_before_anything_runs(project: Project) -> None:
    path = project.script("aaaa")
    path.write_text(path.read_text().replace("def upgrade", "def upgrad"))
    assert "no upgrade()" in project.flow("track", actor=ADA, code=2).err
    assert "no upgrade()" in project.flow("apply", "--env", "dev", actor=ADA, code=2).err
    assert not (project.folder / "dev.db").exists()
    assert project.json("status")["migrations"][0]["state"] == "untracked"


def test_reading_never_runs_a_script(project: Project) -> None:
    marker = project.folder / "executed"
    path = project.script("aaaa")
    path.write_text(f"open({str(marker)!r}, 'w').close()\n" + path.read_text())
    project.flow("track", actor=ADA)
    for words in (["status"], ["show", "aaaa"], ["log"], ["plan", "--env", "dev"], ["inbox"], ["doctor"]):
        project.run(*words, actor=ADA)
    project.flow("new", "-m", "next", "--head", "aaaa", actor=ADA)
    assert not marker.exists()


def test_adoption_is_not_a_way_around(project: Project) -> None:
    from alembic import command
    from alembic.config import Config

    project.script("aaaa")
    config = Config("alembic.ini")
    for name in ("dev", "staging"):
        config.set_main_option("sqlalchemy.url", f"sqlite:///{name}.db")
        command.upgrade(config, "aaaa")
    verdicts = project.json("plan", "--env", "dev", actor=ADA, code=1)["gates"]
    (verdict,) = [verdict for verdict in verdicts if verdict["gate"] == "target-identified"]
    assert "adopt --env dev" in verdict["hint"]
    project.flow("adopt", "--env", "staging", "-m", "in use", actor=ADA, code=1)
    project.flow("adopt", "--env", "dev", "--to", "aaaa", "-m", "in use", actor=ADA)
    project.flow("adopt", "--env", "staging", "-m", "in use", actor=CARLA)
    project.script("bbbb", "aaaa")
    command.upgrade(config, "bbbb")
    found = project.json("adopt", "--env", "staging", "-m", "was done by hand", actor=CARLA)
    assert (found["grandfathered"], found["out_of_band"]) == ([], ["bbbb"])
    states = {m["revision"]: m["applied"] for m in project.json("status")["migrations"]}
    assert states["aaaa"]["staging"]["state"] == "grandfathered"
    assert states["bbbb"]["staging"]["state"] == "out-of-band"
    project.flow("adopt", "--env", "production", "-m", "empty", actor=CARLA, code=1)
    assert not (project.folder / "production.db").exists()


def test_a_database_under_another_name_is_refused(project: Project) -> None:
    project.script("aaaa")
    project.approved("aaaa")
    project.flow("apply", "--env", "dev", actor=ADA)
    file = project.folder / "migrate-flow.toml"
    file.write_text(file.read_text().replace("sqlite:///staging.db", "sqlite:///dev.db"))
    report = project.json("apply", "--env", "staging", actor=ADA, code=1)
    (verdict,) = [verdict for verdict in report["gates"] if verdict["gate"] == "target-identified"]
    assert "dev of project shop" in verdict["reason"]


def test_a_lost_database_needs_a_new_target(project: Project) -> None:
    project.script("aaaa")
    project.flow("track", actor=ADA)
    project.flow("apply", "--env", "dev", actor=ADA)
    (project.folder / "dev.db").unlink()
    assert "--new-target" in project.flow("apply", "--env", "dev", actor=ADA, code=1).out
    project.flow("adopt", "--env", "dev", "--new-target", "-m", "dropped", actor=ADA, code=1)
    project.flow("adopt", "--env", "dev", "--new-target", "-m", "dropped", actor=CARLA)
    project.flow("apply", "--env", "dev", actor=ADA)


def test_a_restored_ledger_is_noticed(project: Project) -> None:
    ledger = project.folder / ".migrate-flow" / "ledger.db"
    project.script("aaaa")
    project.flow("track", actor=ADA)
    backup = ledger.read_bytes()
    project.flow("apply", "--env", "dev", actor=ADA)
    ledger.write_bytes(backup)
    assert "restored" in project.flow("apply", "--env", "dev", actor=ADA, code=4).err


def test_doctor_and_env_test(project: Project) -> None:
    assert project.json("doctor", actor=ADA)["ok"] is True
    found = project.json("env", "test")["environments"]
    assert [item["name"] for item in found] == ["dev", "staging", "production"]
    file = project.folder / "migrate-flow.toml"
    file.write_text(file.read_text().replace('"sqlite:///dev.db"', '"env:NO_SUCH_VARIABLE"'))
    assert project.json("env", "test", "dev", code=1)["environments"][0]["hint"].startswith("export NO_SUCH_VARIABLE")
    checks = project.json("doctor", actor=ADA, code=1)["checks"]
    assert "environment dev" in [check["area"] for check in checks if check["state"] == "problem"]


def test_a_second_init_opens_no_second_ledger(project: Project) -> None:
    before = (project.folder / "migrate-flow.toml").read_bytes()
    joined = project.json("init", "--key-store", "project", "--person", "zoe@example.com")
    assert joined["joined"] is True
    answer = project.flow("init", "--key-store", "project", "--person", "zoe@example.com")
    assert "people add zoe@example.com --role developer --key" in answer.out
    assert (project.folder / "migrate-flow.toml").read_bytes() == before


def test_another_ledger_than_the_configured_one_is_refused(project: Project) -> None:
    file = project.folder / "migrate-flow.toml"
    text = file.read_text()
    genesis = text.split('genesis = "')[1].split('"')[0]
    file.write_text(text.replace(genesis, "sha256:" + "0" * 64))
    assert "not the ledger" in project.flow("status", code=4).err
    assert project.json("ledger", "verify", code=4)["ok"] is False
