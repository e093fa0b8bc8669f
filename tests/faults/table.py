"""The table of faults: each id on each kind of database, and the tests that show it; then the attacks on the gates.
``python -m tests.faults.table`` writes docs/reference/faults.md; test_table.py fails on a gap, or where the file is not
what the tests say."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from tests.faults.matrix import ATTACKS, DIALECTS, FAULTS

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docs" / "reference" / "faults.md"
# Every mark that is off by default is named, so that nothing is left out.
MARKS = "fault or mariadb or system or sweep or real or browser"
NAMES = {"sqlite": "SQLite", "postgresql": "PostgreSQL", "mariadb": "MariaDB"}
HEAD = """\
# Faults, and the tests that show what holds

Generated from the tests by `python -m tests.faults.table`: edit the tests, not this file.

Each fault is made for real: the command is a process of its own, the database a real server.
What became of the target is read by the database's own driver.
MariaDB stands for MySQL, which is untested.
"""

ATTACKS_HEAD = """
## Attacks on the gates

By outsiders who can write to files, repository and ledger, and by insiders who have a key: each is tried on a project
that lacks one thing, and is as good as the real thing but for that. Nothing runs in staging or production.

| id | attack | what must hold | tests |
|---|---|---|---|"""
ANYWHERE = ""  # what an attack is shown on
ANSWER = "shown: "  # pytest writes to stdout too

Shown = dict[tuple[str, str], list[str]]


class _Collector:
    """A pytest plugin: which test shows which fault on which kind of database. One that is expected to fail shows
    nothing."""

    def __init__(self) -> None:
        self.shown: defaultdict[tuple[str, str], set[str]] = defaultdict(set)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        attacks = {attack.id for attack in ATTACKS}
        for item in session.items:
            if item.get_closest_marker("xfail"):
                continue
            for marker in item.iter_markers("fault"):
                for fault in marker.args:
                    for dialect in [ANYWHERE] if fault in attacks else _dialects(item, marker):
                        self.shown[fault, dialect].add(item.nodeid.partition("[")[0])


def _dialects(item: pytest.Item, marker: pytest.Mark) -> list[str]:
    """As the marker says, else as the test is parametrized."""
    said = marker.kwargs.get("dialect")
    if said:
        return [said] if isinstance(said, str) else list(said)
    parameters = getattr(item, "callspec", None)
    values = {value for value in parameters.params.values() if isinstance(value, str)} if parameters else set()
    return [name for name in DIALECTS if name in values]


def collected() -> Shown:
    """By collecting in a process of its own, so that it can be asked from within a test run."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.table", "--collect"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(done.stdout + done.stderr)
    rows = json.loads(done.stdout.rpartition(ANSWER)[2].splitlines()[0])
    return {(row["fault"], row["dialect"]): row["tests"] for row in rows}


def gaps(shown: Shown) -> list[str]:
    """What the matrix asks for and no test shows, and what tests name that the matrix does not know."""
    wanted = {(fault.id, dialect) for fault in FAULTS for dialect in fault.where}
    missing = [f"{fault} on {dialect}: no test" for fault, dialect in sorted(wanted - shown.keys())]
    missing += [f"{attack.id}: no test" for attack in ATTACKS if (attack.id, ANYWHERE) not in shown]
    known = {item.id for item in (*FAULTS, *ATTACKS)}
    return missing + [f"{fault} is in no matrix" for fault, _dialect in sorted(shown.keys()) if fault not in known]


def written(shown: Shown) -> str:
    lines = [HEAD, "| id | fault | what must hold | " + " | ".join(NAMES[name] for name in DIALECTS) + " |"]
    lines.append("|---|---|---|" + "---|" * len(DIALECTS))
    for fault in FAULTS:
        cells = []
        for dialect in DIALECTS:
            cells.append(_tests(shown, fault.id, dialect) or ("**missing**" if dialect in fault.where else fault.why))
        lines.append(f"| {fault.id} | {fault.what} | {fault.holds} | " + " | ".join(cells) + " |")
    lines.append(ATTACKS_HEAD)
    for attack in ATTACKS:
        tests = _tests(shown, attack.id, ANYWHERE) or "**missing**"
        lines.append(f"| {attack.id} | {attack.what} | {attack.holds} | {tests} |")
    return "\n".join(lines) + "\n"


def _tests(shown: Shown, item: str, dialect: str) -> str:
    return "<br>".join(f"`{name.removeprefix('tests/')}`" for name in sorted(shown.get((item, dialect), ())))


def main(words: list[str]) -> int:
    if words == ["--collect"]:
        collector = _Collector()
        code = pytest.main(
            ["--collect-only", "-q", "-n", "0", "-p", "no:cacheprovider", "-m", MARKS, "tests"], plugins=[collector]
        )
        rows = [
            {"fault": fault, "dialect": dialect, "tests": sorted(tests)}
            for (fault, dialect), tests in sorted(collector.shown.items())
        ]
        print("\n" + ANSWER + json.dumps(rows))
        return int(code)
    shown = collected()
    FILE.parent.mkdir(parents=True, exist_ok=True)
    FILE.write_text(written(shown))
    for gap in gaps(shown):
        print(gap)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
