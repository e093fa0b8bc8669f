"""A person's keys on this machine: made, found, and loaded to sign with."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from migrate_flow.errors import IdentityError
from migrate_flow.signing import environment, key_files
from migrate_flow.signing.local_key import KEY_VARIABLE, SERVICE, Found, LocalKey, local_key
from migrate_flow.signing.private_key import parse_private, private_text, public_text
from migrate_flow.signing.public_key import normalise_public_key

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


class KeyringPort(Protocol):
    """The OS keyring, as far as keys need it; its errors are MigrateFlowErrors."""

    def get(self, service: str, name: str) -> str | None: ...

    def set(self, service: str, name: str, secret: str) -> None: ...

    def delete(self, service: str, name: str) -> None: ...


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that is kept nowhere yet."""

    private: Ed25519PrivateKey = field(default_factory=lambda: _generated(), repr=False)

    @property
    def public_key(self) -> str:
        return public_text(self.private)


def create(
    person: str, store: str, *, project_root: Path | None, keyring: KeyringPort | None, new: NewKey | None = None
) -> LocalKey:
    """A new key of this person in ``keyring``, ``file`` or ``project``; IdentityError, never a replacement."""
    require_room(person, store, project_root=project_root)
    private = _directory(store, project_root) / person
    public, key = key_files.public_path(private), (new or NewKey()).private
    key_files.make_directory(private.parent)
    try:
        if store == "keyring":
            _keep_in_keyring(person, key, public, _needed(keyring, person))
        else:
            _keep_in_files(person, key, private, public)
    except FileExistsError as error:
        raise _already(person, str(error.filename2 or error.filename), "") from None
    return local_key(person, public_text(key), store, _where(store, private))


def require_room(person: str, store: str, *, project_root: Path | None) -> None:
    """Changes nothing. IdentityError where no key of this person can be made: a wrong name, or there is one."""
    key_files.check_person(person)
    private = _directory(store, project_root) / person
    if there := _existing(private, key_files.public_path(private)):
        raise _already(person, str(there[0]), _put_away(person, there, private))


def create_file(path: Path) -> LocalKey:
    """A new key in ``path`` (0600) and ``path.pub``, in a folder that is there; IdentityError, never a replacement.

    For a key that is kept apart: it signs where MIGRATE_FLOW_SIGNING_KEY_FILE names it.
    """
    public = key_files.public_path(path)
    if path.suffix == ".pub":
        raise IdentityError("a private key's file can't end in .pub", hint="name it without .pub", where=str(path))
    if there := _existing(path, public):
        raise _in_the_way(there[0])
    key = _generated()
    try:
        _keep_in_files(path.name, key, path, public)
    except FileExistsError as error:
        raise _in_the_way(Path(error.filename2 or error.filename)) from None
    return local_key("", public_text(key), "environment", str(path))


def load_private(
    key: LocalKey, *, project_root: Path | None, environ: Mapping[str, str], keyring: KeyringPort | None
) -> Ed25519PrivateKey:
    """The private half of a key that ``available`` or ``create`` gave; IdentityError, which never shows it.

    Not for a key that needs ssh-keygen.
    """
    if key.store == "environment":
        return environment.load(key, environ)
    key_files.check_person(key.person)
    path = _directory(key.store, project_root) / key.person
    text = _from_keyring(key, keyring) if key.store == "keyring" else key_files.read_private(path, key.where)
    private = parse_private(text, key.where)
    if public_text(private) != key.public_key:
        public = key_files.public_path(path)
        raise IdentityError(
            f"the private key does not fit {public}",
            hint=f"put the right pair back, or move {shlex.quote(str(public))} away and make a new key",
            where=key.where,
        )
    return private


def available(
    *, project_root: Path | None, environ: Mapping[str, str] | None, keyring: KeyringPort | None
) -> tuple[list[LocalKey], list[str]]:
    """The keys found here in the order in which they are tried, and every place looked at, as text for people.

    Reads no secret of the keyring: its keys are the ``.pub`` files without a private file beside them.
    IdentityError where a variable of the environment is set but unusable: to pass it over would be to sign
    as somebody else. environ: None to look into no variable, for whoever does not sign.
    """
    user = key_files.user_keys_dir()
    listed = _look_in("keyring", user)
    if keyring is None:
        listed = [], [f"{place}; no OS keyring can be used here" for place in listed[1]]
    looks = [*([environment.look(environ)] if environ is not None else []), listed, _look_in("file", user)]
    if project_root is not None:
        looks.append(_look_in("project", key_files.project_keys_dir(project_root)))
    return [key for keys, _ in looks for key in keys], [place for _, places in looks for place in places]


