"""Databases that the guard stands in, on the wheel's server and on the one from the system's packages; the zoo of
MariaDB."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from migrate_flow.core.snapshot import Snapshot
from tests.dialects.mariadb_zoo import fill, taken
from tests.support import postgres as support
from tests.support.guarded import Guarded
from tests.support.postgres import PostgresServer

if TYPE_CHECKING:
    from tests.support.mariadb import MariadbServer


@pytest.fixture(scope="module", params=["wheel", pytest.param("system", marks=pytest.mark.system)])
def either_server(request: pytest.FixtureRequest) -> Iterator[PostgresServer]:
    if request.param == "wheel":
        yield request.getfixturevalue("postgres")
        return
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    assert found, "apt-get install postgresql"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(support, "_reachable_programs", lambda _folder: found[-1])
        with PostgresServer() as server:
            yield server


@pytest.fixture(scope="module")
def standing(either_server: PostgresServer) -> Iterator[Guarded]:
    with Guarded.on(either_server, "CREATE TABLE item (id int)") as made:
        made.install("audit")
        yield made


@pytest.fixture
def audited(standing: Guarded) -> Iterator[Guarded]:
    with standing.copied() as copy:
        yield copy


@pytest.fixture
def target(either_server: PostgresServer) -> Iterator[Guarded]:
    """Our tables and nothing else: no guard yet."""
    with Guarded.on(either_server) as made:
        yield made


@pytest.fixture(scope="module")
def mariadb_source(mariadb: MariadbServer) -> Iterator[str]:
    """A database with the whole zoo; a test that changes what a snapshot sees puts it back."""
    url = mariadb.create_database()
    fill(mariadb, url)
    yield url
    mariadb.drop_database(url)


@pytest.fixture(scope="module")
def mariadb_zoo(mariadb_source: str) -> Snapshot:
    return taken(mariadb_source)
