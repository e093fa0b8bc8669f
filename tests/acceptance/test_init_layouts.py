"""Projects as people have them: after `init` the whole flow goes, and nobody has edited env.py by hand.

Checks are real here: self-review lints and rehearses in processes of its own, as a team's would. The commands are
those of the wheel, in an environment that has no more than it asks for and an asynchronous driver.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.acceptance import databases
from tests.acceptance.conftest import Terminal
from tests.support.alembic_projects import ADA, attest, edit, make_project, put_under_the_flow, table
from tests.support.shell import Shell

DEV, STAGING = "sqlite:///dev.db", "sqlite:///staging.db"
MODELS = """\
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    pass


class Customer(Base):
    __tablename__ = "customers"
    id: Mapped[int] = mapped_column(primary_key=True)
"""
SQLMODELS = """\
from sqlmodel import Field, SQLModel


class Customer(SQLModel, table=True):
    __tablename__ = "customers"
    id: int | None = Field(default=None, primary_key=True)
    name: str
"""


@pytest.fixture
def shell(published: Terminal, tmp_path: Path) -> Shell:
    (tmp_path / "shop").mkdir()
    return replace(published(tmp_path / "shop"), checked=True)


def walk(shell: Shell, dev: str = DEV, staging: str = STAGING, *, autogenerate: bool = False) -> None:
    """From `init` to a migration that three people have vouched for, applied to dev and, behind it, to staging."""
    env_py = {path: path.read_bytes() for path in shell.folder.rglob("env.py")}
    put_under_the_flow(shell, f"dev={dev}", f"staging={staging}", team=True)
    promote(shell, autogenerate=autogenerate)
    assert env_py == {path: path.read_bytes() for path in shell.folder.rglob("env.py")}


def promote(shell: Shell, *, autogenerate: bool = False) -> None:
    assert shell.json("doctor", actor=ADA)["ok"]
    words: Sequence[str] = ("--autogenerate",) if autogenerate else ()
    why = ("--rationale", "Orders need somebody.", "--rollback", "Drops the table.")
    made = shell.json("new", "-m", "create customers", *why, *words, actor=ADA)
    if not autogenerate:
        fill(shell.folder / made["path"])
    attest(shell, made["revision"])
    for environment in ("dev", "staging"):
        done = shell.json("apply", "--env", environment, actor=ADA)
        assert done["steps"][-1]["outcome"] == "applied"
        assert "customers" in databases.tables(f"sqlite:///{shell.folder / environment}.db")


def fill(script: Path) -> None:
    text = script.read_text()
    for name, body in (("upgrade", table("customers")), ("downgrade", 'op.drop_table("customers")')):
        text, count = re.subn(rf"(def {name}\(\)[^:]*:\n(?:    \"\"\".*\"\"\"\n)?)    pass", rf"\1    {body}", text)
        assert count == 1, text
    script.write_text(text)


def package(shell: Shell, folder: str, models: str) -> None:
    place = shell.folder / folder
    place.mkdir(parents=True)
    (place / "__init__.py").touch()
    (place / "models.py").write_text(models)


@pytest.mark.parametrize("template", ["generic", "async", "pyproject", "pyproject_async"])
def test_templates_of_alembic(shell: Shell, template: str):
    make_project(shell, template)
    driver = "sqlite+aiosqlite" if "async" in template else "sqlite"
    walk(shell, DEV.replace("sqlite", driver, 1), STAGING.replace("sqlite", driver, 1))


def test_the_template_of_several_databases_is_named_by_its_line(shell: Shell):
    make_project(shell, "multidb")
    done = shell.json("init", "--key-store", "project", "--env", f"dev={DEV}", "--person", ADA)
    lines = (shell.folder / "migrations" / "env.py").read_text().splitlines()
    number = next(number for number, line in enumerate(lines, 1) if "context.configure(" in line and number > 80)
    (warning,) = [text for text in done["warnings"] if "env.py" in text]
    assert warning.startswith(f"migrations/env.py:{number}: it migrates several databases in one run")
    assert "its own migrate-flow.toml" in warning
    examined = shell.json("doctor", actor=ADA, code=1)
    assert [check["message"] for check in examined["checks"] if check["area"] == "env.py"] == [
        warning.partition(";")[0]
    ]


def test_src_layout(shell: Shell):
    make_project(shell)
    package(shell, "src/shop", MODELS)
    edit(
        shell.folder / "migrations" / "env.py",
        r"target_metadata = None",
        "from shop.models import Base\n\ntarget_metadata = Base.metadata",
    )
    edit(shell.folder / "alembic.ini", r"prepend_sys_path = \.", "prepend_sys_path = src")
    walk(shell, autogenerate=True)


def test_sqlmodel_whose_url_comes_from_a_variable(shell: Shell):
    make_project(shell)
    package(shell, "shop", SQLMODELS)
    env_py = shell.folder / "migrations" / "env.py"
    edit(
        env_py,
        r"target_metadata = None",
        "import os\n\nfrom sqlmodel import SQLModel\n\nfrom shop import models\n\ntarget_metadata = SQLModel.metadata\n"
        'config.set_main_option("sqlalchemy.url", os.environ["SHOP_DATABASE_URL"])',
    )
    mako = shell.folder / "migrations" / "script.py.mako"
    edit(mako, r"import sqlalchemy as sa", "import sqlalchemy as sa\nimport sqlmodel")
    walk(shell, autogenerate=True)
    assert 'url_env = "SHOP_DATABASE_URL"' in (shell.folder / "migrate-flow.toml").read_text()


def test_a_project_below_its_configuration(shell: Shell):
    """A repository with the database's part in a folder: the only alembic.ini below is the one."""
    make_project(shell.at(shell.folder / "backend" / "db"))
    walk(shell)
    assert 'alembic = "backend/db/alembic.ini"' in (shell.folder / "migrate-flow.toml").read_text()


