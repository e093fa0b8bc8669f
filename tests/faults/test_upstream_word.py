"""The ledger's word on staging against staging's own database: what never ran there does not open production."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import Terminal
from tests.faults.siege import BOB, DAN, EVE, REV, Siege, copied
from tests.support.alembic_projects import edit, make_project, write_script

WORD = f"the ledger says applied in staging by {DAN} \\(entry \\d+\\), but "
GONE = ("rollback", "--env", "staging", "--to", "base", "--confirm", "staging", "-m", "WHY")


@pytest.fixture(scope="module")
def _tried(_released: Siege, tmp_path_factory: pytest.TempPathFactory) -> Siege:
    made = copied(_released, tmp_path_factory.mktemp("tried"))
    made.shell.flow("apply", "--env", "staging", actor=DAN)
    made.shell.flow(*GONE, actor=DAN)
    made.approve()
    return made


@pytest.fixture
def tried(_tried: Siege, tmp_path: Path) -> Siege:
    """Staging has run it and rolled it back: its database is known, and empty again. It was approved once more."""
    return copied(_tried, tmp_path)


def _execute(siege: Siege, environment: str, statement: str) -> None:
    """What somebody does to a database by hand."""
    with closing(sqlite3.connect(siege.folder / f"{environment}.db")) as database, database:
        database.execute(statement)


def _reason(siege: Siege, environment: str = "production") -> str:
    """What the gate says where nothing stands in the way."""
    plan = siege.shell.json("plan", "--env", environment, actor=DAN)
    assert plan["allowed"]
    (verdict,) = (gate for gate in plan["steps"][0]["gates"] if gate["gate"] == "upstream-applied")
    return str(verdict["reason"])


def _applied_by_hand(siege: Siege, attempt: str = "") -> None:
    for kind in ("apply.intended", "apply.applied"):
        siege.forger.acts(DAN, kind, REV, "staging", attempt or "x")


def _settled_by_who_may_not(siege: Siege) -> None:
    """While Dan's attempt is open. It will fail."""
    siege.forger.acts(DAN, "apply.intended", REV, "staging", "x")
    siege.forger.acts(BOB, "apply.recovered", REV, "staging", "x", outcome="applied")


def _under_an_old_receipt(siege: Siege) -> None:
    """The receipt of the first time stands there still."""
    (first, _rolled_back) = (row["attempt"] for row in _receipts(siege))
    _applied_by_hand(siege, first)


def _receipts(siege: Siege) -> list[dict[str, Any]]:
    with closing(sqlite3.connect(siege.folder / "staging.db")) as database:
        database.row_factory = sqlite3.Row
        query = "SELECT * FROM migrate_flow_receipt WHERE final ORDER BY ledger_seq"
        return [dict(row) for row in database.execute(query)]


@pytest.mark.fault("A20")
@pytest.mark.parametrize(
    ("say", "shows"),
    [
        (_applied_by_hand, "shows no receipt of it, and stands at nothing"),
        (_settled_by_who_may_not, "shows no receipt of it, and stands at nothing"),
        (_under_an_old_receipt, "stands at nothing"),
    ],
)
def test_what_never_ran_there_does_not_open_production(tried: Siege, say: Callable[[Siege], None], shows: str) -> None:
    say(tried)
    tried.held("production", {"upstream-applied": f"^{WORD}staging's own database {shows}$"})


@pytest.mark.fault("A20")
def test_a_database_that_nobody_claimed_was_never_migrated(released: Siege) -> None:
    _applied_by_hand(released)
    _execute(released, "staging", "CREATE TABLE theirs (id INTEGER)")
    released.held("production", {"upstream-applied": f"^{WORD}the database there was never claimed for it"})


@pytest.mark.fault("A20")
def test_who_takes_it_back_by_hand_is_found_before_production(released: Siege) -> None:
    """It did run there, and its receipt says so; the version table does not hold it any more."""
    released.shell.flow("apply", "--env", "staging", actor=DAN)
    assert _reason(released) == "applied in staging"
    _execute(released, "staging", "DELETE FROM alembic_version")
    released.held("production", {"upstream-applied": f"^{WORD}staging's own database stands at nothing$"})


def _ahead(siege: Siege) -> None:
    """Staging stands at a revision of another branch."""
    _execute(siege, "staging", "DELETE FROM alembic_version")
    _execute(siege, "staging", "INSERT INTO alembic_version VALUES ('bbbb01')")


@pytest.mark.fault("A20")
def test_where_staging_is_ahead_of_this_checkout_its_receipt_tells(released: Siege) -> None:
    released.shell.flow("apply", "--env", "staging", actor=DAN)
    _ahead(released)
    assert _reason(released) == "applied in staging"


@pytest.mark.fault("A20")
def test_where_staging_is_ahead_and_holds_no_receipt_it_never_ran(tried: Siege) -> None:
    _applied_by_hand(tried)
    _ahead(tried)
    shows = "shows no receipt of it, and stands at bbbb01"
    tried.held("production", {"upstream-applied": f"^{WORD}staging's own database {shows}$"})


