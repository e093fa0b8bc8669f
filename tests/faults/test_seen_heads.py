"""What this machine saw of a ledger in a file: whoever cuts it off, restores, edits, forks or replaces it is found out,
though everything in it is whole, signed and in order."""

from __future__ import annotations

import json
import shlex
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from migrate_flow.core.canonical import dumps
from migrate_flow.signing.sshsig import sign
from tests.faults.matrix import SQLITE
from tests.faults.siege import ADA, BOB, CY, DAN, EVE, REV, Siege, copied
from tests.support.alembic_projects import edit, write_script

# Everything that asks the ledger, whether it would change something or not.
COMMANDS = (
    (BOB, "status"), (BOB, "show", REV), (BOB, "log"), (BOB, "inbox"), (BOB, "ledger", "info"),
    (DAN, "plan", "--env", "staging"), (DAN, "apply", "--env", "staging"), (ADA, "recover", "--env", "dev"),
    (ADA, "rollback", "--env", "dev", "--to", "base", "--confirm", "dev", "-m", "WHY"),
    (ADA, "adopt", "--env", "dev", "-m", "WHY"), (ADA, "new", "-m", "one more"), (ADA, "track"),
    (ADA, "self-review", REV), (BOB, "review", REV, "--approve"), (CY, "approve", REV),
    (ADA, "withdraw", REV, "-m", "WHY"), (CY, "revoke", "8", "-m", "WHY"), (BOB, "policy", "show"),
    (BOB, "policy", "diff"), (EVE, "policy", "record"), (EVE, "keys", "revoke", "SHA256:x", "-m", "WHY"),
)  # fmt: skip


@pytest.fixture
def seen(released: Siege) -> Siege:
    """Bob asked for changes of what Cy approved: the newest entry stands in the way, and this machine saw it."""
    shutil.copy(released.forger.file, _backup(released))
    released.shell.flow("review", REV, "--request-changes", "-m", "no index", actor=BOB)
    released.shell.flow("status")
    return released


def _backup(siege: Siege) -> Path:
    """The ledger as it was before that."""
    return siege.folder.parent / "backup.db"


def _note(siege: Siege) -> Path:
    (path,) = (siege.shell.home / "state" / "migrate-flow" / "heads").glob("*.json")
    return path


def _alarm(siege: Siege, says: str) -> None:
    """Every command names what was seen, by number and hash, and what is there now. Nothing is changed."""
    noted = json.loads(_note(siege).read_text())
    before = siege.forger.file.read_bytes(), siege.contents("dev"), siege.config.read_bytes()
    with siege.untouched("staging"):
        for actor, *words in COMMANDS:
            error = siege.shell.error(*words, actor=actor, code=4)
            assert says.format(seq=noted["seq"], hash=noted["hash"][:12]) in error["message"], (words, error)
            assert "ledger verify" in error["hint"]
        siege.shell.flow("doctor", code=1)
    problems = siege.shell.json("ledger", "verify", code=4)["problems"]
    assert any(f"entry was sha256:{noted['hash']}" in item["problem"] for item in problems), problems
    assert noted["seq"] in {item["seq"] for item in problems}
    assert (siege.forger.file.read_bytes(), siege.contents("dev"), siege.config.read_bytes()) == before
    assert json.loads(_note(siege).read_text()) == noted


SAW = "this machine saw entry {seq} as sha256:{hash}…, and now it "


def _passes_elsewhere(siege: Siege, tmp_path: Path) -> None:
    """The control: who saw nothing of it finds nothing wrong."""
    (tmp_path / "elsewhere").mkdir()
    other = copied(siege, tmp_path / "elsewhere")
    other.trusted()
    other.passes("staging")


@pytest.mark.fault("F80", dialect=SQLITE)
def test_a_backup_without_the_objection(seen: Siege, tmp_path: Path) -> None:
    shutil.copy(_backup(seen), seen.forger.file)
    _passes_elsewhere(seen, tmp_path)
    _alarm(seen, SAW + "ends with entry 8: it was restored from a backup, or cut off")


