"""Real projects' histories as their packages publish them, laid out so that the installed command can rehearse them.

Nothing of ckan, optuna or keystone is kept here: each run downloads the package by name and version.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.shell import Shell

ARGILLA = "argilla"
DATA = Path(__file__).parents[1] / "data" / ARGILLA
REPOSITORY = Path(__file__).parents[2]
REHEARSE = ("rehearse", "--all", "--processes", "1", "--format", "json")

_CKAN_ENV = '''\
"""The scripts import bits of the application, which is not installed: its modules stand in a folder beside."""

import sys
import types
from pathlib import Path

from alembic import context
from sqlalchemy import MetaData, create_engine, pool

package = types.ModuleType("ckan")
package.__path__ = [str(Path(__file__).parents[2] / "wheel" / "ckan")]
sys.modules.setdefault("ckan", package)

with create_engine(context.config.get_main_option("sqlalchemy.url"), poolclass=pool.NullPool).connect() as connection:
    context.configure(connection=connection, target_metadata=MetaData())
    with context.begin_transaction():
        context.run_migrations()
'''
_INI = "[alembic]\nscript_location = %(here)s/migrations\n"

# (revision, question, plain Alembic's answer, ours), each explained in docs/explanation/rehearsal.md.
EXPLAINED: dict[tuple[str, str], set[tuple[str, str, Any, Any]]] = {}


@dataclass(frozen=True, slots=True)
class Project:
    """python: of the venv that has the project's own libraries; empty for that of the tests."""

    shell: Shell
    python: str = ""

    def rehearse(self) -> dict[str, Any]:
        """The document of all revisions. What can't be undone ends with 1."""
        if not self.python:
            done = self.shell.flow(*REHEARSE, code=None)
            out, code = done.out, done.code
        else:
            ran = subprocess.run(
                [self.python, "-m", "migrate_flow", *REHEARSE], cwd=self.shell.folder, env=self.shell.variables,
                capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
            )  # fmt: skip
            out, code = ran.stdout, ran.returncode
            assert code in (0, 1), ran.stderr
        document: dict[str, Any] = json.loads(out)
        assert document["schema"] == "migrate-flow/rehearse/1", document
        assert code == (0 if all(one["grade"] in ("lossless", "lossy") for one in document["rehearsals"]) else 1)
        return document


def lay_out(name: str, dialect: str, shell: Shell, postgresql: str) -> Project:
    """postgresql: the URL of a server for scratch databases."""
    shell.folder.mkdir(parents=True)
    python = {ARGILLA: _argilla, "ckan": _ckan, "optuna": _optuna, "keystone": _keystone}[name](shell)
    place = "sqlite:///place.db" if dialect == "sqlite" else "postgresql://nobody@localhost/nowhere"
    (shell.folder / "migrate-flow.toml").write_text(
        f'[project]\nname = "{name}"\nalembic = "alembic.ini"\n'
        + ('graph = "import"\n' if name == "keystone" else "")
        + f'[environments.dev]\nurl = "{place}"\n[rehearsal]\npostgresql = "{postgresql}"\n'
    )
    return Project(shell, python)


def _argilla(shell: Shell) -> str:
    shutil.copytree(DATA, shell.folder, dirs_exist_ok=True)
    return ""


def _ckan(shell: Shell) -> str:
    # Outside of the project, as what is installed is.
    wheel, migrations = shell.folder.parent / "wheel", shell.folder / "migrations"
    downloads = shell.folder.parent / "downloads"
    pip("download", "-q", "--no-deps", "-d", str(downloads), "ckan==2.12.0")
    (archive,) = downloads.glob("*.whl")
    zipfile.ZipFile(archive).extractall(wheel)
    shutil.copytree(wheel / "ckan" / "migration" / "versions", migrations / "versions")
    (migrations / "env.py").write_text(_CKAN_ENV)
    (shell.folder / "alembic.ini").write_text(_INI)
    return ""


def _optuna(shell: Shell) -> str:
    python, site = venv(shell, "optuna==5.0.0")
    storage = site / "optuna" / "storages" / "_rdb"
    shutil.copytree(storage / "alembic", shell.folder / "alembic")
    shutil.copy(storage / "alembic.ini", shell.folder / "alembic.ini")
    return python


def _keystone(shell: Shell) -> str:
    python, site = venv(shell, "keystone==29.0.0")
    sql = site / "keystone" / "common" / "sql"
    shutil.copytree(sql / "migrations", shell.folder / "migrations")
    # keystone's own commands give Alembic the folders of all releases, and configure it first.
    ini = (sql / "alembic.ini").read_text().replace("[alembic]", "[alembic]\nrecursive_version_locations = true", 1)
    (shell.folder / "alembic.ini").write_text(ini)
    env_py = shell.folder / "migrations" / "env.py"
    env_py.write_text("import keystone.conf\n\nkeystone.conf.configure()\n" + env_py.read_text())
    return python


def venv(shell: Shell, *requirements: str) -> tuple[str, Path]:
    """Its interpreter, and where its packages are."""
    folder = shell.folder.parent / "venv"
    environ = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    python = str(folder / "bin" / "python")
    uv = shutil.which("uv")
    assert uv, "uv is not on the PATH"
    what = [f"{REPOSITORY}[postgresql,mysql]", *requirements, "psycopg2-binary"]
    done = subprocess.run(
        [uv, "pip", "install", "-q", "--python", python, *what],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (site,) = folder.glob("lib/python*/site-packages")
    return python, site


def pip(*words: str) -> None:
    done = subprocess.run([sys.executable, "-m", "pip", *words], capture_output=True, text=True, check=False)
    if done.returncode:  # a venv of uv's has no pip
        done = subprocess.run([shutil.which("pip") or "pip", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
