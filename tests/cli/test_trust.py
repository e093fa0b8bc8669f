"""Who may say what: commands that refuse before they change anything, hints that work, people who can't sign."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from tests.support.forger import Forger
from tests.support.project import ADA, BEN, CARLA, Project, alembic_project

FILE = Path("migrate-flow.toml")
EVE = "eve@example.com"
DEV = ("--env", "dev=sqlite:///dev.db")


def fingerprints(project: Project, person: str) -> list[str]:
    keys = project.json("keys", "list")["keys"]
    return [key["fingerprint"] for key in keys if key["person"] == person]


def inode_and_text(path: Path) -> tuple[int, str]:
    return path.stat().st_ino, path.read_text()


def revoked(project: Project, *people: str) -> None:
    for person in people:
        (key,) = fingerprints(project, person)
        project.flow("keys", "revoke", key, "-m", "left us", actor=CARLA)


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A folder without a project under the flow."""
    (tmp_path / "alone").mkdir()
    monkeypatch.chdir(tmp_path / "alone")
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")
    return Project(alembic_project(tmp_path / "alone"))


@pytest.mark.parametrize("store", ["file", "project"])
def test_the_hint_for_the_last_admin_s_key_leads_to_its_revocation(alone: Project, store: str) -> None:
    alone.flow("init", "--key-store", store, "--person", ADA, *DEV)
    (old,) = fingerprints(alone, ADA)
    revoke = ("keys", "revoke", old, "-m", "the laptop is gone")
    hint = alone.json(*revoke, code=1)["error"]["hint"]
    command, then = hint.split(", ")
    assert then == "then run this again"
    alone.flow(*shlex.split(command)[1:])
    alone.flow(*revoke)
    alone.script("aaaa01")
    alone.flow("track")
    assert alone.json("ledger", "verify")["ok"] is True


