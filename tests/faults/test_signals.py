"""Ctrl-C, SIGTERM and output that nobody takes: what runs is ended in the server too, and what came of it recorded."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import alembic
import pytest

from tests.faults.matrix import MARIADB, POSTGRESQL, SQLITE
from tests.faults.place import NEW, Place, go_on, stopped, wait_until
from tests.support.alembic_projects import ADA, edit, table

ROW = "op.execute(\"INSERT INTO t_aaaa01 VALUES (2, 'two')\")"
SLOW = {
    "postgresql": "SELECT pg_sleep(30)",
    "mariadb": "SELECT SLEEP(30)",
    "sqlite": "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 3e8) SELECT count(*) FROM t",
}
STILL_RUNS = {
    "postgresql": "SELECT count(*) FROM pg_stat_activity WHERE state <> 'idle' AND query ~ '^SELECT pg_sleep'",
    "mariadb": "SELECT count(*) FROM information_schema.processlist WHERE LEFT(info, 12) = 'SELECT SLEEP'",
}
PROMPT_S = 10.0  # a statement of 30 seconds was not waited for
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}


def slow(place: Place, before: str = ROW) -> str:
    return f'{before}\nopen("running", "w").close()\nop.execute("{SLOW[place.dialect]}")'


def signalled(place: Place, *signals: signal.Signals, **environ: str) -> tuple[int, str]:
    """An apply that gets these signals while a statement runs in the database: exit code, and all that it said."""
    with place.started("apply", "--env", "dev", "--format", "json", **environ) as process:
        wait_until((place.shell.folder / "running").exists, "the script to begin")
        time.sleep(0.3)  # the statement is on its way
        begun = time.monotonic()
        for number in signals:
            process.send_signal(number)
            time.sleep(0.2)  # two that wait are delivered by number, not by age
        out, err = process.communicate(timeout=60)
        assert time.monotonic() - begun < PROMPT_S, (out, err)
    assert "Traceback" not in out + err
    return process.returncode, out + err


def nothing_runs(place: Place) -> None:
    if place.dialect in STILL_RUNS:
        assert place.query(STILL_RUNS[place.dialect]) == [(0,)]


def recorded(place: Place, cause: str) -> None:
    last = place.last()
    assert (last["kind"], last["revision"]) == ("apply.failed", NEW)
    assert cause in last["error"]
    assert place.state() == "failed"


def mended(place: Place) -> None:
    place.second(ROW)
    place.apply()
    place.applied_once()


@pytest.mark.parametrize(
    "signals",
    [
        pytest.param([signal.SIGINT], marks=pytest.mark.fault("F13"), id="ctrl-c"),
        pytest.param([signal.SIGTERM], marks=pytest.mark.fault("F13"), id="term"),
        pytest.param([signal.SIGINT] * 2, marks=pytest.mark.fault("F14"), id="ctrl-c twice"),
    ],
)
def test_a_signal_while_a_statement_runs(place: Place, signals: list[signal.Signals]) -> None:
    place.second(slow(place))
    code, said = signalled(place, *signals)
    assert code == CODES[signals[0]], said
    recorded(place, {130: "interrupted", 143: "terminated"}[code])
    nothing_runs(place)
    place.as_before()
    mended(place)


@pytest.mark.on(MARIADB)
@pytest.mark.fault("F13")
def test_a_signal_after_a_part_is_durable(place: Place) -> None:
    place.second(slow(place, table("half")))
    code, said = signalled(place, signal.SIGTERM)
    assert code == 6, said
    assert place.last()["kind"] == "apply.partial"
    assert "half" in str(place.last()["left"])
    nothing_runs(place)
    assert place.heads() != [NEW]
    assert place.error("apply", "--env", "dev", code=6)["code"] == "unsettled"


@pytest.mark.fault("F14")
@pytest.mark.parametrize("point", ["step-committed", "evidence-read", "outcome-recorded"])
def test_the_second_signal_comes_while_the_first_is_recorded(place: Place, point: str) -> None:
    place.second(f"{ROW}\nos.kill(os.getpid(), signal.SIGINT)")
    done = place.failing(f"{point}:interrupt").flow("apply", "--env", "dev", code=130)
    assert "ending already" in done.err
    recorded(place, "interrupted")
    place.as_before()


@pytest.mark.fault("F13")
@pytest.mark.parametrize(
    "point", ["intent-recorded", "step-begun", "receipt-written", "step-committed", "evidence-read"]
)
def test_a_signal_at_any_step(place: Place, point: str) -> None:
    """Each ends with 143, or 6 where the outcome could not be recorded any more; the next apply goes through."""
    place.second(ROW)
    done = place.failing(f"{point}:terminate").flow("apply", "--env", "dev", code=None)
    applied = place.heads() == [NEW]
    assert done.code in (143, 6), done
    assert done.code == 143 or "migrate-flow recover --env dev" in done.err, done
    assert applied == (place.receipts() == 1) == (place.count("t_aaaa01") == 2)
    place.apply()
    place.applied_once()


@pytest.mark.on(POSTGRESQL)
@pytest.mark.fault("F13")
def test_a_signal_under_an_async_env_py(place: Place) -> None:
    """psycopg in asyncio: the signal comes while an event loop runs."""
    template = Path(alembic.__file__).parent / "templates" / "async" / "env.py"
    place.env_py.write_text(template.read_text())
    place.second(slow(place))
    code, said = signalled(place, signal.SIGINT)
    assert code == 130, said
    recorded(place, "interrupted")
    nothing_runs(place)
    place.as_before()


# -- Output


@pytest.mark.fault("F15")
@pytest.mark.parametrize(("closed", "code"), [("stdout", 3), ("both", 0), ("full", 3), ("never opened", 0)])
def test_nobody_takes_the_output(place: Place, closed: str, code: int) -> None:
    place.second(ROW if code == 0 else f"{ROW}\nraise ValueError('no such customer')")
    command = {
        "stdout": "{ $FLOW; echo $? > code; } | true",
        "both": "{ sleep 0.2; $FLOW 2>&1; echo $? > code; } | true",
        "full": "$FLOW > /dev/full; echo $? > code",
        "never opened": "$FLOW >&- 2>&-; echo $? > code",
    }[closed]
    assert shell(place, command) == code
    assert place.state() == ("applied" if code == 0 else "failed")
    if code == 0:
        place.applied_once()
    else:
        place.as_before()


@pytest.mark.on(SQLITE)
@pytest.mark.fault("F15")
@pytest.mark.parametrize("closed", ["| true", "> /dev/full", ">&-"])
def test_nobody_takes_the_error(place: Place, closed: str) -> None:
    command = {"| true": "{ sleep 0.1; $FLOW; echo $? > code; } | true"}.get(closed, f"$FLOW {closed}; echo $? > code")
    for words in ("--format json --plan none", "--plan none"):
        assert shell(place, command.replace("$FLOW", f"$FLOW {words}")) == 1
    place.as_before()


def shell(place: Place, command: str) -> int:
    """The command's exit code, as it wrote it into the file `code`."""
    environ = {**place.shell.variables, "FLOW": f"{sys.executable} -m migrate_flow --as {ADA} apply --env dev"}
    done = subprocess.run(["/bin/sh", "-c", command], cwd=place.shell.folder, env=environ, timeout=60, check=False)
    assert done.returncode == 0
    return int((place.shell.folder / "code").read_text())


