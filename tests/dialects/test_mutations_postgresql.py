"""What is done to a schema by hand: each change is found and named, and what changes nothing is no difference."""

from __future__ import annotations

import threading
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from migrate_flow.core.snapshot import Snapshot
from tests.dialects.postgresql_zoo import client, clone, copied, debian, major_of, tablespace_on, taken, told, zoo_on
from tests.support.postgres import PostgresServer

CASES = Path(__file__).parent / "mutations"
# A dump leaves out what is invalid, and what only a change of a catalog can do; the options that stand would not pass
# the validator that came later.
NOT_DUMPED = ("UPDATE pg_", "CONCURRENTLY", "DISABLE TRIGGER ALL", "VALIDATOR", "pg_seclabel")
# Of these a snapshot says only that they are there.
UNCHANGING = {"schema", "user mapping"}


@dataclass(frozen=True, slots=True)
class Act:
    sql: tuple[str, ...]
    found: tuple[str, ...] = ()
    first: tuple[str, ...] = ()
    last: tuple[str, ...] = ()
    since: int = 0
    fails: bool = False


def acts(file: str, key: str) -> Iterator[Any]:
    for group, content in tomllib.loads((CASES / file).read_text()).items():
        for entry in content[key]:
            made: dict[str, Any] = {
                name: (value,) if isinstance(value, str) else value for name, value in entry.items()
            }
            made = {name: tuple(value) if isinstance(value, list) else value for name, value in made.items()}
            yield pytest.param(Act(**made), id=f"{group}: {'; '.join(made['sql'])[:90]}")


CHANGES = list(acts("postgresql.toml", "changes"))
HARMLESS = list(acts("postgresql_harmless.toml", "acts"))
DUMPED = [
    case
    for case in CHANGES
    if not case.values[0].last and not any(word in str(case.values[0].sql) for word in NOT_DUMPED)
]


@dataclass(frozen=True, slots=True)
class Zoo:
    server: PostgresServer
    url: str
    major: int
    snapshot: Snapshot


@pytest.fixture(scope="module", params=["wheel", pytest.param("debian", marks=pytest.mark.system)])
def zoo(request: pytest.FixtureRequest) -> Iterator[Zoo]:
    if request.param == "wheel":
        yield from _zoo(request.getfixturevalue("postgres"))
    else:
        with debian() as server:
            yield from _zoo(server)


def _zoo(server: PostgresServer) -> Iterator[Zoo]:
    with tablespace_on(server), zoo_on(server) as url:
        yield Zoo(server, url, major_of(server), taken(url))


def after(zoo: Zoo, act: Act, then: Callable[[str], object] = lambda url: None) -> list[str]:
    """What is told of this act in a database of its own."""
    if act.since > zoo.major:
        pytest.skip(f"PostgreSQL {zoo.major} does not have it")
    with clone(zoo.server, zoo.url) as url:
        before = zoo.snapshot
        if act.first:
            client(zoo.server, url, *act.first)
            before = taken(url)
        try:
            client(zoo.server, url, *act.sql)
            assert not act.fails
        except RuntimeError:
            assert act.fails
        try:
            found = [f"{item.change} {item.object}" for item in told(before, taken(url))]
            then(url)
        finally:
            if act.last:
                client(zoo.server, url, *act.last)
    return found


@pytest.mark.parametrize("act", CHANGES)
def test_a_manual_change_is_found_and_named(zoo: Zoo, act: Act) -> None:
    assert sorted(after(zoo, act)) == sorted(act.found)


@pytest.mark.parametrize("act", HARMLESS)
def test_a_harmless_act_is_no_difference(zoo: Zoo, act: Act) -> None:
    assert after(zoo, act) == []


@pytest.mark.sweep
@pytest.mark.parametrize("act", DUMPED)
def test_after_a_change_too_a_restored_dump_is_equal(zoo: Zoo, act: Act) -> None:
    def restored(url: str) -> None:
        copy = copied(zoo.server, url, zoo.server)
        try:
            assert told(taken(url), taken(copy)) == ()
        finally:
            zoo.server.drop_database(copy)

    after(zoo, act, restored)


def test_each_kind_is_added_removed_and_changed(zoo: Zoo) -> None:
    """Nothing of the zoo is without a change that shows that it is read."""
    kinds = {item.kind for item in zoo.snapshot.objects.values()} - {"trigger state"}
    seen = {found for case in CHANGES for found in map(_change_and_kind(kinds), case.values[0].found)}
    missing = {(change, kind) for change in ("added", "removed", "changed") for kind in kinds} - seen
    assert missing == {("changed", kind) for kind in UNCHANGING}
    assert (len(CHANGES), len(HARMLESS)) >= (80, 50)


def _change_and_kind(kinds: set[str]) -> Callable[[str], tuple[str, str]]:
    longest = sorted(kinds, key=len, reverse=True)

    def split(found: str) -> tuple[str, str]:
        change, _, key = found.partition(" ")
        return change, next((kind for kind in longest if key.startswith(f"{kind} ")), key)

    return split


def test_no_secret_gets_into_a_snapshot(zoo: Zoo) -> None:
    kept = str(zoo.snapshot.to_document())
    assert "pa55" not in kept
    assert "host=h, password=(set), port=5" in kept
    subscribed = Act(
        ("CREATE SUBSCRIPTION s CONNECTION 'host=h password=pa55-it' PUBLICATION p WITH (connect = false)",),
        last=("ALTER SUBSCRIPTION s SET (slot_name = NONE)", "DROP SUBSCRIPTION s"),
    )
    assert after(zoo, subscribed, _without_secret) == ["added subscription s"]


def _without_secret(url: str) -> None:
    assert "pa55" not in str(taken(url).to_document())


def test_a_role_without_any_right_sees_the_same(zoo: Zoo) -> None:
    as_clerk = zoo.url.replace("postgres@", "zoo_clerk@")
    assert as_clerk != zoo.url
    assert taken(as_clerk) == zoo.snapshot


def test_a_restart_changes_nothing() -> None:
    with PostgresServer() as server, zoo_on(server) as url:
        before = taken(url)
        how = ["--mode=fast", "--wait", "--silent", f"--pgdata={server.folder}/data", f"--log={server.folder}/log"]
        server.run("pg_ctl", "restart", *how, f"--options={server.options}")
        assert taken(url) == before


def test_views_that_come_and_go_meanwhile_do_no_harm(zoo: Zoo) -> None:
    """Catalogs are read as of one moment, definitions as of now: what is gone by then is read again."""
    passing = ("CREATE VIEW passing AS SELECT * FROM people", "SELECT pg_sleep(0.01)", "DROP VIEW passing")
    with clone(zoo.server, zoo.url) as url:
        busy = threading.Thread(target=client, args=(zoo.server, url, *passing * 150))
        busy.start()
        seen = []
        while busy.is_alive():
            seen += [item.object for item in told(zoo.snapshot, taken(url))]
        assert set(seen) == {"view public.passing"}
