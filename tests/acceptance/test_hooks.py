"""[hooks]: commands that hear of new entries, after the act and without any say in it. Real scripts, real processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance import databases
from tests.acceptance.conftest import Terminal
from tests.support.alembic_projects import ADA, edit, make_project, put_under_the_flow, write_script
from tests.support.shell import Shell

HEARD = "cat >> heard.jsonl"
Hook = Callable[..., Shell]


@pytest.fixture
def shell(terminal: Terminal, tmp_path: Path) -> Shell:
    (tmp_path / "shop").mkdir()
    shell = terminal(tmp_path / "shop")
    versions = make_project(shell)
    put_under_the_flow(shell)
    write_script(versions, "aaaa01")
    return shell


def hooked(shell: Shell, script: str, *, on: str = '"apply.", "migration.created"', more: str = "") -> Shell:
    path = shell.folder / "tools" / "hook"
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    toml = shell.folder / "migrate-flow.toml"
    toml.write_text(f'{toml.read_text()}\n[hooks.chat]\non = [{on}]\ncommand = ["tools/hook", "an argument"]\n{more}\n')
    return shell


def heard(shell: Shell) -> list[dict[str, Any]]:
    path = shell.folder / "heard.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def apply(shell: Shell, *words: str, code: int = 0) -> str:
    """What is said on stderr, the progress apart. The report is alone on stdout."""
    done = shell.flow("apply", "--env", "dev", "--format", "json", *words, code=code)
    assert json.loads(done.out)["schema"] == "migrate-flow/apply/1"
    return "\n".join(line for line in done.err.splitlines() if not line.startswith("[1/1]"))


def gone(pid: int) -> bool:
    """Whether a process has ended, its father's knowledge of it apart."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_the_entries_in_their_order_as_the_log_has_them(shell: Shell) -> None:
    hooked(shell, f'{HEARD}; printf "%s\\n" "$1" "$PWD" > said')
    shell.flow("track")
    assert apply(shell) == ""
    told = heard(shell)
    assert [entry["kind"] for entry in told] == ["migration.created", "apply.intended", "apply.applied"]
    logged = {entry["seq"]: entry for entry in shell.json("log")["entries"]}
    for entry in told:
        assert entry.pop("schema") == "migrate-flow/hook/1"
        assert entry.pop("project") == "shop"
        assert entry == logged[entry["seq"]]
    assert (shell.folder / "said").read_text().splitlines() == ["an argument", str(shell.folder)]


def test_they_run_when_the_outcome_is_recorded_and_the_lock_is_free(shell: Shell) -> None:
    """A hook on the intent runs `apply` itself: it finds nothing to do, and nobody who holds the lock."""
    again = f"{sys.executable} -m migrate_flow apply --env dev > again 2>&1; echo $? >> again"
    hooked(shell, again, on='"apply.intended"', more='timeout = "60s"')
    shell.flow("track")
    assert apply(shell) == ""
    assert (shell.folder / "again").read_text() == "dev: nothing to do\n0\n"


def test_a_refusal_is_heard_of_and_stays_one(shell: Shell) -> None:
    hooked(shell, f"{HEARD}; exit 7")
    said = apply(shell, code=1)
    assert [entry["kind"] for entry in heard(shell)] == ["apply.refused"]
    assert said == "warning: hook chat on entry 2 (apply.refused): exit 7"


def test_a_failure_is_a_warning_with_what_it_said(shell: Shell) -> None:
    hooked(shell, "echo no such channel; echo and more >&2; exit 3", on='"apply.applied"')
    shell.flow("track")
    assert apply(shell).splitlines() == [
        "warning: hook chat on entry 4 (apply.applied): exit 3",
        "  | no such channel",
        "  | and more",
    ]
    assert databases.heads(f"sqlite:///{shell.folder}/dev.db") == ["aaaa01"]


@pytest.mark.parametrize("script", ["exec <&-; sleep 0.2", "true", "head -c 1 >/dev/null", "exec <&- >&- 2>&-"])
def test_one_that_does_not_read_what_it_is_given(shell: Shell, script: str) -> None:
    hooked(shell, script, on='"apply."')
    write_script(shell.folder / "migrations" / "versions", "aaaa02", "aaaa01", upgrade=f"# {'x' * 200_000}\npass")
    shell.flow("track")
    done = shell.flow("apply", "--env", "dev", "--format", "json")
    assert [step["outcome"] for step in json.loads(done.out)["steps"]] == ["applied", "applied"]
    assert "warning" not in done.err


@pytest.mark.parametrize(("code", "told"), [(0, False), (1, True)])
def test_of_much_output_the_end_is_shown_and_only_after_a_failure(shell: Shell, code: int, told: bool) -> None:
    hooked(shell, f"yes nothing | head -c 50000000; echo the end; exit {code}", on='"apply.applied"')
    shell.flow("track")
    said = apply(shell)
    assert said.endswith("the end") is told
    assert len(said) < (1200 if told else 1)
    assert len(said.splitlines()) <= 11


