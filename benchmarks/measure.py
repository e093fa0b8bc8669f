"""Runs commands and measures them, in pairs: ours, the peer, ours, the peer."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

LAUNCHER = Path(__file__).with_name("launch.py")
SHOWN = 10  # lines of a failed command, from its beginning and its end
KEPT = ("JAVA_HOME", "LD_LIBRARY_PATH", "SSL_CERT_FILE", "TMPDIR")


class CommandFailed(Exception):
    """What was run, and the end of what it said."""


@dataclass(frozen=True, slots=True)
class Workspace:
    """folder: temporary, everything generated is below it; environ: what every command runs under. cold: folders that
    are emptied before each run, of either side."""

    folder: Path
    environ: Mapping[str, str]
    cold: Sequence[Path] = ()

    def find(self, program: str) -> Path | None:
        found = shutil.which(program, path=self.environ["PATH"])
        return Path(found) if found else None

    def run(self, words: Sequence[str], folder: Path, environ: Mapping[str, str] | None = None) -> str:
        """Run it unmeasured, for preparations; returns its standard output."""
        done = subprocess.run(
            words,
            cwd=folder,
            env={**self.environ, **(environ or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise _failed(words, done.returncode, done.stdout + done.stderr)
        return done.stdout


KEPT_FOLDERS = {"caches": "cache", "bytecode": "bytecode"}  # what a run finds of those before it
STATE = "state"  # where our side remembers the newest head of each ledger


@contextmanager
def workspace(search: Sequence[Path], cold: Sequence[str] = ()) -> Iterator[Workspace]:
    """A temporary folder and a clean environment: no setting of the caller's may lead elsewhere or slow one side.

    search: folders with programs, looked through before PATH. cold: what no run finds, of `KEPT_FOLDERS`.
    """
    with tempfile.TemporaryDirectory(prefix="migrate-flow-benchmarks-") as made:
        folder = Path(made)
        home = folder / "home"
        home.mkdir()
        path = os.pathsep.join([*map(str, search), os.environ.get("PATH", os.defpath)])
        # The byte code of every Python program and script is kept, so that a warm run reads it.
        environ = {"PATH": path, "HOME": str(home), "LC_ALL": "C.UTF-8", "TZ": "UTC", "NO_COLOR": "1"}
        environ["PYTHONPYCACHEPREFIX"] = str(folder / KEPT_FOLDERS["bytecode"])
        environ["XDG_STATE_HOME"] = str(folder / STATE)
        environ["XDG_CACHE_HOME"] = str(folder / KEPT_FOLDERS["caches"])
        emptied = [folder / KEPT_FOLDERS[name] for name in cold]
        yield Workspace(folder, environ | {name: os.environ[name] for name in KEPT if name in os.environ}, emptied)


@dataclass(frozen=True, slots=True)
class Sample:
    """wall and cpu (user and system, with children) in seconds; peak in bytes, of the largest process."""

    wall: float
    cpu: float
    peak: int


@dataclass(frozen=True, slots=True)
class Contender:
    """One side of a pair.

    reset: brings folder and database back to where a run starts; check: raises if the run did not do its work.
    """

    name: str
    words: Sequence[str]
    folder: Path
    environ: Mapping[str, str] = field(default_factory=dict)
    reset: Callable[[], None] = lambda: None
    check: Callable[[], None] = lambda: None


@dataclass(frozen=True, slots=True)
class Result:
    """case: what was done; the samples of a pair have the same place in both lists."""

    case: str
    peer: str
    ours: tuple[Sample, ...]
    theirs: tuple[Sample, ...]

    def ratios(self, measure: str) -> list[float]:
        """Ours by theirs for each pair, smallest first; measure: an attribute of Sample."""
        return sorted(
            getattr(our, measure) / getattr(their, measure) for our, their in zip(self.ours, self.theirs, strict=True)
        )

    def ratio(self, measure: str) -> float:
        return statistics.median(self.ratios(measure))


def median(samples: Sequence[Sample], measure: str) -> float:
    return float(statistics.median(getattr(sample, measure) for sample in samples))


def compare(space: Workspace, case: str, ours: Contender, peer: Contender, runs: int) -> Result:
    """One unmeasured run of each, then ours and the peer in turn, so that both meet the same noise."""
    for contender in (ours, peer):
        sample(space, contender)
    pairs = [(sample(space, ours), sample(space, peer)) for _ in range(runs)]
    return Result(case, peer.name, *(tuple(side) for side in zip(*pairs, strict=True)))


def sample(space: Workspace, contender: Contender) -> Sample:
    contender.reset()
    for folder in space.cold:
        shutil.rmtree(folder, ignore_errors=True)
    os.sync()  # else the first fsync of the measured command waits for what `reset` wrote
    environ = {**space.environ, **contender.environ}
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(LAUNCHER), *contender.words],
        cwd=contender.folder,
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    answer = json.loads(done.stdout) if done.returncode == 0 else {"code": done.returncode}
    if answer["code"]:
        raise _failed(contender.words, answer["code"], done.stderr)
    contender.check()
    return Sample(answer["wall"], answer["cpu"], answer["peak"])


def _failed(words: Sequence[str], code: int, output: str) -> CommandFailed:
    said = output.splitlines()
    if len(said) > 2 * SHOWN:
        said[SHOWN:-SHOWN] = ["  …"]
    return CommandFailed("\n".join([f"exit {code}: {' '.join(map(str, words))}", *said]))
