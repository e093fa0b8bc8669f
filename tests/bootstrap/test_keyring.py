"""Whose key signs: the environment's first, then those of the stores in their order, and never a revoked one."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import keyring as keyring_library
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from migrate_flow.bootstrap.keyring import KeyRing, proposed_policy
from migrate_flow.errors import IdentityError
from migrate_flow.signing.keys import create_file
from migrate_flow.signing.private_key import private_text, public_text
from migrate_flow.signing.sshsig import verify
from tests.bootstrap.keys import ADA, BOB, CY, policy
from tests.support.keyrings import Memory


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def deaf_agent(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """SSH_AUTH_SOCK names a socket on which nobody answers; whoever connects can be seen."""
    with TemporaryDirectory(prefix="agent-") as folder, closing(socket.socket(socket.AF_UNIX)) as listener:
        listener.bind(f"{folder}/socket")
        listener.listen()
        listener.setblocking(False)
        monkeypatch.setenv("SSH_AUTH_SOCK", f"{folder}/socket")
        yield listener


@pytest.fixture
def no_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH on which every program of ours leaves a mark."""
    folder, mark = tmp_path / "bin", tmp_path / "started"
    folder.mkdir()
    for name in ("git", "ssh-add", "ssh-keygen"):
        (folder / name).write_text(f'#!/bin/sh\n: > "{mark}"\n')
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    return mark


def ssh_pair(home: Path, name: str = "id_ed25519") -> str:
    """An Ed25519 key in ``~/.ssh``."""
    (home / ".ssh").mkdir(exist_ok=True)
    return create_file(home / ".ssh" / name).public_key


def test_the_one_local_key_makes_the_actor_without_a_process_or_an_agent(
    root: Path, deaf_agent: socket.socket, no_programs: Path
):
    made = KeyRing(root).create(ADA, "project")
    ring = KeyRing(root)
    assert ring.actor("", policy(ada=[made.public_key])) == ADA
    assert ring.actor(BOB, policy(ada=[made.public_key])) == BOB
    with pytest.raises(BlockingIOError):
        deaf_agent.accept()
    assert not no_programs.exists()


