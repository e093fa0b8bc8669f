"""A disk that is soon full."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# The pipe closes when the tests end, however they end, and then the disk goes. A file that is still open would
# hold it: then it goes with that file.
KEEPER = (
    'mount -t tmpfs -o "size=$1k,mode=0755" tmpfs "$2" || exit; echo ready; read -r _; umount "$2" || umount -l "$2"'
)


@contextmanager
def small_disk(folder: Path, kib: int) -> Iterator[Path]:
    """A disk of ``kib`` KiB (a multiple of 4) in the folder, empty and owned by root, until the end of the block.

    RuntimeError if it can't be mounted. What it holds is gone afterwards.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with subprocess.Popen(
        ["/bin/sh", "-c", KEEPER, "keeper", str(kib), str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as keeper:
        assert keeper.stdout is not None
        answer = keeper.stdout.readline()
        if answer != "ready\n":
            words = answer + keeper.stdout.read()
            raise RuntimeError(f"a small disk needs root on Linux and the right to mount (CAP_SYS_ADMIN): {words}")
        try:
            yield folder
        finally:
            keeper.communicate(timeout=60)
