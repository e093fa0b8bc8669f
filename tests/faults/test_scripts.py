"""Scripts that fail in the middle, end their transaction, leave the process or go elsewhere: never called applied."""

from __future__ import annotations

import pytest

from tests.acceptance import databases
from tests.faults.matrix import MARIADB, POSTGRESQL, SQLITE
from tests.faults.place import BEFORE, FIRST, NEW, Place
from tests.support.alembic_projects import table, write_script

ROW = "op.execute(\"INSERT INTO t_aaaa01 VALUES (2, 'two')\")"
BAD = 'op.execute("INSERT INTO nowhere VALUES (1)")'
PARTS = (ROW, table("fresh"), "op.execute(\"INSERT INTO fresh VALUES (1, 'once')\")", table("later"))


def failed(place: Place, cause: str) -> dict[str, object]:
    """Exit 3, recorded with its cause, and nothing of it is there."""
    (step,) = place.apply(code=3)["steps"]
    assert step["outcome"] == "failed"
    assert cause in step["error"]
    assert place.last()["kind"] == "apply.failed"
    assert cause in place.last()["error"]
    assert place.state() == "failed"
    place.as_before()
    return step


def mended(place: Place) -> None:
    place.second(ROW)
    place.apply()
    place.applied_once(lambda: _rows(place, 2))


def _rows(place: Place, count: int) -> None:
    assert place.count("t_aaaa01") == count


# -- A statement fails


@pytest.mark.on(SQLITE, POSTGRESQL)
@pytest.mark.fault("F23")
@pytest.mark.parametrize("good", [0, 2, len(PARTS)])
def test_a_statement_fails_after_so_many_good_ones(place: Place, good: int) -> None:
    place.second("\n".join((*PARTS[:good], BAD)))
    failed(place, "nowhere")
    mended(place)


@pytest.mark.on(MARIADB)
@pytest.mark.fault("F18")
@pytest.mark.parametrize("good", [1, 2, 3, len(PARTS)])
def test_a_statement_fails_after_some_are_durable(place: Place, good: int) -> None:
    """From the first CREATE TABLE on something stays: it is named, and nothing runs again by itself."""
    place.second("\n".join((*PARTS[:good], BAD)))
    if good == 1:
        failed(place, "nowhere")
        mended(place)
        return
    (step,) = place.apply(code=6)["steps"]
    assert (step["outcome"], "nowhere" in step["error"]) == ("partial", True)
    left = " ".join(step["left"])
    assert "CREATE TABLE fresh" in left
    assert ("later" in left) == (good == len(PARTS))
    assert place.last()["kind"] == "apply.partial"
    assert place.heads() == [FIRST]
    found = databases.contents(place.url)
    for command in (("apply", "--env", "dev"), ("recover", "--env", "dev")):
        error = place.error(*command, code=6)
        assert error["code"] == "unsettled"
        assert "--resume" in error["hint"]
    assert databases.contents(place.url) == found
    for name in ("fresh", "later")[: 2 if good == len(PARTS) else 1]:
        place.execute(f"DROP TABLE {name}")
    place.execute("DELETE FROM t_aaaa01 WHERE id = 2")
    place.recover("--abandon", "-m", "dropped what it left")
    mended(place)


@pytest.mark.on(SQLITE)
@pytest.mark.fault("F24")
@pytest.mark.parametrize("at", ["INSERT INTO _alembic_tmp_", "DROP TABLE", "ALTER TABLE _alembic_tmp_"])
def test_killed_in_batch_alter_table(place: Place, at: str) -> None:
    kill = f"""\
def kill(connection, cursor, statement, *rest):
    if statement.strip().replace(chr(34), "").startswith("{at}"):
        os.kill(os.getpid(), signal.SIGKILL)
if not os.path.exists("killed"):
    open("killed", "w").close()
    sa.event.listen(op.get_bind(), "before_cursor_execute", kill)
with op.batch_alter_table("t_aaaa01") as batch:
    batch.alter_column("text", new_column_name="words", nullable=False, server_default="")
    batch.add_column(sa.Column("more", sa.Integer))
"""
    place.second(kill)
    place.flow("apply", "--env", "dev", code=-9)
    place.as_before()
    assert place.query("SELECT name FROM sqlite_master WHERE name LIKE '%alembic_tmp%'") == []
    place.apply()
    place.applied_once()
    assert databases.contents(place.url) == {"t_aaaa01": ["{'id': 1, 'words': 'one', 'more': None}"]}


# -- An autocommit block


@pytest.mark.fault("F28")
def test_an_autocommit_block_that_nobody_could_see(place: Place) -> None:
    place.second(f'{ROW}\nwith getattr(op.get_context(), "auto" + "commit_block")():\n    {BAD}')
    failed(place, "autocommit block")
    mended(place)


@pytest.mark.on(POSTGRESQL)
@pytest.mark.fault("F35")
def test_an_index_that_was_not_built_to_its_end(place: Place) -> None:
    place.execute("INSERT INTO t_aaaa01 VALUES (2, 'one')")
    place.second(
        "with op.get_context().autocommit_block():\n"
        '    op.execute("CREATE UNIQUE INDEX CONCURRENTLY ix_words ON t_aaaa01 (text)")'
    )
    (step,) = place.apply(code=6)["steps"]
    assert step["outcome"] == "partial"
    said = " ".join((step["error"], *step["left"]))
    assert "ix_words" in said
    assert "INVALID" in said
    assert place.query("SELECT indisvalid FROM pg_index WHERE indexrelid = 'ix_words'::regclass") == [(False,)]
    assert place.heads() == [FIRST]
    error = place.error("apply", "--env", "dev", code=6)
    assert "ix_words" in error["message"]
    assert "migrate-flow recover --env dev" in error["hint"]
    place.execute("DROP INDEX ix_words", "DELETE FROM t_aaaa01 WHERE id = 2")
    place.recover("--abandon", "-m", "dropped the index and the double row")
    place.apply()
    place.applied_once()


