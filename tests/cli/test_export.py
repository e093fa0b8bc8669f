"""`export`: what it takes out, what it leaves behind, and what it refuses to answer."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import pty
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from migrate_flow.core.chain import link
from migrate_flow.core.entry import Kind
from migrate_flow.ledger.store import open_store
from tests.cli.conftest import Brought
from tests.support.project import ADA, BEN, CARLA, Project

LEDGER = Path(".migrate-flow") / "ledger.db"
REFUSED = [
    (("--format", "yaml"), "there is no format 'yaml'"),
    (("--env", "nowhere"), "there is no environment 'nowhere'"),
    (("--revision", "zzzz"), "'zzzz' means nothing that the ledger knows"),
    (("--revision", "aa"), "too short"),
    (("--person", "eve@example.com"), "never heard of eve@example.com"),
    (("--kind", "apply.undone"), "no kind of entry 'apply.undone'"),
    (("--since", "yesterday"), "'yesterday' is no time"),
    (("--since", "0001-01-01T00:00:00+10:00"), "'0001-01-01T00:00:00+10:00' is no time"),
    (("--until", "9999-12-31T23:59:59-10:00"), "'9999-12-31T23:59:59-10:00' is no time"),
    (("--until", "2026-13-01"), "'2026-13-01' is no time"),
    (("--since", "2026-02-02", "--until", "2026-02-02"), "not before"),
    (("--as-of", "999"), "the ledger ends with entry"),
    (("--as-of", "0"), "--as-of"),
    (("--output", "missing/folder/x"), "can't be written"),
]


def two_on_their_way(project: Project) -> None:
    """aaaa01 stands in staging, aaaa02 in dev; its author was refused staging."""
    project.script("aaaa01")
    project.approved("aaaa01")
    project.flow("apply", "--env", "dev", actor=ADA)
    project.flow("apply", "--env", "staging", actor=BEN)
    project.script("aaaa02", "aaaa01")
    project.flow("track", actor=ADA)
    project.flow("apply", "--env", "dev", actor=ADA)
    project.flow("apply", "--env", "staging", actor=ADA, code=1)


@pytest.fixture
def shop(brought: Brought) -> Project:
    return brought(two_on_their_way)


def lines(text: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The header and the entries of a jsonl export."""
    first, *rest = map(json.loads, text.splitlines())
    assert first["schema"] == "migrate-flow/export/1"
    return first["header"], rest


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(text.splitlines()))


def test_jsonl_holds_every_entry_as_it_was_signed(shop: Project) -> None:
    header, entries = lines(shop.flow("export", actor=ADA).out)
    assert (header["by"], header["recorded"], header["left_out"], header["gaps"]) == (ADA, True, 0, [])
    assert header["entries"] == header["as_of"] == len(entries) == sum(header["counts"].values())
    prev = "0" * 64
    for seq, entry in enumerate(entries, start=1):
        assert (entry["seq"], entry["prev"]) == (seq, prev)
        prev = link(prev, entry["statement"].encode(), entry["signature"])
        assert entry["hash"] == prev
        predicate = json.loads(entry["statement"])["predicate"]
        assert (entry["actor"], entry["at"]) == (predicate["actor"], predicate["at"])
    assert header["head"] == f"sha256:{prev}"
    assert header["genesis"] == f"sha256:{entries[0]['hash']}"
    assert header["at"] == entries[-1]["at"]


def test_the_export_is_an_entry_that_comes_after_it(shop: Project) -> None:
    before = shop.json("ledger", "info")
    answer = shop.flow("export", "--format", "csv", "--kind", "apply", "--output", "a.csv", actor=BEN)
    assert "recorded as entry" in answer.out
    (entry,) = shop.json("log", "--kind", "ledger.exported")["entries"]
    assert (entry["seq"], entry["actor"]) == (before["entries"] + 1, BEN)
    said = entry["predicate"]
    assert said["as_of"] == {"seq": before["entries"], "hash": before["head"]}
    assert (said["format"], said["selection"]) == ("csv", {"kind": "apply"})
    assert said["counts"]["entries"] + said["counts"]["left_out"] == before["entries"]
    assert shop.json("ledger", "verify")["ok"] is True
    header, _entries = lines(shop.flow("export", "--no-record").out)
    assert any(f"{BEN} exported the ledger (entry {entry['seq']})" in text for text in header["notices"])


