"""`rehearse` of scripts that misbehave, and rehearsals that are ended in the middle: what is said, and what is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import Terminal
from tests.support.alembic_projects import make_project, write_script
from tests.support.shell import Shell

TABLE = 'op.create_table("t_{0}", sa.Column("id", sa.Integer, primary_key=True))'
SPAWN = 'import subprocess; p = subprocess.Popen(["sleep", "600"]); open("{0}", "w").write(str(p.pid)); '
# revision -> (the upgrade's beginning, the downgrade's)
WILD = {
    "a_prints": (r"print('{\"end\": true}\n' * 3, 'x' * 200_000, end='')", ""),
    "b_exits": ("import sys; sys.exit(3)", ""),
    "c_ends": ("", 'print("my last words"); os._exit(5)'),
    "d_is_killed": ("", "os.kill(os.getpid(), signal.SIGKILL)"),
    # Its way to tell anything is closed as well.
    "e_loops": ("", "os.closerange(3, 60)\nimport time\nwhile True: time.sleep(0.01)"),
    "f_spawns": (SPAWN.format("spawned"), ""),
    "g_moves": ('os.chdir("/")', ""),
    "i_reads": ('import sys; assert sys.stdin.read() == ""', ""),
    "j_shouts": (r"raise RuntimeError('Zürich ☃ \udc80 \x1b[31m')", ""),
    "k_closes": ("os.close(0); os.close(1); os.close(2)", ""),
    # What comes of it depends on which of the two is faster; last, so that nothing is built on it.
    "z_forks": ("os.fork()", ""),
}


def write(shell: Shell, revision: str, upgrade: str, downgrade: str) -> None:
    """Each is the first of a branch of its own."""
    folder = shell.folder / "migrations" / "versions"
    path = write_script(folder, revision, None, upgrade="\n".join([upgrade, TABLE.format(revision)]))
    text = path.read_text()
    lines = "\n".join(f"    {line}" for line in [*downgrade.splitlines(), f'op.drop_table("t_{revision}")'])
    path.write_text(text[: text.index("def downgrade")] + f"def downgrade() -> None:\n{lines}\n")


def project(terminal: Terminal, folder: Path) -> Shell:
    """Its temporary files go below the folder's neighbour, where they can be counted."""
    temporary = folder.parent / "tmp"
    temporary.mkdir()
    shell = terminal(folder).under(TMPDIR=str(temporary))
    make_project(shell)
    (shell.folder / "migrate-flow.toml").write_text(
        '[project]\nname = "shop"\n[environments.dev]\nurl = "sqlite:///dev.db"\n'
    )
    return shell


def left(shell: Shell) -> list[str]:
    return [path.name for path in Path(shell.environ["TMPDIR"]).iterdir()]


def gone(pid: int) -> bool:
    """Ended: a zombie that nobody reaps yet is."""
    for _ in range(100):
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.1)
    return False


@pytest.fixture(scope="module")
def wild(terminal: Terminal, tmp_path_factory: pytest.TempPathFactory) -> tuple[Shell, dict[str, Any]]:
    shell = project(terminal, tmp_path_factory.mktemp("wild") / "shöp with spaces")
    for revision, (upgrade, downgrade) in WILD.items():
        write(shell, revision, upgrade, downgrade)
    document = shell.json("rehearse", "--all", "--processes", "1", "--timeout", "0.1", code=1)
    return shell, {one["revision"]: one for one in document["rehearsals"]}


def test_each_misbehaves_alone(wild: tuple[Shell, dict[str, Any]]) -> None:
    found = wild[1]
    assert list(found) == list(WILD)
    assert {revision: one["grade"] for revision, one in found.items() if revision != "z_forks"} == {
        "a_prints": "lossless", "b_exits": None, "c_ends": "irreversible", "d_is_killed": "irreversible",
        "e_loops": "irreversible", "f_spawns": "lossless", "g_moves": "lossless", "i_reads": "lossless",
        "j_shouts": None, "k_closes": "lossless",
    }  # fmt: skip


def test_why_is_told_in_its_own_words(wild: tuple[Shell, dict[str, Any]]) -> None:
    errors = {revision: one["error"] for revision, one in wild[1].items()}
    assert errors["b_exits"] == "upgrade: SystemExit: 3"
    assert errors["c_ends"] == "downgrade: the script ended the process (exit code 5): my last words"
    # Not with what another one printed.
    assert errors["d_is_killed"] == "downgrade: the script ended the process (signal 9)"
    assert errors["e_loops"] == "downgrade: it took longer than 0.1 min (--timeout)"
    assert errors["j_shouts"].startswith("upgrade: RuntimeError: Zürich ☃ \\udc80")


def test_nothing_is_left_of_it(wild: tuple[Shell, dict[str, Any]]) -> None:
    shell = wild[0]
    assert gone(int((shell.folder / "spawned").read_text()))
    assert left(shell) == []


@contextmanager
def rehearsing(shell: Shell) -> Iterator[subprocess.Popen[bytes]]:
    """A rehearsal that waits in a script, which says so in the file ``waits``."""
    (shell.folder / "waits").unlink(missing_ok=True)
    process = subprocess.Popen(
        [sys.executable, "-m", "migrate_flow", "rehearse", "--all"], cwd=shell.folder, env=shell.variables,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        for _ in range(600):
            if (shell.folder / "waits").exists() and (shell.folder / "waits").read_text():
                break
            assert process.poll() is None, process.communicate()
            time.sleep(0.1)
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    ("number", "code", "said"),
    [(signal.SIGINT, 130, b"interrupted"), (signal.SIGTERM, 143, b"terminated"), (signal.SIGKILL, -9, b"")],
)
def test_a_rehearsal_that_is_ended_leaves_nothing(
    terminal: Terminal, tmp_path: Path, number: int, code: int, said: bytes
) -> None:
    shell = project(terminal, tmp_path / "shop")
    wait = 'import time; open("waits", "w").write(f"{os.getpid()} {p.pid}")\nwhile True: time.sleep(0.01)'
    write(shell, "a_waits", SPAWN.format("spawned") + wait, "")
    with rehearsing(shell) as process:
        os.kill(process.pid, number)
        _, err = process.communicate(timeout=60)
        assert process.returncode == code
        assert said in err
    assert all(gone(int(pid)) for pid in (shell.folder / "waits").read_text().split())
    for _ in range(50):
        if left(shell):  # after a SIGKILL the child is alone with it
            time.sleep(0.1)
    assert left(shell) == []


def test_many_processes_say_what_one_says(terminal: Terminal, tmp_path: Path) -> None:
    shell = project(terminal, tmp_path / "shop")
    versions, down = shell.folder / "migrations" / "versions", None
    for number in range(18):
        revision = f"r{number:03}"
        body = "raise RuntimeError" if number == 16 else f'op.execute("CREATE TABLE t_{revision} (id INT)")'
        write_script(versions, revision, down, upgrade=body)
        down = revision
    told = [shell.json("rehearse", "--all", "--processes", count, code=1) for count in ("1", "8")]
    for document in told:
        for one in document["rehearsals"]:
            del one["duration_s"]
            for sent in [sent for found in one["statements"].values() for sent in found]:
                del sent["seconds"]
    assert told[0] == told[1]
    assert told[0]["rehearsals"][17]["error"] == "its ancestor r016 can't be applied"
