"""Small Alembic projects on SQLite, as `alembic init` makes them."""

from __future__ import annotations

import re
from pathlib import Path

from tests.support.shell import Shell

ADA, BEN, CARLA = (f"{name}@example.com" for name in ("ada", "ben", "carla"))
TEAM = (f"{CARLA}=backend-lead,policy-admin", f"{ADA}=developer", f"{BEN}=developer")

_SCRIPT = '''\
"""{message}

Rationale:
    A test asks for it.
"""

import os
import signal

import sqlalchemy as sa
from alembic import op
{imports}
revision = "{revision}"
down_revision = {down!r}
branch_labels = {labels!r}
depends_on = {depends_on!r}


def upgrade() -> None:
{upgrade}


def downgrade() -> None:
{downgrade}
'''


def table(name: str) -> str:
    """The statement that makes a table."""
    return f'op.create_table("{name}", sa.Column("id", sa.Integer, primary_key=True), sa.Column("text", sa.String(50)))'


def write_script(
    folder: Path,
    revision: str,
    down: str | tuple[str, ...] | None = None,
    *,
    upgrade: str = "",
    imports: str = "",
    labels: tuple[str, ...] = (),
    depends_on: str | None = None,
) -> Path:
    """A migration script in a version folder. upgrade: its body; default, a table with the revision's name."""
    path = folder / f"{revision}_script.py"
    body = "\n".join(f"    {line}" for line in (upgrade or table(f"t_{revision}")).splitlines())
    text = _SCRIPT.format(
        message=f"make {revision}",
        imports=imports,
        revision=revision,
        down=down,
        labels=labels or None,
        depends_on=depends_on,
        upgrade=body,
        downgrade=f'    op.drop_table("t_{revision}")',
    )
    path.write_text(text)
    return path


def make_project(shell: Shell, template: str = "generic", *, into: str = "migrations") -> Path:
    """``alembic init`` in the shell's folder; the folder for scripts."""
    shell.folder.mkdir(parents=True, exist_ok=True)
    shell.alembic("init", "-t", template, into)
    return shell.folder / into / "versions"


def put_under_the_flow(shell: Shell, *environments: str, options: tuple[str, ...] = (), team: bool = False) -> None:
    """``init``, with keys in the project. environments: ``NAME=URL``, default one dev. team: three people; else Ada."""
    words = [word for text in environments or ("dev=sqlite:///dev.db",) for word in ("--env", text)]
    people = [word for text in (TEAM if team else (ADA,)) for word in ("--person", text)]
    shell.flow("init", "--key-store", "project", *words, *people, *options)


def attest(shell: Shell, revision: str) -> None:
    """Self-review, review and approval by three people."""
    shell.flow("self-review", revision, actor=ADA)
    shell.flow("review", revision, "--approve", actor=BEN)
    shell.flow("approve", revision, actor=CARLA)


def edit(path: Path, pattern: str, new: str) -> None:
    """Replace the one place where the pattern matches. new: taken literally."""
    text, count = re.subn(pattern, lambda _found: new, path.read_text(), count=1)
    assert count == 1, f"{pattern} is not in {path}"
    path.write_text(text)
