"""What the page says of its scripts: lint finds just that, and the long ways run on a server, over tables with rows."""

from __future__ import annotations

import re
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations

from migrate_flow.lint.catalogue import built_in
from migrate_flow.lint.linter import Linter
from tests.docs.site import DOCS
from tests.lint.cases import DOC, script

PAGE = (DOCS / "how-to" / "zero-downtime.md").read_text(encoding="utf-8")
SCRIPTS = re.findall(r"^<!-- lint: ([^>]+) -->\n\n```python\n(.*?)^```$", PAGE, re.M | re.S)
LONG_WAYS = [text for said, text in SCRIPTS if said in ("nothing", "waived")]
HEAD = (
    f'"""{DOC}"""\nimport sqlalchemy as sa\nfrom alembic import op\n\nrevision = "aaaa"\ndown_revision = "bbbb"\n\n\n'
)
LINTER = Linter(built_in(), dialects=frozenset({"postgresql"}))
TABLES = """
CREATE TABLE users (id integer PRIMARY KEY, email text, mail text);
CREATE TABLE orders (id integer PRIMARY KEY, user_id integer, total integer);
INSERT INTO users SELECT n, n || '@example.com' FROM generate_series(1, 100) n;
INSERT INTO orders SELECT n, mod(n, 100) + 1, n FROM generate_series(1, 1000) n;
"""


@pytest.mark.parametrize(("said", "text"), SCRIPTS, ids=[f"{n} {said}" for n, (said, _) in enumerate(SCRIPTS, 1)])
def test_lint_says_what_the_page_says(said: str, text: str) -> None:
    found = [one for one in LINTER.findings(script({"source": HEAD + text})) if not one.needs_rehearsal]
    standing = {one.rule for one in found if not one.waived}
    assert standing == (set() if said in ("nothing", "waived") else set(said.split(", "))), found
    assert (said == "waived") == any(one.waived for one in found), found


def test_each_script_says_what_lint_finds() -> None:
    assert PAGE.count("```python") == len(SCRIPTS)
    assert len(LONG_WAYS) > len(SCRIPTS) / 2


def test_the_long_ways_run_up_and_down_and_up(pg_url: str) -> None:
    engine = sa.create_engine(sa.make_url(pg_url).set(drivername="postgresql+psycopg"))
    with engine.begin() as connection:
        for statement in TABLES.strip().split(";\n"):
            connection.exec_driver_sql(statement)
    with engine.connect() as connection:
        steps = [_functions(connection, text) for text in LONG_WAYS]
        for steps_now, way in ((steps, "upgrade"), (steps[::-1], "downgrade"), (steps, "upgrade")):
            for context, functions in steps_now:
                with context.begin_transaction(_per_migration=True):
                    functions[way]()
    columns = {column["name"]: column for column in sa.inspect(engine).get_columns("orders")}
    assert columns["currency"]["nullable"] is False
    assert sa.inspect(engine).get_unique_constraints("users")[0]["name"] == "uq_users_email"
    engine.dispose()


def _functions(connection: sa.Connection, text: str) -> tuple[MigrationContext, dict[str, Any]]:
    context = MigrationContext.configure(connection, opts={"transaction_per_migration": True})
    names: dict[str, Any] = {"sa": sa, "op": Operations(context)}
    exec(text, names)
    return context, names