def test_a_slow_one_is_ended_and_not_asked_again(shell: Shell) -> None:
    hooked(shell, "echo $$ >> pids; echo waiting; sleep 300; echo never > late", more='timeout = "500ms"')
    shell.flow("track")
    (shell.folder / "pids").unlink()
    said = apply(shell).splitlines()
    assert said == [
        "warning: hook chat on entry 3 (apply.intended): took longer than 0.5 s, and was ended",
        "  | waiting",
        "warning: no time was left for hooks: 1 run was left out",
    ]
    (pid,) = (shell.folder / "pids").read_text().split()
    assert gone(int(pid))
    assert not (shell.folder / "late").exists()


def test_what_it_leaves_running_is_ended_with_it(shell: Shell) -> None:
    hooked(shell, "sleep 300 & echo $! > pid; exit 0", on='"apply.applied"')
    shell.flow("track")
    assert apply(shell) == ""
    assert gone(int((shell.folder / "pid").read_text()))


def test_a_program_that_is_not_there(shell: Shell) -> None:
    hooked(shell, "true", on='"apply.applied"')
    (shell.folder / "tools" / "hook").unlink()
    shell.flow("track")
    said = apply(shell)
    assert said == "warning: hook chat on entry 4 (apply.applied): tools/hook can't be run: No such file or directory"


def test_it_is_given_no_secret(shell: Shell) -> None:
    hooked(shell, "env > environment; cat > given", on='"apply.applied"')
    edit(shell.folder / "migrate-flow.toml", r'url = "sqlite:///dev.db"', 'url = "env:DEV_URL"')
    url = f"sqlite:///{shell.folder}/dev.db"
    secretive = shell.under(DEV_URL=url, PGPASSWORD="hidden-word", CHAT_TOKEN="kept")
    secretive.flow("track")
    apply(secretive)
    environment = (shell.folder / "environment").read_text()
    assert "CHAT_TOKEN=kept" in environment
    assert "DEV_URL" not in environment
    assert "hidden-word" not in environment + (shell.folder / "given").read_text()


def test_what_an_author_records_is_heard_of_too(shell: Shell) -> None:
    hooked(shell, HEARD, on='"migration.self"')
    shell.flow("track")
    shell.flow("self-review", "aaaa01")
    assert [entry["kind"] for entry in heard(shell)] == ["migration.self-reviewed"]


@pytest.mark.parametrize("on", ["migration.approved", "migration.", "policy.", "ledger.exported", "key.revoked"])
def test_no_hook_runs_beside_the_key_of_who_runs_nothing_of_a_checkout(shell: Shell, on: str) -> None:
    """A branch that somebody looks at must not run commands with the reviewer's key."""
    hooked(shell, HEARD, on=f'"{on}"')
    refused = shell.flow("status", code=2)
    assert "no hook hears of" in refused.err
    assert heard(shell) == []


def test_a_variable_turns_them_off(shell: Shell) -> None:
    hooked(shell, HEARD)
    shell.under(MIGRATE_FLOW_NO_HOOKS="1").flow("track")
    assert heard(shell) == []


def test_an_interrupt_ends_the_hook_and_not_what_was_done(shell: Shell) -> None:
    hooked(shell, "echo $$ > pid; sleep 300", on='"apply.applied"', more='timeout = "1min"')
    shell.flow("track")
    process = subprocess.Popen(
        [sys.executable, "-m", "migrate_flow", "apply", "--env", "dev"], cwd=shell.folder, env=shell.variables,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    while not (shell.folder / "pid").exists() or not (shell.folder / "pid").read_text().strip():
        assert process.poll() is None
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGINT)
    out, err = process.communicate()
    assert process.returncode == 0, err
    assert "1 applied" in out
    assert "the hooks were interrupted; what the command did is done" in err
    assert gone(int((shell.folder / "pid").read_text()))


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ('on = ["aply."]\ncommand = ["x"]', "no kind of entry begins so, did you mean apply.", ""),
        ('on = ["apply."]\ncommand = "x -y"', "expected a list", "write a list"),
        ('on = ["apply."]\ncommand = ["x"]\ntimeout = "5min"', "at most 1min", ""),
        ('on = ["apply."]\ncommand = ["x"]\nshell = true', "unknown key", ""),
        ('on = ["apply."]', "this key is required", 'add: command = ["./notify"]'),
        ('command = ["x"]\non = []', "must not be empty", ""),
    ],
)
def test_what_is_wrong_with_one_is_said(shell: Shell, text: str, message: str, hint: str) -> None:
    toml = shell.folder / "migrate-flow.toml"
    toml.write_text(f"{toml.read_text()}\n[hooks.chat]\n{text}\n")
    error = shell.error("--as", ADA, "status", code=2)
    assert message in error["message"]
    assert error["hint"].startswith(hint)
    assert "hooks.chat" in error["where"]