# -- It ends its transaction

COMMITS = {
    "COMMIT": 'op.execute("COMMIT")',
    "a comment before it": 'op.execute("/* now */ commit")',
    "through the driver": "op.get_bind().connection.driver_connection.commit()",
    "and begins another": 'op.execute("COMMIT")\nop.execute("BEGIN")',
}


@pytest.mark.on(SQLITE, POSTGRESQL)
@pytest.mark.fault("F31")
@pytest.mark.parametrize("commit", COMMITS.values(), ids=COMMITS.keys())
def test_upgrade_commits(place: Place, commit: str) -> None:
    """Refused where it is noticed, before the version table is touched: exit 6, and what is durable is not hidden."""
    place.second(f"{ROW}\n{commit}\n{table('fresh')}")
    (step,) = place.apply(code=6)["steps"]
    assert step["outcome"] == "partial"
    assert "ended the transaction by itself" in step["error"]
    assert place.last()["kind"] == "apply.partial"
    assert (place.heads(), place.receipts(), place.state()) == ([FIRST], 0, "partial")
    _rows(place, 2)
    assert place.error("apply", "--env", "dev", code=6)["code"] == "unsettled"
    _rows(place, 2)


WORDS = [words for name, words in COMMITS.items() if name != "through the driver"]


@pytest.mark.on(MARIADB)
@pytest.mark.fault("F31")
@pytest.mark.parametrize("commit", [*WORDS, 'op.execute("ROLLBACK")', 'op.execute("SET autocommit = 1")'])
def test_upgrade_asks_for_a_commit(place: Place, commit: str) -> None:
    """Refused before it is sent: what it would make durable is in no journal."""
    place.second(f"{ROW}\n{commit}")
    failed(place, "the script")
    mended(place)


@pytest.mark.on(MARIADB)
@pytest.mark.fault("F31")
@pytest.mark.parametrize("end", ["", BAD], ids=["and goes on", "and fails"])
def test_upgrade_commits_behind_our_back(place: Place, end: str) -> None:
    """Never called failed, or left as it was, while the row is there."""
    place.second(f"{ROW}\n{COMMITS['through the driver']}\n{end}")
    (step,) = place.apply(code=6)["steps"]
    assert step["outcome"] == "partial"
    assert (place.heads(), place.receipts(), place.state()) == ([FIRST], 0, "partial")
    assert place.error("apply", "--env", "dev", code=6)["code"] == "unsettled"
    _rows(place, 2)


@pytest.mark.on(SQLITE, POSTGRESQL)
@pytest.mark.fault("F31")
def test_upgrade_rolls_back(place: Place) -> None:
    place.second(f'{ROW}\nop.execute("ROLLBACK")')
    (step,) = place.apply(code=3)["steps"]
    assert "ended the transaction by itself" in step["error"]
    place.as_before()


# -- It leaves

EXITS = {"sys.exit": "import sys; sys.exit(0)", "SystemExit": "raise SystemExit"}
VANISHES = {"_exit": ("os._exit(0)", 0), "abort": ("os.abort()", -6)}


@pytest.mark.fault("F32")
@pytest.mark.parametrize("end", EXITS.values(), ids=EXITS.keys())
def test_upgrade_exits(place: Place, end: str) -> None:
    place.second(f"{ROW}\n{end}")
    failed(place, "SystemExit")


@pytest.mark.fault("F32")
@pytest.mark.parametrize(("end", "code"), VANISHES.values(), ids=VANISHES.keys())
def test_the_process_vanishes_in_upgrade(place: Place, end: str, code: int) -> None:
    """Its exit code says nothing, and can't: the ledger holds the open attempt, and the next command settles it."""
    place.second(f"{ROW}\n{end}")
    place.flow("apply", "--env", "dev", code=code)
    assert place.kinds()[-1] == "apply.intended"
    assert place.state() == "open"
    assert [item["outcome"] for item in place.recover()["recovered"]] == ["failed"]
    place.as_before()
    mended(place)


# -- It goes elsewhere

ELSEWHERE = {
    "hiding it": 'try:\n    sa.create_engine(os.environ["DEV_URL"]).connect()\nexcept Exception:\n    pass',
    "through the engine": "with op.get_bind().engine.connect():\n    pass",
    "in a thread": (
        "import threading\n"
        'thread = threading.Thread(target=lambda: sa.create_engine(os.environ["DEV_URL"]).connect())\n'
        "threading.excepthook = lambda *_: None\n"
        "thread.start()\nthread.join()"
    ),
}


@pytest.mark.fault("F33")
@pytest.mark.parametrize("words", ELSEWHERE.values(), ids=ELSEWHERE.keys())
def test_upgrade_opens_its_own_engine(place: Place, words: str) -> None:
    place.second(f"{ROW}\n{words}")
    failed(place, "connection of its own")
    mended(place)


# -- Its id is too long for Alembic's version table

LONG = "a" * 33


@pytest.mark.fault("F48")
def test_a_revision_id_of_more_than_32_characters(place: Place) -> None:
    write_script(place.versions, LONG, FIRST, upgrade="\n".join(PARTS))
    place.shell.flow("track", actor="ada@example.com", code=None)
    error = place.error("apply", "--env", "dev", code=2)
    assert "32" in error["message"]
    assert place.kinds()[-1] in ("apply.applied", "migration.created")
    assert databases.contents(place.url) == BEFORE
    assert place.heads() == [FIRST]
    assert place.receipts(NEW) == 0
