"""Secrets in the OS keyring: the only caller of the keyring library.

No message here quotes what a backend said, because some backends quote the secret.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from migrate_flow.errors import ConfigError

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

LIMIT_SECONDS = 5.0

T = TypeVar("T")


def get(service: str, name: str, *, instead: str) -> str | None:
    """The secret, or None where the keyring has none; ConfigError where it can't be asked.

    instead: what serves without a keyring; it becomes the error's hint, here and below.
    """
    return _ask(lambda backend: backend.get_password(service, name), f"{service}/{name}", instead)


def set_secret(service: str, name: str, secret: str, *, instead: str) -> None:
    """Keep the secret, over an older one; ConfigError."""
    _ask(lambda backend: backend.set_password(service, name, secret), f"{service}/{name}", instead)


def delete(service: str, name: str, *, instead: str) -> None:
    """Forget the secret; ConfigError, also where there is none."""
    _ask(lambda backend: backend.delete_password(service, name), f"{service}/{name}", instead)


def usable() -> str | None:
    """None where a keyring is there, else why not. It may still turn out to be locked."""
    try:
        _ask(lambda _: None, "", "")
    except ConfigError as error:
        return error.message
    return None


@dataclass(frozen=True, slots=True)
class Keyring:
    """The functions above as one object, for whoever is handed a keyring."""

    instead: str

    def get(self, service: str, name: str) -> str | None:
        return get(service, name, instead=self.instead)

    def set(self, service: str, name: str, secret: str) -> None:
        set_secret(service, name, secret, instead=self.instead)

    def delete(self, service: str, name: str) -> None:
        delete(service, name, instead=self.instead)


def _ask(question: Callable[[KeyringBackend], T], entry: str, instead: str) -> T:
    """The backend's answer within the limit; ConfigError."""
    import threading

    import keyring

    answers: list[T] = []
    failures: list[BaseException] = []

    def run() -> None:
        try:
            # Choosing a backend already talks to the desktop, so this may hang too.
            backend = keyring.get_keyring()
            _refuse_absent(backend)
            answers.append(question(backend))
        except BaseException as error:  # whatever it is, it belongs to whoever asked
            failures.append(error)

    # A daemon, because the interpreter waits at its end for every other thread.
    thread = threading.Thread(target=run, name="keyring", daemon=True)
    thread.start()
    thread.join(LIMIT_SECONDS)
    if answers:
        return answers[0]
    reason = _reason(failures[0]) if failures else f"the OS keyring did not answer within {LIMIT_SECONDS:g} s"
    raise ConfigError(reason, hint=instead, where=f"keyring {entry}".rstrip())


def _refuse_absent(backend: KeyringBackend) -> None:
    """NoKeyringError for the two backends that keep nothing; ``null`` does so without a word."""
    from keyring.backends import fail, null
    from keyring.errors import NoKeyringError

    if isinstance(backend, fail.Keyring | null.Keyring):
        raise NoKeyringError


def _reason(error: BaseException) -> str:
    from keyring.errors import KeyringLocked, NoKeyringError, PasswordDeleteError

    match error:
        case NoKeyringError():
            return "there is no OS keyring here"
        case KeyringLocked():
            return "the OS keyring is locked"
        case PasswordDeleteError():
            return "the OS keyring has no such secret, or would not delete it"
        case _:
            return f"the OS keyring failed ({type(error).__name__})"
