"""`migrate_flow.open`: what programs that embed the flow rely on."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import subprocess
import sys
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

import migrate_flow
from migrate_flow.api import Progress
from migrate_flow.errors import (
    BusyError,
    ConfigError,
    IdentityError,
    LedgerError,
    Refused,
    ScriptError,
    TargetError,
    UnsettledError,
    UsageError,
)
from tests.acceptance import databases
from tests.conftest import move_in
from tests.support.project import ADA, CARLA, Project, governed

REVISION = "a00000000001"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    (tmp_path / "shop").mkdir()
    move_in(tmp_path / "home", monkeypatch)
    monkeypatch.chdir(tmp_path / "shop")
    # What an env.py of another test in this process told logging may have switched it off.
    monkeypatch.setattr(logging.getLogger("migrate_flow"), "disabled", False)
    return governed(tmp_path / "shop")


def test_the_import_loads_nothing() -> None:
    code = "import migrate_flow, sys; print(sorted(n for n in sys.modules if n.startswith('migrate_flow.')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_status_and_plan_are_typed_and_hold_the_documents(project: Project) -> None:
    project.script(REVISION)
    project.flow("track", actor=ADA)
    opened = migrate_flow.open(project.folder, actor=ADA)
    status = opened.status()
    assert status.environments == ("dev", "staging", "production")
    (row,) = status.migrations
    assert (row.revision, row.state, row.stale, row.in_tree) == (REVISION, "created", False, True)
    assert row.applied == {"dev": None, "staging": None, "production": None}
    assert row.next == f"migrate-flow self-review {REVISION}"
    assert status.document == project.json("status", actor=ADA)
    plan = opened.plan("dev")
    assert plan.allowed
    assert not plan.blockers
    assert [(step.revision, step.outcome) for step in plan.steps] == [(REVISION, "planned")]
    assert plan.document == project.json("plan", "--env", "dev", actor=ADA)
    refused = opened.plan("staging")
    assert not refused.allowed
    assert {"approved", "peer-reviewed", "upstream-applied"} <= {verdict.gate for verdict in refused.blockers}
    with pytest.raises(FrozenInstanceError):
        plan.allowed = False  # type: ignore[misc]


def test_apply(project: Project) -> None:
    project.script(REVISION)
    project.flow("track", actor=ADA)
    opened = migrate_flow.open(project.folder / "migrate-flow.toml", actor=ADA)
    done = opened.apply("dev", plan=opened.plan("dev").digest)
    assert (done.allowed, done.done, done.environment) == (True, True, "dev")
    assert [(step.revision, step.outcome, step.error) for step in done.steps] == [(REVISION, "applied", "")]
    assert done.document["schema"] == "migrate-flow/apply/1"
    assert databases.heads(f"sqlite:///{project.folder}/dev.db") == [REVISION]
    assert opened.status().migrations[0].applied["dev"] == "applied"
    assert opened.apply("dev").done, "nothing to do is done"


def test_a_no_is_raised_with_the_report_or_returned(project: Project) -> None:
    project.script(REVISION)
    project.flow("track", actor=ADA)
    opened = migrate_flow.open(actor=ADA)
    with pytest.raises(Refused) as refused:
        opened.apply("staging")
    assert refused.value.hint
    assert refused.value.document is not None
    assert refused.value.document["allowed"] is False
    returned = opened.apply("staging", check=False)
    assert not returned.allowed
    assert not returned.done
    assert returned.blockers[0].reason in str(refused.value)
    assert project.json("log", "--kind", "apply.refused")["entries"]


def test_a_failure_is_raised_with_the_report(project: Project) -> None:
    project.script(REVISION, upgrade='op.execute("SELECT * FROM nothing")')
    project.flow("track", actor=ADA)
    opened = migrate_flow.open(actor=ADA)
    with pytest.raises(TargetError, match="nothing") as failed:
        opened.apply("dev")
    assert failed.value.document is not None
    assert failed.value.document["steps"][0]["outcome"] == "failed"
    assert databases.tables(f"sqlite:///{project.folder}/dev.db") == []


def test_the_products_own_errors(project: Project, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no migrate-flow"):
        migrate_flow.open(tmp_path / "home")
    with pytest.raises(ConfigError):
        migrate_flow.open(tmp_path / "nowhere.toml")
    opened = migrate_flow.open(project.folder, actor=ADA)
    with pytest.raises(UsageError, match="there is no environment 'prod'"):
        opened.plan("prod")
    with pytest.raises(Refused, match="another"):
        opened.apply("dev", plan="sha256:" + "0" * 64)
    migrate_flow.open(project.folder, actor=CARLA).status()


def test_the_example_of_the_documentation(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    project.script(REVISION)
    project.flow("track", actor=ADA)
    text = (Path(__file__).parents[1] / "docs" / "reference" / "api.md").read_text()
    example = text.partition("```python\n")[2].partition("```")[0]
    exec(compile(example, "api.md", "exec"), {})
    said = capsys.readouterr().out.splitlines()
    assert f"{REVISION} created" in said
    assert f"{REVISION} applied" in said
    assert any(line.startswith("approved: ") for line in said)


def test_no_secret_is_in_an_exception(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", "correct-horse")
    project.script(REVISION, upgrade='import os; raise RuntimeError(os.environ["PGPASSWORD"])')
    project.flow("track", actor=ADA)
    with pytest.raises(TargetError) as failed:
        migrate_flow.open(actor=ADA).apply("dev")
    assert "correct-horse" not in f"{failed.value}{failed.value.document}"
    with pytest.raises(UsageError) as unknown:
        migrate_flow.open(actor=ADA).plan("correct-horse")
    assert "correct-horse" not in f"{unknown.value}{unknown.value!r}{unknown.value.hint}"


def test_hooks_run_and_their_warnings_are_logged(project: Project, caplog: pytest.LogCaptureFixture) -> None:
    toml = project.folder / "migrate-flow.toml"
    command = json.dumps([sys.executable, "-c", "import sys; print(sys.stdin.read()[:26]); sys.exit(3)"])
    toml.write_text(f'{toml.read_text()}\n[hooks.chat]\non = ["apply.applied"]\ncommand = {command}\n')
    project.script(REVISION)
    project.flow("track", actor=ADA)
    with caplog.at_level(logging.WARNING, "migrate_flow"):
        assert migrate_flow.open(actor=ADA).apply("dev").done
    assert "(apply.applied): exit 3" in caplog.text
    assert '{"schema": "migrate-flow/h' in caplog.text


def test_progress_is_told_and_can_not_disturb(project: Project, caplog: pytest.LogCaptureFixture) -> None:
    project.script(REVISION)
    project.script("a00000000002", REVISION, upgrade='op.execute("SELECT * FROM nothing")')
    project.flow("track", actor=ADA)
    opened, told = migrate_flow.open(actor=ADA), list[Progress]()

    def listen(event: Progress) -> None:
        told.append(event)
        raise ValueError("a listener of somebody's")

    done = opened.apply("dev", check=False, progress=listen)
    assert [(one.what, one.revision, one.number, one.of, one.outcome) for one in told] == [
        ("started", REVISION, 1, 2, ""),
        ("ended", REVISION, 1, 2, "applied"),
        ("started", "a00000000002", 2, 2, ""),
        ("ended", "a00000000002", 2, 2, "failed"),
    ]
    assert "nothing" in told[-1].message
    assert [step.outcome for step in done.steps] == ["applied", "failed"]
    assert caplog.text.count("the listener of apply failed") == 4


def test_an_interrupt_of_the_listener_is_recorded_first(project: Project) -> None:
    project.script(REVISION)
    project.flow("track", actor=ADA)

    def listen(event: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        migrate_flow.open(actor=ADA).apply("dev", progress=listen)
    assert databases.tables(f"sqlite:///{project.folder}/dev.db") == []
    assert [entry["kind"] for entry in project.json("log")["entries"]][-2:] == ["apply.intended", "apply.failed"]
    assert migrate_flow.open(actor=ADA).apply("dev").done


def test_each_exception_of_the_documentation(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """As an embedder meets them; Refused, TargetError, UsageError and ConfigError have tests of their own."""
    project.script(REVISION)
    project.flow("track", actor=ADA)
    opened = migrate_flow.open(actor=ADA)
    with pytest.raises(IdentityError):
        migrate_flow.open(actor="nobody@example.com").apply("dev")
    busy = list[BaseException]()

    def second(event: Progress) -> None:
        with pytest.raises(BusyError) as raised:
            opened.apply("dev")
        busy.append(raised.value)

    project.script("a00000000002", REVISION, upgrade="raise ValueError")
    project.flow("track", actor=ADA)
    opened.apply("dev", REVISION, progress=second)
    assert len(busy) == 2
    broken = project.folder / "migrations" / "versions" / "broken.py"
    broken.write_text('revision = "b00000000001"\ndown_revision = "a00000000002"\ndef upgrade(:')
    with pytest.raises(ScriptError):
        opened.plan("dev", "b00000000001")
    broken.unlink()
    monkeypatch.setenv("MIGRATE_FLOW_FAILPOINT", "evidence-read:interrupt")
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    try:
        with pytest.raises(UnsettledError, match="before the outcome"):
            opened.apply("dev")
    finally:
        signal.signal(signal.SIGINT, before)
    monkeypatch.delenv("MIGRATE_FLOW_FAILPOINT")
    ledger = project.folder / ".migrate-flow" / "ledger.db"
    ledger.write_bytes(b"no ledger")
    with pytest.raises(LedgerError):
        opened.status()


def test_another_thread_may_call_it_beside_an_event_loop(project: Project, pg_url: str) -> None:
    toml = project.folder / "migrate-flow.toml"
    old = 'url = "sqlite:///dev.db"\ndialect = "sqlite"'
    assert old in toml.read_text()
    toml.write_text(toml.read_text().replace(old, f'url = "{pg_url}"\ndialect = "postgresql"'))
    project.flow("policy", "record", actor=CARLA)
    project.script(REVISION)
    project.flow("track", actor=ADA)
    opened, beats = migrate_flow.open(actor=ADA), 0

    async def program() -> bool:
        nonlocal beats
        applied = asyncio.create_task(asyncio.to_thread(opened.apply, "dev"))
        while not applied.done():
            beats += 1
            await asyncio.sleep(0.005)
        return (await applied).done

    assert asyncio.run(program())
    assert beats > 2
    assert databases.heads(pg_url) == [REVISION]
