"""Keys on this machine: made once, closed to others, found in order, and refused with a reason."""

from __future__ import annotations

import os
import stat
import subprocess
from dataclasses import replace
from pathlib import Path

import keyring
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from migrate_flow.credentials import Keyring
from migrate_flow.errors import IdentityError, MigrateFlowError
from migrate_flow.signing import key_files
from migrate_flow.signing.keys import available, create, create_file, load_private
from migrate_flow.signing.local_key import FILE_VARIABLE, KEY_VARIABLE, LocalKey
from migrate_flow.signing.private_key import private_text, public_text
from migrate_flow.signing.sshsig import sign, verify
from tests.support.keyrings import Forgetful, Memory, Raising

ADA = "ada@example.com"
GRACE = "grace.h+db@example.com"
PORT = Keyring("set a variable")


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> Memory:
    """The real keyring library over a backend in memory."""
    monkeypatch.setattr("keyring.core._keyring_backend", None)
    backend = Memory()
    keyring.set_keyring(backend)
    return backend


@pytest.fixture
def user_keys(home: Path) -> Path:
    return home / "data" / "migrate-flow" / "keys"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def found(root: Path | None = None, port: Keyring | None = PORT, **environ: str) -> list[LocalKey]:
    return available(project_root=root, environ=environ, keyring=port)[0]


def tried(root: Path | None = None, port: Keyring | None = PORT, **environ: str) -> list[str]:
    return available(project_root=root, environ=environ, keyring=port)[1]


def load(key: LocalKey, root: Path | None = None, **environ: str) -> Ed25519PrivateKey:
    return load_private(key, project_root=root, environ=environ, keyring=PORT)


@pytest.mark.parametrize("store", ["keyring", "file", "project"])
def test_a_new_key_is_found_and_signs(store: str, memory: Memory, tmp_path: Path):
    key = create(ADA, store, project_root=tmp_path, keyring=PORT)
    assert found(tmp_path) == [key]
    assert (key.person, key.store, key.fingerprint[:7]) == (ADA, store, "SHA256:")
    assert verify(b"message", sign(load(key, tmp_path), b"message")) == key.public_key


@pytest.mark.parametrize("store", ["file", "project"])
def test_files_are_closed_to_others_from_the_start(store: str, tmp_path: Path, user_keys: Path):
    folder = user_keys if store == "file" else tmp_path / ".migrate-flow" / "keys"
    folder.mkdir(parents=True, mode=0o755)
    previous = os.umask(0)
    try:
        key = create(ADA, store, project_root=tmp_path, keyring=None)
    finally:
        os.umask(previous)
    assert (mode(folder), mode(folder / ADA)) == (0o700, 0o600)
    assert (folder / f"{ADA}.pub").read_text() == f"{key.public_key} {ADA}\n"
    assert sorted(path.name for path in folder.iterdir()) == [ADA, f"{ADA}.pub"]


def test_the_draft_is_closed_before_it_holds_anything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    seen: list[int] = []
    link = os.link

    def watched_link(source: Path, target: Path) -> None:
        seen.append(mode(source))
        link(source, target)

    monkeypatch.setattr(os, "link", watched_link)
    opened = os.open

    def watched_open(path: Path, flags: int, mode: int = 0o777, **more: int) -> int:
        assert flags & os.O_EXCL
        return opened(path, flags, mode, **more)

    monkeypatch.setattr(os, "open", watched_open)
    key_files.write_new(tmp_path / "ada", "text", 0o600)
    assert seen == [0o600]
    with pytest.raises(FileExistsError):
        key_files.write_new(tmp_path / "ada", "other", 0o600)
    assert [path.name for path in tmp_path.iterdir()] == ["ada"]
    assert (tmp_path / "ada").read_text() == "text"


def test_the_keyring_holds_the_secret_and_files_only_tell_of_it(memory: Memory, user_keys: Path):
    key = create(ADA, "keyring", project_root=None, keyring=PORT)
    assert [path.name for path in user_keys.iterdir()] == [f"{ADA}.pub"]
    assert list(memory.secrets) == [("migrate-flow", ADA)]
    memory.reads = 0
    assert found() == [key]
    assert memory.reads == 0, "looking for keys must not ask the keyring for secrets"


