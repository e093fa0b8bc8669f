"""A shop on SQLite: its commands run in this process, its ledger and databases are read past the product."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import shutil
import sqlite3
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from typer.main import get_command

from migrate_flow.cli.app import app
from tests.acceptance.flow_model import ENVIRONMENTS, OUTSIDER, ROLES, Rules, Text
from tests.support.canary import CANARIES

COMMAND = get_command(app)
SCRIPT = '''"""create {revision}

Rationale:
    The shop needs tables ({comment}).
"""

import sqlalchemy as sa
from alembic import op

revision = {revision!r}
down_revision = {parents!r}


def upgrade() -> None:  # edition {comment}
    op.create_table("t_{revision}_{deed}", sa.Column("id", sa.Integer, primary_key=True))


def downgrade() -> None:
    op.drop_table("t_{revision}_{deed}")
'''


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    words: tuple[str, ...]
    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)

    def __str__(self) -> str:
        return f"$ migrate-flow {' '.join(self.words)}\n(exit {self.code})\n{self.out}\n{self.err}"


@dataclass(frozen=True)
class Entry:
    """A row of the ledger, taken apart without the product's help."""

    seq: int
    kind: str
    said: dict[str, Any]

    @property
    def actor(self) -> str:
        return str(self.said["actor"]).partition("@")[0]


@dataclass
class Shop:
    """editions: what each manifest digest stands for, as this class wrote it. texts: the policies as a file's text."""

    folder: Path
    text: str = ""
    editions: dict[str, tuple[str, Text]] = field(default_factory=dict)

    @staticmethod
    def opened(folder: Path) -> Shop:
        """A new project: people, keys, and a ledger whose first policy is `Rules()`."""
        folder.mkdir()
        with contextlib.redirect_stdout(io.StringIO()):
            command.init(Config(folder / "alembic.ini"), str(folder / "migrations"))
        (folder / "alembic.ini").write_text("[alembic]\nscript_location = %(here)s/migrations\n")
        shop = Shop(folder)
        people = [f"{_mail(name)}={','.join(sorted(roles))}" for name, roles in ROLES.items() if name != OUTSIDER]
        environments = [f"{name}=sqlite:///{name}.db" for name in ENVIRONMENTS]
        words = [*(w for p in people for w in ("--person", p)), *(w for e in environments for w in ("--env", e))]
        assert shop.run("", "init", "--key-store", "project", *words).code == 0
        assert shop.run("", "keys", "new", _mail(OUTSIDER), "--store", "project").code == 0
        shop.text = (folder / "migrate-flow.toml").read_text()
        return shop

    def copy(self, folder: Path) -> Shop:
        shutil.copytree(self.folder, folder)
        return Shop(folder, self.text)

    def run(self, person: str, *words: str) -> Ended:
        """One command, as that person."""
        actor = ("--as", _mail(person)) if person else ()
        words = ("--no-input", *actor, *words)
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.MonkeyPatch.context() as patch:
            # Each copy is another machine's: what was seen of one ledger would tell that the other grew apart from it.
            patch.setenv("XDG_STATE_HOME", f"{self.folder}-state")
            try:
                COMMAND.main(["--config", str(self.folder / "migrate-flow.toml"), *words])
            except SystemExit as ended:
                code = ended.code
        done = Ended(words, int(code or 0), out.getvalue(), err.getvalue())
        CANARIES.learn((self.folder, Path.home()), os.environ)
        CANARIES.check(done.out + done.err, words)
        assert done.code in (0, 1, 2), done
        assert "Traceback" not in done.out + done.err, done
        return done

    def write_policy(self, rules: Rules) -> None:
        text = self.text
        for old, new in (
            ('separation = "strict"', f'separation = "{rules.separation}"'),
            ('roles = ["backend-lead", "developer"]', f"roles = {['backend-lead', 'developer'][not rules.ed_leads :]}"),
        ):
            assert text.count(old) == 1, text
            text = text.replace(old, new)
        head, production = text.split("[environments.production]")
        if rules.release_managers_only:
            production = production.replace("# apply_roles", "apply_roles", 1)
        (self.folder / "migrate-flow.toml").write_text(f"{head}[environments.production]{production}")

    def write_script(self, revision: str, parents: tuple[str, ...], text: Text) -> None:
        """Over the file of this revision, if there is one."""
        versions = self.folder / "migrations" / "versions"
        path = next(versions.glob(f"{revision}_*.py"), versions / f"{revision}_by_hand.py")
        deed, comment = text
        down = None if not parents else parents[0] if len(parents) == 1 else parents
        content = SCRIPT.format(revision=revision, parents=down, deed=deed, comment=comment).encode()
        path.write_bytes(content)
        line = f"{hashlib.sha256(content).hexdigest()}  migrations/versions/{path.name}\n"
        self.editions[f"sha256:{hashlib.sha256(line.encode()).hexdigest()}"] = (revision, text)

    def deed(self, manifest: str) -> tuple[str, int]:
        """What a script does, by its manifest's digest."""
        revision, (deed, _comment) = self.editions[manifest]
        return revision, deed

    def scripts(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in (self.folder / "migrations" / "versions").glob("*.py")}

    def ledger(self) -> list[Entry]:
        rows = _read(self.folder / ".migrate-flow" / "ledger.db", "SELECT seq, statement FROM entry ORDER BY seq")
        entries = []
        for seq, statement in rows:
            document = json.loads(statement)
            kind = document["predicateType"].removeprefix("urn:migrate-flow:entry:").removesuffix(":v1")
            entries.append(Entry(seq, kind, document["predicate"]))
        return entries

    def tables(self, environment: str) -> set[str]:
        """Those that the migrations made."""
        names = _read(
            self.folder / f"{environment}.db", "SELECT name FROM sqlite_master WHERE name LIKE 't\\_%' ESCAPE '\\'"
        )
        return {name for (name,) in names}

    def heads(self, environment: str) -> set[str]:
        """The rows of Alembic's version table."""
        path = self.folder / f"{environment}.db"
        if not _read(path, "SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'"):
            return set()
        return {revision for (revision,) in _read(path, "SELECT version_num FROM alembic_version")}


def _mail(person: str) -> str:
    return f"{person}@example.com"


def _read(path: Path, query: str) -> list[Any]:
    if not path.exists():
        return []
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return connection.execute(query).fetchall()