WORDS = {
    "markup": "[/red] [bold [link=https://example.com]x",
    "escapes": "\x1b]0;title\x07\x1b[2J\x9b31m\u202e\u2066",
    "foreign bytes": "\udcff\udc80",
    "lines": "a\r\nb\x0bc\u2028d\x00e",
    "long": "x" * 100_000,
}


@pytest.mark.on(SQLITE)
@pytest.mark.fault("F16")
@pytest.mark.parametrize("words", WORDS.values(), ids=WORDS.keys())
def test_an_error_that_is_hard_to_show(place: Place, words: str) -> None:
    place.second(f"{ROW}\nraise ValueError({words!a})")
    for environ in ({}, {"LANG": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"}):
        done = place.under(**environ).flow("apply", "--env", "dev", code=3)
        assert not any(c in done.text for c in "\x1b\x07\x9b\u202e\x00\udcff"), done
        assert len(done.text) < 10_000
        recorded(place, "ValueError")
    json.loads(place.flow("apply", "--env", "dev", "--format", "json", code=3).out)
    place.as_before()


@pytest.mark.fault("F16")
@pytest.mark.parametrize(
    "error",
    [
        "class Odd(Exception):\n    def __str__(self):\n        raise LookupError('no words')\nraise Odd",
        "class Odd(Exception):\n    def __str__(self):\n        return None\nraise Odd",
        "class Odd(BaseException):\n    pass\nraise Odd('[/]')",
        "raise ExceptionGroup('several', [ValueError('[/]'), KeyError('x')])",
        "def deeper(): deeper()\ndeeper()",
    ],
    ids=["raises", "None", "BaseException", "group", "recursion"],
)
def test_an_error_without_words(place: Place, error: str) -> None:
    place.second(f"{ROW}\n{error}")
    place.flow("apply", "--env", "dev", code=3)
    recorded(place, "Odd" if "Odd" in error else "Error" if "deeper" in error else "several")
    place.as_before()


@pytest.mark.fault("F16")
def test_a_message_that_is_hard_to_show(place: Place) -> None:
    path = place.second(ROW)
    edit(path, "make aaaa02", "[/red] [bold \x1b[31m \u202e ::error:: make")
    place.flow("track")
    done = place.flow("apply", "--env", "dev")
    assert not any(c in done.text for c in "\x1b\u202e"), done
    place.applied_once()


@pytest.mark.on(SQLITE, POSTGRESQL)
@pytest.mark.fault("F15")
def test_the_terminal_is_closed_while_a_statement_runs(place: Place) -> None:
    """SIGHUP ends the process, as every program's: the server rolls back, and the next command finds out."""
    place.second(ROW)
    with place.started("apply", "--env", "dev", MIGRATE_FLOW_FAILPOINT="script-ended:stop") as process:
        wait_until(lambda: stopped(process), "script-ended")
        process.send_signal(signal.SIGHUP)
        go_on(process)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=20)
        assert process.returncode == -signal.SIGHUP
    place.as_before()
    assert [item["outcome"] for item in place.apply()["recovered"]] == ["failed"]
    place.applied_once()
