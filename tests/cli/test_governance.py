"""People, policies with several signatures, revoked and offline keys, a ledger's successor: through the commands."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import Brought
from tests.support.project import ADA, BEN, CARLA, DORA, PEOPLE, Project

FILE = Path("migrate-flow.toml")


def edit(old: str, new: str) -> None:
    text = FILE.read_text()
    assert old in text
    FILE.write_text(text.replace(old, new))


def fingerprint(project: Project, person: str) -> str:
    keys = project.json("keys", "list")["keys"]
    return str(next(key["fingerprint"] for key in keys if key["person"] == person))


def two_admins(project: Project) -> None:
    """Ben is an admin too, and a policy needs both."""
    project.flow("people", "role", BEN, "--add", "policy-admin", "--record", actor=CARLA)
    edit("admins = 1", "admins = 2")
    project.flow("policy", "record", actor=CARLA)


def test_a_policy_waits_for_the_second_signature(project: Project) -> None:
    two_admins(project)
    edit("peer_reviews = 1", "peer_reviews = 2")
    project.flow(
        "people", "add", "eve@example.com", "--role", "developer", "--new-key", "--store", "project", actor=ADA
    )
    proposed = project.json("policy", "record", actor=CARLA)
    seq = proposed["recorded"]
    assert [(item["seq"], item["by"], item["missing"], item["who"]) for item in proposed["waiting"]] == [
        (seq, [CARLA], 1, [BEN])
    ]
    refused = project.flow("track", actor=ADA, code=1)
    assert f"policy endorse {seq}" in refused.err
    waiting = project.json("inbox", actor=BEN)["waiting"]
    assert waiting[0]["command"] == f"migrate-flow policy endorse {seq}"
    assert "needs your signature" in waiting[0]["what"]
    again = project.flow("policy", "record", actor=CARLA, code=1)
    assert f"{CARLA} signed it already" in again.err
    assert BEN in again.err
    project.flow("policy", "endorse", str(seq), actor=ADA, code=1)
    endorsed = project.json("policy", "endorse", actor=BEN)
    assert endorsed["waiting"] == []
    assert project.json("policy", "show")["recorded_by"] == f"{CARLA}, {BEN}"
    project.flow("track", actor=ADA)
    assert project.json("ledger", "verify")["ok"] is True


def test_recording_the_same_file_as_the_other_admin_endorses_it(project: Project) -> None:
    two_admins(project)
    edit("peer_reviews = 1", "peer_reviews = 2")
    project.flow("people", "add", "eve@example.com", "--role", "developer", "--new-key", "--store", "project")
    project.flow("policy", "record", actor=CARLA)
    assert "is in force" in project.flow("policy", "record", actor=BEN).out


def test_nothing_waits(project: Project) -> None:
    assert "no policy waits for signatures" in project.flow("policy", "endorse", actor=CARLA, code=2).err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("role", "nobody@example.com", "--role", "x"), "nobody@example.com is not in the file"),
        (("remove", "nobody@example.com"), "nobody@example.com is not in the file"),
        (("role", ADA), "give all roles with --role"),
        (("role", ADA, "--role", "x", "--add", "y"), "give all roles with --role"),
        (("role", ADA, "--remove", "pilot"), f"{ADA} does not hold the role pilot"),
    ],
)
def test_wrong_input_changes_no_file(project: Project, words: tuple[str, ...], message: str) -> None:
    before = FILE.read_text()
    answer = project.flow("people", *words, code=2)
    assert message in answer.err
    assert "hint: " in answer.err
    assert FILE.read_text() == before


def test_somebody_leaves(project: Project) -> None:
    removed = project.json("people", "remove", BEN)
    assert (removed["gone"], removed["roles"], removed["changed"]) == (True, [], True)
    assert BEN not in FILE.read_text()
    project.flow("policy", "record", actor=CARLA)
    project.script("aaaa01")
    assert f"{BEN} is not in the policy" in project.flow("track", actor=BEN, code=2).err
    project.flow("people", "remove", ADA)
    answer = project.flow("policy", "record", actor=CARLA, code=1)
    assert "no migration could reach production any more" in answer.err


def test_roles_are_set_added_and_taken(project: Project) -> None:
    assert project.json("people", "role", ADA, "--role", "auditor")["roles"] == ["auditor"]
    assert project.json("people", "role", ADA, "--add", "developer")["roles"] == ["auditor", "developer"]
    assert project.json("people", "role", ADA, "--remove", "auditor")["roles"] == ["developer"]


def test_what_could_not_be_recorded_leaves_the_file_as_it_was(project: Project) -> None:
    before = FILE.read_text()
    project.flow("people", "role", ADA, "--add", "policy-admin", "--record", actor=ADA, code=1)
    assert FILE.read_text() == before


def test_the_last_admin_stays(project: Project) -> None:
    project.flow("people", "role", CARLA, "--remove", "policy-admin")
    answer = project.flow("policy", "record", actor=CARLA, code=1)
    assert "nobody could change the policy again" in answer.err
    refused = project.flow("keys", "revoke", fingerprint(project, CARLA), "-m", "lost", actor=CARLA, code=1)
    assert "nobody could change the policy again" in refused.err


def test_a_revoked_key_signs_nothing_and_is_not_chosen(project: Project) -> None:
    named = fingerprint(project, ADA)
    for person in (BEN, DORA):
        refused = project.flow("keys", "revoke", named, "-m", "lost", actor=person, code=1)
        assert "only they or a policy-admin may revoke it" in refused.err
    document = project.json("keys", "revoke", named, "-m", "lost", actor=ADA)
    assert (document["person"], document["undone"], document["since"]) == (ADA, [], None)
    project.script("aaaa01")
    answer = project.flow("track", actor=ADA, code=2)
    assert "revoked" in answer.err
    assert named in project.json("policy", "show")["revoked_keys"]
    again = project.flow("keys", "revoke", named, "-m", "lost", actor=CARLA, code=1)
    assert "revoked that key already" in again.err
    # Out of it: a new key, which an admin records.
    old = Path(".migrate-flow/keys") / ADA
    old.unlink()
    old.with_name(f"{ADA}.pub").unlink()
    key = project.json("keys", "new", ADA, "--store", "project")["key"]
    project.flow("people", "add", ADA, "--key", key, "--record", actor=CARLA)
    project.flow("track", actor=ADA)


def test_what_a_stolen_key_signed_is_undone(project: Project) -> None:
    project.script("aaaa01")
    project.flow("track", actor=ADA)
    seq = project.json("self-review", "aaaa01", "--attest", actor=ADA)["seq"]
    project.flow("review", "aaaa01", "--approve", actor=BEN)
    document = project.json("keys", "revoke", fingerprint(project, ADA), "--since", str(seq), "-m", "x", actor=CARLA)
    assert [(item["seq"], item["revision"]) for item in document["undone"]] == [(seq, "aaaa01")]
    assert project.json("status")["migrations"][0]["state"] == "created"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("SHA256:nothing", "-m", "x"), "no key of the policy has this fingerprint"),
        (("SHA256:nothing", "-m", " "), "a comment is needed"),
        (("ADA", "-m", "x", "--since", "99"), "there is no entry 99 yet"),
    ],
)
def test_wrong_input_of_revoke(project: Project, words: tuple[str, ...], message: str) -> None:
    known = fingerprint(project, ADA)
    answer = project.flow("keys", "revoke", *(known if word == "ADA" else word for word in words), actor=CARLA, code=2)
    assert message in answer.err
    assert "hint: " in answer.err


def anew(folder: Path, *words: str) -> Project:
    """A project beside the prepared one, with its Alembic part, opened with more words."""
    folder.mkdir()
    shutil.copy("alembic.ini", folder)
    shutil.copytree("migrations", folder / "migrations")
    project = Project(folder)
    people = [word for person in PEOPLE for word in ("--person", person)]
    project.flow("--config", str(folder / FILE), "init", "--key-store", "project", "--env", "dev=sqlite:///dev.db",
                 "--env", "production=sqlite:///production.db", *people, *words)  # fmt: skip
    return project


def test_a_recovery_key_gives_a_project_its_admins_back(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offline = tmp_path / "offline key"
    recovered = anew(tmp_path / "anew", "--recovery-key", str(offline))
    monkeypatch.chdir(recovered.folder)
    assert offline.stat().st_mode & 0o777 == 0o600
    assert "recovery_keys" in FILE.read_text()
    assert "recovery" in recovered.flow("policy", "show").out
    for half in ("", ".pub"):
        (recovered.folder / ".migrate-flow" / "keys" / f"{CARLA}{half}").unlink()
    recovered.flow("people", "role", BEN, "--add", "policy-admin")
    recovered.flow("policy", "record", actor=BEN, code=1)
    monkeypatch.setenv("MIGRATE_FLOW_SIGNING_KEY_FILE", str(offline))
    assert recovered.json("policy", "record")["recorded"] == 2
    assert recovered.json("policy", "show")["recorded_by"] == "recovery"
    recovered.script("aaaa01")
    assert "a recovery key signs policies" in recovered.flow("track", code=2).err
    monkeypatch.delenv("MIGRATE_FLOW_SIGNING_KEY_FILE")
    recovered.flow("track", actor=ADA)
    assert recovered.json("ledger", "verify")["ok"] is True
    del project


def test_a_recovery_key_is_never_written_over_a_file(project: Project, tmp_path: Path) -> None:
    (tmp_path / "there").write_text("mine")
    folder = tmp_path / "anew"
    folder.mkdir()
    shutil.copy("alembic.ini", folder)
    shutil.copytree("migrations", folder / "migrations")
    project.flow("--config", str(folder / FILE), "init", "--key-store", "project", "--env", "dev=sqlite:///dev.db",
                 "--person", ADA, "--recovery-key", str(tmp_path / "there"), code=2)  # fmt: skip
    assert (tmp_path / "there").read_text() == "mine"
    assert not (folder / FILE).exists()
    assert not (folder / ".migrate-flow" / "ledger.db").exists()


def test_a_new_ledger_follows_one_that_can_t_be_used(project: Project) -> None:
    project.script("aaaa01")
    project.flow("track", actor=ADA)
    project.flow("apply", "--env", "dev", actor=ADA)
    old = project.json("ledger", "info")
    url = "sqlite:///.migrate-flow/second.db"
    words = ("init", "--person", CARLA, "--key-store", "project", "--succeeds", "sqlite:///.migrate-flow/ledger.db")
    assert "a comment is needed" in project.flow(*words, "--ledger", url, code=2).err
    done = project.json(*words, "--ledger", url, "-m", "the server burned")
    assert done["succeeds"] == {"ledger": old["id"], "head": f"{old['entries']}:{old['head']}"}
    new = project.json("ledger", "info")
    assert (new["entries"], new["id"] != old["id"]) == (1, True)
    row = project.json("status")["migrations"][0]
    assert (row["state"], row["applied"]["dev"]) == ("untracked", None)
    assert "belongs to another ledger" in project.run("plan", "--env", "dev").out
    project.flow("adopt", "--env", "dev", "--new-target", "-m", "the new ledger", actor=CARLA)
    assert project.json("status")["migrations"][0]["applied"]["dev"]["state"] == "grandfathered"
    assert project.json("ledger", "verify")["ok"] is True


def test_a_ledger_that_burned_is_followed_from_what_this_machine_saw(project: Project) -> None:
    seen = project.json("ledger", "info")
    Path(".migrate-flow/ledger.db").unlink()
    words = ("--person", CARLA, "--key-store", "project", "--succeeds", "sqlite:///.migrate-flow/ledger.db")
    done = project.json("init", *words, "-m", "deleted by mistake")
    assert done["succeeds"] == {"ledger": seen["id"], "head": f"{seen['entries']}:{seen['head']}"}
    project.flow("status")


def test_another_ledger_is_not_followed(project: Project, tmp_path: Path) -> None:
    anew(tmp_path / "anew")
    other = f"sqlite:///{tmp_path / 'anew' / '.migrate-flow' / 'ledger.db'}"
    words = ("init", "--person", CARLA, "--key-store", "project", "--succeeds", other, "--ledger", "sqlite:///x.db")
    assert "the configuration names" in project.flow(*words, "-m", "WHY", code=1).err
    assert not Path("x.db").exists()


def reviewed_apart(project: Project, *words: str, actor: str) -> Path:
    """Signed with the ledger out of reach."""
    ledger, away = Path(".migrate-flow/ledger.db"), Path(".migrate-flow/away.db")
    ledger.rename(away)
    try:
        project.flow(*words, "--detached", "signed.json", actor=actor)
    finally:
        away.rename(ledger)
    return Path("signed.json")


def self_reviewed(project: Project) -> None:
    project.script("aaaa01")
    project.flow("track", actor=ADA)
    project.flow("self-review", "aaaa01", "--attest", actor=ADA)


@pytest.fixture
def ready(brought: Brought) -> Project:
    return brought(self_reviewed)


def test_a_review_and_an_approval_are_signed_apart_and_submitted(ready: Project) -> None:
    file = reviewed_apart(ready, "review", "aaaa01", "--approve", "-m", "read on the train", actor=BEN)
    done = ready.json("ledger", "submit", str(file), actor=ADA)
    assert (done["by"], done["state"]) == (BEN, "peer-reviewed")
    again = ready.flow("ledger", "submit", str(file), code=1)
    assert "a copy of an earlier entry" in again.err
    file.unlink()
    file = reviewed_apart(ready, "approve", "aaaa01", actor=CARLA)
    assert ready.json("ledger", "submit", str(file))["state"] == "approved"
    assert ready.json("ledger", "verify")["ok"] is True


def test_what_would_not_count_is_not_submitted(ready: Project) -> None:
    before = ready.json("ledger", "info")["entries"]
    early = reviewed_apart(ready, "approve", "aaaa01", actor=CARLA)
    assert "approved before it was peer-reviewed" in ready.flow("ledger", "submit", str(early), code=1).err
    early.unlink()
    own = reviewed_apart(ready, "review", "aaaa01", "--approve", actor=ADA)
    assert "contributed to this migration" in ready.flow("ledger", "submit", str(own), code=1).err
    assert ready.json("ledger", "info")["entries"] == before


def test_a_signed_file_that_was_edited_is_refused(ready: Project) -> None:
    file = reviewed_apart(ready, "review", "aaaa01", "--request-changes", "-m", "no", actor=BEN)
    document = json.loads(file.read_text())
    document["statement"] = document["statement"].replace("request-changes", "approve")
    file.write_text(json.dumps(document))
    answer = ready.flow("ledger", "submit", str(file), code=2)
    assert "does not fit the signed bytes" in answer.err


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"schema": "migrate-flow/detached/1"}', "\0"])
def test_another_file_is_not_submitted(project: Project, content: str) -> None:
    Path("x.json").write_text(content)
    answer = project.flow("ledger", "submit", "x.json", code=2)
    assert "this is no detached review or approval" in answer.err
    project.flow("ledger", "submit", "missing.json", code=2)


def test_a_role_that_one_does_not_hold_is_refused_apart_too(ready: Project) -> None:
    answer = ready.flow("review", "aaaa01", "--approve", "--detached", "signed.json", actor=CARLA, code=1)
    assert "may not review" in answer.err
    assert "may not approve" in ready.flow("approve", "aaaa01", "--detached", "x", actor=BEN, code=1).err
    ready.flow("review", "aaaa01", "--detached", "x", actor=BEN, code=2)
    assert not Path("signed.json").exists()
    Path("signed.json").write_text("mine")
    ready.flow("review", "aaaa01", "--approve", "--detached", "signed.json", actor=BEN, code=2)
    assert Path("signed.json").read_text() == "mine"


def test_an_approval_signed_apart_does_not_outlive_a_rollback(ready: Project) -> None:
    ready.flow("review", "aaaa01", "--approve", actor=BEN)
    ready.flow("approve", "aaaa01", actor=CARLA)
    file = reviewed_apart(ready, "approve", "aaaa01", actor=CARLA)
    for env in ("dev", "staging"):
        ready.flow("apply", "--env", env, actor=ADA)
    ready.flow("rollback", "--env", "staging", "--to", "base", "-m", "slow", "--confirm", "staging", actor=ADA)
    before = ready.json("ledger", "info")["entries"]
    assert "rolled back since, approve again" in ready.flow("ledger", "submit", str(file), code=1).err
    assert ready.json("ledger", "info")["entries"] == before
