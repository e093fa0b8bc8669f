"""`doctor`: what is found wrong, each with the command that mends it, and what `--fix` mends by itself."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path
from typing import Any

import keyring as keyring_library
import pytest
from keyring.backend import KeyringBackend
from keyring.errors import KeyringLocked

from migrate_flow.services import examine
from tests.cli.conftest import Brought
from tests.support.keyrings import Memory, Raising
from tests.support.project import ADA, CARLA, DORA, Project

REVISION = "a00000000001"


def applied(project: Project) -> None:
    project.script(REVISION)
    project.flow("track", actor=ADA)
    project.flow("apply", "--env", "dev", actor=ADA)


def found(project: Project, area: str, actor: str = ADA) -> list[dict[str, Any]]:
    checks = project.run("doctor", "--format", "json", actor=actor).json["checks"]
    return [check for check in checks if check["area"] == area and check["state"] != "ok"]


def edit(project: Project, old: str, new: str) -> None:
    toml = project.folder / "migrate-flow.toml"
    assert old in toml.read_text()
    toml.write_text(toml.read_text().replace(old, new, 1))


def test_a_sound_project_has_no_problem(project: Project) -> None:
    applied(project)
    document = project.json("doctor", actor=ADA)
    assert document["ok"]
    assert document["fixed"] == []
    assert {check["fix"] for check in document["checks"]} == {""}


@pytest.mark.parametrize(
    ("url", "driver", "hint"),
    [
        ("postgresql+pg8000://nobody@localhost/shop", "pg8000", "pip install pg8000"),
        ("mysql+mysqldb://nobody@localhost/shop", "mysqldb", "pip install mysqlclient"),
    ],
)
def test_a_driver_that_is_not_installed(project: Project, url: str, driver: str, hint: str) -> None:
    edit(project, 'url = "sqlite:///dev.db"\ndialect = "sqlite"', f'url = "{url}"\ndialect = "{url.split("+")[0]}"')
    (check,) = found(project, "drivers")
    assert (check["state"], check["hint"]) == ("problem", hint)
    assert check["message"] == f"the driver {driver} is not installed, which dev needs"


def test_a_url_in_a_keyring_that_is_not_there(project: Project) -> None:
    edit(project, 'url = "sqlite:///dev.db"', 'url = "keyring:dev"')
    (check,) = found(project, "keyring")
    assert check["message"].startswith("there is no OS keyring here")
    assert "env:NAME" in check["hint"]


def test_a_key_that_others_can_read_is_mended(project: Project) -> None:
    keys = project.folder / ".migrate-flow" / "keys"
    (keys / ADA).chmod(0o644)
    keys.chmod(0o755)
    checks = found(project, "files")
    assert [check["message"] for check in checks] == [
        f"the folder of keys {keys} is open to others",
        f"the key file {keys / ADA} is open to others",
    ]
    assert checks[1]["fix"] == checks[1]["hint"] == f"chmod 600 {keys / ADA}"
    assert "doctor --fix mends 2 of these" in project.flow("doctor", actor=ADA, code=1).out
    mended = project.flow("doctor", "--fix", "--format", "json", actor=ADA)
    assert mended.err.splitlines() == [f"doctor: chmod 700 {keys}", f"doctor: chmod 600 {keys / ADA}"]
    assert mended.json["ok"]
    assert mended.json["fixed"] == [f"chmod 700 {keys}", f"chmod 600 {keys / ADA}"]
    assert (keys.stat().st_mode & 0o777, (keys / ADA).stat().st_mode & 0o777) == (0o700, 0o600)


def test_the_projects_own_folder_is_mended(project: Project) -> None:
    own = project.folder / ".migrate-flow"
    (own / ".gitignore").unlink()
    (own / "schema.json").write_text("{}")
    (own / "ledger.db").chmod(0o666)
    assert {check["fix"] for check in found(project, "files")} == {
        f"write {own / '.gitignore'}", f"write {own / 'schema.json'}", f"chmod o-w {own / 'ledger.db'}",
    }  # fmt: skip
    assert project.json("doctor", "--fix", actor=ADA)["ok"]
    assert found(project, "files") == []
    assert (own / ".gitignore").read_text() == "*\n"
    assert (own / "ledger.db").stat().st_mode & 0o777 == 0o664


def test_nothing_is_mended_unasked_and_nothing_else(project: Project) -> None:
    (project.folder / ".migrate-flow" / "keys" / ADA).chmod(0o644)
    before = (project.folder / "migrate-flow.toml").read_bytes()
    edit(project, 'url = "sqlite:///dev.db"', 'url = "keyring:dev"')
    project.flow("doctor", actor=ADA, code=1)
    assert (project.folder / ".migrate-flow" / "keys" / ADA).stat().st_mode & 0o777 == 0o644
    project.flow("doctor", "--fix", actor=ADA, code=1)
    assert (project.folder / "migrate-flow.toml").read_bytes() != before
    assert found(project, "keyring")


@pytest.mark.parametrize(
    ("backend", "said"),
    [(Raising(KeyringLocked), "the OS keyring is locked"), (Memory(), "the keyring holds no URL under 'dev'")],
    ids=["locked", "empty"],
)
def test_a_keyring_that_gives_nothing(project: Project, backend: KeyringBackend, said: str) -> None:
    before = keyring_library.get_keyring()
    keyring_library.set_keyring(backend)
    try:
        edit(project, 'url = "sqlite:///dev.db"', 'url = "keyring:dev"')
        (check,) = found(project, "environment dev")
    finally:
        keyring_library.set_keyring(before)
    assert (check["state"], said in check["message"]) == ("problem", True), check
    assert "migrate-flow env login dev" in check["hint"]


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE alembic_version SET version_num = 'deadbeef'", "its version table says deadbeef, the ledger says"),
        ("INSERT INTO alembic_version VALUES ('deadbeef')", f"its version table says {REVISION}, deadbeef, the ledger"),
        ("DROP TABLE alembic_version", "its version table says nothing, the ledger says"),
        ("DELETE FROM migrate_flow_receipt", "its receipts are gone"),
        ("DROP TABLE migrate_flow_receipt", "its receipts are gone"),
        ("DELETE FROM migrate_flow_target", "the database has no identity row"),
    ],
)
def test_tables_that_somebody_changed(brought: Brought, statement: str, said: str) -> None:
    project = brought(applied)
    with sqlite3.connect("dev.db") as connection:
        connection.execute(statement)
    (check,) = found(project, "environment dev")
    assert (check["state"], said in check["message"]) == ("problem", True)
    assert check["hint"].startswith("migrate-flow adopt --env dev")


def test_another_version_table_in_env_py(brought: Brought) -> None:
    project = brought(applied)
    env_py = project.folder / "migrations" / "env.py"
    assert found(project, "env.py") == []
    given = "target_metadata=target_metadata"
    env_py.write_text(env_py.read_text().replace(given, f'{given}, version_table="v"'))
    (check,) = found(project, "env.py")
    assert check["state"] == "problem"
    assert check["message"].endswith("its version table is v, and dev has its revisions in alembic_version")
    assert 'version_table="alembic_version"' in check["hint"]


@pytest.mark.parametrize(("text", "said"), [("def run(:\n", "it is no Python"), (None, "there is no such file")])
def test_an_env_py_that_nothing_can_run(project: Project, text: str | None, said: str) -> None:
    env_py = project.folder / "migrations" / "env.py"
    env_py.unlink() if text is None else env_py.write_text(text)
    (check,) = found(project, "env.py")
    assert (check["state"], said in check["message"]) == ("problem", True)


def test_a_guard_that_nobody_installed(project: Project, pg_url: str) -> None:
    """Where approval is asked for; dev, where all may try things, needs none."""
    edit(project, 'url = "sqlite:///staging.db"\ndialect = "sqlite"', f'url = "{pg_url}"\ndialect = "postgresql"')
    project.flow("policy", "record", actor=CARLA)
    project.script(REVISION)
    project.approved(REVISION)
    project.flow("apply", "--env", "dev", actor=ADA)
    assert [check for check in found(project, "environment staging") if "guard" in check["message"]] == []
    project.flow("apply", "--env", "staging", actor=ADA)
    (check,) = found(project, "environment staging")
    assert (check["state"], check["message"].partition(":")[0]) == ("warning", "no guard")
    project.flow(*check["hint"].split()[1:], actor=CARLA)
    assert found(project, "environment staging") == []
    project.flow("guard", "remove", "--env", "staging", "-m", "not here", actor=CARLA)
    assert found(project, "environment staging") == [], "somebody decided so, and said why"


def test_a_version_table_that_somebody_changed(brought: Brought) -> None:
    project = brought(applied)
    with sqlite3.connect("dev.db") as connection:
        connection.execute("DELETE FROM alembic_version")
    (check,) = found(project, "environment dev")
    assert check["message"] == f"its version table says nothing, the ledger says {REVISION}: changed outside the flow"
    assert check["hint"] == "migrate-flow adopt --env dev -m WHY"


def test_a_schema_that_somebody_changed(brought: Brought) -> None:
    project = brought(applied)
    with sqlite3.connect("dev.db") as connection:
        connection.execute("CREATE TABLE by_hand (id INTEGER)")
    (check,) = found(project, "environment dev")
    assert "by_hand" in check["message"]
    assert "migrate-flow drift" in check["hint"]


def test_a_database_that_was_never_adopted(project: Project) -> None:
    with sqlite3.connect("staging.db") as connection:
        connection.execute("CREATE TABLE orders (id INTEGER)")
    (check,) = found(project, "environment staging")
    assert check["message"] == "it was never adopted, and is not empty (orders)"
    assert check["hint"] == "migrate-flow adopt --env staging -m WHY"


def test_a_copy_of_another_database(brought: Brought) -> None:
    project = brought(applied)
    shutil.copyfile("dev.db", "staging.db")
    (check,) = found(project, "environment staging")
    assert "says that it is dev" in check["message"]


def test_a_role_that_nobody_holds(project: Project) -> None:
    edit(project, '# apply_roles = ["release-manager"]', 'apply_roles = ["captain"]')
    project.flow("policy", "record", actor=CARLA)
    (check,) = [check for check in found(project, "policy", CARLA) if check["state"] == "problem"]
    assert check["message"] == "nobody may apply to staging: it asks for captain"
    assert check["hint"].startswith("migrate-flow people role EMAIL --add captain")


def test_an_escalation_that_nobody_can_meet(project: Project) -> None:
    text = '[[policy.escalations]]\nwhen = ["destructive"]\napprovals = { product-owner = 1 }\n\n[lint]'
    edit(project, "\n[lint]", "\n" + text)
    project.flow("policy", "record", actor=CARLA)
    assert "for destructive: approval asks for 1 × product-owner, but nobody holds that role" in [
        check["message"] for check in found(project, "policy", CARLA)
    ]


def test_a_person_without_a_key_that_counts(project: Project) -> None:
    fingerprint = next(key for key in project.json("keys", "list")["keys"] if key["person"] == DORA)["fingerprint"]
    project.flow("keys", "revoke", fingerprint, "-m", "lost", actor=CARLA)
    (check,) = [check for check in found(project, "policy", CARLA) if DORA in check["message"]]
    assert check["message"] == f"every key of {DORA} is revoked: they sign nothing"


def test_a_ledger_that_was_never_written_out(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred entries take long to make: here three are many."""
    assert found(project, "ledger") == []
    monkeypatch.setattr(examine, "OLD_COPY", 3)
    for number in range(4):
        project.script(f"b0000000000{number}", f"b0000000000{number - 1}" if number else None)
    project.flow("track", actor=ADA)
    (check,) = found(project, "ledger")
    assert check["message"].endswith("may be the only copy of 5 entries: no export of all of it is recorded")
    project.flow("export", "--env", "dev", "--output", "part.jsonl", actor=ADA)
    assert found(project, "ledger")
    project.flow("export", "--format", "bundle", "--output", "all.zip", actor=ADA)
    assert found(project, "ledger") == []


def test_files_are_looked_at_where_the_ledger_can_not_be(project: Project) -> None:
    """What keeps everything else from being looked at may be what can be mended."""
    (project.folder / ".migrate-flow" / ".gitignore").unlink()
    Path(".migrate-flow/ledger.db").write_bytes(b"no ledger")
    assert {check["area"] for check in project.json("doctor", actor=ADA, code=1)["checks"]} == {"ledger", "files"}