@pytest.mark.parametrize("name", ["jsonl", "csv", "xlsx", "md"])
def test_the_same_position_gives_the_same_bytes(shop: Project, name: str) -> None:
    shop.flow("export", "--format", name, "--output", "one", actor=ADA)
    seq = shop.json("ledger", "info")["entries"] - 1
    shop.flow("export", "--format", name, "--as-of", str(seq), "--output", "two", actor=ADA)
    assert Path("one").read_bytes() == Path("two").read_bytes()


def test_nothing_is_left_behind_without_a_record(shop: Project) -> None:
    before = hashlib.sha256(LEDGER.read_bytes()).hexdigest()
    header, _entries = lines(shop.flow("export", "--no-record", actor=ADA).out)
    assert header["recorded"] is False
    assert hashlib.sha256(LEDGER.read_bytes()).hexdigest() == before


def test_without_a_key_it_is_not_recorded_and_says_so(shop: Project) -> None:
    shutil.rmtree(Path(".migrate-flow") / "keys")
    answer = shop.flow("export")
    assert "not recorded, as with --no-record" in answer.err
    header, _entries = lines(answer.out)
    assert (header["by"], header["recorded"]) == ("", False)


def test_nobody_is_named_whose_key_is_not_there(shop: Project) -> None:
    shutil.rmtree(Path(".migrate-flow") / "keys")
    header, _entries = lines(shop.flow("export", actor=CARLA).out)
    assert (header["by"], header["recorded"]) == ("", False)


def test_without_the_right_to_write_it_is_not_recorded_and_says_so(shop: Project, as_reader: None) -> None:
    del as_reader
    answer = shop.flow("export", actor=ADA)
    assert "not recorded, as with --no-record" in answer.err
    assert lines(answer.out)[0]["recorded"] is False


@pytest.fixture
def as_reader(shop: Project) -> None:
    """A trigger stands in for a right that is not granted: for root no file is read-only."""
    ledger = sqlite3.connect(shop.folder / LEDGER)
    ledger.execute("CREATE TRIGGER closed BEFORE INSERT ON entry BEGIN SELECT RAISE(ABORT, 'permission denied'); END")
    ledger.commit()
    ledger.close()


@pytest.mark.parametrize(("words", "said"), REFUSED)
def test_a_question_that_makes_no_sense_is_one_error(shop: Project, words: tuple[str, ...], said: str) -> None:
    before = LEDGER.read_bytes()
    answer = shop.flow("export", *words, actor=ADA, code=2)
    assert said in answer.err
    assert answer.out == ""
    assert LEDGER.read_bytes() == before


def test_a_selection_names_its_gaps(shop: Project) -> None:
    header, entries = lines(shop.flow("export", "--no-record", "--env", "staging").out)
    assert {entry["environment"] for entry in entries} == {"staging"}
    kept, missing = [entry["seq"] for entry in entries], []
    for start, end in header["gaps"]:
        missing += range(start, end + 1)
    assert sorted(kept + missing) == list(range(1, header["as_of"] + 1))
    assert len(missing) == header["left_out"]
    assert (header["first"], header["last"]) == (kept[0], kept[-1])
    assert header["selection"]["environment"] == "staging"


@pytest.mark.parametrize(
    ("words", "kept"),
    [
        (("--person", CARLA.upper()), lambda entry: entry["actor"] == CARLA),
        (("--kind", "migration."), lambda entry: entry["kind"].startswith("migration.")),
        (("--revision", "aaaa02"), lambda entry: entry["revision"] == "aaaa02"),
    ],
)
def test_each_filter_keeps_what_it_says(shop: Project, words: tuple[str, ...], kept: Any) -> None:
    _header, everything = lines(shop.flow("export", "--no-record").out)
    _header, entries = lines(shop.flow("export", "--no-record", *words).out)
    assert entries == [entry for entry in everything if kept(entry)]
    assert entries


