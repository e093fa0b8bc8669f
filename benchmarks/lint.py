"""`python -m benchmarks.lint [N] [--profile]`: the static rules over N scripts, in this process.

The history is of four kinds of script in turn: a table with an index, columns and constraints, a batch, raw SQL with a
data migration. Reading the headers is the start-up that every command pays; it is told apart, as is
squawk. Python's own parser on the same sources shows how fast the machine is just now.
"""

from __future__ import annotations

import ast
import cProfile
import pstats
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.inputs import ENV, INI, MAKO, history

HEAD = '''"""{message}

Rationale:
    Each change stands on its own.
"""

import sqlalchemy as sa
from alembic import op

revision = "{revision}"
down_revision = {parent!r}
branch_labels = None
depends_on = None

'''
BODIES = (
    """
def upgrade() -> None:
    op.create_table(
        "{table}",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("created_at", sa.DateTime(), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["id"], ["users.id"], name=op.f("fk_{table}_id_users"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_{table}")),
        sa.UniqueConstraint("name", name=op.f("uq_{table}_name")),
    )
    op.create_index(op.f("ix_{table}_name"), "{table}", ["name"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_{table}_name"), table_name="{table}")
    op.drop_table("{table}")
""",
    """
def upgrade() -> None:
    op.add_column("{table}", sa.Column("note", sa.Text(), nullable=True))
    op.alter_column("{table}", "name", existing_type=sa.VARCHAR(length=100), type_=sa.Text(), nullable=False)
    op.create_foreign_key("fk_{table}_owner", "{table}", "users", ["owner"], ["id"])
    op.drop_column("{table}", "created_at")


def downgrade() -> None:
    op.add_column("{table}", sa.Column("created_at", sa.DateTime(), nullable=True))
    op.drop_constraint("fk_{table}_owner", "{table}", type_="foreignkey")
    op.alter_column("{table}", "name", existing_type=sa.Text(), type_=sa.VARCHAR(length=100), nullable=True)
    op.drop_column("{table}", "note")
""",
    """
def upgrade() -> None:
    with op.batch_alter_table("{table}", schema=None) as batch_op:
        batch_op.add_column(sa.Column("state", sa.Enum("new", "old", name="state"), nullable=True))
        batch_op.create_index(batch_op.f("ix_{table}_state"), ["state"], unique=False)
        batch_op.drop_constraint("uq_{table}_name", type_="unique")


def downgrade() -> None:
    with op.batch_alter_table("{table}", schema=None) as batch_op:
        batch_op.create_unique_constraint("uq_{table}_name", ["name"])
        batch_op.drop_index(batch_op.f("ix_{table}_state"))
        batch_op.drop_column("state")
""",
    '''
def upgrade() -> None:
    # the new column starts with the old one's values
    op.execute("ALTER TABLE {table} ADD COLUMN IF NOT EXISTS total numeric")
    op.execute(
        """
        UPDATE {table} SET total = amount + tax
        WHERE total IS NULL AND created_at > '2020-01-01'
        """
    )
    bind = op.get_bind()
    bind.execute(sa.text("DELETE FROM {table} WHERE owner = :owner"), {{"owner": 1}})
    with op.get_context().autocommit_block():
        op.execute("CREATE INDEX CONCURRENTLY IF NOT EXISTS ix_{table}_total ON {table} (total)")


def downgrade() -> None:
    # the values are still in the old columns
    op.execute("DROP INDEX IF EXISTS ix_{table}_total")
    op.execute("ALTER TABLE {table} DROP COLUMN total")
''',
)
CONFIG = """[project]
name = "shop"
[environments.dev]
url = "postgresql://localhost/shop"
"""


def generate(folder: Path, count: int) -> None:
    versions = folder / "migrations" / "versions"
    versions.mkdir(parents=True)
    (folder / "alembic.ini").write_text(INI.format(url="postgresql://localhost/shop"))
    (folder / "migrations" / "env.py").write_text(ENV)
    (folder / "migrations" / "script.py.mako").write_text(MAKO)
    (folder / "migrate-flow.toml").write_text(CONFIG)
    for change in history(count):
        text = HEAD.format(message=change.message, revision=change.revision, parent=change.parent)
        text += BODIES[change.number % len(BODIES)].format(table=change.table)
        (versions / f"{change.revision}_create_{change.table}.py").write_text(text)


def timed(what: str, act: Callable[[], object]) -> None:
    wall, cpu = time.perf_counter(), time.process_time()
    found = act()
    print(f"{what}: {time.perf_counter() - wall:.2f} s, {time.process_time() - cpu:.2f} s CPU; {found}")


def main(words: Sequence[str]) -> None:
    count = next((int(word) for word in words if word.isdigit()), 1000)
    with tempfile.TemporaryDirectory(prefix="migrate-flow-lint-") as made:
        generate(Path(made), count)

        from migrate_flow.bootstrap import wiring
        from migrate_flow.services.lint import Asked, run

        project = wiring.lint_project(Path(made) / "migrate-flow.toml", squawk=False)
        timed("reading the headers", lambda: len(project.scripts.revisions))
        with_squawk = wiring.lint_project(Path(made) / "migrate-flow.toml", squawk=True)
        asked = Asked(tuple(project.scripts.graph.order()), project.config.policy.document["lint"])
        if "--profile" in words:
            profile = cProfile.Profile()
            profile.runcall(run, project, asked)
            pstats.Stats(profile).sort_stats("tottime").print_stats(35)
            return

        def linted(which: object = project) -> str:
            report = run(which, asked)  # type: ignore[arg-type]
            return f"{len(report.findings)} findings by {report.rules} rules"

        sources = [project.source(header.path) for header in project.scripts.revisions.values()]
        timed(f"{count} scripts, only parsed by Python", lambda: len([ast.parse(source) for source in sources]))
        timed(f"{count} scripts, libraries not loaded yet", linted)
        timed(f"{count} scripts again, parsed SQL kept", linted)
        timed(f"{count} scripts again, with squawk", lambda: linted(with_squawk))


if __name__ == "__main__":
    main(sys.argv[1:])
