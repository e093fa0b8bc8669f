"""Results as a table for the terminal, as JSON and as Markdown."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.measure import Result, median

SCHEMA = "migrate-flow/benchmarks/1"
MEBI = 1024 * 1024
SIDES = ("ours s", "peer s")
COLUMNS = ("case", "peer", "pairs", "time", "low-high", *SIDES, "CPU", *SIDES, "peak", "ours MiB", "peer MiB")
LEFT = 2  # columns of words
HEADING = (
    "time, CPU and peak memory: ours by the peer's, median over the pairs; low-high: of time. The rest are medians."
)


def machine() -> dict[str, Any]:
    return {"cores": os.cpu_count(), "system": platform.system(), "python": platform.python_version()}


def row(result: Result, titles: Mapping[str, str]) -> list[str]:
    walls = result.ratios("wall")
    cells = [titles[result.case], result.peer, str(len(result.ours))]
    cells += [_ratio(result, "wall"), f"{walls[0]:.2f}-{walls[-1]:.2f}"]
    cells += [f"{median(side, 'wall'):.2f}" for side in (result.ours, result.theirs)]
    cells += [_ratio(result, "cpu")]
    cells += [f"{median(side, 'cpu'):.2f}" for side in (result.ours, result.theirs)]
    cells += [_ratio(result, "peak")]
    return cells + [f"{median(side, 'peak') / MEBI:.0f}" for side in (result.ours, result.theirs)]


def _ratio(result: Result, measure: str) -> str:
    return f"{result.ratio(measure):.2f}"


def table(rows: Sequence[Sequence[str]]) -> str:
    lines = [COLUMNS, *rows]
    widths = [max(len(line[place]) for line in lines) for place in range(len(COLUMNS))]
    texts = [
        "  ".join(
            cell.ljust(width) if place < LEFT else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    ]
    return "\n".join(text.rstrip() for text in texts)


def markdown(rows: Sequence[Sequence[str]], versions: Mapping[str, str]) -> str:
    about = machine()
    named = ", ".join(f"{name} {version}" for name, version in versions.items())
    lines = ["# Speed, side by side", ""]
    lines += [f"{about['cores']} cores, {about['system']}, Python {about['python']}; {named}.", "", HEADING]
    lines += ["Ratios count, seconds belong to the machine. What is measured, and what is not: see README.md.", ""]
    lines += ["| " + " | ".join(COLUMNS) + " |", "|" + "---|" * LEFT + "---:|" * (len(COLUMNS) - LEFT)]
    lines += ["| " + " | ".join(cells) + " |" for cells in rows]
    return "\n".join(lines) + "\n"


def document(results: Sequence[Result], titles: Mapping[str, str], versions: Mapping[str, str]) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "machine": machine(),
        "versions": dict(versions),
        "units": {"wall": "s", "cpu": "s", "peak": "bytes"},
        "results": [_entry(result, titles[result.case]) for result in results],
    }


def _entry(result: Result, title: str) -> dict[str, Any]:
    measures = ("wall", "cpu", "peak")
    walls = result.ratios("wall")
    return {
        "case": result.case,
        "title": title,
        "peer": result.peer,
        "ours": {measure: median(result.ours, measure) for measure in measures},
        "theirs": {measure: median(result.theirs, measure) for measure in measures},
        "ratios": {measure: result.ratio(measure) for measure in measures},
        "wall_ratio_range": [walls[0], walls[-1]],
        "pairs": [
            {"ours": asdict(our), "theirs": asdict(their)}
            for our, their in zip(result.ours, result.theirs, strict=True)
        ],
    }


def write(path: Path, results: Sequence[Result], titles: Mapping[str, str], versions: Mapping[str, str]) -> None:
    """JSON at the path, and Markdown beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document(results, titles, versions), indent=2) + "\n")
    path.with_suffix(".md").write_text(markdown([row(result, titles) for result in results], versions))