def test_times_include_the_first_and_not_the_second(shop: Project) -> None:
    _header, everything = lines(shop.flow("export", "--no-record").out)
    first, second = everything[2]["at"], everything[5]["at"]
    _header, entries = lines(shop.flow("export", "--no-record", "--since", first, "--until", second).out)
    assert [entry["seq"] for entry in entries] == [3, 4, 5]


def test_a_row_for_each_migration_and_environment(shop: Project) -> None:
    found = rows(shop.flow("export", "--format", "csv", "--no-record").out)
    assert [(row["revision"], row["environment"], row["outcome"]) for row in found] == [
        ("aaaa01", "dev", "applied"),
        ("aaaa01", "staging", "applied"),
        ("aaaa02", "dev", "applied"),
        ("aaaa02", "staging", "refused"),
    ]
    staging = found[1]
    assert staging["message"] == "make t_aaaa01"
    assert staging["rationale"] == "A test."
    assert staging["objects"] == "t_aaaa01"
    assert [staging[name] for name in ("approved before applied", "upstream before this", "distinct people")] == [
        "yes"
    ] * 3
    assert staging["applier distinct"] == "no"
    assert staging["peer reviewers"].startswith(f"{BEN} (developer) SHA256:")
    assert staging["approvers"].startswith(f"{CARLA} (backend-lead, policy-admin) SHA256:")
    script = Path("migrations/versions/aaaa01.py").read_bytes()
    assert staging["script digest"] == f"sha256:{hashlib.sha256(script).hexdigest()}"
    assert staging["selection"] == "all"
    assert "refused to" in found[3]["exceptions"]


def test_a_row_that_is_chosen_is_whole(shop: Project) -> None:
    everything = rows(shop.flow("export", "--format", "csv", "--no-record").out)
    (row,) = rows(shop.flow("export", "--format", "csv", "--no-record", "--env", "staging", "--person", BEN).out)
    assert row == everything[1] | {
        "selection": f"environment staging; person {BEN}",
        "left out": row["left out"],
    }
    header, _entries = lines(shop.flow("export", "--no-record", "--env", "staging", "--person", BEN).out)
    assert (int(row["left out"]), everything[1]["left out"]) == (header["left_out"], "0")
    assert header["left_out"] > 0


def reconciled(shop: Project, *words: str) -> dict[str, dict[str, Any]]:
    """By environment, as a format has it that judges the entries."""
    shop.flow("export", "--no-record", "--format", "bundle", "--output", "audit.zip", *words)
    with ZipFile("audit.zip") as bundle:
        header = json.loads(bundle.read("header.json"))["header"]
    return {one["environment"]: one for one in header["reconciliation"]}


def set_back(shop: Project) -> None:
    """By hand: dev's version table says that aaaa02 is not there."""
    with closing(sqlite3.connect(shop.folder / "dev.db")) as database, database:
        database.execute("UPDATE alembic_version SET version_num = 'aaaa01'")


def test_the_ledger_is_held_beside_each_database(shop: Project) -> None:
    set_back(shop)
    Path("staging.db").rename("gone.db")
    found = reconciled(shop)
    assert (found["dev"]["agrees"], found["dev"]["ledger_heads"]) == (False, ["aaaa02"])
    assert found["dev"]["database_heads"] == ["aaaa01"]
    assert found["staging"]["agrees"] is None
    assert found["staging"]["reason"] == "not reconciled: no access (there is no database)"


def test_what_is_not_the_database_that_the_ledger_knows_is_not_reconciled(shop: Project) -> None:
    import sqlite3

    Path("dev.db").rename("gone.db")
    other = sqlite3.connect("dev.db")
    other.execute("CREATE TABLE stranger (id INTEGER)")
    other.commit()
    other.close()
    shutil.copy("gone.db", "staging.db")
    found = reconciled(shop)
    assert [found[name]["agrees"] for name in ("dev", "staging")] == [None, None]
    assert "what the URL names (sqlite) says of itself no id" in found["dev"]["reason"]
    assert f"another database answers ({found['dev']['target']})" in found["staging"]["reason"]


