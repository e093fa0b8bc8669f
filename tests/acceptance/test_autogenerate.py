"""`new --autogenerate` speaks of the project's tables alone: neither of ours, nor of Alembic's."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy.engine import make_url

from tests.acceptance import databases
from tests.acceptance.conftest import Terminal
from tests.support.alembic_projects import make_project, put_under_the_flow, write_script
from tests.support.shell import Shell

if TYPE_CHECKING:
    from tests.support.mariadb import MariadbServer

# With the hook of Alembic's cookbook that gives up a script without operations.
MODELS = """\
import sqlalchemy as sa
target_metadata = sa.MetaData()
for name in ("t_aaaa01", "t_fresh"):
    sa.Table(name, target_metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("text", sa.String(50)))

def no_empty(context, revision, directives):
    if directives[0].upgrade_ops.is_empty():
        directives[:] = []
"""
# What a version table is called, and where it lies, is the project's own choice.
OPTIONS = {
    "plain": "include_schemas=False",
    "schemas": "include_schemas=True",
    "default-schema-named": 'version_table_schema="public"',
    "default-schema-named-schemas": 'version_table_schema="public", include_schemas=True',
    "version-table-named": 'version_table="history", include_schemas=True',
    "version-schema": 'version_table_schema="flow", include_schemas=True',
}


def applied(shell: Shell, url: str, options: str) -> None:
    """A project whose first revision is applied: our tables and Alembic's stand in the target."""
    versions = make_project(shell)
    env = shell.folder / "migrations" / "env.py"
    text = env.read_text().replace("target_metadata = None", MODELS)
    env.write_text(text.replace("target_metadata=target_metadata", f"target_metadata=target_metadata, {options}"))
    put_under_the_flow(shell, f"dev={url}")
    write_script(versions, "aaaa01")
    shell.flow("track")
    assert shell.json("apply", "--env", "dev")["allowed"]


def generated(shell: Shell) -> dict[str, list[str]]:
    """By function, the operations of a new script."""
    path = shell.folder / shell.json("new", "-m", "from the models", "--autogenerate")["path"]
    functions = [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)]
    return {
        function.name: [
            ast.unparse(node).partition("(")[0] + " " + ast.literal_eval(node.args[0])
            for node in ast.walk(function)
            if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("op.")
        ]
        for function in functions
    }


WANTED = {"upgrade": ["op.create_table t_fresh"], "downgrade": ["op.drop_table t_fresh"]}


@pytest.mark.parametrize("options", ["include_schemas=True", 'version_table_schema="main"'])
def test_sqlite(terminal: Terminal, tmp_path: Path, options: str) -> None:
    shell = terminal(tmp_path / "shop")
    applied(shell, "sqlite:///dev.db", options)
    assert generated(shell) == WANTED


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_postgresql(terminal: Terminal, tmp_path: Path, pg_url: str, options: str) -> None:
    databases.run(pg_url, ["CREATE SCHEMA flow"])
    shell = terminal(tmp_path / "shop")
    applied(shell, pg_url, options)
    assert generated(shell) == WANTED


@pytest.mark.mariadb
@pytest.mark.parametrize("schemas", [False, True])
def test_mariadb(terminal: Terminal, tmp_path: Path, mariadb_url: str, schemas: bool) -> None:
    """With its schemas, Alembic sees every database of the server."""
    database = make_url(mariadb_url).database
    ours = f'include_name=lambda name, kind, parents: kind != "schema" or name in (None, {database!r})'
    shell = terminal(tmp_path / "shop")
    applied(shell, mariadb_url, f'version_table_schema="{database}", include_schemas={schemas}, {ours}')
    assert generated(shell) == WANTED


@pytest.mark.mariadb
def test_other_databases_of_a_mariadb_server(
    terminal: Terminal, tmp_path: Path, mariadb: MariadbServer, mariadb_url: str
) -> None:
    """Another environment's, which holds such tables of its own."""
    other = mariadb.create_database()
    try:
        applied(terminal(tmp_path / "other"), other, "include_schemas=False")
        known = (None, make_url(other).database)
        shell = terminal(tmp_path / "shop")
        ours = f'include_name=lambda name, kind, parents: kind != "schema" or name in {known!r}'
        applied(shell, mariadb_url, f"include_schemas=True, {ours}")
        assert [op for op in generated(shell)["upgrade"] if "migrate_flow" in op] == []
    finally:
        mariadb.drop_database(other)


def test_a_hook_that_looks_whether_anything_is_left(terminal: Terminal, tmp_path: Path) -> None:
    """It is asked after ours were left out, so that it finds nothing."""
    shell = terminal(tmp_path / "shop")
    applied(shell, "sqlite:///dev.db", "process_revision_directives=no_empty")
    assert generated(shell) == WANTED
    shell.flow("apply", "--env", "dev")
    error = shell.error("new", "-m", "nothing new", "--autogenerate", code=2)
    assert error["message"] == "Alembic wrote no script"
