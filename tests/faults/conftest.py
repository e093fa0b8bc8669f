"""`place`: the same test on SQLite, PostgreSQL and MariaDB; `on(dialect)` for tests about some of them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.conftest import Terminal, pycache, terminal
from tests.faults.matrix import DIALECTS, MARIADB, POSTGRESQL, SQLITE
from tests.faults.place import FIRST, Place
from tests.faults.siege import _besieged, _released, released, siege
from tests.support.alembic_projects import make_project, put_under_the_flow, write_script
from tests.support.postgres import PostgresServer
from tests.support.shell import Shell

__all__ = ["_besieged", "_released", "pycache", "released", "siege", "terminal"]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that asks for `place` or `bare` runs on the dialects that its marker `on` names, by default on all."""
    for name in {"place", "bare"} & set(metafunc.fixturenames):
        marker = metafunc.definition.get_closest_marker("on")
        marks = {MARIADB: [pytest.mark.mariadb]}
        chosen = marker.args if marker else DIALECTS
        metafunc.parametrize(
            name, [pytest.param(each, marks=marks.get(each, []), id=each) for each in chosen], indirect=True
        )


@pytest.fixture(scope="session")
def _prepared() -> dict[str, Place]:
    return {}


@pytest.fixture
def place(
    request: pytest.FixtureRequest,
    terminal: Terminal,
    tmp_path_factory: pytest.TempPathFactory,
    tmp_path: Path,
    _prepared: dict[str, Place],
) -> Iterator[Place]:
    """A project of its own whose dev stands at FIRST, with a row in its table."""
    dialect: str = request.param
    if dialect not in _prepared:
        folder = tmp_path_factory.mktemp(f"prepared-{dialect}")
        made = governed(dialect, terminal(folder / "shop"), new_database(dialect, request, folder))
        write_script(made.versions, FIRST)
        made.flow("track")
        made.flow("apply", "--env", "dev")
        made.execute("INSERT INTO t_aaaa01 VALUES (1, 'one')")
        _prepared[dialect] = made
    first = _prepared[dialect]
    folder = tmp_path / "shop"
    shutil.copytree(first.shell.folder, folder)
    url = copied(first, request, tmp_path)
    yield Place(dialect, first.shell.at(folder).under(DEV_URL=url), url)
    drop(dialect, request, url)


@pytest.fixture
def bare(request: pytest.FixtureRequest, terminal: Terminal, tmp_path: Path) -> Iterator[Place]:
    """A project whose dev is an empty database that the ledger does not know yet."""
    url = new_database(request.param, request, tmp_path)
    yield governed(request.param, terminal(tmp_path / "shop"), url)
    drop(request.param, request, url)


def governed(dialect: str, shell: Shell, url: str) -> Place:
    shell = shell.under(DEV_URL=url)
    make_project(shell)
    put_under_the_flow(shell, "dev=env:DEV_URL", team=True)
    return Place(dialect, shell, url)


def new_database(dialect: str, request: pytest.FixtureRequest, folder: Path) -> str:
    if dialect == SQLITE:
        return f"sqlite:///{folder / 'dev.db'}"
    name = "postgres" if dialect == POSTGRESQL else "mariadb"
    return str(request.getfixturevalue(name).create_database())


def copied(first: Place, request: pytest.FixtureRequest, folder: Path) -> str:
    if first.dialect == SQLITE:
        shutil.copy(first.url.removeprefix("sqlite:///"), folder / "dev.db")
        return f"sqlite:///{folder / 'dev.db'}"
    if first.dialect == POSTGRESQL:
        server: PostgresServer = request.getfixturevalue("postgres")
        return server.create_database(template=first.url.partition("@/")[2].partition("?")[0])
    return _copied_mariadb(first, request)


def _copied_mariadb(first: Place, request: pytest.FixtureRequest) -> str:
    from tests.support.mariadb import MariadbServer, database_name

    server: MariadbServer = request.getfixturevalue("mariadb")
    url, source = server.create_database(), database_name(first.url)
    for (table,) in server.execute("SHOW TABLES", database=source):
        server.execute(f"CREATE TABLE `{table}` LIKE `{source}`.`{table}`", database=database_name(url))
        server.execute(f"INSERT INTO `{table}` SELECT * FROM `{source}`.`{table}`", database=database_name(url))
    return url


def drop(dialect: str, request: pytest.FixtureRequest, url: str) -> None:
    if dialect != SQLITE:
        request.getfixturevalue("postgres" if dialect == POSTGRESQL else "mariadb").drop_database(url)