@pytest.mark.parametrize("second", ["keyring", "file"])
@pytest.mark.parametrize("first", ["keyring", "file"])
def test_an_existing_key_is_never_replaced(first: str, second: str, memory: Memory):
    key = create(ADA, first, project_root=None, keyring=PORT)
    with pytest.raises(IdentityError, match=f"{ADA} already has a key there") as caught:
        create(ADA, second, project_root=None, keyring=PORT)
    assert "use that key" in caught.value.hint
    assert found() == [key]
    assert public_text(load(key)) == key.public_key


def test_a_second_store_takes_a_second_key(memory: Memory, tmp_path: Path):
    first = create(ADA, "keyring", project_root=tmp_path, keyring=PORT)
    second = create(ADA, "project", project_root=tmp_path, keyring=PORT)
    assert found(tmp_path) == [first, second]
    with pytest.raises(IdentityError, match="already has a key"):
        create(ADA, "project", project_root=tmp_path, keyring=PORT)


@pytest.mark.parametrize("store", ["file", "project"])
def test_the_hint_makes_room_for_a_new_key_where_a_revoked_one_lies(store: str, tmp_path: Path):
    root = tmp_path / "a folder with blanks"
    old = create(ADA, store, project_root=root, keyring=None)
    with pytest.raises(IdentityError, match="already has a key") as caught:
        create(ADA, store, project_root=root, keyring=None)
    command = caught.value.hint.partition("run this again: ")[2]
    subprocess.run(["sh", "-ec", command], check=True, stdin=subprocess.DEVNULL)
    new = create(ADA, store, project_root=root, keyring=None)
    assert new.public_key != old.public_key
    assert found(root, port=None) == [new]
    assert not any("(" in place and ".pub" in place for place in tried(root, port=None))


def test_the_hint_makes_room_in_the_keyring_too(memory: Memory):
    create(ADA, "keyring", project_root=None, keyring=PORT)
    with pytest.raises(IdentityError, match="already has a key") as caught:
        create(ADA, "keyring", project_root=None, keyring=PORT)
    command, _, forget = caught.value.hint.partition("run this again: ")[2].rpartition(" && ")
    subprocess.run(["sh", "-ec", command], check=True, stdin=subprocess.DEVNULL)
    assert forget.split()[:2] == ["keyring", "del"]
    keyring.delete_password(*forget.split()[2:])
    new = create(ADA, "keyring", project_root=None, keyring=PORT)
    assert found() == [new]


def test_a_key_in_a_file_of_ones_choice(tmp_path: Path, home: Path):
    path = tmp_path / "shelf" / "recovery"
    path.parent.mkdir(mode=0o755)
    previous = os.umask(0)
    try:
        key = create_file(path)
    finally:
        os.umask(previous)
    assert (mode(path), mode(path.parent)) == (0o600, 0o755)
    assert (path.parent / "recovery.pub").read_text() == f"{key.public_key} recovery\n"
    assert (key.person, key.store, key.where) == ("", "environment", str(path))
    (named,) = found(**{FILE_VARIABLE: str(path)})
    assert named.public_key == key.public_key
    assert verify(b"message", sign(load(key, **{FILE_VARIABLE: str(path)}), b"message")) == key.public_key
    assert not (home / "data").exists()


@pytest.mark.parametrize("there", ["recovery", "recovery.pub"])
def test_a_key_never_replaces_a_file_or_a_link(there: str, tmp_path: Path):
    (tmp_path / there).symlink_to(tmp_path / "nowhere")
    with pytest.raises(IdentityError, match="never replaces one"):
        create_file(tmp_path / "recovery")
    assert [path.name for path in tmp_path.iterdir()] == [there]


