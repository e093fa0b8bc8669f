"""The connection breaks at COMMIT: what the client was told says nothing, only the database knows."""

from __future__ import annotations

import pytest

from tests.acceptance import databases
from tests.faults.matrix import MARIADB, POSTGRESQL
from tests.faults.place import BEFORE, Place, go_on, stopped, wait_until
from tests.support.postgres import PostgresServer
from tests.support.proxy import Proxy

INSERT = "op.execute(\"INSERT INTO t_aaaa01 VALUES (2, 'two')\")"
AFTER = {"t_aaaa01": [*BEFORE["t_aaaa01"], "{'id': 2, 'text': 'two'}"]}


WHEN = pytest.mark.parametrize("forward", [False, True], ids=["before the server gets it", "after the server did it"])


def cut_at_commit(place: Place, proxy: Proxy, *, forward: bool) -> int:
    """Apply through a proxy that breaks the migration's own connection at its COMMIT; the exit code."""
    place.second(INSERT)
    url = proxy.through(place.url)
    with place.started("apply", "--env", "dev", DEV_URL=url, MIGRATE_FLOW_FAILPOINT="receipt-written:stop") as process:
        wait_until(lambda: stopped(process), "the receipt is written")
        proxy.drop_on(b"COMMIT", forward=forward)
        go_on(process)
        out, err = process.communicate(timeout=60)
        assert proxy.dropped.is_set(), out + err
        assert "Traceback" not in err, err
    return process.returncode


def settles(place: Place, code: int, *, forward: bool) -> None:
    if forward:
        assert (code, place.kinds()[-1]) == (0, "apply.applied")
        assert databases.contents(place.url) == AFTER
    else:
        assert (code, place.kinds()[-1]) == (3, "apply.failed")
        place.as_before()
        place.apply()
    place.applied_once()
    assert databases.contents(place.url) == AFTER
    assert [kind for kind in place.kinds() if kind == "apply.applied"] == ["apply.applied"] * 2


@pytest.mark.on(POSTGRESQL)
@pytest.mark.fault("N01", "N02")
@WHEN
def test_the_connection_breaks_at_commit(place: Place, postgres: PostgresServer, forward: bool) -> None:
    with Proxy(postgres.folder / ".s.PGSQL.5432") as proxy:
        settles(place, cut_at_commit(place, proxy, forward=forward), forward=forward)


@pytest.mark.on(MARIADB)
@pytest.mark.fault("N01", "N02")
@WHEN
def test_the_connection_breaks_at_commit_on_mariadb(
    place: Place, request: pytest.FixtureRequest, forward: bool
) -> None:
    with Proxy(request.getfixturevalue("mariadb").socket) as proxy:
        settles(place, cut_at_commit(place, proxy, forward=forward), forward=forward)
