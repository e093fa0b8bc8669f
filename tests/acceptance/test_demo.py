"""The tour, as a newcomer runs it: no terminal, nothing on stdin, every command in a fresh interpreter."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from migrate_flow import __version__
from tests.acceptance import databases
from tests.acceptance.conftest import Terminal
from tests.support import proof
from tests.support.shell import Done, Shell


@pytest.fixture
def outside(terminal: Terminal, tmp_path: Path) -> Shell:
    """The terminal in which the tour is started: what it holds must not reach the shop."""
    (tmp_path / "outside").mkdir()
    shell = terminal(tmp_path / "outside")
    return shell.under(
        MIGRATE_FLOW_ACTOR="mallory@example.com",
        MIGRATE_FLOW_SIGNING_KEY="no key",
        DATABASE_URL="sqlite:///outside.db",
        ALEMBIC_CONFIG="elsewhere.ini",
    )


def test_the_tour(outside: Shell, tmp_path: Path):
    """One test, for the tour takes as long as forty commands do."""
    demo = replace(outside, warm=None).flow("demo", "shop")
    shop = replace(outside, folder=outside.folder / "shop", environ={})
    it_tells_what_it_does(demo)
    it_shows_the_refusals(demo)
    it_leaves_nothing_elsewhere(outside)
    it_ends_in_production(shop)
    what_it_leaves_can_be_proved_without_us(shop, tmp_path)
    what_it_suggests_works(demo, shop)


def it_tells_what_it_does(demo: Done) -> None:
    assert demo.err == ""
    titles = re.findall(r"(?m)^== (.*)$", demo.out)
    assert [title[:2] for title in titles[1:]] == [f"{number}." for number in range(1, 8)]
    commands = [line[2:].split() for line in demo.out.splitlines() if line.startswith("$ ")]
    assert {words[0] for words in commands} == {"migrate-flow"}
    verbs = {words[3] if words[1] == "--as" else words[1] for words in commands}
    assert verbs == {
        "init", "policy", "new", "apply", "self-review", "review", "approve", "status", "inbox", "plan", "ledger",
    }  # fmt: skip


def it_shows_the_refusals(demo: Done) -> None:
    first = demo.out.partition("every reason against it at once")[2].partition("She vouches for it")[0]
    assert re.findall(r"✗ ([\w-]+):", first) == [
        "self-reviewed", "content-unchanged", "lint-clean", "rehearsed", "peer-reviewed", "approved",
    ]  # fmt: skip
    for words in (
        "nobody reviews their own work",
        "✗ upstream-applied: not applied in staging",
        "is stale: the script changed since the approval by carla@example.com",
        "✗ content-unchanged: self-reviewed sha256:",
        "✗ applier-allowed: ada@example.com is no release-manager",
        "ben@example.com asked for changes",
    ):
        assert words in demo.out, words
    assert demo.out.count("(exit 1)") == 5
    assert "(exit 0)" not in demo.out


def it_ends_in_production(shop: Shell) -> None:
    rows = shop.json("status")["migrations"]
    assert len(rows) == 3
    for row in rows:
        assert (row["state"], row["next"]) == ("approved", "")
        assert [there["state"] for there in row["applied"].values()] == ["applied"] * 3
    assert [row["applied"]["production"]["by"] for row in rows] == ["dora@example.com"] * 3
    dev, staging, production = (f"sqlite:///{shop.folder / name}.db" for name in ("dev", "staging", "production"))
    assert databases.tables(production) == ["customers", "orders"]
    assert databases.schema(dev) == databases.schema(staging) == databases.schema(production)
    assert databases.heads(dev) == databases.heads(production)


def what_it_leaves_can_be_proved_without_us(shop: Shell, tmp_path: Path) -> None:
    verdict = shop.json("ledger", "verify")
    entries = proof.rows(shop.folder)
    assert (verdict["ok"], verdict["entries"], verdict["head"]) == (True, len(entries), proof.head(entries))
    assert proof.verified_by_ssh_keygen(shop.folder, tmp_path) == len(entries)


def it_leaves_nothing_elsewhere(outside: Shell) -> None:
    assert [path.name for path in outside.folder.iterdir()] == ["shop"]
    cache = outside.home / "cache" / "migrate-flow"  # templates of rehearsals: anybody may clear it
    kept = sorted(path.name for path in outside.home.rglob("*") if path.is_file() and cache not in path.parents)
    assert len(kept) == 3, "the newest head of its ledger, by its place and by its id"
    assert kept[-1] == "gitconfig"


def what_it_suggests_works(demo: Done, shop: Shell) -> None:
    suggested = demo.out.partition("Try there:")[2].splitlines()[1:]
    change, *commands = [shlex.split(line) for line in suggested]
    assert change == ["cd", str(shop.folder)]
    codes = {"plan": 1}  # the plan of what was just written says no, and why
    for words in commands:
        assert words[0] == "migrate-flow"
        verb = words[3] if words[1] == "--as" else words[1]
        shop.flow(*words[1:], code=codes.get(verb, 0))
    assert {"new", "plan", "log", "doctor"} <= {word for words in commands for word in words}


def test_a_folder_that_holds_something_is_refused(outside: Shell, tmp_path: Path):
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "letter.txt").write_text("dear")
    for given in (mine, mine / "letter.txt"):
        done = outside.flow("demo", str(given), code=2)
        assert done.out == ""
        assert re.fullmatch(r"error: .+\nwhere: DIR\nhint: migrate-flow demo.*\n", done.err), done
    assert [path.name for path in mine.iterdir()] == ["letter.txt"]


def test_the_script_beside_python_is_the_same_program(outside: Shell):
    done = subprocess.run(
        [Path(sys.executable).with_name("migrate-flow"), "--version"],
        env=outside.variables,
        cwd=outside.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, f"migrate-flow {__version__}\n")
