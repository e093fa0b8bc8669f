"""What the checks find is signed and asked for: self-review, `check --record`, the gates lint-clean and rehearsed."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import make_url

from tests.acceptance.conftest import Terminal
from tests.support.alembic_projects import ADA, BEN, CARLA, edit, make_project, put_under_the_flow, table, write_script
from tests.support.postgres import PostgresServer
from tests.support.shell import Shell

STAGES = ("dev=sqlite:///dev.db", "staging=sqlite:///staging.db")
ESCALATION = '[[policy.escalations]]\nwhen = ["lossy"]\napprovals = { backend-lead = 2 }\n'
DROPS = 'op.create_table("t_aaaa01")\nop.get_bind().exec_driver_sql("DR" + "OP TABLE t_aaaa00")'


@pytest.fixture
def shell(terminal: Terminal, tmp_path: Path) -> Shell:
    """A project with a first revision that Ada tracked; its self-reviews run their checks."""
    shell = replace(terminal(tmp_path / "shop"), checked=True)
    make_project(shell)
    put_under_the_flow(shell, *STAGES, team=True)
    script(shell, "aaaa00")
    shell.flow("track", actor=ADA)
    return shell


def script(shell: Shell, revision: str, down: str | None = None, **parts: Any) -> Path:
    return write_script(shell.folder / "migrations" / "versions", revision, down, **parts)


def gates(shell: Shell, env: str = "staging", revision: str = "aaaa00") -> dict[str, Any]:
    done = shell.flow("plan", "--env", env, "--format", "json", code=None)
    steps = json.loads(done.out)["steps"]
    step = next(step for step in steps if step["revision"] == revision)
    return {verdict["gate"]: verdict for verdict in step["gates"]}


def entries(shell: Shell, kind: str) -> list[dict[str, Any]]:
    return [entry for entry in shell.json("log")["entries"] if entry["kind"] == kind]


def test_self_review_runs_the_checks_and_signs_what_they_found(shell: Shell) -> None:
    said = shell.json("self-review", "aaaa00", actor=ADA)
    assert (said["findings"], [one["grade"] for one in said["rehearsals"]]) == ([], ["lossless"])
    (entry,) = entries(shell, "migration.self-reviewed")
    (rehearsed,) = entry["predicate"]["rehearsals"]
    assert (rehearsed["grade"], rehearsed["dialect"]) == ("lossless", "sqlite")
    assert entry["predicate"]["lint"]["errors"] == 0
    found = gates(shell)
    assert found["lint-clean"]["passed"]
    assert found["rehearsed"]["passed"]
    assert "lossless on SQLite" in found["rehearsed"]["reason"]
    assert shell.json("show", "aaaa00")["evidence"]["rehearsals"][0]["grade"] == "lossless"
    assert "rehearsed on SQLite" in shell.flow("show", "aaaa00").out
    assert shell.json("ledger", "verify")["ok"]


def test_a_finding_refuses_the_self_review_and_nothing_is_recorded(shell: Shell) -> None:
    path = script(shell, "aaaa01", "aaaa00", upgrade='op.drop_table("t_aaaa00")')
    edit(path, r'op.drop_table\("t_aaaa01"\)', "pass")
    edit(path, "A test asks for it.", "TODO")
    shell.flow("track", actor=ADA)
    before = shell.json("ledger", "verify")["head"]
    done = shell.flow("self-review", "aaaa01", actor=ADA, code=1)
    assert "error placeholder-text" in done.out
    assert "error empty-downgrade" in done.out
    assert "irreversible" in done.out
    assert "aaaa01 is not self-reviewed: nothing was recorded" in done.out
    said = shell.json("self-review", "aaaa01", actor=ADA, code=1)
    assert said["seq"] is None
    assert {finding["rule"] for finding in said["findings"]} >= {"placeholder-text", "empty-downgrade"}
    assert [one["grade"] for one in said["rehearsals"]] == ["irreversible"]
    assert shell.json("ledger", "verify")["head"] == before
    assert not gates(shell, revision="aaaa01")["rehearsed"]["passed"]


def test_anybody_in_the_policy_records_evidence_and_self_review_uses_it(shell: Shell) -> None:
    first = shell.json("check", "--record", actor=BEN)
    assert first["recorded"] == [{"revision": "aaaa00", "seq": 3, "again": False}]
    (entry,) = entries(shell, "migration.checked")
    assert (entry["actor"], entry["predicate"]["rehearsals"][0]["grade"]) == (BEN, "lossless")
    again = shell.flow("check", "aaaa00", "--record", actor=CARLA)
    assert "entry 3 says the same" in again.out
    said = shell.json("self-review", "aaaa00", actor=ADA)
    assert said["rehearsals"] == []
    assert [(one["seq"], one["by"]) for one in said["known"]] == [(3, BEN)]
    assert f"by {BEN}" in gates(shell)["rehearsed"]["reason"]
    assert not entries(shell, "migration.self-reviewed")[0]["predicate"]["rehearsals"]


def test_bad_evidence_is_recorded_too_and_refuses(shell: Shell) -> None:
    path = script(shell, "aaaa01", "aaaa00")
    path.write_text(path.read_text().replace('op.drop_table("t_aaaa01")', 'raise RuntimeError("no way back")'))
    shell.flow("track", actor=ADA)
    shell.flow("check", "aaaa01", "--record", actor=BEN, code=1)
    found = gates(shell, revision="aaaa01")
    assert "no way back" in found["rehearsed"]["reason"]
    assert not found["lint-clean"]["passed"]
    assert found["lint-clean"]["who"] == [ADA]


def test_what_a_recorded_rehearsal_saw_sent_is_judged_without_another_one(shell: Shell) -> None:
    path = script(shell, "aaaa01", "aaaa00", upgrade='getattr(op, "drop" + "_table")("t_aaaa00")')
    edit(path, r'op.drop_table\("t_aaaa01"\)', table("t_aaaa00"))
    shell.flow("track", actor=ADA)
    recorded = shell.json("check", "aaaa01", "--record", actor=BEN, code=1)["recorded"]
    before = shell.json("ledger", "verify")["head"]
    said = shell.json("self-review", "aaaa01", actor=ADA, code=1)
    assert said["rehearsals"] == []
    assert [(one["seq"], one["by"]) for one in said["known"]] == [(recorded[0]["seq"], BEN)]
    (drop,) = [finding for finding in said["findings"] if finding["rule"] == "drop-table"]
    assert (drop["severity"], path.read_text().splitlines()[drop["line"] - 1].strip()[:7]) == ("error", "getattr")
    assert shell.json("ledger", "verify")["head"] == before


@pytest.mark.parametrize("words", [("check", "--record"), ("self-review",)], ids=" ".join)
def test_a_script_that_changes_while_it_is_checked_is_not_recorded(shell: Shell, words: tuple[str, ...]) -> None:
    path = shell.folder / "migrations" / "versions" / "aaaa01_script.py"
    rewrites = f'path = pathlib.Path({str(path)!r})\npath.write_text(path.read_text() + "# more\\n")\n'
    script(shell, "aaaa01", "aaaa00", upgrade=rewrites + table("t_aaaa01"), imports="import pathlib")
    shell.flow("track", actor=ADA)
    before = shell.json("ledger", "verify")["head"]
    command, *options = words
    error = shell.error(command, "aaaa01", *options, actor=ADA, code=2)
    assert error["message"] == "the script was changed while it was checked"
    assert error["where"] == "migrations/versions/aaaa01_script.py"
    assert shell.json("ledger", "verify")["head"] == before


@pytest.mark.parametrize("how", ["untracked", "stranger", "no policy"])
def test_evidence_that_nobody_may_record(shell: Shell, how: str) -> None:
    if how == "untracked":
        script(shell, "aaaa01", "aaaa00")
        error = shell.error("check", "aaaa01", "--record", actor=BEN, code=1)
        assert error["hint"] == "migrate-flow track aaaa01"
    elif how == "stranger":
        shell.flow("keys", "new", "eve@example.com", "--store", "project")
        assert shell.error("check", "--record", actor="eve@example.com", code=2)["code"] == "identity"
    else:
        toml = shell.folder / "migrate-flow.toml"
        toml.write_text(toml.read_text() + ESCALATION)
        assert "policy record" in shell.error("check", "--record", actor=BEN, code=1)["hint"]
    assert not entries(shell, "migration.checked")


def test_a_change_below_makes_a_rehearsal_worthless_and_a_comment_does_not(shell: Shell) -> None:
    script(shell, "aaaa01", "aaaa00")
    shell.flow("track", actor=ADA)
    shell.flow("self-review", "aaaa00", actor=ADA)
    shell.flow("self-review", "aaaa01", actor=ADA)
    below = shell.folder / "migrations" / "versions" / "aaaa00_script.py"
    text = below.read_text()
    below.write_text(text + "# a comment\n")
    assert gates(shell, revision="aaaa01")["rehearsed"]["passed"]
    below.write_text(text.replace("sa.String(50)", "sa.String(60)"))
    verdict = gates(shell, revision="aaaa01")["rehearsed"]
    assert (verdict["passed"], verdict["hint"]) == (False, "migrate-flow check aaaa01 --record")
    assert "its ancestors do not do what they did" in verdict["reason"]
    shell.flow("check", "aaaa01", "--record", actor=BEN)
    assert gates(shell, revision="aaaa01")["rehearsed"]["passed"]


def test_what_only_running_shows_asks_for_more_approvals(shell: Shell) -> None:
    toml = shell.folder / "migrate-flow.toml"
    toml.write_text(toml.read_text() + ESCALATION)
    shell.flow("people", "add", BEN, "--role", "backend-lead")
    shell.flow("policy", "record", actor=CARLA)
    drop = 'getattr(op, "drop" + "_table")("t_aaaa00")'
    path = script(shell, "aaaa01", "aaaa00", upgrade=drop)
    edit(path, r'op.drop_table\("t_aaaa01"\)', table("t_aaaa00"))
    shell.flow("track", actor=ADA)
    assert "lossy" not in shell.json("show", "aaaa01")["risks"]
    refused = shell.json("self-review", "aaaa01", actor=ADA, code=1)
    assert {"drop-table", "raw-sql-unknown"} <= {finding["rule"] for finding in refused["findings"]}
    why = "# migrate-flow: ignore[drop-table,irreversible-operation] nobody reads it"
    path.write_text(path.read_text().replace(drop, f"{drop}  {why}"))
    said = shell.json("self-review", "aaaa01", actor=ADA)
    assert said["rehearsals"][0]["grade"] == "lossy"
    assert {"destructive", "lossy"} <= set(said["risks"])
    assert "2 × backend-lead" in gates(shell, revision="aaaa01")["approved"]["reason"]


def test_without_a_server_both_ways_are_named(terminal: Terminal, tmp_path: Path) -> None:
    shell = replace(terminal(tmp_path / "shop"), checked=True)
    make_project(shell)
    environments = ("dev=mysql+pymysql://nobody@localhost:1/dev", "staging=mysql+pymysql://nobody@localhost:1/staging")
    put_under_the_flow(shell, *environments, team=True)
    script(shell, "aaaa00")
    shell.flow("track", actor=ADA)
    error = shell.error("self-review", "aaaa00", actor=ADA, code=2)
    assert error["where"] == "[rehearsal] mysql"
    assert "[rehearsal]" in error["hint"]
    assert "migrate-flow check aaaa00 --record" in error["hint"]


def test_a_plan_shows_what_ran_and_what_it_locks(terminal: Terminal, tmp_path: Path, postgres: PostgresServer) -> None:
    """Where SQL can't be rendered without a database, the rehearsal's is shown, beside the rows that wait here."""
    urls = [postgres.create_database() for _ in range(2)]
    shell = replace(terminal(tmp_path / "shop"), checked=True)
    make_project(shell)
    put_under_the_flow(shell, f"dev={urls[0]}", f"staging={urls[1]}", team=True)
    edit(shell.folder / "migrate-flow.toml", r"(?m)^\[rehearsal\]$", f'[rehearsal]\npostgresql = "{urls[0]}"')
    script(shell, "aaaa00")
    looks = 'rows = op.get_bind().execute(sa.text("SELECT count(*) FROM t_aaaa00")).scalar_one()\n'
    path = script(shell, "aaaa01", "aaaa00", upgrade=f'{looks}op.add_column("t_aaaa00", sa.Column("more", sa.Text))')
    path.write_text(path.read_text().replace('op.drop_table("t_aaaa01")', 'op.drop_column("t_aaaa00", "more")'))
    shell.flow("track", actor=ADA)
    shell.flow("apply", "aaaa00", "--env", "staging", actor=ADA, code=1)
    shell.flow("apply", "--env", "dev", actor=ADA)
    for revision in ("aaaa00", "aaaa01"):
        shell.flow("self-review", revision, actor=ADA)
        shell.flow("review", revision, "--approve", actor=BEN)
        shell.flow("approve", revision, actor=CARLA)
    shell.flow("apply", "aaaa00", "--env", "staging", actor=ADA)
    database = make_url(urls[1]).database or ""
    postgres.execute("INSERT INTO t_aaaa00 (text) SELECT 'x' FROM generate_series(1, 1500)", database=database)
    postgres.execute("ANALYZE t_aaaa00", database=database)
    (step,) = shell.json("plan", "--env", "staging", actor=ADA)["steps"]
    assert "ALTER TABLE t_aaaa00 ADD COLUMN more" in step["sql"]
    assert step["sql_note"].startswith("as the rehearsal on PostgreSQL 1")
    assert step["locks"] == [{"relation": "t_aaaa00", "mode": "AccessExclusiveLock", "rows": 1500}]
    shown = shell.flow("plan", "--env", "staging", actor=ADA).out
    assert "locks until it commits: AccessExclusiveLock on t_aaaa00 (about 1,500 rows)" in shown


def test_a_module_that_an_applied_script_imports_may_go_on_to_change(shell: Shell) -> None:
    helper = shell.folder / "lengths.py"
    helper.write_text("NAME = 50\n")
    edit(shell.folder / "alembic.ini", r"(?m)^prepend_sys_path = .*$", "prepend_sys_path = .")
    script(shell, "aaaa01", "aaaa00", imports="import lengths")
    shell.flow("track", actor=ADA)
    for revision in ("aaaa00", "aaaa01"):
        shell.flow("self-review", revision, actor=ADA)
        shell.flow("review", revision, "--approve", actor=BEN)
        shell.flow("approve", revision, actor=CARLA)
    for env in ("dev", "staging"):
        shell.flow("apply", "aaaa01", "--env", env, actor=ADA)
    helper.write_text("NAME = 50\nSTREET = 120\n")
    script(shell, "aaaa02", "aaaa01")
    shell.flow("track", actor=ADA)
    shell.flow("self-review", "aaaa02", actor=ADA)
    assert gates(shell, revision="aaaa02")["rehearsed"]["passed"]


def test_a_rehearsal_that_a_slow_runner_ended_is_replaced_by_the_next(shell: Shell) -> None:
    nap = "import os, time\ntime.sleep(float(os.environ.get('NAP', '0')))\n"
    script(shell, "aaaa01", "aaaa00", upgrade=nap + table("t_aaaa01"))
    shell.flow("track", actor=ADA)
    slow = ("check", "aaaa01", "--record", "--timeout", "0.1")
    shell.under(NAP="60").flow(*slow, actor=BEN, code=1)
    assert "not rehearsed" in gates(shell, revision="aaaa01")["rehearsed"]["reason"]
    shell.flow("check", "aaaa01", "--record", actor=BEN)
    assert gates(shell, revision="aaaa01")["rehearsed"]["passed"]


def test_reports_are_kept_without_values_and_missed_when_they_are_gone(shell: Shell) -> None:
    secret = "canary-of-a-bound-value"
    update = f'op.get_bind().execute(sa.text("UPDATE t_aaaa00 SET text = :t"), {{"t": "{secret}"}})\n'
    script(shell, "aaaa01", "aaaa00", upgrade=update + table("t_aaaa01"))
    shell.flow("track", actor=ADA)
    shell.flow("check", "aaaa01", "--record", actor=BEN, code=None)
    (entry,) = entries(shell, "migration.checked")
    report = entry["predicate"]["rehearsals"][0]["report"].removeprefix("sha256:")
    with sqlite3.connect(shell.folder / ".migrate-flow" / "ledger.db") as ledger:
        ((content,),) = ledger.execute("SELECT content FROM artifact WHERE sha256 = ?", (report,)).fetchall()
        assert b"UPDATE t_aaaa00" in content
        assert secret.encode() not in content
        for (name,) in ledger.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            ledger.execute(f'DROP TRIGGER "{name}"')
        ledger.execute("DELETE FROM artifact WHERE sha256 = ?", (report,))
    ledger.close()
    found = shell.json("ledger", "verify", code=4)["problems"]
    assert any(f"artifact {report[:12]}… is gone" in one["problem"] for one in found), found


def test_only_a_waiver_about_reversibility_lets_a_script_stay_irreversible(shell: Shell) -> None:
    edit(shell.folder / "migrate-flow.toml", r"(?m)^\[policy\]$", "[policy]\nallow_irreversible = true")
    shell.flow("policy", "record", actor=CARLA)
    path = script(shell, "aaaa01", "aaaa00")
    edit(path, r'op.drop_table\("t_aaaa01"\)', "pass")
    edit(path, r"(?m)^def upgrade", "# migrate-flow: ignore[file-name] short\n\n\ndef upgrade")
    shell.flow("track", actor=ADA)
    shell.flow("check", "aaaa01", "--record", actor=BEN, code=1)
    assert not gates(shell, revision="aaaa01")["rehearsed"]["passed"]
    edit(path, r"(?m)^    pass$", "    pass  # migrate-flow: ignore[empty-downgrade] the table stays for good")
    shell.flow("check", "aaaa01", "--record", actor=BEN, code=None)
    assert gates(shell, revision="aaaa01")["rehearsed"]["passed"]