def _generated() -> Ed25519PrivateKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.generate()


def _look_in(store: str, directory: Path) -> Found:
    """The keys of one store, and the place with what was wrong in it; a broken file hides no other."""
    place = f"the OS keyring, as listed in {directory}" if store == "keyring" else str(directory)
    try:
        names = {path.name for path in directory.iterdir()} if directory.is_dir() else set()
    except OSError as error:
        return [], [f"{place} (can't be read: {error.strerror})"]
    keys: list[LocalKey] = []
    problems: list[str] = []
    for person in sorted({name.removesuffix(".pub") for name in names}):
        if not key_files.is_person(person) or (person in names) == (store == "keyring"):
            continue
        path = directory / person
        try:
            text = key_files.public_path(path).read_text("utf-8")
            keys.append(local_key(person, normalise_public_key(text), store, _where(store, path)))
        except OSError as error:
            problems.append(f"{path}.pub ({error.strerror})")
        except ValueError as error:
            problems.append(f"{path}.pub ({error})")
    return keys, [f"{place} ({', '.join(key.person for key in keys) or 'no key'})", *problems]


def _from_keyring(key: LocalKey, keyring: KeyringPort | None) -> str:
    text = _needed(keyring, key.person).get(SERVICE, key.person)
    if text is None:
        public = shlex.quote(f"{key_files.user_keys_dir() / key.person}.pub")
        raise IdentityError(
            f"the OS keyring has no key of {key.person}",
            hint=f"move {public} away, then migrate-flow keys new {key.person}",
            where=key.where,
        )
    return text


def _keep_in_keyring(person: str, key: Ed25519PrivateKey, public: Path, keyring: KeyringPort) -> None:
    # First the index, which only one of two at the same time can make, then the secret.
    key_files.write_new(public, _public_line(person, key), 0o644)
    try:
        if keyring.get(SERVICE, person) is not None:
            raise _already(person, _where("keyring", public), _forget(person))
        text = private_text(key)
        keyring.set(SERVICE, person, text)
        if (keyring.get(SERVICE, person) or "").strip() != text.strip():
            raise IdentityError("the OS keyring did not keep the key", hint=_other_store(person))
    except BaseException:
        public.unlink()
        raise


def _keep_in_files(person: str, key: Ed25519PrivateKey, private: Path, public: Path) -> None:
    key_files.write_new(private, private_text(key), 0o600)
    try:
        key_files.write_new(public, _public_line(person, key), 0o644)
    except BaseException:
        private.unlink()
        raise


def _directory(store: str, project_root: Path | None) -> Path:
    if store in ("keyring", "file"):
        return key_files.user_keys_dir()
    if store != "project":
        raise IdentityError(f"there is no key store {store!r}", hint="choose --store keyring, file or project")
    if project_root is None:
        raise IdentityError(
            "a key can be kept in the project only inside of one",
            hint="go to the folder of migrate-flow.toml, or choose --store file",
        )
    return key_files.project_keys_dir(project_root)


def _needed(keyring: KeyringPort | None, person: str) -> KeyringPort:
    if keyring is None:
        raise IdentityError("no OS keyring can be used here", hint=_other_store(person))
    return keyring


def _existing(*paths: Path) -> list[Path]:
    return [path for path in paths if path.exists() or path.is_symlink()]


def _already(person: str, where: str, removal: str) -> IdentityError:
    way_out = f"; if it is lost or revoked, put it away and run this again: {removal}" if removal else ""
    return IdentityError(f"{person} already has a key there", hint=f"use that key{way_out}", where=where)


def _put_away(person: str, there: list[Path], private: Path) -> str:
    """The command that makes room for another key. Names with a leading dot are no keys."""
    old = private.parent / ".old"
    commands = [shlex.join(["mkdir", "-p", str(old)]), shlex.join(["mv", "-i", *map(str, there), str(old)])]
    if private not in there:
        commands.append(_forget(person))
    return " && ".join(commands)


def _forget(person: str) -> str:
    return f"keyring del {SERVICE} {person}"


def _in_the_way(path: Path) -> IdentityError:
    return IdentityError(
        "there is a file already, and a key never replaces one", hint="name another file", where=str(path)
    )


def _other_store(person: str) -> str:
    return f"migrate-flow keys new {person} --store file, or set {KEY_VARIABLE}"


def _where(store: str, path: Path) -> str:
    return f"the OS keyring, service {SERVICE}" if store == "keyring" else str(path)


def _public_line(person: str, key: Ed25519PrivateKey) -> str:
    return f"{public_text(key)} {person}\n"
