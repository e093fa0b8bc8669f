"""What becomes of a server when the process that started it is killed."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]


def check_that_it_goes_with_its_holder(module: str, name: str) -> None:
    """Start ``module.name`` in another process, kill and restart the server, kill that process: all of it goes."""
    code = (
        f"import time; from {module} import {name}\n"
        f"server = {name}().__enter__(); server.kill(); server.start()\n"
        "print(server.folder, flush=True)\n"
        "time.sleep(60)\n"
    )
    holder = subprocess.Popen([sys.executable, "-c", code], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    folder = Path(holder.stdout.readline().strip())
    assert (folder / "data").is_dir()
    holder.kill()
    holder.communicate()
    limit = time.monotonic() + 20
    while (folder.exists() or _running(folder)) and time.monotonic() < limit:
        time.sleep(0.02)
    assert not folder.exists()
    assert _running(folder) == []


def _running(folder: Path) -> list[str]:
    """The processes that name the folder on their command line."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_text().replace("\0", " ")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if str(folder) in words:
            found.append(words)
    return found
