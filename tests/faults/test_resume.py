"""Going on with a part: what is passed over is what ran, and everything else runs exactly once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.matrix import MARIADB, POSTGRESQL, SQLITE
from tests.faults.place import NEW, Place, go_on, stopped, wait_until
from tests.support.alembic_projects import table

BLOCK = 'with op.get_context().autocommit_block():\n    op.execute("{}")'
FAILS = BLOCK.format("SELECT 1 / (SELECT count(*) FROM t_aaaa01 WHERE id = 9)")
LOOP = """\
rows = [row[0] for row in op.get_bind().execute(sa.text("SELECT id FROM t_aaaa01 WHERE text = 'one'"))]
for row in rows:
    op.get_bind().execute(sa.text("UPDATE t_aaaa01 SET text = 'new' WHERE id = :id"), {"id": row})
"""
PARTS = {
    POSTGRESQL: LOOP + BLOCK.format("CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS ix ON t_aaaa01 (text)"),
    MARIADB: LOOP + 'op.execute("ALTER TABLE t_aaaa01 ADD UNIQUE INDEX ix (text)")',
}


@pytest.mark.on(POSTGRESQL, MARIADB)
@pytest.mark.fault("N04")
def test_a_script_that_goes_another_way_is_never_called_applied(place: Place) -> None:
    """The rows that it found are done, so it sends less than before: the rest would be passed over unseen."""
    place.execute("INSERT INTO t_aaaa01 VALUES (2, 'one'), (3, 'new')")
    place.second(PARTS[place.dialect])
    place.apply(code=6)
    place.recover("--resume", "-m", "as if the cause were gone")
    (step,) = place.apply(code=6)["steps"]
    assert step["outcome"] == "partial"
    assert "not what the earlier attempt sent" in step["error"] or "goes another way" in step["error"]
    assert place.state() == "partial"
    assert place.heads() != [NEW]


@pytest.mark.on(MARIADB)
@pytest.mark.fault("F31")
@pytest.mark.parametrize(
    "end", ["op.get_bind().connection.rollback()", 'op.get_bind().connection.cursor().execute("ROLLBACK")']
)
def test_a_rollback_behind_our_back_is_seen(place: Place, end: str) -> None:
    insert = "op.execute(\"INSERT INTO t_aaaa01 VALUES ({0}, 'x')\")"
    place.second("\n".join((insert.format(2), end, insert.format(3))))
    (step,) = place.apply(code=3)["steps"]
    assert "ended the transaction" in step["error"]
    place.as_before()


@pytest.mark.on(SQLITE)
@pytest.mark.fault("F31")
def test_behind_a_rollback_nothing_commits_by_itself(place: Place) -> None:
    insert = "op.execute(\"INSERT INTO t_aaaa01 VALUES ({0}, 'x')\")"
    place.second("\n".join((insert.format(2), "op.get_bind().connection.rollback()", insert.format(3))))
    (step,) = place.apply(code=3)["steps"]
    assert "ended the transaction" in step["error"]
    place.as_before()


@pytest.mark.on(POSTGRESQL)
@pytest.mark.fault("N04")
def test_a_commit_of_the_script_s_own_behind_a_block_can_not_be_resumed(place: Place) -> None:
    insert = "op.execute(\"INSERT INTO t_aaaa01 VALUES (2, 'x')\")"
    place.second("\n".join((BLOCK.format("ANALYZE t_aaaa01"), insert, 'op.execute("COMMIT")', "1 / 0")))
    (step,) = place.apply(code=6)["steps"]
    assert any("not known in full" in text for text in step["left"]), step
    error = place.error("recover", "--env", "dev", "--resume", "-m", "why", code=6)
    assert "where it stopped is not known" in error["message"]
    place.execute("DELETE FROM t_aaaa01 WHERE id = 2")
    place.recover("--abandon", "-m", "deleted the row")
    assert place.state() == "failed"


@pytest.mark.on(POSTGRESQL)
@pytest.mark.fault("N04")
def test_a_block_that_fails_first_left_nothing(place: Place) -> None:
    """Only our own row is durable: failed clean, and the same attempt's row is in nobody's way afterwards."""
    place.second(FAILS)
    (step,) = place.apply(code=3)["steps"]
    assert (step["outcome"], step["left"]) == ("failed", [])
    place.as_before()
    place.execute("INSERT INTO t_aaaa01 VALUES (9, 'nine')")
    place.apply()
    place.applied_once()


@pytest.mark.on(POSTGRESQL)
@pytest.mark.fault("N04")
def test_a_function_of_unknown_effect_in_a_block_stays_in_doubt(place: Place) -> None:
    place.prepared(
        "CREATE FUNCTION fill() RETURNS int LANGUAGE sql AS 'INSERT INTO t_aaaa01 VALUES (7, ''x'') RETURNING id'"
    )
    place.second(BLOCK.format("SELECT fill()") + "\n1 / 0")
    (step,) = place.apply(code=6)["steps"]
    assert any("durable: statement 1 (SELECT fill())" in text for text in step["left"]), step
    place.recover("--resume", "-m", "mended")
    place.apply(code=6)
    assert place.count("t_aaaa01") == 2, "it ran once"


@pytest.mark.on(MARIADB)
@pytest.mark.fault("N04")
def test_a_half_undone_revision_goes_on_with_rollback(place: Place) -> None:
    path = place.second(table("t_aaaa02") + "\n" + table("more"))
    text = path.read_text()
    head, _, _tail = text.partition("def downgrade")
    down = 'op.drop_table("more")\n    op.drop_column("t_aaaa02", "gone_by_then")\n    op.drop_table("t_aaaa02")'
    path.write_text(f"{head}def downgrade() -> None:\n    {down}\n")
    place.flow("track")
    place.apply()
    words = ("rollback", "--env", "dev", "--to", "aaaa01", "-m", "slow", "--confirm", "dev")
    (step,) = place.json(*words, code=6)["steps"]
    assert step["outcome"] == "partial"
    place.execute("ALTER TABLE t_aaaa02 ADD COLUMN gone_by_then INT")
    place.recover("--resume", "-m", "the column is there now")
    plan = place.json("plan", "--env", "dev", code=1)
    assert any("goes on first" in v["reason"] for v in plan["gates"] if not v["passed"])
    assert [s["outcome"] for s in place.json(*words)["steps"]] == ["rolled-back"]
    assert place.tables() == ["t_aaaa01"]
    place.agree()


@pytest.mark.fault("N05")
def test_plain_alembic_goes_on_behind_a_crash(place: Place) -> None:
    """A receipt proves that it was applied, whatever came after; what came after is named as what it is."""
    place.second(table("t_aaaa02"))
    place.failing("step-committed:kill").flow("apply", "--env", "dev", code=-9)
    place.execute("UPDATE alembic_version SET version_num = 'aaaa01'")
    assert [item["outcome"] for item in place.recover()["recovered"]] == ["applied"]
    plan = place.json("plan", "--env", "dev", code=1)
    reasons = [v["reason"] for v in plan["gates"] if not v["passed"]]
    assert any("changed outside the flow" in reason for reason in reasons), reasons
    assert place.json("ledger", "verify")["ok"]


@pytest.mark.fault("F04")
@pytest.mark.parametrize(
    ("point", "outcome", "word"),
    [("step-committed", "applied", "was applied"), ("intent-recorded", "failed", "left nothing behind")],
)
def test_a_decision_that_is_not_needed_is_none(place: Place, point: str, outcome: str, word: str) -> None:
    """Whoever abandons an attempt that the evidence settles did not decide anything, and is told so."""
    place.second(table("t_aaaa02"))
    place.failing(f"{point}:kill").flow("apply", "--env", "dev", code=-9)
    assert word in place.flow("recover", "--env", "dev", "--abandon", "-m", "rather not").out
    last = place.last()
    assert (last["kind"], last["outcome"], last.get("decision")) == ("apply.recovered", outcome, None)
    assert place.state() == outcome
    place.agree()


@pytest.mark.on(SQLITE)
@pytest.mark.fault("F56")
def test_one_lock_by_whatever_name(place: Place) -> None:
    """A link to the database leads to the same lock."""
    place.second(table("t_aaaa02"))
    database = place.url.removeprefix("sqlite:///")
    link = database.replace("dev.db", "link.db")
    with place.started("apply", "--env", "dev", MIGRATE_FLOW_FAILPOINT="step-begun:stop") as process:
        wait_until(lambda: stopped(process), "step-begun")
        Path(link).symlink_to(database)
        other = place.under(DEV_URL=f"sqlite:///{link}")
        assert other.error("recover", "--env", "dev", code=5)["code"] == "busy"
        go_on(process)
        assert process.wait(timeout=60) == 0
    place.applied_once()


@pytest.mark.on(MARIADB)
@pytest.mark.fault("N06")
def test_no_password_stands_in_journal_ledger_or_output(place: Place) -> None:
    secret = "Hunter2-Hunter2"
    place.second(
        f"op.execute(\"CREATE USER IF NOT EXISTS mf_reader IDENTIFIED BY '{secret}'\")\n" + 'op.execute("SELEC")'
    )
    done = place.flow("apply", "--env", "dev", code=6)
    shown = done.text + place.flow("status").text + place.flow("recover", "--env", "dev", code=6).text
    assert "CREATE USER" in shown
    assert secret not in shown
    assert secret not in str(place.query("SELECT text FROM migrate_flow_journal"))
    assert all(secret not in str(proof_row) for proof_row in place.predicates())
    place.execute("DROP USER mf_reader")
