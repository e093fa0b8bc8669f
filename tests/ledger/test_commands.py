"""`ledger upgrade`, `grants`, `copy`, `init --ledger`; the ledger's URL in the file, a variable or a keyring."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import keyring
import psycopg
import pytest

from migrate_flow.ledger.store import open_store
from tests.ledger.conftest import old_ledger, run
from tests.support.keyrings import Memory
from tests.support.postgres import PostgresServer, database_name
from tests.support.project import ADA, CARLA, ENVIRONMENTS, PEOPLE, Project, alembic_project, governed

FILE = "migrate-flow.toml"
LEDGER = Path(".migrate-flow", "ledger.db")
VARIABLE = "LEDGER_DATABASE_URL"
SECRET = "s3cret-canary"


@pytest.fixture(scope="module")
def _governed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("governed")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")
        governed(folder).flow("ledger", "info")
    return folder


@pytest.fixture
def project(_governed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Under the flow, with a ledger on SQLite; the current folder."""
    shutil.copytree(_governed, tmp_path / "shop")
    monkeypatch.chdir(tmp_path / "shop")
    return Project(tmp_path / "shop")


@pytest.fixture
def login_url(postgres: PostgresServer, pg_url: str) -> Iterator[str]:
    """The database's URL for a role with a password."""
    postgres.execute(f"CREATE ROLE teller LOGIN SUPERUSER PASSWORD '{SECRET}'")
    yield pg_url.replace("postgres@", f"teller:{SECRET}@")
    postgres.execute("DROP OWNED BY teller", database=database_name(pg_url))
    postgres.execute("DROP ROLE teller")


@pytest.fixture
def keyring_here(monkeypatch: pytest.MonkeyPatch) -> Iterator[Memory]:
    before, memory = keyring.get_keyring(), Memory()
    keyring.set_keyring(memory)
    yield memory
    keyring.set_keyring(before)


def at(project: Project, url: str) -> None:
    """Write another [ledger] url."""
    file = project.folder / FILE
    file.write_text(file.read_text().replace('"sqlite:///.migrate-flow/ledger.db"', json.dumps(url)))


def init(project: Project, ledger: str, code: int = 0) -> str:
    words = [word for env in ENVIRONMENTS for word in ("--env", env)]
    words += [word for person in PEOPLE for word in ("--person", person)]
    answer = project.flow("init", "--key-store", "project", "--ledger", ledger, *words, code=code)
    return answer.out + answer.err


