"""Layouts that come with other people's packages: Flask-Migrate's, and those of real projects, as they publish them."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import inspect

from tests.acceptance import databases
from tests.acceptance.conftest import Terminal
from tests.acceptance.real_projects import DATA, lay_out, venv
from tests.acceptance.test_init_layouts import DEV, STAGING, promote, walk
from tests.support.alembic_projects import ADA, CARLA, put_under_the_flow
from tests.support.shell import Shell

FLASK = """\
import os

from flask import Flask
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy

db = SQLAlchemy()


class Customer(db.Model):
    __tablename__ = "customers"
    id = db.Column(db.Integer, primary_key=True)


def create_app():
    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = os.environ.get("SHOP_DATABASE_URL", "sqlite:///app.db")
    db.init_app(app)
    Migrate(app, db)
    return app
"""


@pytest.fixture
def shell(terminal: Terminal, tmp_path: Path) -> Shell:
    return replace(terminal(tmp_path / "shop"), checked=True)


@pytest.mark.real
def test_flask_migrate(shell: Shell) -> None:
    """`flask db init` as its documentation has it; the application is found, and so is the variable of its URL."""
    shell.folder.mkdir()
    python, _site = venv(shell, "flask-migrate", "flask-sqlalchemy")
    flask = replace(shell, warm=None, python=python)
    package = shell.folder / "shop"
    package.mkdir()
    (package / "__init__.py").write_text(FLASK)
    flask._run("flask", "--app", "shop", "db", "init", code=0)
    walk(flask, autogenerate=True)
    text = (shell.folder / "migrate-flow.toml").read_text()
    for line in ('alembic = "migrations/alembic.ini"', 'url_env = "SHOP_DATABASE_URL"', 'flask_app = "shop"'):
        assert f"\n{line}\n" in text
    assert not list(shell.folder.rglob("app.db")), "the application's own default was never opened"


@pytest.mark.real
def test_flask_migrate_without_an_application(shell: Shell) -> None:
    shell.folder.mkdir()
    python, _site = venv(shell, "flask-migrate", "flask-sqlalchemy")
    flask = replace(shell, warm=None, python=python)
    (shell.folder / "hidden").mkdir()
    (shell.folder / "hidden" / "shop.py").write_text(FLASK)
    flask._run("flask", "--app", "hidden/shop", "db", "init", code=0)
    done = flask.json("init", "--key-store", "project", "--person", ADA, "--env", f"dev={DEV}")
    (warning,) = [text for text in done["warnings"] if "env.py" in text]
    assert warning.startswith("migrations/env.py:4: it runs inside of a Flask application")
    assert 'flask_app = "shop:create_app" under [project]' in warning
    named = flask.under(FLASK_APP="hidden/shop")
    (shell.folder / "migrate-flow.toml").unlink()
    shutil.rmtree(shell.folder / ".migrate-flow")
    walk(replace(named, state="another"), autogenerate=True)


def test_argilla(shell: Shell) -> None:
    """Twenty-four revisions of its own, then one of ours."""
    shutil.copytree(DATA, shell.folder, dirs_exist_ok=True)
    _take_over(shell)


@pytest.mark.real
def test_optuna(shell: Shell) -> None:
    """Its env.py imports its models; its ini file has a URL of its own."""
    project = lay_out("optuna", "sqlite", shell, "")
    (shell.folder / "migrate-flow.toml").unlink()
    _take_over(replace(shell, warm=None, python=project.python))


def _take_over(shell: Shell) -> None:
    """What stands in dev and staging already is adopted there; one more revision goes all the way."""
    env_py = {path: path.read_bytes() for path in shell.folder.rglob("env.py")}
    put_under_the_flow(shell, f"dev={DEV}", f"staging={STAGING}", team=True)
    shell.flow("track", actor=ADA)
    assert json.loads(shell.flow("apply", "--env", "dev", "--format", "json", actor=ADA).out)["allowed"]
    shutil.copyfile(shell.folder / "dev.db", shell.folder / "staging.db")
    url = f"sqlite:///{shell.folder / 'staging.db'}"
    with databases.connected(url) as connection:
        names = inspect(connection).get_table_names()
    databases.run(url, [f"DROP TABLE {name}" for name in names if name.startswith("migrate_flow_")])
    shell.flow("adopt", "--env", "staging", "-m", "in use since 2021", actor=CARLA)
    promote(shell)
    assert env_py == {path: path.read_bytes() for path in shell.folder.rglob("env.py")}
