"""A team with one ledger on PostgreSQL: three people at three machines, and one who moves there from a file."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.acceptance import databases
from tests.acceptance.conftest import Terminal
from tests.support.alembic_projects import ADA, BEN, CARLA, attest, make_project, put_under_the_flow, write_script
from tests.support.postgres import PostgresServer, database_name
from tests.support.shell import Done, Shell

SECRET = "s3cret-canary"
VARIABLE = "LEDGER_DATABASE_URL"
REV = "aaaa01"


@pytest.fixture
def url(postgres: PostgresServer, pg_url: str) -> Iterator[str]:
    """Of the ledger's database, with a password in it."""
    postgres.execute(f"CREATE ROLE teller LOGIN SUPERUSER PASSWORD '{SECRET}'")
    yield pg_url.replace("postgres@", f"teller:{SECRET}@")
    postgres.execute("DROP OWNED BY teller", database=database_name(pg_url))
    postgres.execute("DROP ROLE teller")


@pytest.fixture
def machines(terminal: Terminal, tmp_path: Path, url: str) -> Iterator[dict[str, Shell]]:
    """By person: a folder, a home with one key, and the ledger's URL in a variable."""
    made = {}
    for person in (CARLA, ADA, BEN):
        folder = tmp_path / person.partition("@")[0] / "shop"
        folder.mkdir(parents=True)
        made[person] = terminal(folder).under(**{VARIABLE: url})
    yield made
    said = [path for person in made for path in made[person].folder.rglob("*") if path.is_file()]
    assert not [path for path in said if SECRET.encode() in path.read_bytes()], "the password lies in no file"


def pulled(source: Shell, target: Shell) -> None:
    """As git would bring it: all but what ignores itself and the databases."""
    ignored = shutil.ignore_patterns(".migrate-flow", "*.db")
    shutil.copytree(source.folder, target.folder, dirs_exist_ok=True, ignore=ignored)


def test_three_people_at_three_machines(machines: dict[str, Shell], url: str) -> None:
    carla, ada, ben = (machines[person] for person in (CARLA, ADA, BEN))
    make_project(carla)
    environments = ("--env", "dev=sqlite:///dev.db", "--env", "staging=sqlite:///staging.db")
    admin = ("--person", f"{CARLA}=backend-lead,policy-admin")
    said: list[Done] = [carla.flow("init", "--ledger", f"env:{VARIABLE}", "--key-store", "file", *environments, *admin)]
    for person in (ADA, BEN):
        key = machines[person].json("keys", "new", person, "--store", "file")["key"]
        said.append(carla.flow("people", "add", person, "--role", "developer", "--key", key))
    said.append(carla.flow("policy", "record"))

    pulled(carla, ada)
    write_script(ada.folder / "migrations" / "versions", REV)
    said += [ada.flow(*words) for words in (("track",), ("self-review", REV))]
    pulled(ada, ben)
    said.append(ben.flow("review", REV, "--approve"))
    pulled(ada, carla)
    carla.flow("apply", "--env", "staging", code=1)
    said.append(carla.flow("approve", REV))
    said += [ada.flow("apply", "--env", name) for name in ("dev", "staging")]
    assert databases.tables(f"sqlite:///{ada.folder}/staging.db") == [f"t_{REV}"]

    verified = ben.json("ledger", "verify")
    assert verified["ok"] is True
    told = [machine.json("status") for machine in machines.values()]
    assert told[0]["ledger"] == told[1]["ledger"] == told[2]["ledger"]
    assert told[0]["ledger"]["head"] == verified["head"]
    kinds = [entry["kind"] for entry in ben.json("log")["entries"]]
    assert kinds.count("migration.approved") == 1
    assert kinds.count("apply.applied") == 2
    with psycopg.connect(url.replace("+psycopg", "")) as client:
        assert client.execute("SELECT count(*), count(DISTINCT actor) FROM entry").fetchone() == (len(kinds), 3)
    said += [carla.flow("doctor", code=None), carla.flow("ledger", "info"), carla.flow("ledger", "grants")]
    assert not [done for done in said if SECRET in done.text]

    away = carla.under(**{VARIABLE: url.replace("host=/tmp/", "host=/tmp/nosuch")})
    for words in (("status",), ("apply", "--env", "dev"), ("ledger", "verify")):
        error = away.error(*words, code=4)
        assert (error["code"], SECRET in str(error)) == ("ledger", False)
    assert VARIABLE in carla.under(**{VARIABLE: ""}).error("status", code=2)["message"]


def test_a_ledger_moves_from_a_file_to_a_server(terminal: Terminal, tmp_path: Path, url: str) -> None:
    (tmp_path / "shop").mkdir()
    shell = terminal(tmp_path / "shop").under(**{VARIABLE: url})
    versions = make_project(shell)
    put_under_the_flow(shell, team=True)
    write_script(versions, REV)
    shell.flow("track", actor=ADA)
    attest(shell, REV)
    before = shell.json("ledger", "info")
    copied = shell.json("ledger", "copy", f"env:{VARIABLE}")
    assert (copied["head"], copied["entries"]) == (before["head"], before["entries"])
    refused = shell.error("ledger", "copy", url, code=2)
    assert SECRET not in f"{copied}{refused}"

    file = shell.folder / "migrate-flow.toml"
    file.write_text(file.read_text().replace("sqlite:///.migrate-flow/ledger.db", copied["url"]))
    (shell.folder / ".migrate-flow" / "ledger.db").unlink()
    after = shell.json("ledger", "info")
    assert (after["head"], after["id"], after["genesis"]) == (before["head"], before["id"], before["genesis"])
    assert shell.json("ledger", "verify")["ok"] is True
    shell.flow("apply", "--env", "dev", actor=ADA)
    assert shell.json("ledger", "info")["entries"] == before["entries"] + 2
    assert shell.json("ledger", "upgrade")["changed"] is False