def test_a_project_begins_with_a_ledger_on_postgresql(
    tmp_path: Path, login_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(VARIABLE, login_url)
    project = Project(alembic_project(tmp_path))
    said = init(project, f"env:{VARIABLE}")
    assert f'url = "env:{VARIABLE}"' in (tmp_path / FILE).read_text()
    project.script("aaaa")
    said += project.flow("track", "aaaa", actor=ADA).out
    info = project.json("ledger", "info")
    assert (info["entries"], info["where"]) == (2, open_store(login_url, tmp_path).describe())
    assert project.json("ledger", "verify")["ok"] is True
    said += str(info) + project.flow("doctor").out + project.flow("ledger", "grants").out
    assert SECRET not in said
    assert not (tmp_path / LEDGER).exists()


def test_a_second_ledger_is_not_made_over_the_first(
    project: Project, tmp_path: Path, pg_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, pg_url)
    for folder, code in (("one", 0), ("two", 4)):
        (tmp_path / folder).mkdir()
        monkeypatch.chdir(tmp_path / folder)
        said = init(Project(alembic_project(tmp_path / folder)), f"env:{VARIABLE}", code=code)
    assert "there is a ledger already" in said
    assert not (tmp_path / "two" / FILE).exists()
    assert run(pg_url, tmp_path, "SELECT count(*) FROM entry") == [(1,)]


@pytest.mark.parametrize("where", ["sqlite", "postgresql"])
def test_an_init_that_fails_takes_its_ledger_back(
    tmp_path: Path, where: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder can't be written when the ledger is there already."""
    url = "sqlite:///kept/ledger.db" if where == "sqlite" else request.getfixturevalue("pg_url")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(VARIABLE, url)
    project = Project(alembic_project(tmp_path))
    (tmp_path / ".migrate-flow").write_text("a file where the folder would be")
    answer = project.run("init", "--key-store", "file", "--ledger", f"env:{VARIABLE}", "--env", ENVIRONMENTS[0],
                         "--person", PEOPLE[0])  # fmt: skip
    assert answer.code != 0
    assert not (tmp_path / FILE).exists()
    if where == "sqlite":
        assert not (tmp_path / "kept" / "ledger.db").exists()
    else:
        assert run(url, tmp_path, "SELECT to_regclass('entry')") == [(None,)]
    (tmp_path / ".migrate-flow").unlink()
    init(project, f"env:{VARIABLE}")


@pytest.mark.parametrize("url", [f"postgresql://ada:{SECRET}@host/x", f"postgresql://host/x?password={SECRET}"])
def test_a_password_is_not_written_into_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.chdir(tmp_path)
    said = init(Project(alembic_project(tmp_path)), url, code=2)
    assert "the URL holds a password" in said
    assert f"env:{VARIABLE}" in said
    assert "env login" not in said
    assert SECRET not in said
    assert not (tmp_path / FILE).exists()


def test_a_variable_that_is_not_set_is_named(project: Project) -> None:
    at(project, f"env:{VARIABLE}")
    for words in (["status"], ["ledger", "info"], ["ledger", "verify"], ["ledger", "upgrade"], ["ledger", "grants"]):
        answer = project.flow(*words, code=2)
        assert f"error: the variable {VARIABLE} is not set, which holds the ledger's URL" in answer.err
        assert f"hint: export {VARIABLE}=" in answer.err


def test_what_a_variable_holds_is_not_repeated(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    at(project, f"env:{VARIABLE}")
    for value in (
        SECRET,
        f"mysql://ada:{SECRET}@host/x",
        f"postgresql://ada:{SECRET}@host:x/y",
        f"postgresql:{SECRET}",
    ):
        monkeypatch.setenv(VARIABLE, value)
        answer = project.flow("status", code=2)
        assert SECRET not in answer.out + answer.err


def test_a_url_in_the_keyring(project: Project, pg_url: str, keyring_here: Memory) -> None:
    at(project, "keyring:ledger")
    answer = project.flow("status", code=2)
    assert "the keyring holds no URL under 'ledger'" in answer.err
    hint = answer.err.partition("hint: ")[2].split()
    assert hint[:2] == ["keyring", "set"]
    keyring_here.set_password(hint[2], hint[3], "sqlite:///.migrate-flow/ledger.db")
    assert project.json("ledger", "info")["where"] == str(LEDGER)
    keyring_here.set_password(hint[2], hint[3], pg_url)
    assert "is not here" in project.flow("status", code=4).err


def test_without_a_keyring_the_variable_is_named(project: Project) -> None:
    at(project, "keyring:ledger")
    answer = project.flow("status", code=2)
    assert "there is no OS keyring here" in answer.err
    assert f"env:{VARIABLE}" in answer.err


def test_a_ledger_moves_to_postgresql(
    project: Project, login_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.script("aaaa")
    project.approved("aaaa")
    before = project.json("ledger", "info")
    monkeypatch.setenv(VARIABLE, login_url)
    answer = project.flow("ledger", "copy", f"env:{VARIABLE}")
    assert f'  url = "env:{VARIABLE}"\n' in answer.out
    assert SECRET not in answer.out + answer.err
    copied = project.flow("ledger", "copy", f"env:{VARIABLE}", code=4)
    assert "there is a ledger already" in copied.err
    at(project, f"env:{VARIABLE}")
    after = project.json("ledger", "info")
    assert {**before, "where": after["where"]} == after
    assert project.json("ledger", "verify")["ok"] is True
    project.flow("apply", "--env", "dev", actor=ADA)
    back = project.json("ledger", "copy", "sqlite:///back.db")
    assert set(back) == {"schema", "entries", "artifacts", "head", "from", "to", "url"}
    assert back["head"] == project.json("ledger", "info")["head"]
    assert (back["to"], back["url"]) == ("back.db", "sqlite:///back.db")


def test_a_password_on_the_command_line_is_refused(project: Project, login_url: str) -> None:
    answer = project.flow("ledger", "copy", login_url, code=2)
    assert "a command line is no place for" in answer.err
    assert f"env:{VARIABLE}" in answer.err
    assert SECRET not in answer.out + answer.err
    for bad in ("mysql://host/x", "nothing", "env:", "sqlite://x"):
        project.flow("ledger", "copy", bad, code=2)


def test_an_older_ledger_is_upgraded_on_request(project: Project, tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{project.folder / LEDGER}", Path())
    entries, artifacts = list(store.entries()), list(store.artifacts())
    assert project.json("ledger", "upgrade")["changed"] is False
    (project.folder / LEDGER).unlink()
    old_ledger(f"sqlite:///{LEDGER}", project.folder, entries, artifacts)
    project.script("aaaa")
    assert project.json("status")["ledger"]["entries"] == len(entries)
    assert project.json("ledger", "verify")["ok"] is True
    answer = project.flow("track", "aaaa", actor=ADA, code=4)
    assert "hint: migrate-flow ledger upgrade" in answer.err
    done = project.json("ledger", "upgrade")
    assert (done["from"], done["to"], done["changed"]) == ("0001", "0002", True)
    assert done["backup"] == ".migrate-flow/ledger.db.0001.bak"
    assert (project.folder / done["backup"]).exists()
    project.flow("track", "aaaa", actor=ADA)
    assert "nothing to do" in project.flow("ledger", "upgrade").out


def test_grants_are_for_servers(project: Project, pg_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = project.flow("ledger", "grants", code=2)
    assert "grants are PostgreSQL's" in answer.err
    monkeypatch.setenv(VARIABLE, pg_url)
    project.flow("ledger", "copy", f"env:{VARIABLE}")
    at(project, f"env:{VARIABLE}")
    sql = project.flow("ledger", "grants", "--role", "app").out
    with psycopg.connect(pg_url.replace("+psycopg", ""), autocommit=True) as client:
        client.execute("CREATE ROLE app")
        client.execute(sql.encode())
        client.execute("SET ROLE app")
        client.execute("SELECT count(*) FROM entry")
        client.execute("RESET ROLE")
        client.execute("DROP OWNED BY app")
        client.execute("DROP ROLE app")
    assert project.json("ledger", "grants", "--role", "app")["role"] == "app"
    project.flow("ledger", "grants", "--role", "", code=2)


def test_a_server_that_is_away_is_exit_4(project: Project, pg_url: str) -> None:
    at(project, pg_url.replace("/tmp/", "/tmp/nosuch"))
    for words in (["status"], ["ledger", "verify"], ["plan", "--env", "dev"], ["track"]):
        answer = project.flow(*words, code=4, actor=CARLA)
        assert answer.err.startswith("error: the ledger's server can't be reached")
        assert "\nhint: " in answer.err
