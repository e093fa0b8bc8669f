"""What the guard costs: as many times as there are statements, however long the text is that they came in."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from migrate_flow.dialects import guard_postgresql as guard
from tests.support.guarded import Guarded


def work_of(place: Guarded, text: str, *, permit: bool) -> float:
    """Seconds that the server itself works on one text, which is rolled back."""
    with place.ours(place.migrator) as connection:
        if permit:
            guard.permit(connection, "a-1")
        stat = Path(f"/proc/{connection.exec_driver_sql('SELECT pg_backend_pid()').scalar_one()}/stat")

        def ticks() -> int:
            fields = stat.read_text().rpartition(")")[2].split()
            return int(fields[11]) + int(fields[12])

        before = ticks()
        connection.exec_driver_sql(text, execution_options={"no_parameters": True})
        spent = ticks() - before
        connection.rollback()
    return spent / os.sysconf("SC_CLK_TCK")


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the server's work is read from /proc")
@pytest.mark.parametrize(
    ("mode", "permit"),
    [("audit", True), ("audit", False), ("block", True)],
    ids=["audit-permitted", "audit-recorded", "block-permitted"],
)
def test_a_long_text_is_not_read_again_for_each_of_its_statements(
    target: Guarded, mode: guard.Mode, *, permit: bool
) -> None:
    target.install(mode)
    made = "CREATE TABLE many (id int)"
    statements = "; ".join([made, *(f"ALTER TABLE many ADD c_{number} int" for number in range(200))])
    padding = "-- lorem ipsum dolor sit amet, password: concurrent\n" * 60_000
    short = work_of(target, statements, permit=permit)
    long = work_of(target, f"{statements};\n{padding}", permit=permit)
    assert long < 2 * short + 1