def test_a_key_of_the_keyring_signs_without_asking_an_agent(
    root: Path, deaf_agent: socket.socket, no_programs: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("keyring.core._keyring_backend", None)
    keyring_library.set_keyring(Memory())
    made = KeyRing(root).create(ADA, "keyring")
    signature = KeyRing(root).signer_for(ADA, policy(ada=[made.public_key])).sign(b"message")
    assert verify(b"message", signature) == made.public_key
    with pytest.raises(BlockingIOError):
        deaf_agent.accept()
    assert not no_programs.exists()


def test_where_no_key_is_nobody_is_the_actor_and_no_program_starts(root: Path, no_programs: Path):
    assert KeyRing(root).actor("", policy()) == ""
    assert not no_programs.exists()


def test_a_key_in_ssh_makes_the_actor_where_the_policy_knows_it(root: Path, home: Path, no_programs: Path):
    mine = ssh_pair(home)
    ssh_pair(home, "other")
    assert KeyRing(root).actor("", policy()) == ""
    assert KeyRing(root).actor("", policy(ada=[mine])) == ADA
    assert not no_programs.exists()


def test_a_key_of_our_own_goes_before_those_in_ssh_when_the_actor_is_sought(root: Path, home: Path):
    ours = KeyRing(root).create(ADA, "project")
    assert KeyRing(root).actor("", policy(ada=[ours.public_key], bob=[ssh_pair(home)])) == ADA


def test_git_chooses_among_several_people(root: Path, home: Path):
    for person in (ADA, BOB):
        KeyRing(root).create(person, "project")
    ada, bob = (key.public_key for key in KeyRing(root).local)
    rules = policy(ada=[ada], bob=[bob])
    assert KeyRing(root).actor("", rules) == ""
    with pytest.raises(IdentityError, match=f"keys of several people are here: {ADA}, {BOB}"):
        KeyRing(root).signer_for("", rules)
    (home / "gitconfig").write_text("[user]\n\temail = Bob@example.com\n")
    assert KeyRing(root).actor("", rules) == BOB


def test_all_keys_are_known_in_the_order_in_which_they_are_tried(
    root: Path, home: Path, monkeypatch: pytest.MonkeyPatch
):
    in_project = KeyRing(root).create(ADA, "project")
    in_file = KeyRing(root).create(ADA, "file")
    in_ssh = ssh_pair(home)
    named = create_file(root / "shelf")
    monkeypatch.setenv("MIGRATE_FLOW_SIGNING_KEY_FILE", str(root / "shelf"))
    rules = policy(ada=[in_ssh, in_file.public_key])
    found, tried = KeyRing(root).known(rules)
    assert [key.public_key for key in found] == [named.public_key, in_ssh, in_file.public_key, in_project.public_key]
    assert [key.store for key in found] == ["environment", "ssh", "file", "project"]
    assert [place for place in tried if "ssh" in place] == [
        "ssh-agent (SSH_AUTH_SOCK not set)",
        f"~/.ssh (1 key: {ADA})",
    ]
    found, tried = KeyRing(root).known(None)
    assert [key.store for key in found] == ["environment", "file", "project"]
    assert "no policy is here" in tried[-1]


def test_a_key_that_can_not_be_used_here_is_passed_over_while_another_can(root: Path, home: Path, no_programs: Path):
    """Without ssh-keygen, a key in ``~/.ssh`` can't sign."""
    in_ssh, in_file = ssh_pair(home), KeyRing(root).create(ADA, "file").public_key
    (no_programs.parent / "bin" / "ssh-keygen").unlink()
    assert KeyRing(root).signer_for(ADA, policy(ada=[in_ssh, in_file])).public_key == in_file
    with pytest.raises(IdentityError, match="ssh-keygen is not here") as caught:
        KeyRing(root).signer_for(ADA, policy(ada=[in_ssh]))
    assert "openssh-client" in caught.value.hint


def test_one_error_names_every_place_that_was_tried(root: Path):
    for person in ("", ADA):
        with pytest.raises(IdentityError) as caught:
            KeyRing(root).signer_for(person, policy())
        for place in ("MIGRATE_FLOW_SIGNING_KEY ", "the OS keyring", "ssh-agent", "~/.ssh", ".migrate-flow/keys"):
            assert place in caught.value.message


@pytest.mark.parametrize("variable", ["MIGRATE_FLOW_SIGNING_KEY", "MIGRATE_FLOW_SIGNING_KEY_FILE"])
def test_the_environment_s_key_goes_before_all_others(
    variable: str, root: Path, home: Path, monkeypatch: pytest.MonkeyPatch
):
    ours = KeyRing(root).create(ADA, "project").public_key
    create_file(root / "bob")
    value = (root / "bob").read_text() if variable == "MIGRATE_FLOW_SIGNING_KEY" else str(root / "bob")
    monkeypatch.setenv(variable, value)
    bobs = KeyRing(root).local[0].public_key
    rules = policy(ada=[ours], bob=[bobs])
    assert KeyRing(root).actor("", rules) == BOB
    assert KeyRing(root).signer_for(BOB, rules).public_key == bobs
    with pytest.raises(IdentityError, match=f"is {BOB}'s, not {ADA}'s") as caught:
        KeyRing(root).signer_for(ADA, rules)
    assert f"unset {variable}," in caught.value.hint
    with pytest.raises(IdentityError, match="belongs to nobody in the policy"):
        KeyRing(root).signer_for("", policy(ada=[ours]))


def test_a_recovery_key_in_the_environment_acts_as_recovery_and_nowhere_else(
    root: Path, home: Path, monkeypatch: pytest.MonkeyPatch
):
    offline = create_file(home / ".ssh_recovery").public_key
    rules = policy([offline])
    (home / ".ssh").mkdir()
    for name in ("", ".pub"):
        os.link(home / f".ssh_recovery{name}", home / ".ssh" / f"id{name}")
    assert KeyRing(root).actor("", rules) == ""
    assert [key.store for key in KeyRing(root).known(rules)[0]] == []
    monkeypatch.setenv("MIGRATE_FLOW_SIGNING_KEY_FILE", str(home / ".ssh_recovery"))
    assert KeyRing(root).actor("", rules) == "recovery"
    assert KeyRing(root).signer_for("recovery", rules).public_key == offline


def test_a_revoked_key_is_never_chosen(root: Path, home: Path):
    old, new = KeyRing(root).create(ADA, "file").public_key, KeyRing(root).create(ADA, "project").public_key
    rules = policy(ada=[old, new])
    ring = KeyRing(root)
    assert ring.signer_for(ADA, rules).public_key == old
    assert ring.signer_for(ADA, rules, revoked=[old]).public_key == new
    assert ring.actor("", rules, revoked=[old]) == ADA
    assert ring.actor("", rules, revoked={old, new}) == ""


def test_where_the_only_key_is_revoked_that_is_said(root: Path):
    made = KeyRing(root).create(ADA, "file")
    for person, rules in ((ADA, policy(ada=[made.public_key])), ("", policy(ada=[made.public_key])), (ADA, policy())):
        with pytest.raises(IdentityError, match=f"the key of {ADA} here is revoked .SHA256:") as caught:
            KeyRing(root).signer_for(person, rules, revoked=[made.public_key])
        assert caught.value.exit_code == 2
        assert caught.value.hint.startswith(f"migrate-flow keys new {ADA}; ")
        assert "people add" in caught.value.hint


def test_a_revoked_key_in_ssh_is_named_as_that(root: Path, home: Path):
    mine = ssh_pair(home)
    rules = policy(cy=[mine])
    assert KeyRing(root).actor("", rules, revoked=[mine]) == ""
    for person in (CY, ""):
        with pytest.raises(IdentityError, match=f"the key of {CY} here is revoked"):
            KeyRing(root).signer_for(person, rules, revoked=[mine])


def test_a_revoked_key_in_the_environment_is_an_error_and_not_passed_over(root: Path, monkeypatch: pytest.MonkeyPatch):
    other = KeyRing(root).create(ADA, "project").public_key
    private = Ed25519PrivateKey.generate()
    monkeypatch.setenv("MIGRATE_FLOW_SIGNING_KEY", private_text(private))
    mine = public_text(private)
    rules = policy(ada=[other, mine])
    assert KeyRing(root).actor("", rules, revoked=[mine]) == ""
    for person in (ADA, ""):
        with pytest.raises(IdentityError, match=f"the key of {ADA} here is revoked"):
            KeyRing(root).signer_for(person, rules, revoked=[mine])


def test_a_project_without_a_usable_file_has_no_policy_to_list_keys_by(root: Path):
    assert proposed_policy(None) is None
    assert proposed_policy(root / "missing.toml") is None