@pytest.mark.fault("F81", dialect=SQLITE)
def test_the_objection_is_cut_off(seen: Siege, tmp_path: Path) -> None:
    with seen.forger.opened() as owner:
        owner.execute("DELETE FROM entry WHERE seq = (SELECT max(seq) FROM entry)")
    _passes_elsewhere(seen, tmp_path)
    _alarm(seen, SAW + "ends with entry 8")


def _grows(siege: Siege, tmp_path: Path, name: str, *acts: tuple[str, ...]) -> Siege:
    """The backup, in the hands of others, to which it is a ledger like any."""
    (tmp_path / name).mkdir()
    other = copied(siege, tmp_path / name)
    shutil.copy(_backup(siege), other.forger.file)
    write_script(other.script.parent, "aaaa02", REV)
    for actor, *words in acts:
        other.shell.flow(*words, actor=actor)
    return other


@pytest.mark.fault("F80", "N07", dialect=SQLITE)
@pytest.mark.parametrize("more", [0, 2], ids=["as long", "longer"])
def test_two_copies_grew_apart(seen: Siege, tmp_path: Path, more: int) -> None:
    """Each of them is whole, and signed by whom it names. One of them does not hold the objection."""
    acts = ((ADA, "track", "aaaa02"), (ADA, "self-review", "aaaa02"), (BOB, "review", "aaaa02", "--approve"))
    other = _grows(seen, tmp_path, "fork", *acts[: 1 + more])
    other.trusted()
    shutil.copy(other.forger.file, seen.forger.file)
    _alarm(seen, SAW + "is sha256:")


def _put_elsewhere(siege: Siege) -> None:
    siege.forger.file.rename(siege.folder / "elsewhere.db")
    edit(siege.config, r'(?m)^url = "sqlite:///\.migrate-flow/ledger\.db"', 'url = "sqlite:///elsewhere.db"')


@pytest.mark.fault("F80", dialect=SQLITE)
@pytest.mark.parametrize("anchored", [True, False], ids=["named", "unnamed"])
def test_the_backup_is_put_elsewhere(seen: Siege, anchored: bool) -> None:
    """What was seen of a ledger is known by its own id, whatever place the configuration names."""
    shutil.copy(_backup(seen), seen.forger.file)
    _put_elsewhere(seen)
    if not anchored:
        edit(seen.config, r"(?m)^(id|genesis) = .*\n", "")
        edit(seen.config, r"(?m)^(id|genesis) = .*\n", "")
    place = seen.folder / ".migrate-flow" / "ledger.db"
    with seen.untouched("staging"):
        for words in (("status",), ("plan", "--env", "staging"), ("apply", "--env", "staging")):
            message = seen.shell.error(*words, actor=DAN, code=4)["message"]
            assert f"ends with entry 8: it was restored from a backup, or cut off (it lay at {place} then)" in message
    assert seen.shell.json("ledger", "verify", code=4)["problems"][-1]["seq"] == 9
    seen.shell.flow("ledger", "copy", "sqlite:///copy.db", actor=EVE, code=4)


@pytest.mark.fault("F80", dialect=SQLITE)
def test_somebody_answers_for_the_backup(seen: Siege) -> None:
    """The hint names each note that stands in the way, and they are all."""
    shutil.copy(_backup(seen), seen.forger.file)
    hint = seen.shell.error("status", code=4)["hint"]
    notes = shlex.split(hint.partition(": rm ")[2])
    assert len(notes) == 2
    for note in notes:
        Path(note).unlink()
    seen.trusted()
    seen.passes("staging")


@pytest.mark.fault("F80", dialect=SQLITE)
def test_a_ledger_moves_with_all_that_was_seen_of_it(seen: Siege) -> None:
    """By `ledger copy`, or as a file: it goes on there, and the old place is not gone back to."""
    seen.shell.flow("ledger", "copy", "sqlite:///copy.db", actor=EVE)
    before = seen.config.read_text()
    edit(seen.config, r'(?m)^url = "sqlite:///\.migrate-flow/ledger\.db"', 'url = "sqlite:///copy.db"')
    seen.trusted()
    seen.shell.flow("review", REV, "--approve", actor=BOB)
    seen.passes("staging")
    seen.config.write_text(before)
    message = seen.shell.error("apply", "--env", "staging", actor=DAN, code=4)["message"]
    assert (
        f"ends with entry 9: it was restored from a backup, or cut off (it lay at {seen.folder / 'copy.db'}" in message
    )