def test_a_monorepo(shell: Shell):
    """Two Alembic projects, each with a configuration and a ledger of its own; and what is said between them."""
    root = shell.folder
    for name in ("billing", "shop"):
        make_project(shell.at(root / "services" / name))
    error = shell.error("init", "--env", f"dev={DEV}", "--person", ADA, code=2)
    assert "there are 2 Alembic projects below: services/billing/alembic.ini, services/shop/" in error["message"]
    assert "cd services/billing && migrate-flow init" in error["hint"]
    assert not (root / "migrate-flow.toml").exists()
    for name in ("billing", "shop"):
        walk(replace(shell, folder=root / "services" / name, state=f"state-{name}"))
    error = shell.error("status", code=2)
    assert error["message"].endswith(
        "2 projects are below: services/billing/migrate-flow.toml, services/shop/migrate-flow.toml"
    )
    assert error["hint"].startswith("cd services/billing, or name it before the command")
    (root / ".git").mkdir()
    (root / "libs" / "common").mkdir(parents=True)
    error = replace(shell, folder=root / "libs" / "common").error("status", code=2)
    assert "2 projects are beside: ../../services/billing/migrate-flow.toml, ../../services/shop/" in error["message"]
    assert error["hint"].startswith("cd ../../services/billing, or name it before the command")
    (root / ".git").rmdir()
    folder = shell.error("--config", "services/shop", "status", code=2)
    assert folder["hint"] == "--config services/shop/migrate-flow.toml"
    document = shell.flow("--config", "services/shop/migrate-flow.toml", "status", "--format", "json").out
    assert '"in_tree": true' in document
    deep = replace(shell, folder=root / "services" / "shop" / "migrations" / "versions")
    assert deep.json("status")["ledger"]["entries"] > 1


def test_one_line_of_env_py_is_named_before_anything_runs(shell: Shell):
    make_project(shell)
    env_py = shell.folder / "migrations" / "env.py"
    edit(env_py, r"target_metadata = None", 'config.set_main_option("sqlalchemy.url", "sqlite:///one.db")')
    line = env_py.read_text().partition("set_main_option")[0].count("\n") + 1
    done = shell.json("init", "--key-store", "project", "--env", f"dev={DEV}", "--person", ADA)
    (warning,) = [text for text in done["warnings"] if "env.py" in text]
    assert warning.startswith(f"migrations/env.py:{line}: it names its database itself")
