"""A desktop's keyring for tests: gnome-keyring-daemon on a bus of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

BACKEND = "keyring.backends.SecretService.Keyring"  # what the keyring library chooses on such a desktop

_SCRIPT = """
printf %s "$DBUS_SESSION_BUS_ADDRESS" > "$1/address.new" && mv "$1/address.new" "$1/address"
shift
exec gnome-keyring-daemon --foreground --components=secrets "$@"
"""
_ASK = "dbus-send --session --print-reply --dest=org.freedesktop.DBus / org.freedesktop.DBus.NameHasOwner"


@contextmanager
def secret_service(folder: Path, password: str | None) -> Iterator[dict[str, str]]:
    """The variables of a session whose keyring lies in ``folder``; password: None leaves it locked."""
    folder.mkdir(mode=0o700, exist_ok=True)
    (folder / "address").unlink(missing_ok=True)
    folders = {f"XDG_{name}": str(folder) for name in ("DATA_HOME", "CONFIG_HOME", "CACHE_HOME", "RUNTIME_DIR")}
    environ = {"PATH": os.environ["PATH"], "HOME": str(folder), **folders}
    with (folder / "log").open("a") as log:
        process = subprocess.Popen(
            ["dbus-run-session", "--", "sh", "-ec", _SCRIPT, "sh", str(folder), *(["--unlock"] if password else [])],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            env=environ,
            start_new_session=True,
        )
    try:
        assert process.stdin is not None
        process.stdin.write((password or "").encode())
        process.stdin.close()
        yield {"DBUS_SESSION_BUS_ADDRESS": _address(folder), "PYTHON_KEYRING_BACKEND": BACKEND}
    finally:
        # The bus, the daemon and what the bus started; all in the group that was made for them.
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(20)


def _address(folder: Path) -> str:
    """The bus's address, when the keyring is on it."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        time.sleep(0.05)
        if not (folder / "address").exists():
            continue
        address = (folder / "address").read_text()
        environ = {"PATH": os.environ["PATH"], "DBUS_SESSION_BUS_ADDRESS": address}
        words = [*_ASK.split(), "string:org.freedesktop.secrets"]
        done = subprocess.run(words, env=environ, capture_output=True, text=True, timeout=20, check=False)
        if "true" in done.stdout:
            return address
    raise AssertionError(f"the keyring did not start\n{(folder / 'log').read_text()}")