def test_who_revokes_another_admin_s_last_key_makes_somebody_else_one(
    alone: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = ("--person", f"{CARLA}=policy-admin", "--person", f"{BEN}=developer")
    offline = tmp_path / "offline"
    alone.flow("init", "--key-store", "project", *people, *DEV, "--recovery-key", str(offline))
    (lost,) = fingerprints(alone, CARLA)
    monkeypatch.setenv("MIGRATE_FLOW_SIGNING_KEY_FILE", str(offline))
    revoke = ("keys", "revoke", lost, "-m", "lost")
    command, _ = alone.json(*revoke, code=1)["error"]["hint"].split(", ")
    assert BEN in command
    alone.flow(*shlex.split(command)[1:])
    alone.flow(*revoke)


ADD = ("people", "add", EVE, "--role", "developer", "--new-key", "--store", "project", "--record")


@pytest.mark.parametrize(("actor", "code"), [(ADA, 1), (EVE, 2)], ids=["no admin", "a stranger"])
@pytest.mark.parametrize(
    "words", [ADD, ("people", "role", BEN, "--add", "auditor", "--record")], ids=["with a new key", "a role"]
)
def test_who_may_not_record_a_policy_changes_nothing(
    project: Project, words: tuple[str, ...], actor: str, code: int
) -> None:
    before, keys = inode_and_text(FILE), sorted(Path(".migrate-flow/keys").iterdir())
    project.flow(*words, actor=actor, code=code)
    assert (inode_and_text(FILE), sorted(Path(".migrate-flow/keys").iterdir())) == (before, keys)
    project.flow(*words, actor=CARLA)
    assert project.json("policy", "diff")["changes"] == []


def test_a_policy_that_would_lock_everybody_out_makes_no_key(project: Project) -> None:
    FILE.write_text(FILE.read_text().replace("admins = 1", "admins = 3"))
    before = inode_and_text(FILE)
    assert "nobody could change the policy again" in project.flow(*ADD, actor=CARLA, code=1).err
    assert inode_and_text(FILE) == before
    assert not [path for path in Path(".migrate-flow/keys").iterdir() if path.name.startswith("eve")]


def test_a_key_that_is_there_already_stays_and_the_file_too(project: Project) -> None:
    before = inode_and_text(FILE)
    words = ("people", "add", BEN, "--role", "auditor", "--new-key", "--store", "project")
    assert f"{BEN} already has a key there" in project.flow(*words, actor=CARLA, code=2).err
    assert inode_and_text(FILE) == before


def test_new_writes_no_script_for_a_key_that_may_not_record_it(
    alone: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offline = tmp_path / "offline"
    alone.flow("init", "--key-store", "project", "--person", ADA, *DEV, "--recovery-key", str(offline))
    monkeypatch.setenv("MIGRATE_FLOW_SIGNING_KEY_FILE", str(offline))
    refused = alone.flow("new", "-m", "add a table", code=2)
    assert "a recovery key signs policies" in refused.err
    assert not list(Path("migrations/versions").glob("*.py"))
    monkeypatch.delenv("MIGRATE_FLOW_SIGNING_KEY_FILE")
    alone.flow("new", "-m", "add a table")
    assert len(list(Path("migrations/versions").glob("*.py"))) == 1


BROKEN = {
    "MIGRATE_FLOW_SIGNING_KEY": "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----",
    "MIGRATE_FLOW_SIGNING_KEY_FILE": "/nowhere/key",
}
READS = (
    ("status",),
    ("show", "aaaa01"),
    ("log",),
    ("inbox",),
    ("plan", "--env", "dev"),
    ("keys", "list"),
    ("policy", "show"),
    ("policy", "diff"),
    ("ledger", "info"),
    ("ledger", "verify"),
    ("env", "list"),
)


@pytest.mark.parametrize("variable", BROKEN)
def test_a_broken_key_in_the_environment_stops_who_signs_and_nobody_else(
    project: Project, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    project.script("aaaa01")
    project.flow("track", actor=ADA)
    monkeypatch.setenv(variable, BROKEN[variable])
    before = project.json("ledger", "info")
    for words in READS:
        as_ada = project.run(*words, "--format", "json", *(("--as", ADA) if words == ("inbox",) else ()))
        assert as_ada.code == (1 if words[0] == "plan" else 0), (words, as_ada)
        assert json.loads(as_ada.out)["schema"]
    assert variable in project.flow("keys", "list").err
    assert variable in str(project.run("doctor", "--format", "json").json["checks"])
    for words in (("new", "-m", "x"), ("self-review", "aaaa01", "--attest"), ("apply", "--env", "dev"), ADD):
        refused = project.flow(*words, actor=ADA, code=2)
        assert refused.err.count("error: ") == 1
        assert variable in refused.err
    assert project.json("ledger", "info") == before


def test_nobody_asks_people_whose_keys_are_all_revoked(project: Project) -> None:
    project.flow(
        "people", "add", EVE, "--role", "developer", "--new-key", "--store", "project", "--record", actor=CARLA
    )
    project.script("aaaa01")
    project.flow("track", actor=ADA)
    revoked(project, BEN)
    project.flow("self-review", "aaaa01", "--attest", actor=ADA)
    asked = project.flow("review", "aaaa01", "--approve", actor=ADA, code=1).err
    planned = project.json("plan", "--env", "staging", code=1)
    who = [verdict["who"] for verdict in planned["steps"][0]["gates"] if verdict["gate"] == "peer-reviewed"]
    assert who == [[EVE]]
    early = project.flow("approve", "aaaa01", actor=CARLA, code=1).err
    for text in (asked, early):
        assert (EVE in text, BEN in text) == (True, False)
    assert project.json("inbox", actor=EVE)["waiting"][0]["command"] == "migrate-flow review aaaa01"
    (mine,) = project.json("inbox", actor=BEN)["waiting"]
    assert mine["command"] == f"migrate-flow keys new {BEN}"


def test_where_nobody_is_left_that_is_said(project: Project) -> None:
    project.script("aaaa01")
    project.flow("track", actor=ADA)
    revoked(project, BEN)
    project.flow("self-review", "aaaa01", "--attest", actor=ADA)
    nobody = "people add EMAIL --role developer --key 'KEY'"
    assert project.json("status")["migrations"][0]["next"] == f"nobody is left to review it: migrate-flow {nobody}"
    refused = project.flow("approve", "aaaa01", actor=CARLA, code=1)
    assert "nobody is left who may" in refused.err
    key = project.json("keys", "new", EVE, "--store", "project")["key"]
    project.flow("people", "add", EVE, "--role", "developer", "--key", key, "--record", actor=CARLA)
    assert project.json("status")["migrations"][0]["next"] == "migrate-flow review aaaa01"


ECHOING = (
    ("show", "HUGE"),
    ("review", "HUGE", "--approve"),
    ("approve", "aaaa01", "--role", "HUGE"),
    ("apply", "HUGE", "--env", "dev"),
    ("plan", "--env", "HUGE"),
    ("people", "role", "HUGE", "--add", "developer"),
    ("people", "add", "HUGE", "--role", "developer"),
    ("keys", "new", "HUGE"),
    ("keys", "revoke", "HUGE", "-m", "lost"),
    ("ledger", "verify", "--since", "HUGE"),
    ("--as", "HUGE", "track"),
    ("log", "--format", "HUGE"),
    ("HUGE",),
    ("status", "--HUGE"),
    ("--config=HUGE", "status"),
)


@pytest.mark.parametrize("huge", ["x" * 100_000, "word " * 20_000, "é/" * 50_000], ids=["one word", "words", "a path"])
def test_a_huge_input_is_not_repeated_in_full(project: Project, huge: str) -> None:
    project.script("aaaa01")
    for words in ECHOING:
        answer = project.run(*(word.replace("HUGE", huge) for word in words))
        assert answer.code in (1, 2), words
        assert len(answer.out + answer.err) < 2_000, words
    assert f"{huge[:79]}…" in project.run("keys", "new", huge).err
    assert f"{huge[:79]}…" in project.run("keys", "new", huge, "--format", "json").json["error"]["message"]


def test_what_is_long_and_right_is_repeated_in_full(project: Project, tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*("d" * 200,) * 4)
    refused = project.flow("--config", str(deep / "migrate-flow.toml"), "status", code=2)
    assert str(deep) in refused.err


SUCCEED = "migrate-flow init --succeeds OLD_URL --ledger NEW_URL -m WHY"


def hints(project: Project) -> list[str]:
    """What `ledger verify` says that helps; it says the same as text."""
    document = project.json("ledger", "verify", code=4)
    assert document["problems"]
    assert [line for line in project.flow("ledger", "verify", code=4).out.splitlines() if "hint: " in line] == [
        f"hint: {hint}" for hint in document["hints"]
    ]
    return [str(hint) for hint in document["hints"]]


def test_what_was_changed_in_the_ledger_calls_for_a_backup(project: Project) -> None:
    project.script("aaaa01")
    project.flow("track", actor=ADA)
    assert "hints" not in project.json("ledger", "verify")
    whole = Path(".migrate-flow/ledger.db").read_bytes()
    for statement in (
        "UPDATE entry SET statement = replace(statement, 'aaaa01', 'aaaa02') WHERE seq = 2",
        "UPDATE entry SET actor = 'x' WHERE seq = 2",
        "UPDATE artifact SET content = x'00'",
        "DELETE FROM entry WHERE seq = 1",
        "DELETE FROM entry WHERE seq = 2",
    ):
        with Forger(Path()).opened() as connection:
            connection.execute(statement)
        (hint,) = hints(project)
        assert "restore the newest backup" in hint, statement
        assert SUCCEED in hint
        Path(".migrate-flow/ledger.db").write_bytes(whole)
    assert project.json("ledger", "verify")["ok"] is True


def test_what_was_appended_wrong_calls_for_a_new_ledger_and_that_can_be_made(project: Project) -> None:
    project.script("aaaa01")
    project.flow("track", actor=ADA)
    seq = Forger(Path()).attests(ADA, "migration.self-reviewed", "aaaa01", key=BEN)
    (hint,) = hints(project)
    assert hint.startswith(f"entry {seq} can be like this in every backup")
    command = hint.rpartition(": ")[2].replace("OLD_URL", "sqlite:///.migrate-flow/ledger.db")
    words = shlex.split(command.replace("NEW_URL", "sqlite:///.migrate-flow/next.db"))
    project.flow(*words[1:], "--person", CARLA, "--key-store", "project")
    assert project.json("ledger", "verify")["ok"] is True


def test_another_ledger_calls_for_the_right_one(project: Project) -> None:
    text = FILE.read_text()
    id_ = project.json("ledger", "info")["id"]
    FILE.write_text(text.replace(id_, id_[:-1] + ("0" if id_[-1] != "0" else "1")))
    assert hints(project) == ["correct [ledger] url, id and genesis, or restore the ledger that they name"]


def doctors_hint(project: Project, about: str) -> str:
    checks = project.run("doctor", "--format", "json").json["checks"]
    (hint,) = [check["hint"] for check in checks if about in check["message"]] or [""]
    return str(hint)


def test_doctor_warns_of_one_admin_and_its_hint_makes_another(project: Project) -> None:
    about = f"only {CARLA} can change the policy"
    project.flow(*shlex.split(doctors_hint(project, about))[1:], actor=CARLA)
    assert doctors_hint(project, about) == ""
    people = project.json("policy", "show")["document"]["people"]
    assert sum("policy-admin" in person["roles"] for person in people.values()) == 2


def test_doctor_warns_where_every_admin_is_needed(project: Project) -> None:
    project.flow("people", "role", BEN, "--add", "policy-admin", "--record", actor=CARLA)
    assert not doctors_hint(project, "can change the policy")
    FILE.write_text(FILE.read_text().replace("admins = 1", "admins = 2"))
    project.flow("policy", "record", actor=CARLA)
    assert "policy-admin" in doctors_hint(project, f"only {BEN} and {CARLA} can change the policy")


def test_doctor_warns_a_person_who_is_alone(alone: Project) -> None:
    alone.flow("init", "--key-store", "project", "--person", ADA, *DEV)
    key = alone.json("keys", "new", EVE, "--store", "project")["key"]
    hint = doctors_hint(alone, f"only {ADA} can change the policy")
    alone.flow(*shlex.split(hint.replace("EMAIL", EVE).replace("'KEY'", f"'{key}'"))[1:], actor=ADA)
    assert doctors_hint(alone, "can change the policy") == ""