@pytest.mark.fault("A20")
def test_what_was_adopted_is_judged_by_the_version_table_alone(terminal: Terminal, tmp_path: Path) -> None:
    """It stood there before the flow, so no receipt says so."""
    old = Siege(terminal(tmp_path / "shop"))
    write_script(make_project(old.shell), REV)
    edit(old.folder / "alembic.ini", r"(?m)^sqlalchemy.url = .*$", "sqlalchemy.url = sqlite:///%(here)s/staging.db")
    old.shell.alembic("upgrade", "head")
    (old.folder / "staging.db").rename(old.folder / "kept.db")
    environments = [
        word for name in ("dev", "staging", "production") for word in ("--env", f"{name}=sqlite:///{name}.db")
    ]
    old.shell.flow("init", "--key-store", "project", *environments, "--person", f"{EVE}=policy-admin,developer")
    (old.folder / "kept.db").rename(old.folder / "staging.db")
    old.shell.flow("adopt", "--env", "staging", "-m", "it stood here", actor=EVE)

    def verdict() -> tuple[bool, str]:
        plan = old.shell.json("plan", "--env", "production", actor=EVE, code=1)
        (found,) = (gate for gate in plan["steps"][0]["gates"] if gate["gate"] == "upstream-applied")
        return found["passed"], found["reason"]

    assert verdict() == (True, "applied in staging")
    _execute(old, "staging", "DELETE FROM alembic_version")
    seq = old.forger.head().seq
    said = f"the ledger says adopted in staging by {EVE} (entry {seq}), but staging's own database stands at nothing"
    assert verdict() == (False, said)


@pytest.mark.fault("A20")
def test_the_hint_mends_it(tried: Siege) -> None:
    """What stands there is recorded, and then it runs there as it should have."""
    _applied_by_hand(tried)
    plan = tried.shell.json("plan", "--env", "production", actor=DAN, code=1)
    (verdict,) = (gate for gate in plan["steps"][0]["gates"] if not gate["passed"])
    assert verdict["who"] == [EVE]
    assert "migrate-flow log --env staging; migrate-flow adopt --env staging -m WHY" in verdict["hint"]
    tried.shell.flow("log", "--env", "staging", actor=EVE)
    tried.shell.flow("adopt", "--env", "staging", "-m", "it never ran", actor=EVE)
    tried.shell.flow("apply", "--env", "staging", actor=DAN)
    assert _reason(tried) == "applied in staging"


def _no_file(siege: Siege) -> Siege:
    (siege.folder / "staging.db").unlink()
    return siege


def _at(siege: Siege, **environ: str) -> Siege:
    """Its URL is in a variable of the terminal."""
    edit(siege.config, r'(?m)^url = "sqlite:///staging\.db"', 'url = "env:STAGING_URL"')
    return Siege(replace(siege.shell, environ=environ))


def _no_url(siege: Siege) -> Siege:
    return _at(siege)


def _another_kind(siege: Siege) -> Siege:
    return _at(siege, STAGING_URL="postgresql://nobody@127.0.0.1:1/shop")


def _no_database(siege: Siege) -> Siege:
    (siege.folder / "staging.db").write_bytes(b"this is no database" * 1000)
    return siege


def _another(siege: Siege) -> Siege:
    """Refreshed from dev: whose it is, it says itself, and `target-identified` in staging says it too."""
    (siege.folder / "dev.db").replace(siege.folder / "staging.db")
    return siege


@pytest.mark.fault("A20")
@pytest.mark.parametrize(
    ("lose", "why"),
    [
        (_no_file, "there is no such file here"),
        (_no_url, "the variable STAGING_URL is not set"),
        (_another_kind, "its url leads to a postgresql database, the policy says sqlite"),
        (_no_database, "staging can't be reached: file is not a database"),
        (_another, "the one that answers is not the one that it was applied to"),
    ],
)
def test_a_database_out_of_reach_leaves_the_ledger_s_word(
    released: Siege, lose: Callable[[Siege], Siege], why: str
) -> None:
    """A release runner need not reach staging. The reason says that nobody looked, and no file is made."""
    released.shell.flow("apply", "--env", "staging", actor=DAN)
    runner = lose(released)
    files = set(released.folder.iterdir())
    assert _reason(runner).startswith(f"applied in staging; the database of staging was not looked at: {why}")
    assert set(released.folder.iterdir()) == files


@pytest.mark.fault("A20")
def test_each_developer_s_own_database_speaks_for_itself_alone(siege: Siege) -> None:
    """Bob's own dev lost it by hand; Ada's, which can't be seen from here, still holds it by the ledger's word."""
    siege.policy(r"(?m)^\[environments\.dev\]\n", "[environments.dev]\npersonal = true\n")
    siege.approve()
    (siege.folder / "dev.db").rename(siege.folder / "ada.db")
    unseen = "; the database of dev was not looked at: the one that answers is not the one that it was applied to"
    siege.shell.flow("apply", "--env", "dev", actor=BOB)
    assert _reason(siege, "staging") == "applied in dev"
    _execute(siege, "dev", "DELETE FROM alembic_version")
    assert _reason(siege, "staging") == f"applied in dev{unseen}"
