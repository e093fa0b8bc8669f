"""`python -m benchmarks.rehearse [N] [--pairs N]`: a rehearsal of N revisions on SQLite beside plain Alembic.

All of them: the CPU time of our steps beside `alembic.command.upgrade`, `downgrade` and `upgrade` of the same revisions
in one process (stepwise.py), and the snapshots apart. The newest of them, with its template warm: the whole command.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter, process_time

from benchmarks.inputs import alembic_project, history

GOAL, NEWEST_S = 1.3, 3.0
CONFIG = '[project]\nname = "shop"\n[environments.dev]\nurl = "sqlite:///bench.db"\n'


def project(folder: Path, count: int) -> None:
    alembic_project(folder, history(count), "sqlite:///bench.db")
    (folder / "migrate-flow.toml").write_text(CONFIG)


def walk(folder: Path, count: int) -> tuple[float, float]:
    """CPU seconds of a walk over the first so many revisions: of the steps, and of looking at the schema."""
    from migrate_flow.bootstrap.project import checkout, load_config
    from migrate_flow.bootstrap.rehearsal_child import ScratchScene
    from migrate_flow.core.rehearsal import Seen, route
    from migrate_flow.rehearsal.children import Job
    from migrate_flow.rehearsal.scratch_sqlite import SqliteScratch
    from migrate_flow.rehearsal.walk import Walk

    looked = 0.0

    class Scene(ScratchScene):
        def look(self) -> Seen:
            nonlocal looked
            begun = process_time()
            seen = super().look()
            looked += process_time() - begun
            return seen

    config = load_config(folder / "migrate-flow.toml")
    scripts = checkout(config)
    wanted = scripts.graph.order()[:count]
    way = route(scripts.graph, wanted, {one: scripts.manifest(one).digest for one in wanted})
    job = Job(str(config.path), "sqlite", way.order, way.wanted, way.manifests, way.bases, way.parents)
    with tempfile.TemporaryDirectory() as made:
        begun = process_time()
        scene = Scene(job, SqliteScratch(Path(made), cache=Path(made, "cache")))
        for _ in Walk(scene, way.order, frozenset(wanted), way.manifests, way.bases, way.parents, {}).events():
            pass
        scene.close()
        return process_time() - begun - looked, looked


def compare(count: int, pairs: int) -> None:
    with tempfile.TemporaryDirectory(prefix="migrate-flow-rehearse-") as made:
        folder, environ = Path(made), {**os.environ, "XDG_CACHE_HOME": f"{made}/cache", "HOME": made}
        project(folder, count)
        ours, snapshots, theirs = [], [], []
        for _ in range(pairs):
            (folder / "bench.db").unlink(missing_ok=True)
            steps, looking = map(float, _run(["benchmarks.rehearse", "--walk", made, str(count)], Path.cwd()).split())
            plain = float(_run(["benchmarks.stepwise", str(count)], folder))
            ours.append(steps / plain)
            snapshots.append(looking / plain)
            theirs.append(plain)
        newest = []
        for _ in range(pairs + 1):
            begun = perf_counter()
            _run(["migrate_flow", "rehearse", "head", "--format", "json"], folder, environ)
            newest.append(perf_counter() - begun)
    one = statistics.median
    print(f"all {count}: steps {one(ours):.2f} x Alembic's {one(theirs):.1f} s of CPU (goal {GOAL}),", end=" ")
    print(f"low-high {min(ours):.2f}-{max(ours):.2f}; snapshots {one(snapshots):.2f} more")
    print(f"newest of {count}: {newest[0]:.1f} s cold, {one(newest[1:]):.1f} s warm (goal {NEWEST_S:.0f} s)")


def _run(words: list[str], folder: Path, environ: dict[str, str] | None = None) -> str:
    paths = [str(Path(__file__).parents[1])]
    variables = {**(environ or os.environ), "PYTHONPATH": os.pathsep.join(paths)}
    done = subprocess.run(
        [sys.executable, "-m", *words], cwd=folder, env=variables, stdin=subprocess.DEVNULL, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"error: {' '.join(words)}: {done.stderr[-500:]}")
    return done.stdout.strip()


def main() -> None:
    if sys.argv[1:2] == ["--walk"]:
        print(*walk(Path(sys.argv[2]), int(sys.argv[3])))
        return
    parser = argparse.ArgumentParser("python -m benchmarks.rehearse", description=__doc__.partition("\n")[0])
    parser.add_argument("count", nargs="?", type=int, default=500)
    parser.add_argument("--pairs", type=int, default=3)
    given = parser.parse_args()
    compare(given.count, given.pairs)


if __name__ == "__main__":
    main()