def test_a_selected_environment_is_reconciled_alone(shop: Project) -> None:
    assert list(reconciled(shop, "--env", "staging")) == ["staging"]
    assert list(reconciled(shop, "--person", BEN)) == ["dev", "staging"]
    header, _entries = lines(shop.flow("export", "--no-record", "--env", "staging").out)
    assert [one["environment"] for one in header["reconciliation"]] == ["staging"]
    asked = shop.flow("export", "--no-record", "--format", "md", "--env", "staging").out
    assert "- Databases and notices: databases of this environment alone; keys, policies" in asked
    asked = shop.flow("export", "--no-record", "--format", "md", "--person", BEN).out
    assert "- Databases and notices: of the whole ledger, whatever is selected" in asked
    assert "- Databases and notices" not in shop.flow("export", "--no-record", "--format", "md").out


def beside(shop: Project, *words: str) -> list[dict[str, Any]]:
    """As jsonl has it."""
    header, _entries = lines(shop.flow("export", "--no-record", *words).out)
    found = header["reconciliation"]
    assert isinstance(found, list)
    return found


def test_jsonl_holds_the_ledger_beside_the_databases_that_are_in_reach(shop: Project) -> None:
    assert beside(shop) == list(reconciled(shop).values())
    assert [(one["environment"], one["agrees"], one["ledger_heads"]) for one in beside(shop)] == [
        ("dev", True, ["aaaa02"]),
        ("staging", True, ["aaaa01"]),
    ]
    set_back(shop)
    Path("staging.db").rename("gone.db")
    dev, staging = beside(shop)
    assert (dev["agrees"], dev["ledger_heads"], dev["database_heads"]) == (False, ["aaaa02"], ["aaaa01"])
    assert staging["agrees"] is None
    assert "there is no database" in staging["reason"]
    assert [dev, staging] == list(reconciled(shop).values())


def test_without_a_database_jsonl_judges_no_entry_and_says_nothing_of_heads(shop: Project) -> None:
    for name in ("dev", "staging"):
        Path(f"{name}.db").rename(f"{name}.gone")
    assert [(one["agrees"], one["target"], one["ledger_heads"]) for one in beside(shop)] == [(None, "", [])] * 2
    assert all(one["reason"].startswith("not reconciled") for one in beside(shop))


def test_jsonl_agrees_with_no_entry_that_does_not_count(shop: Project) -> None:
    """A copy of the first outcome, well signed, says that dev stands where it stood before."""
    store = open_store(f"sqlite:///{LEDGER}", shop.folder)
    applied, *_others, last = [one for one in store.entries() if one.kind == Kind.APPLY_APPLIED]
    assert (applied.environment, last.environment, last.revision) == ("dev", "dev", "aaaa02")
    head = list(store.entries())[-1].head
    copy = store.append(applied.statement, applied.signature, [], seen=head, recheck=lambda _entries: None)
    set_back(shop)
    dev, staging = beside(shop)
    assert (dev["agrees"], dev["ledger_heads"], dev["database_heads"]) == (False, ["aaaa02"], ["aaaa01"])
    assert staging["agrees"] is True
    forged = store.append(last.statement, applied.signature, [], seen=copy.head, recheck=lambda _entries: None)
    assert [one["agrees"] for one in beside(shop)] == [None, None]
    reason = f"not reconciled: the ledger can't be trusted: the signature of entry {forged.seq} is not valid"
    assert all(one["reason"].startswith(reason) for one in beside(shop))
    assert beside(shop, "--as-of", str(copy.seq))[1]["agrees"] is True


def test_an_earlier_position_is_not_held_beside_the_databases_of_today(shop: Project) -> None:
    end = next(entry["seq"] for entry in shop.json("log")["entries"] if entry["kind"] == "apply.applied")
    header, _entries = lines(shop.flow("export", "--no-record", "--as-of", str(end)).out)
    assert header["as_of"] == end
    found = reconciled(shop, "--as-of", str(end))
    assert [(name, one["agrees"]) for name, one in found.items()] == [("dev", None)]
    assert "goes on behind" in found["dev"]["reason"]