@pytest.mark.parametrize(("name", "reason"), [("missing/recovery", "can't be written"), ("recovery.pub", r"in \.pub")])
def test_places_where_no_key_can_be_put(name: str, reason: str, tmp_path: Path):
    with pytest.raises(IdentityError, match=reason):
        create_file(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_secret_without_its_index_is_not_replaced(memory: Memory, user_keys: Path):
    memory.secrets["migrate-flow", ADA] = "something"
    with pytest.raises(IdentityError, match="already has a key") as caught:
        create(ADA, "keyring", project_root=None, keyring=PORT)
    assert f"keyring del migrate-flow {ADA}" in caught.value.hint
    assert memory.secrets["migrate-flow", ADA] == "something"
    assert list(user_keys.iterdir()) == []


@pytest.mark.parametrize(
    "backend", [Raising(OSError), Raising(KeyboardInterrupt), Forgetful()], ids=["fails", "interrupted", "forgets"]
)
def test_a_keyring_that_does_not_keep_the_key_leaves_nothing(
    backend: Raising | Forgetful, memory: Memory, user_keys: Path
):
    keyring.set_keyring(backend)
    with pytest.raises(MigrateFlowError, match="keyring"):
        create(ADA, "keyring", project_root=None, keyring=PORT)
    assert list(user_keys.iterdir()) == []
    assert found() == []


class Interrupted:
    """A keyring during whose answer somebody presses Ctrl-C."""

    def get(self, service: str, name: str) -> str | None:
        raise KeyboardInterrupt

    def set(self, service: str, name: str, secret: str) -> None: ...

    def delete(self, service: str, name: str) -> None: ...


def test_ctrl_c_while_the_keyring_answers_leaves_nothing(user_keys: Path):
    with pytest.raises(KeyboardInterrupt):
        create(ADA, "keyring", project_root=None, keyring=Interrupted())
    assert list(user_keys.iterdir()) == []


def test_a_race_for_the_public_file_leaves_the_winner_alone(user_keys: Path, monkeypatch: pytest.MonkeyPatch):
    real = key_files.write_new

    def slow_second(path: Path, text: str, mode: int) -> None:
        if path.suffix == ".pub":
            path.write_text("the winner's")
        real(path, text, mode)

    monkeypatch.setattr(key_files, "write_new", slow_second)
    with pytest.raises(IdentityError, match="already has a key"):
        create(ADA, "file", project_root=None, keyring=None)
    assert [(path.name, path.read_text()) for path in user_keys.iterdir()] == [(f"{ADA}.pub", "the winner's")]


@pytest.mark.parametrize(
    "person", ["", ".ada", "-ada", "../ada", "a/b", "a\\b", "Ada", "ada b", "ädä", "ada\n", "a" * 201, "ada.pub", "a\0"]
)
def test_names_that_can_not_name_a_file(person: str, tmp_path: Path):
    with pytest.raises(IdentityError, match="can't name a key"):
        create(person, "project", project_root=tmp_path, keyring=None)
    assert list(tmp_path.iterdir()) == []
    stray = LocalKey(person, "ssh-ed25519 AAAA", "SHA256:", "project", "here")
    with pytest.raises(IdentityError, match="can't name a key"):
        load(stray, tmp_path)


@pytest.mark.parametrize(
    ("store", "message"),
    [("project", "only inside of one"), ("vault", "no key store 'vault'"), ("keyring", "no OS keyring can be used")],
)
def test_stores_that_are_not_there(store: str, message: str):
    with pytest.raises(IdentityError, match=message) as caught:
        create(ADA, store, project_root=None, keyring=None)
    assert "--store" in caught.value.hint


def test_a_folder_that_can_not_be_made(tmp_path: Path):
    (tmp_path / ".migrate-flow").write_text("a file in the way")
    with pytest.raises(IdentityError, match="can't be written") as caught:
        create(ADA, "project", project_root=tmp_path, keyring=None)
    assert str(tmp_path) in caught.value.hint


def test_all_places_in_their_order(memory: Memory, tmp_path: Path, user_keys: Path):
    in_project = create(ADA, "project", project_root=tmp_path, keyring=PORT)
    in_file = create(GRACE, "file", project_root=tmp_path, keyring=PORT)
    in_keyring = create(ADA, "keyring", project_root=tmp_path, keyring=PORT)
    text, path = private_text(load(in_project, tmp_path)), str(user_keys / GRACE)
    environ = {KEY_VARIABLE: text, FILE_VARIABLE: path}
    keys = found(tmp_path, **environ)
    assert [key.store for key in keys] == ["environment", "environment", "keyring", "file", "project"]
    assert [key.person for key in keys] == ["", "", ADA, GRACE, ADA]
    assert [key.public_key for key in keys] == [
        key.public_key for key in (in_project, in_file, in_keyring, in_file, in_project)
    ]
    for key in keys:
        assert public_text(load(key, tmp_path, **environ)) == key.public_key
    assert tried(tmp_path, **environ) == [
        KEY_VARIABLE,
        f"{FILE_VARIABLE}={path}",
        f"the OS keyring, as listed in {user_keys} ({ADA})",
        f"{user_keys} ({GRACE})",
        f"{tmp_path / '.migrate-flow' / 'keys'} ({ADA})",
    ]


def test_where_nothing_is_every_place_is_named(tmp_path: Path, user_keys: Path):
    assert available(project_root=tmp_path, environ={KEY_VARIABLE: " "}, keyring=None) == (
        [],
        [
            f"{KEY_VARIABLE} (empty)",
            f"{FILE_VARIABLE} (not set)",
            f"the OS keyring, as listed in {user_keys} (no key); no OS keyring can be used here",
            f"{user_keys} (no key)",
            f"{tmp_path / '.migrate-flow' / 'keys'} (no key)",
        ],
    )
    assert not user_keys.exists()


def test_without_a_keyring_its_keys_are_named_but_not_offered(memory: Memory):
    key = create(ADA, "keyring", project_root=None, keyring=PORT)
    assert found(port=None) == []
    assert any(ADA in place and "no OS keyring can be used here" in place for place in tried(port=None))
    with pytest.raises(IdentityError, match="no OS keyring can be used here"):
        load_private(key, project_root=None, environ={}, keyring=None)


def test_a_broken_file_is_named_and_hides_no_other(user_keys: Path):
    good = create(GRACE, "file", project_root=None, keyring=None)
    (user_keys / "alan").write_text("private")
    (user_keys / "bob").write_text("private")
    (user_keys / "bob.pub").write_text("ssh-ed25519 AAAA")
    (user_keys / "carol").write_text("private")
    (user_keys / "carol.pub").mkdir()
    (user_keys / ".hidden.pub").write_text("ignored")
    assert found() == [good]
    problems = [place for place in tried() if ".pub (" in place]
    assert [Path(place.split(" (")[0]).name for place in problems] == ["alan.pub", "bob.pub", "carol.pub"]


@pytest.mark.parametrize("store", ["keyring", "file"])
def test_a_public_file_that_tells_of_another_key(store: str, memory: Memory, user_keys: Path):
    create(ADA, store, project_root=None, keyring=PORT)
    (user_keys / f"{ADA}.pub").write_text(f"{public_text(Ed25519PrivateKey.generate())} {ADA}\n")
    (key,) = found()
    with pytest.raises(IdentityError, match=f"does not fit .*{ADA}.pub"):
        load(key)


def test_the_keyring_lost_the_key(memory: Memory, user_keys: Path):
    key = create(ADA, "keyring", project_root=None, keyring=PORT)
    memory.secrets.clear()
    with pytest.raises(IdentityError, match=f"the OS keyring has no key of {ADA}") as caught:
        load(key)
    assert str(user_keys / f"{ADA}.pub") in caught.value.hint


def test_a_known_key_is_looked_up_in_its_own_store(memory: Memory, tmp_path: Path):
    key = create(ADA, "project", project_root=tmp_path, keyring=PORT)
    with pytest.raises(IdentityError, match="can't be read"):
        load(replace(key, store="file"), tmp_path)
    with pytest.raises(IdentityError, match="no key of"):
        load(replace(key, store="keyring"), tmp_path)
