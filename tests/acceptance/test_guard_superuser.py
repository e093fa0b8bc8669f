"""The guard's superuser from the OS keyring: read for one command, on a server that asks for the password."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

import pytest
from psycopg import sql

from tests.acceptance.canary_shop import BACKEND
from tests.acceptance.conftest import Terminal
from tests.acceptance.guarded import Place, made
from tests.support.alembic_projects import ADA, write_script
from tests.support.canary import CANARIES
from tests.support.postgres import PostgresServer

BOSS = "boss"
PASSWORD = "canary of the boss%2F:/@'#é"
FROM_KEYRING = ("--superuser-url", "keyring:super")
INSTALL = ("guard", "install", "--env", "dev", *FROM_KEYRING)
REMOVE = ("guard", "remove", "--env", "dev", "-m", "an import", *FROM_KEYRING)


@dataclass(frozen=True)
class Held:
    """place: its variables name a keyring, which is this file."""

    place: Place
    file: Path

    def url(self, password: str = PASSWORD, database: str = "") -> str:
        CANARIES.add(password, "the superuser's password")
        where = f"{database or self.place.database}?host={self.place.server.folder}"
        return f"postgresql+psycopg://{BOSS}:{quote(password, safe='')}@/{where}"

    def store(self, secret: str, hint: str) -> None:
        """As the hint says it: with the keyring library's own command."""
        command, instead = hint.split("; or ")
        program, *words = shlex.split(command)
        assert (program, instead) == ("keyring", "export SUPERUSER_URL=…, and --superuser-url env:SUPERUSER_URL")
        shell = self.place.shell
        done = subprocess.run(
            [sys.executable, "-m", program, *words], cwd=shell.folder, env=shell.variables, input=secret, text=True,
            capture_output=True, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, "")

    def replace(self, secret: str) -> None:
        (entry,) = json.loads(self.file.read_text())
        self.file.write_text(json.dumps({entry: secret}))


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with PostgresServer() as server:
        role = sql.SQL("CREATE ROLE {} LOGIN SUPERUSER PASSWORD {}").format(sql.Identifier(BOSS), sql.Literal(PASSWORD))
        server.execute(role.as_string(None))
        (server.folder / "data" / "pg_hba.conf").write_text(f"local all {BOSS} scram-sha-256\nlocal all all trust\n")
        server.execute("SELECT pg_reload_conf()")
        yield server
        CANARIES.check_log(server.folder / "log")


@pytest.fixture(scope="module")
def prepared(server: PostgresServer, terminal: Terminal, tmp_path_factory: pytest.TempPathFactory) -> Place:
    place = made(server, terminal(tmp_path_factory.mktemp("superuser") / "shop"))
    write_script(place.versions, "aaaa01")
    place.shell.flow("track", actor=ADA)
    place.shell.flow("apply", "--env", "dev", actor=ADA)
    return place


@pytest.fixture
def held(prepared: Place, tmp_path: Path) -> Iterator[Held]:
    """With a keyring that is empty."""
    place, file = prepared.copied(tmp_path / "shop"), tmp_path / "keyring.json"
    file.write_text("{}")
    CANARIES.own(file)
    (place.shell.folder / "canary_keyring.py").write_text(BACKEND)
    # Nothing but the keyring leads to a superuser.
    keyring = {"PYTHON_KEYRING_BACKEND": "canary_keyring.OnDisk", "CANARY_KEYRING": str(file), "SUPERUSER_URL": ""}
    yield Held(replace(place, shell=place.shell.under(**keyring)), file)
    place.drop()


def test_the_keyring_leads_to_a_superuser(held: Held) -> None:
    shell = held.place.shell
    missing = shell.error(*INSTALL, actor=ADA, code=2)
    assert (missing["message"], missing["where"]) == ("the keyring holds no URL under 'super'", "--superuser-url")
    assert not held.place.entries("guard.installed")
    held.store(held.url(), missing["hint"])
    assert shell.json(*INSTALL, actor=ADA)["complete"] is True
    (owner,) = held.place.sql("SELECT DISTINCT evtowner::regrole::text FROM pg_event_trigger")
    assert owner == (BOSS,)
    shell.flow(*REMOVE, actor=ADA)
    assert held.place.sql("SELECT count(*) FROM pg_event_trigger") == [(0,)]
    for kind in ("guard.installed", "guard.removed"):
        (entry,) = held.place.entries(kind)
        assert BOSS not in json.dumps(entry)


def test_what_the_keyring_holds_is_not_repeated(held: Held) -> None:
    shell = held.place.shell
    held.store(held.url(), shell.error(*INSTALL, actor=ADA, code=2)["hint"])
    shell.flow(*INSTALL, actor=ADA)
    # Each password is a canary of its own, which no command may show.
    for secret, code, told in (
        (held.url("canary of a wrong one"), 3, "password authentication failed"),
        (held.url(database="postgres"), 2, "another database"),
        (held.url("canary of no port").replace("@/", "@host:port/"), 2, "the URL can't be read"),
        (held.url("canary of no database").replace(held.place.database, ""), 2, "names no database"),
    ):
        held.replace(secret)
        for words in (INSTALL, REMOVE):
            assert told in shell.error(*words, actor=ADA, code=code)["message"]
    assert len(held.place.entries("guard.installed")) == 1
    assert not held.place.entries("guard.removed")
    assert shell.json("guard", "status", "--env", "dev")["complete"] is True


def test_without_a_keyring_the_variable_is_named(held: Held) -> None:
    shell = held.place.shell.under(PYTHON_KEYRING_BACKEND="keyring.backends.fail.Keyring")
    refused = shell.error(*INSTALL, actor=ADA, code=2)
    assert refused["message"] == "there is no OS keyring here"
    assert refused["hint"] == "export SUPERUSER_URL=…, and --superuser-url env:SUPERUSER_URL"


def test_a_keyring_is_asked_only_where_there_is_something_to_do(held: Held) -> None:
    shell = held.place.shell.under(PYTHON_KEYRING_BACKEND="keyring.backends.fail.Keyring")
    assert "has no guard" in shell.flow(*REMOVE, actor=ADA).out
    unnamed = shell.error(*INSTALL[:-1], "keyring:", actor=ADA, code=2)
    assert "the name of a variable or of a keyring's entry" in unnamed["message"]
