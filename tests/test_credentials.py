"""The OS keyring through the real library: kept, absent, locked, hanging, leaking."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import keyring
import keyring.backends.fail
import keyring.backends.null
import pytest
from keyring.backend import KeyringBackend
from keyring.errors import InitError, KeyringLocked, NoKeyringError, PasswordSetError

from migrate_flow import credentials
from migrate_flow.errors import ConfigError
from tests.support.keyrings import Hanging, Memory, Raising

INSTEAD = 'set PRODUCTION_DATABASE_URL and use url = "env:PRODUCTION_DATABASE_URL"'
SECRET = "postgresql://ada:correct-horse@db/prod"

Use = Callable[[KeyringBackend], KeyringBackend]


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Use:
    """Make the keyring library answer from this backend, until the test ends."""
    monkeypatch.setattr("keyring.core._keyring_backend", None)

    def set_backend(backend: KeyringBackend) -> KeyringBackend:
        keyring.set_keyring(backend)
        return backend

    return set_backend


@pytest.fixture
def hanging(use: Use, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(credentials, "LIMIT_SECONDS", 0.05)
    backend = Hanging()
    use(backend)
    yield
    backend.release.set()


CALLS = {
    "get": lambda: credentials.get("migrate-flow", "production", instead=INSTEAD),
    "set": lambda: credentials.set_secret("migrate-flow", "production", SECRET, instead=INSTEAD),
    "delete": lambda: credentials.delete("migrate-flow", "production", instead=INSTEAD),
}
each_call = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)


def test_a_secret_is_kept_replaced_and_forgotten(use: Use):
    use(Memory())
    assert CALLS["get"]() is None
    CALLS["set"]()
    assert CALLS["get"]() == SECRET
    credentials.set_secret("migrate-flow", "production", "newer", instead=INSTEAD)
    assert CALLS["get"]() == "newer"
    CALLS["delete"]()
    assert CALLS["get"]() is None


def test_the_object_form_asks_the_same_keyring(use: Use):
    use(Memory())
    port = credentials.Keyring(INSTEAD)
    port.set("migrate-flow", "production", SECRET)
    assert port.get("migrate-flow", "production") == CALLS["get"]() == SECRET
    port.delete("migrate-flow", "production")
    with pytest.raises(ConfigError, match="no such secret") as caught:
        port.delete("migrate-flow", "production")
    assert caught.value.hint == INSTEAD


@each_call
@pytest.mark.parametrize("backend", [keyring.backends.fail.Keyring, keyring.backends.null.Keyring])
def test_backends_that_keep_nothing_count_as_none(use: Use, backend: type[KeyringBackend], call: Callable[[], None]):
    use(backend())
    with pytest.raises(ConfigError, match="there is no OS keyring here") as caught:
        call()
    assert (caught.value.exit_code, caught.value.hint) == (2, INSTEAD)
    assert caught.value.where == "keyring migrate-flow/production"


@each_call
@pytest.mark.parametrize(
    ("error", "message"),
    [
        (NoKeyringError, "there is no OS keyring here"),
        (KeyringLocked, "the OS keyring is locked"),
        (InitError, "the OS keyring failed (InitError)"),
        (PasswordSetError, "the OS keyring failed (PasswordSetError)"),
        (OSError, "the OS keyring failed (OSError)"),
        (SystemExit, "the OS keyring failed (SystemExit)"),
    ],
)
def test_failures_are_named_and_never_quoted(
    use: Use, error: Callable[[str], BaseException], message: str, call: Callable[[], None]
):
    use(Raising(error))
    with pytest.raises(ConfigError) as caught:
        call()
    assert caught.value.message == message
    shown = "".join(traceback.format_exception(caught.value)) + caught.value.hint + caught.value.where
    assert "correct-horse" not in shown


def test_a_backend_that_can_not_even_be_loaded(use: Use, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "no_such_module.Keyring")
    assert credentials.usable() == "the OS keyring failed (ModuleNotFoundError)"


def test_usable_says_why_not(use: Use):
    assert credentials.usable() == "there is no OS keyring here"
    use(Memory())
    assert credentials.usable() is None


def test_a_hanging_backend_is_left_behind(hanging: None):
    before = time.monotonic()
    with pytest.raises(ConfigError, match=r"did not answer within 0\.05 s") as caught:
        CALLS["get"]()
    assert time.monotonic() - before < 3
    assert caught.value.hint == INSTEAD


HANGS = """
import time
from keyring.backend import KeyringBackend
class Keyring(KeyringBackend):
    priority = 1
    def get_password(self, service, username): time.sleep(600)
    set_password = delete_password = get_password
"""
ASKS = """
import sys
from migrate_flow import credentials
assert "keyring" not in sys.modules, "keyring must be imported only when it is asked"
credentials.LIMIT_SECONDS = 0.05
try:
    credentials.get("migrate-flow", "production", instead="")
except credentials.ConfigError as error:
    print(error.message)
"""


def test_a_hanging_backend_does_not_hold_the_process(tmp_path: Path):
    (tmp_path / "hangs.py").write_text(HANGS)
    path = os.pathsep.join([str(tmp_path), str(Path(__file__).parents[1])])
    environment = {**os.environ, "PYTHON_KEYRING_BACKEND": "hangs.Keyring", "PYTHONPATH": path}
    done = subprocess.run([sys.executable, "-c", ASKS], env=environment, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout.strip()) == (0, "the OS keyring did not answer within 0.05 s"), done.stderr
