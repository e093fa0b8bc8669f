"""Backends for the real keyring library: in memory, hanging, locked, forgetful."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, NoReturn

from keyring.backend import KeyringBackend
from keyring.errors import PasswordDeleteError


class Memory(KeyringBackend):
    """Keeps secrets until the test ends; counts how often one was read."""

    priority: Any = 1

    def __init__(self) -> None:
        super().__init__()
        self.secrets: dict[tuple[str, str], str] = {}
        self.reads = 0

    def get_password(self, service: str, username: str) -> str | None:
        self.reads += 1
        return self.secrets.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.secrets[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        if self.secrets.pop((service, username), None) is None:
            raise PasswordDeleteError("not found")


class Forgetful(Memory):
    """Takes every secret and keeps none."""

    def set_password(self, service: str, username: str, password: str) -> None:
        pass


class Hanging(Memory):
    """Never answers until ``release`` is set, as a backend with a dialog that nobody sees."""

    def __init__(self) -> None:
        super().__init__()
        self.release = threading.Event()

    def get_password(self, service: str, username: str) -> str | None:
        self.release.wait()
        return None


class Raising(KeyringBackend):
    """Fails with ``error(everything it was given)``, the secret included."""

    priority: Any = 1

    def __init__(self, error: Callable[[str], BaseException]) -> None:
        super().__init__()
        self.error = error

    def fail(self, *given: str) -> NoReturn:
        raise self.error(f"could not handle {given}")

    get_password = set_password = delete_password = fail
