"""`python -m benchmarks.drift [TABLES] [--pairs N]`: the whole command `drift` on PostgreSQL, beside `pg_dump
--schema-only` and `alembic check` of the same schema, in turn; and how many queries a snapshot takes.

A table has ten columns, a primary key, two indexes, a check and (but the first) a foreign key. Start-up is what
`drift` takes in an empty database of the same project.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from pathlib import Path

from benchmarks.inputs import alembic_project, history
from benchmarks.measure import Contender, Workspace, sample, workspace
from benchmarks.targets import postgres_server

GOALS = (1.0, 0.7, 20.0)
PERSON = "ada@example.com"
COLUMNS = ", ".join(f"c{n} text NOT NULL DEFAULT 'x'" for n in range(7))
MODELS = """
from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Integer, MetaData, Table, Text, text

target_metadata = MetaData()
for n in range({tables}):
    Table(
        f"t_{{n:05}}", target_metadata,
        Column("id", Integer, primary_key=True), Column("amount", Integer),
        Column("parent", Integer, *([ForeignKey(f"t_{{n - 1:05}}.id", name=f"fk_{{n:05}}")] if n else [])),
        *(Column(f"c{{m}}", Text, nullable=False, server_default=text("'x'")) for m in range(7)),
        CheckConstraint("amount > 0", name=f"ck_{{n:05}}"),
        Index(f"ix_{{n:05}}_c0", "c0"), Index(f"ix_{{n:05}}_c1", "c1", "c2"),
    )
"""


def schema(tables: int) -> list[str]:
    found = []
    for n in range(tables):
        name, key = f"t_{n:05}", f" CONSTRAINT fk_{n:05} REFERENCES t_{n - 1:05}" if n else ""
        columns = (
            f"id serial PRIMARY KEY, amount int CONSTRAINT ck_{n:05} CHECK (amount > 0), parent int{key}, {COLUMNS}"
        )
        found.append(
            f"CREATE TABLE {name} ({columns}); CREATE INDEX ix_{n:05}_c0 ON {name} (c0); "
            f"CREATE INDEX ix_{n:05}_c1 ON {name} (c1, c2)"
        )
    return found


def project(space: Workspace, folder: Path, url: str, tables: int) -> None:
    """Under the flow, with the schema as it stands adopted."""
    alembic_project(folder, history(1), url)
    env_py = folder / "migrations" / "env.py"
    text = env_py.read_text().replace("target_metadata=None", "target_metadata=target_metadata")
    env_py.write_text(MODELS.format(tables=tables) + text)
    space.run(["migrate-flow", "init", "--key-store", "project", "--person", PERSON, "--env", f"dev={url}"], folder)
    space.run(["alembic", "stamp", "head"], folder)
    space.run(["migrate-flow", "adopt", "--env", "dev", "-m", "the benchmark's schema"], folder)


def compare(tables: int, pairs: int) -> None:
    with workspace([Path(sys.executable).parent]) as space, postgres_server() as server:
        server.running.execute("CREATE DATABASE big")
        server.running.execute("CREATE DATABASE small")
        for statement in schema(tables):
            server.running.execute(statement, database="big")
        server.running.execute("ANALYZE", database="big")
        folders = {name: space.folder / name for name in ("big", "small")}
        for name, folder in folders.items():
            folder.mkdir()
            project(space, folder, server.url("postgresql+psycopg", name), tables if name == "big" else 0)
        dump = [str(server.running.programs / "pg_dump"), "--schema-only", server.url("postgresql", "big")]
        drift, check = ["migrate-flow", "drift", "--env", "dev"], ["alembic", "check"]
        took: dict[str, list[float]] = {"drift": [], "start-up": [], "pg_dump": [], "alembic check": []}
        for turn in range(pairs + 1):
            for what, words, folder in (
                ("drift", drift, folders["big"]),
                ("start-up", drift, folders["small"]),
                ("pg_dump", dump, folders["big"]),
                ("alembic check", check, folders["big"]),
            ):
                seconds = sample(space, Contender(what, words, folder)).wall
                if turn:
                    took[what].append(seconds)
    one = {what: statistics.median(seconds) for what, seconds in took.items()}
    ratios = sorted(ours / theirs for ours, theirs in zip(took["drift"], took["pg_dump"], strict=True))
    print(
        f"{tables} tables, medians of {pairs}: {', '.join(f'{what} {seconds:.2f} s' for what, seconds in one.items())}"
    )
    print(f"drift by pg_dump: {statistics.median(ratios):.2f} ({ratios[0]:.2f}-{ratios[-1]:.2f}, goal {GOALS[0]})")
    print(f"beyond start-up: {(one['drift'] - one['start-up']) / one['pg_dump']:.2f} (goal {GOALS[1]})")
    print(f"alembic check by drift: {one['alembic check'] / one['drift']:.1f} (goal {GOALS[2]:.0f})")


def main() -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.drift", description=__doc__.partition("\n")[0])
    parser.add_argument("tables", nargs="?", type=int, default=2000)
    parser.add_argument("--pairs", type=int, default=5)
    given = parser.parse_args()
    compare(given.tables, given.pairs)


if __name__ == "__main__":
    main()