def test_what_is_no_text_is_not_for_a_terminal(shop: Project) -> None:
    leader, follower = pty.openpty()
    words = [sys.executable, "-m", "migrate_flow", "export", "--no-record", "--format", "xlsx"]
    done = subprocess.run(words, stdout=follower, stderr=subprocess.PIPE, cwd=shop.folder, check=False, text=True)
    os.close(follower)
    os.close(leader)
    assert done.returncode == 2
    assert "migrate-flow export --format xlsx --output audit.xlsx" in done.stderr


@pytest.mark.parametrize("name", ["jsonl", "csv", "xlsx", "md", "html", "bundle"])
def test_a_reader_who_goes_away_is_no_bug(shop: Project, name: str) -> None:
    words = [sys.executable, "-m", "migrate_flow", "export", "--no-record", "--format", name]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=shop.folder, text=True) as run:
        assert run.stdout is not None
        assert run.stderr is not None
        run.stdout.close()
        said = run.stderr.read()
    assert run.returncode == 0
    assert "a bug" not in said
    assert "Traceback" not in said


def test_a_file_is_whole_or_not_there(shop: Project) -> None:
    Path("old.csv").write_text("as it was")
    forged = shop.folder / LEDGER
    ledger = sqlite3.connect(forged)
    ledger.executescript("DROP TRIGGER IF EXISTS entry_no_update")
    names = [row[0] for row in ledger.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")]
    for name in names:
        ledger.execute(f"DROP TRIGGER {name}")
    ledger.execute("UPDATE entry SET statement = replace(statement, 'approve', 'disgust') WHERE seq = 4")
    ledger.commit()
    ledger.close()
    answer = shop.flow("export", "--format", "csv", "--no-record", "--output", "old.csv", code=4)
    assert "can't be trusted" in answer.err
    assert Path("old.csv").read_text() == "as it was"
    assert [path.name for path in Path().iterdir() if path.name.startswith("tmp")] == []


@pytest.mark.parametrize(
    ("output", "why"),
    [
        (str(LEDGER), "it is a database"),
        ("dev.db", "it is a database"),
        ("link", "it is a database"),
        ("migrate-flow.toml", "it is the configuration"),
        ("id", "it is a key"),
    ],
)
def test_what_is_no_output_is_not_replaced(shop: Project, output: str, why: str) -> None:
    """Nor does the ledger tell of an export that nobody got."""
    Path("link").symlink_to(LEDGER)
    Path("id").write_text("-----BEGIN OPENSSH PRIVATE KEY-----\n")
    before, entries = Path(output).read_bytes(), shop.json("ledger", "info")["entries"]
    for words in (("export",), ("export", "--format", "bundle", "--no-record"), ("status",)):
        answer = shop.flow(*words, "--output", output, code=2)
        assert f"error: {output} can't be written: {why}" in answer.err
    assert Path(output).read_bytes() == before
    assert shop.json("ledger", "info")["entries"] == entries


def test_what_is_verified_is_not_replaced_by_the_verdict(shop: Project) -> None:
    shop.flow("export", "--no-record", "--output", "all.jsonl")
    before = Path("all.jsonl").read_bytes()
    Path("link").symlink_to("all.jsonl")
    answer = shop.flow("verify", "all.jsonl", "--output", "link", code=2)
    assert "it is the file that is read" in answer.err
    assert Path("all.jsonl").read_bytes() == before
    shop.flow("verify", "all.jsonl", "--output", "verdict.txt")


def test_another_ledger_than_the_configuration_names_is_refused(shop: Project) -> None:
    file = Path("migrate-flow.toml")
    genesis = shop.json("ledger", "info")["genesis"]
    file.write_text(file.read_text().replace(genesis, "sha256:" + "0" * 64))
    assert "not the ledger that the configuration names" in shop.flow("export", "--no-record", code=4).err


def test_help_is_about_evidence(shop: Project) -> None:
    out = shop.flow("export", "--help").out
    assert all(word in out for word in ("jsonl, csv, xlsx, md, html or bundle", "--as-of", "--no-record"))
