"""A server that runs in the foreground, held so that it ends with the tests that started it, however they end."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
from pathlib import Path
from typing import Any

from tests.support.postgres import unprivileged

# The keeper waits on its standard input: the pipe closes when the tests end, and then it kills the server and
# removes the folder. The server, and nobody else, holds the keeper's output as descriptor 3: that it is closed
# tells that the server has ended.
KEEPER = """
folder=$1; shift
"$@" 3>&1 >>"$folder/log" 2>&1 </dev/null &
echo $!; exec >/dev/null 2>&1
read -r word
kill -9 $!; wait $!
[ "$word" = leave ] || rm -rf "$folder"
"""


class Kept:
    """A running program and its keeper. ``folder`` must belong to the server's user and takes the file ``log``."""

    def __init__(self, folder: Path, command: list[str]) -> None:
        self.folder = folder
        # A session of its own: Ctrl-C in a terminal must reach the tests, not the server below them.
        self._keeper = subprocess.Popen(
            ["/bin/sh", "-c", KEEPER, "keeper", str(folder), *command],
            stdin=subprocess.PIPE,
            start_new_session=True,
            **as_server(folder),
        )
        assert self._keeper.stdout is not None
        self.pid = int(self._keeper.stdout.readline())

    def require_running(self) -> None:
        """Raise RuntimeError with the end of the log if the program has ended."""
        readable, _, _ = select.select([self._keeper.stdout], [], [], 0)
        if readable:
            raise RuntimeError(f"the server ended, its log says:\n{self.log()[-4000:]}")

    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def kill(self, leave_folder: bool) -> None:
        """SIGKILL to the program; it is gone when this returns."""
        self._keeper.communicate("leave\n" if leave_folder else "", timeout=60)


def as_server(folder: Path) -> dict[str, Any]:
    """Keyword arguments for subprocess: a server's user, and an environment without the caller's settings."""
    options: dict[str, Any] = {"env": {"PATH": _path(), "LC_ALL": "C", "TZ": "UTC", "HOME": str(folder)}, "cwd": folder}
    return options | {"text": True, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT} | unprivileged()


def give_to_server(folder: Path) -> None:
    """Let the user that servers run as own the folder."""
    identity = unprivileged()
    if identity:
        os.chown(folder, identity["user"], identity["group"])


def installed(program: str, package: str) -> str:
    """Where the program is. RuntimeError names the package if it is missing."""
    found = shutil.which(program, path=_path())
    if found is None:
        raise RuntimeError(f"{program} is missing: apt-get install {package}")
    return found


def _path() -> str:
    # Servers are in folders that an ordinary user's PATH doesn't have.
    return os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"))
