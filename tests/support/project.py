"""A small Alembic project under the flow, driven in process through the command line."""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from alembic import command
from alembic.config import Config
from typer.main import get_command
from typer.testing import CliRunner

from migrate_flow.cli.app import app
from tests.support.canary import CANARIES

ADA, BEN, CARLA, DORA = (f"{name}@example.com" for name in ("ada", "ben", "carla", "dora"))
PEOPLE = (f"{CARLA}=backend-lead,policy-admin", f"{ADA}=developer", f"{BEN}=developer", f"{DORA}=release-manager")
ENVIRONMENTS = ("dev=sqlite:///dev.db", "staging=sqlite:///staging.db", "production=sqlite:///production.db")
COMMAND = get_command(app)
SCRIPT = '''"""{message}

Rationale:
    A test.
"""
import sqlalchemy as sa
from alembic import op

revision = "{revision}"
down_revision = {parent!r}
branch_labels = None
depends_on = None


def upgrade() -> None:
    {upgrade}


def downgrade() -> None:
    {downgrade}
'''


@dataclass(frozen=True)
class Answer:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def run_here(*words: str) -> Answer:
    """One command in this process, with nothing on standard input. The tree of commands is made once, and not for each
    of them, which would take longer than most commands."""
    code: object = None
    with CliRunner().isolation(input="") as (out, err, _both):
        try:
            COMMAND.main(list(words), prog_name=COMMAND.name)
        except SystemExit as ended:
            code = ended.code
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        texts = [file.getvalue().decode() for file in (out, err)]
    assert code is None or isinstance(code, int), code
    return Answer(code or 0, *texts)


@dataclass(frozen=True)
class Project:
    """folder: the project's; the current folder must be it, see the fixture `project`."""

    folder: Path

    def run(self, *words: str, actor: str = "") -> Answer:
        """Whatever the exit code is; a traceback is never right."""
        answer = run_here(*(["--as", actor] if actor else []), *words)
        CANARIES.learn((self.folder, Path.home()), os.environ)
        CANARIES.check(answer.out + answer.err, words)
        assert "Traceback" not in answer.out + answer.err, answer
        return answer

    def flow(self, *words: str, actor: str = "", code: int = 0) -> Answer:
        answer = self.run(*words, actor=actor)
        assert answer.code == code, f"{words}: exit {answer.code}\n{answer.out}{answer.err}"
        return answer

    def json(self, *words: str, actor: str = "", code: int = 0) -> Any:
        return self.flow(*words, "--format", "json", actor=actor, code=code).json

    def script(self, revision: str, parent: str | None = None, upgrade: str = "", downgrade: str = "") -> Path:
        """Write a migration script that makes a table of its own."""
        path = self.folder / "migrations" / "versions" / f"{revision}.py"
        path.write_text(
            SCRIPT.format(
                message=f"make t_{revision}",
                revision=revision,
                parent=parent,
                upgrade=upgrade or f'op.create_table("t_{revision}", sa.Column("id", sa.Integer, primary_key=True))',
                downgrade=downgrade or f'op.drop_table("t_{revision}")',
            )
        )
        return path

    def approved(self, revision: str) -> None:
        """Through the whole flow, up to the approval."""
        self.flow("track", revision, actor=ADA)
        self.flow("self-review", revision, actor=ADA)
        self.flow("review", revision, "--approve", actor=BEN)
        self.flow("approve", revision, actor=CARLA)


@cache
def _template() -> Path:
    folder = Path(mkdtemp(prefix="migrate-flow-test-"))
    config = Config(str(folder / "alembic.ini"))
    config.stdout = (folder / "log").open("w")
    command.init(config, str(folder / "migrations"))
    config.stdout.close()
    ini = folder / "alembic.ini"
    ini.write_text(ini.read_text().replace(str(folder), "%(here)s"))
    (folder / "log").unlink()
    return folder


def governed(folder: Path, environments: tuple[str, ...] = ENVIRONMENTS) -> Project:
    """A fresh project under the flow in an empty folder, which must be the current one."""
    project = Project(alembic_project(folder))
    words = ["init", "--key-store", "project"]
    words += [word for env in environments for word in ("--env", env)]
    words += [word for person in PEOPLE for word in ("--person", person)]
    project.flow(*words)
    return project


def alembic_project(folder: Path) -> Path:
    """`alembic init`, without its configuration's loggers."""
    shutil.copytree(_template(), folder, dirs_exist_ok=True)
    return folder