@pytest.mark.fault("F84", dialect=SQLITE)
def test_the_objection_is_edited_and_its_hash_computed_anew(seen: Siege) -> None:
    entries = [(row["statement"], row["signature"]) for row in seen.forger.rows()]
    edited = entries[-1][0].replace(b'"request-changes"', b'"approve"')
    assert edited != entries[-1][0]
    seen.forger.rewrite([*entries[:-1], (edited, entries[-1][1])])
    _alarm(seen, SAW + "is sha256:")


@pytest.mark.fault("F84", dialect=SQLITE)
def test_its_signer_writes_it_anew(seen: Siege, tmp_path: Path) -> None:
    """Bob thinks better of it without a trace: as good as if he had never objected."""
    entries = [(row["statement"], row["signature"]) for row in seen.forger.rows()]
    said = json.loads(entries[-1][0])
    said["predicate"]["verdict"] = "approve"
    statement = dumps(said)
    seen.forger.rewrite([*entries[:-1], (statement, sign(seen.forger.key(BOB), statement))])
    _passes_elsewhere(seen, tmp_path)
    _alarm(seen, SAW + "is sha256:")


@pytest.mark.fault("N08", dialect=SQLITE)
def test_another_ledger_is_put_in_its_place(seen: Siege, tmp_path: Path) -> None:
    """Opened elsewhere by whoever likes, and the configuration tells of it: only this machine's note does not."""
    (tmp_path / "elsewhere").mkdir()
    other = copied(seen, tmp_path / "elsewhere")
    other.config.unlink()
    other.forger.file.unlink()
    environments = [f"{name}=sqlite:///{name}.db" for name in ("dev", "staging", "production")]
    words = [word for text in environments for word in ("--env", text)]
    other.shell.flow("init", "--key-store", "project", *words, "--person", f"{EVE}=policy-admin,developer")
    other.trusted()
    shutil.copy(other.forger.file, seen.forger.file)
    seen.shell.error("status", code=4)
    shutil.copy(other.config, seen.config)
    _alarm_of_another(seen, other.forger.history().ledger)


def _alarm_of_another(siege: Siege, ledger: str) -> None:
    noted = json.loads(_note(siege).read_text())
    before = siege.forger.file.read_bytes()
    with siege.untouched("staging"):
        for actor, *words in COMMANDS:
            error = siege.shell.error(*words, actor=actor, code=4)
            message = f"another ledger ({ledger}) stands where {noted['ledger']} was seen: it was replaced"
            assert message in error["message"], (words, error)
    problems = siege.shell.json("ledger", "verify", code=4)["problems"]
    assert [item["seq"] for item in problems] == [noted["seq"]]
    assert f"entry was sha256:{noted['hash']}" in problems[0]["problem"]
    assert siege.forger.file.read_bytes() == before


def _succeed(siege: Siege) -> None:
    words = ("--succeeds", "sqlite:///.migrate-flow/ledger.db", "--ledger", "sqlite:///.migrate-flow/new.db")
    siege.shell.flow("init", "--key-store", "project", "--person", EVE, *words, "-m", "the disk is dying")


@pytest.mark.fault("N08", dialect=SQLITE)
def test_a_successor_that_says_so_is_accepted(seen: Siege) -> None:
    """Opened on purpose, by `init --succeeds`: nothing counts as approved there."""
    _succeed(seen)
    assert seen.shell.json("status")["ledger"]["entries"] == 1
    assert seen.shell.json("ledger", "verify")["ok"]
    plan = seen.shell.json("plan", "--env", "staging", actor=DAN, code=1)
    failed = {gate["gate"] for step in plan["steps"] for gate in step["gates"] if not gate["passed"]}
    assert {"tracked", "approved", "upstream-applied"} <= failed


