"""Key files on disk: where they lie, how they are named, written and read."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

from migrate_flow.errors import IdentityError

_PERSON = re.compile(r"[a-z0-9_@+][a-z0-9._@+-]{0,199}")
_OTHERS = 0o077
_MOST_BYTES = 1 << 16


def user_keys_dir() -> Path:
    """The keys of the logged-in user, over all projects; follows ``XDG_DATA_HOME``."""
    import platformdirs

    return platformdirs.user_data_path("migrate-flow", appauthor=False) / "keys"


def project_keys_dir(project_root: Path) -> Path:
    """Keys that live and go with one checkout, for trials and demos."""
    return project_root / ".migrate-flow" / "keys"


def is_person(name: str) -> bool:
    """Whether the name can be a file's name; one that ends in ``.pub`` would be another person's public file."""
    return bool(_PERSON.fullmatch(name)) and not name.endswith(".pub")


def check_person(name: str) -> None:
    """IdentityError unless the name can be a file's name."""
    if not is_person(name):
        raise IdentityError(
            f"{name!r} can't name a key",
            hint="use an e-mail address or a name of a-z 0-9 . _ @ + -, not starting with . or -, not ending in .pub",
        )


def public_path(private: Path) -> Path:
    """``NAME.pub`` beside ``NAME``."""
    return private.with_name(private.name + ".pub")


def make_directory(directory: Path) -> None:
    """The directory, closed to everybody else; IdentityError."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if directory.stat().st_mode & _OTHERS:
            directory.chmod(0o700)
    except OSError as error:
        raise _unwritable(directory, error) from error


def write_new(path: Path, text: str, mode: int) -> None:
    """The file whole or not at all, with its mode from the first byte; FileExistsError, IdentityError."""
    import secrets

    draft = path.with_name(f".{secrets.token_hex(8)}.new")
    try:
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(text.encode())
                file.flush()
                os.fsync(file.fileno())
            # Unlike rename, link never replaces what is there.
            os.link(draft, path)
        finally:
            draft.unlink()
    except FileExistsError:
        raise
    except OSError as error:
        raise _unwritable(path.parent, error) from error


def read_private(path: Path, where: str) -> str:
    """The text of a private key file; IdentityError where it is missing, unreadable or open to others.

    where: what named the path, for the error.
    """
    text, mode = read(path, where)
    # Windows has no such bits: what stat shows there is made up.
    if os.name == "posix" and mode & _OTHERS:
        raise IdentityError(
            f"the key file is open to others (mode {mode:04o})",
            hint=f"chmod 600 {shlex.quote(str(path))}",
            where=where,
        )
    return text


def read(path: Path, where: str) -> tuple[str, int]:
    """The text of a key file, and its permission bits; IdentityError where it is missing or unreadable."""
    try:
        with path.open("rb") as file:
            # Of the open file, not of the path: nobody can swap it in between.
            mode = os.fstat(file.fileno()).st_mode & 0o777
            text = file.read(_MOST_BYTES).decode("ascii", "replace")
    except OSError as error:
        raise IdentityError(
            f"the key file can't be read: {_reason(error)}",
            hint="give a private key file that you can read, or make a key with migrate-flow keys new PERSON",
            where=where,
        ) from error
    return text, mode


def _unwritable(directory: Path, error: OSError) -> IdentityError:
    return IdentityError(
        f"the key can't be written: {_reason(error)}",
        hint=f"make {shlex.quote(str(directory))} a folder that you can write to, or choose another place",
        where=str(directory),
    )


def _reason(error: OSError) -> str:
    return error.strerror or type(error).__name__
