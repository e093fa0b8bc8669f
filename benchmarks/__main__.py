"""`python -m benchmarks --full` or `--short`: see README.md in this folder."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from benchmarks import report
from benchmarks.cases import Bench, Case, cases
from benchmarks.measure import KEPT_FOLDERS, CommandFailed, Result, Workspace, workspace
from benchmarks.peers import PEERS
from benchmarks.peers.ours import OURS
from benchmarks.peers.peer import Peer
from benchmarks.targets import postgres_server

SHORT_RUNS = 2


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmarks", description="migrate-flow and its peers, side by side.")
    size = parser.add_mutually_exclusive_group(required=True)
    size.add_argument("--full", action="store_true", help="all cases with every peer; a missing peer is an error")
    size.add_argument("--short", action="store_true", help="smaller cases with Alembic alone, for CI")
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="a case or a peer; repeatable")
    cold = "what no run finds of those before it; repeatable"
    parser.add_argument("--cold", action="append", default=[], choices=list(KEPT_FOLDERS), help=cold)
    parser.add_argument("--runs", type=int, default=0, metavar="N", help="measured pairs of each case")
    parser.add_argument("--peers-dir", type=Path, metavar="DIR", help="where pip and npm put the peers")
    parser.add_argument("--output", type=Path, metavar="FILE.json", help="JSON there, and Markdown beside it")
    given = parser.parse_args()
    if given.runs < 0 or (given.output and given.output.suffix != ".json"):
        parser.error("--runs wants a positive number, --output a name that ends in .json")
    return given


def _search(peers_dir: Path | None) -> list[Path]:
    """Folders with programs, besides PATH: those of this interpreter, then pip's and npm's."""
    found = [Path(sys.executable).parent]
    if peers_dir:
        modules = peers_dir.resolve() / "node_modules"
        found += [peers_dir.resolve() / "bin", modules / ".bin", modules / "liquibase" / "dist" / "liquibase"]
    return found


def _chosen(given: argparse.Namespace) -> tuple[list[Case], list[Peer]]:
    """`--only` names cases, peers or both; what it does not name of either kind stays."""
    known, peers = cases(given.short), [PEERS[0]] if given.short else list(PEERS)
    names = set(given.only)
    unknown = names - {case.name for case in known} - {peer.name for peer in peers}
    if unknown:
        listed = ", ".join([*(case.name for case in known), *(peer.name for peer in peers)])
        raise SystemExit(f"error: unknown: {', '.join(sorted(unknown))}\nhint: one of {listed}")
    return (
        [case for case in known if case.name in names] or known,
        [peer for peer in peers if peer.name in names] or peers,
    )


def _require(space: Workspace, peers: Sequence[Peer]) -> dict[str, str]:
    """The version of each, or an exit that names every missing one with its install command."""
    versions, problems = {}, []
    for peer in (OURS, *peers):
        missing = peer.missing(space)
        try:
            if not missing:
                versions[peer.name] = peer.version(space)
                continue
        except CommandFailed as failure:
            missing = [str(failure)]
        problems.append(f"error: {peer.name}: not there or not working: {', '.join(missing)}\nhint: {peer.install}")
    if problems:
        where = "PEERS in a hint is a folder of your choice; name it with --peers-dir PEERS"
        raise SystemExit("\n".join([*problems, where]))
    return versions


def _measure(
    given: argparse.Namespace, space: Workspace, chosen: Sequence[Case], peers: Sequence[Peer]
) -> list[Result]:
    results: list[Result] = []
    with ExitStack() as stack:
        server = stack.enter_context(postgres_server()) if any(case.needs_server for case in chosen) else None
        for case in chosen:
            runs = given.runs or (SHORT_RUNS if given.short else case.runs)
            print(f"{case.title}: {runs} pairs", file=sys.stderr)
            for result in case.measure(Bench(space, peers, runs, server), case.name):
                print(f"  {result.peer}: {result.ratio('wall'):.2f}", file=sys.stderr)
                results.append(result)
    return results


def main() -> None:
    given = _arguments()
    chosen, peers = _chosen(given)
    titles = {case.name: case.title for case in chosen}
    with workspace(_search(given.peers_dir), given.cold) as space:
        versions = _require(space, peers)
        try:
            results = _measure(given, space, chosen, peers)
        except CommandFailed as failure:
            raise SystemExit(f"error: {failure}") from None
    rows = [report.row(result, titles) for result in results]
    print(f"{report.table(rows)}\n\n{report.HEADING}")
    if given.output:
        report.write(given.output, results, titles, versions)


if __name__ == "__main__":
    main()