@pytest.mark.fault("N08", dialect=SQLITE)
def test_a_successor_in_the_old_one_s_place_is_accepted(seen: Siege) -> None:
    _succeed(seen)
    (seen.folder / ".migrate-flow" / "new.db").replace(seen.forger.file)
    edit(seen.config, r"\.migrate-flow/new\.db", ".migrate-flow/ledger.db")
    assert seen.shell.json("status")["ledger"]["entries"] == 1
    assert seen.shell.json("ledger", "verify")["ok"]


BROKEN: dict[str, Callable[[Path], object]] = {
    "empty": lambda path: path.write_text(""),
    "no JSON": lambda path: path.write_text("{"),
    "bytes": lambda path: path.write_bytes(b"\xff\xfe\x00"),
    "of another form": lambda path: path.write_text('{"seq": "many"}'),
    "a list": lambda path: path.write_text("[1, 2]"),
    "nested": lambda path: path.write_text("[" * 100_000),
    "a folder": lambda path: (path.unlink(), path.mkdir(), (path / "x").touch()),
    "gone": lambda path: path.unlink(),
}


@pytest.mark.fault("N09", dialect=SQLITE)
@pytest.mark.parametrize("spoil", BROKEN.values(), ids=BROKEN)
def test_a_note_that_can_not_be_read_is_no_error(released: Siege, spoil: Callable[[Path], object]) -> None:
    released.shell.flow("status")
    spoil(_note(released))
    released.trusted()
    released.passes("staging")


@pytest.mark.fault("N09", dialect=SQLITE)
def test_a_home_that_can_not_be_written_is_no_error(released: Siege) -> None:
    """Root may write anywhere, so a file stands where the folder would be."""
    state = released.shell.home / "state"
    shutil.rmtree(state, ignore_errors=True)
    state.write_text("no folder")
    released.trusted()
    released.shell.flow("apply", "--env", "staging", actor=DAN)
    assert state.read_text() == "no folder"


@pytest.mark.fault("N09", dialect=SQLITE)
def test_two_processes_at_once_do_not_hurt_it(released: Siege) -> None:
    """Each has one of its own to write, and puts it there as a whole. No alarm comes of who was later."""
    command = [str(Path(sys.executable).parent / "migrate-flow"), "--as", BOB]
    acts = (["status"], ["review", REV, "--request-changes", "-m", "no index"], ["status"], ["log"], ["inbox"])
    for _ in range(3):
        running = [
            subprocess.Popen(
                [*command, *words], cwd=released.folder, env=released.shell.variables,
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            )
            for words in acts
        ]  # fmt: skip
        for process in running:
            out, _ = process.communicate(timeout=120)
            assert process.returncode == 0, out
    released.shell.flow("status")
    noted, head = json.loads(_note(released).read_text()), released.forger.head()
    assert (noted["seq"], noted["hash"]) == (head.seq, head.hash)
    released.trusted()


# -- SQL: the same, by a client of the database


REST = "prev, hash, statement, signature, kind, revision, environment, actor, at FROM entry WHERE seq = 1"
NEWEST = "(SELECT max(seq) FROM entry)"
SQL = {
    "update": f"UPDATE entry SET actor = '{CY}' WHERE seq = {NEWEST}",
    "delete": f"DELETE FROM entry WHERE seq = {NEWEST}",
    "delete all": "DELETE FROM entry",
    "insert or replace": f"INSERT OR REPLACE INTO entry SELECT {NEWEST}, {REST}",
    "replace": f"REPLACE INTO entry SELECT seq, {REST}",
    "replace an artifact": "INSERT OR REPLACE INTO artifact SELECT sha256, x'00' FROM artifact",
    "delete artifacts": "DELETE FROM artifact",
}


@pytest.mark.fault("A17")
@pytest.mark.parametrize("statement", SQL.values(), ids=SQL)
def test_a_plain_client_can_not_take_an_objection_back(seen: Siege, statement: str) -> None:
    """The newest entry stands in the way of production; whoever can write to the file wants it away."""
    before = seen.forger.rows()
    with closing(sqlite3.connect(seen.forger.file)) as client, pytest.raises(sqlite3.Error, match="append-only"):
        client.execute(statement)
    assert seen.forger.rows() == before
    seen.trusted()
    seen.held("staging", {"peer-reviewed": f"changes requested by {BOB}: no index"})
