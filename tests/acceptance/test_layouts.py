"""Real Alembic layouts on SQLite: what plain Alembic can run, the flow can run, and to the same end."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.acceptance import databases
from tests.acceptance.conftest import Terminal
from tests.support import proof
from tests.support.alembic_projects import ADA, attest, edit, make_project, put_under_the_flow, table, write_script
from tests.support.shell import Shell

DEV = "sqlite:///dev.db"
ASYNC = "sqlite+aiosqlite:///dev.db"


@pytest.fixture
def shell(terminal: Terminal, tmp_path: Path) -> Shell:
    (tmp_path / "shop").mkdir()
    return terminal(tmp_path / "shop")


def database(shell: Shell, name: str = "dev") -> str:
    return f"sqlite:///{shell.folder / name}.db"


@pytest.mark.parametrize(
    ("template", "url"),
    [("generic", DEV), ("async", ASYNC), ("pyproject", DEV), ("pyproject_async", ASYNC), ("async", DEV)],
)
def test_templates(shell: Shell, template: str, url: str):
    versions = make_project(shell, template)
    put_under_the_flow(shell, f"dev={url}")
    if (template, url) == ("async", DEV):
        # Plain Alembic says the same of this project: the URL names a driver that is not asynchronous.
        write_script(versions, "aaaa01")
        shell.flow("track")
        error = shell.error("apply", "--env", "dev", code=3)
        assert "asyncio extension requires an async driver" in error["message"]
        return
    made = shell.json("new", "-m", "create customers", "--rationale", "Orders need somebody.")
    edit(shell.folder / made["path"], r"(?<=schema\.\"\"\"\n)    pass", "    " + table("customers"))
    write_script(versions, "aaaa02", made["revision"])
    shell.flow("track")
    applied = shell.json("apply", "--env", "dev")
    assert [(step["revision"], step["outcome"]) for step in applied["steps"]] == [
        (made["revision"], "applied"), ("aaaa02", "applied"),
    ]  # fmt: skip
    assert databases.tables(database(shell)) == ["customers", "t_aaaa02"]
    assert databases.heads(database(shell)) == ["aaaa02"]
    assert shell.json("plan", "--env", "dev")["allowed"]


def test_multidb_is_refused(shell: Shell):
    versions = make_project(shell, "multidb")
    ini = shell.folder / "alembic.ini"
    ini.write_text(ini.read_text().replace("driver://user:pass@localhost/dbname", "sqlite:///one.db", 1))
    ini.write_text(ini.read_text().replace("driver://user:pass@localhost/dbname2", "sqlite:///two.db", 1))
    put_under_the_flow(shell)
    script = write_script(versions, "aaaa01")
    script.write_text(script.read_text().replace("upgrade() ->", "upgrade(engine_name: str) ->"))
    shell.flow("track")
    error = shell.error("apply", "--env", "dev", code=2)
    assert "several databases" in error["message"]
    assert "multidb" in error["message"]
    assert error["where"] == "migrations/env.py"
    for name in ("one", "two", "dev"):
        assert databases.tables(database(shell, name)) == []
    assert "apply.intended" not in proof.kinds(shell.folder)


def test_two_version_folders(shell: Shell):
    make_project(shell)
    core, extra = shell.folder / "migrations" / "core", shell.folder / "plugins" / "extra"
    extra.mkdir(parents=True)
    core.mkdir()
    edit(
        shell.folder / "alembic.ini",
        r"(?m)^# version_locations = .*$",
        "version_locations = %(here)s/migrations/core:%(here)s/plugins/extra",
    )
    edit(shell.folder / "alembic.ini", r"(?m)^path_separator = .*$", "path_separator = :")
    put_under_the_flow(shell)
    write_script(core, "c00001", labels=("core",))
    write_script(extra, "e00001", labels=("extra",), depends_on="c00001")
    made = shell.json("new", "-m", "more", "--head", "extra@head", "--version-path", "plugins/extra")
    assert made["path"].startswith("plugins/extra/")
    shell.flow("track")
    assert shell.json("apply", "extra@head", "--env", "dev")["allowed"]
    assert databases.tables(database(shell)) == ["t_c00001", "t_e00001"]
    assert set(databases.heads(database(shell))) == plain_heads(shell, "extra@head")


def test_branches_merges_dependencies_and_bases(shell: Shell):
    versions = make_project(shell)
    put_under_the_flow(shell)
    write_script(versions, "aaaa01", labels=("core",))
    write_script(versions, "aaaa02", "aaaa01")
    write_script(versions, "bbbb02", "aaaa01")
    write_script(versions, "xxxx01", labels=("extra",), depends_on="bbbb02")
    shell.flow("track")
    report = shell.json("apply", "--env", "dev", code=1)
    blocking = {v["gate"] for step in report["steps"] for v in step["gates"] if not v["passed"]}
    assert blocking == {"single-head"}
    assert not (shell.folder / "dev.db").exists()

    merged = shell.json("new", "-m", "merge", "--merge", "aaaa02", "bbbb02")["revision"]
    shell.flow("apply", merged, "--env", "dev")
    assert databases.heads(database(shell)) == [merged]
    assert databases.tables(database(shell)) == ["t_aaaa01", "t_aaaa02", "t_bbbb02"]
    shell.flow("apply", "xxxx01", "--env", "dev")
    assert set(databases.heads(database(shell))) == plain_heads(shell, merged, "xxxx01") == {merged, "xxxx01"}
    board = shell.json("status")
    assert {row["applied"]["dev"]["state"] for row in board["migrations"]} == {"applied"}
    assert shell.json("plan", "--env", "dev", "--to", merged)["steps"] == []


def plain_heads(shell: Shell, *steps: str) -> set[str]:
    """The version table as plain Alembic leaves it, on a database of its own."""
    url = database(shell, "plain")
    ini = shell.folder / "alembic.ini"
    text = ini.read_text()
    edit(ini, r"(?m)^sqlalchemy.url = .*$", f"sqlalchemy.url = {url}")
    for step in steps:
        shell.alembic("upgrade", step)
    ini.write_text(text)
    return set(databases.heads(url))


def test_a_version_table_of_another_name(shell: Shell):
    versions = make_project(shell)
    env = shell.folder / "migrations" / "env.py"
    env.write_text(
        env.read_text().replace("target_metadata=target_metadata", 'target_metadata=None, version_table="history"')
    )
    write_script(versions, "aaaa01")
    edit(shell.folder / "alembic.ini", r"(?m)^sqlalchemy.url = .*$", "sqlalchemy.url = sqlite:///dev.db")
    shell.alembic("upgrade", "head")
    put_under_the_flow(shell)
    write_script(versions, "aaaa02", "aaaa01")
    assert shell.json("adopt", "--env", "dev", "-m", "stood here")["heads"] == ["aaaa01"]
    shell.flow("track")
    shell.flow("apply", "--env", "dev")
    assert databases.heads(database(shell), "history") == ["aaaa02"]
    assert "alembic_version" not in [row[1] for row in databases.schema(database(shell))]
    assert [row["state"] for row in shell.json("status")["migrations"]] == ["grandfathered", "created"]


def test_alembic_below_the_project_with_a_module_of_its_own(shell: Shell):
    """Approval covers the local modules that a script imports; what was sealed is what runs."""
    backend = shell.at(shell.folder / "backend")
    versions = make_project(backend)
    (backend.folder / "shop").mkdir()
    (backend.folder / "shop" / "__init__.py").touch()
    helper = backend.folder / "shop" / "columns.py"
    helper.write_text('import sqlalchemy as sa\n\n\ndef amount():\n    return sa.Column("total", sa.Integer)\n')
    write_script(
        versions, "aaaa01", upgrade='op.create_table("t_aaaa01", amount())', imports="from shop.columns import amount"
    )
    put_under_the_flow(
        shell,
        "dev=sqlite:///dev.db",
        "staging=sqlite:///staging.db",
        options=("--alembic", "backend/alembic.ini"),
        team=True,
    )
    deep = shell.at(versions)  # the configuration is found upward
    deep.flow("track", actor=ADA)
    attest(deep, "aaaa01")
    deep.flow("apply", "--env", "dev", actor=ADA)

    before, approved = helper.stat(), helper.read_bytes()
    helper.write_bytes(approved.replace(b"total", b"totak"))
    os.utime(helper, ns=(before.st_atime_ns, before.st_mtime_ns))  # as long and as old: only its bytes tell
    row = deep.json("status")["migrations"][0]
    assert (row["state"], row["stale"]) == ("created", True)
    report = deep.json("apply", "--env", "staging", actor=ADA, code=1)
    assert "content-unchanged" in {v["gate"] for v in report["steps"][0]["gates"] if not v["passed"]}

    helper.write_bytes(approved)
    deep.flow("apply", "--env", "staging", actor=ADA)
    for name in ("dev", "staging"):
        assert "total INTEGER" in str(databases.schema(database(shell, name)))
    assert not list(backend.folder.rglob("*.pyc")), "no byte code of the project was left behind"


def test_what_was_sealed_is_what_runs(shell: Shell):
    """The first script overwrites the module that the second one imports: too late, its bytes were read and hashed."""
    versions = make_project(shell)
    put_under_the_flow(shell)
    helper = shell.folder / "names.py"
    helper.write_text('NAME = "reviewed"\n')
    write_script(versions, "aaaa01", upgrade="open('names.py', 'w').write('NAME = \"smuggled\"')")
    named = table("x").replace('"x"', "NAME")
    write_script(versions, "aaaa02", "aaaa01", upgrade=named, imports="from names import NAME")
    shell.flow("track")
    shell.flow("apply", "--env", "dev")
    assert "smuggled" in helper.read_text()
    assert databases.tables(database(shell)) == ["reviewed"]


def test_env_py_takes_its_url_from_a_variable(shell: Shell):
    versions = make_project(shell)
    env = shell.folder / "migrations" / "env.py"
    env.write_text(
        env.read_text().replace(
            "config = context.config\n",
            'import os\nconfig = context.config\nconfig.set_main_option("sqlalchemy.url", os.environ["SHOP_URL"])\n',
            1,
        )
    )
    put_under_the_flow(shell)
    edit(shell.folder / "migrate-flow.toml", r'(?m)^url_env = "SHOP_URL"', "# none")  # init has found it
    write_script(versions, "aaaa01")
    shell.flow("track")
    error = shell.error("apply", "--env", "dev", code=3)
    assert error["message"] == "env.py failed: KeyError: 'SHOP_URL'"
    line = env.read_text().partition("SHOP_URL")[0].count("\n") + 1
    assert error["where"] == f"migrations/env.py:{line}"
    elsewhere = shell.under(SHOP_URL="sqlite:///elsewhere.db")
    assert "another database" in elsewhere.error("apply", "--env", "dev", code=3)["message"]
    edit(shell.folder / "migrate-flow.toml", r"(?m)^# none", 'url_env = "SHOP_URL"')
    elsewhere.flow("apply", "--env", "dev")
    assert databases.heads(database(shell)) == ["aaaa01"]
    assert databases.schema(database(shell, "elsewhere")) == []


def test_env_py_that_opens_a_transaction_first(shell: Shell):
    """Plain Alembic exits 0 here, and commits nothing."""
    versions = make_project(shell)
    env = shell.folder / "migrations" / "env.py"
    edit(
        env,
        r"        context\.configure\(\n            connection",
        "        connection.exec_driver_sql('SELECT 1')\n        context.configure(\n            connection",
    )
    put_under_the_flow(shell)
    write_script(versions, "aaaa01")
    shell.flow("track")
    error = shell.error("apply", "--env", "dev", code=2)
    assert "before context.configure()" in error["message"]
    assert error["where"] == "migrations/env.py"
    assert "apply.intended" not in proof.kinds(shell.folder)
    assert shell.json("plan", "--env", "dev")["allowed"], "nothing happened, so nothing stands against it"


def test_env_py_that_connects_elsewhere(shell: Shell):
    versions = make_project(shell)
    edit(
        shell.folder / "migrations" / "env.py",
        r"config\.get_section\(config\.config_ini_section, \{\}\)",
        '{"sqlalchemy.url": "sqlite:///elsewhere.db"}',
    )
    put_under_the_flow(shell)
    write_script(versions, "aaaa01")
    shell.flow("track")
    error = shell.error("apply", "--env", "dev", code=3)
    assert "another database" in error["message"]
    assert databases.schema(database(shell, "elsewhere")) == []
    assert databases.tables(database(shell)) == []
    assert "apply.intended" not in proof.kinds(shell.folder)


def test_env_py_that_changes_its_mind(shell: Shell):
    """It connects where it should when we look first, and elsewhere when the migration is to run."""
    versions = make_project(shell)
    put_under_the_flow(shell)
    write_script(versions, "aaaa01")
    write_script(versions, "aaaa02", "aaaa01")
    shell.flow("track")
    shell.flow("apply", "aaaa01", "--env", "dev")
    edit(
        shell.folder / "migrations" / "env.py",
        r"config\.get_section\(config\.config_ini_section, \{\}\)",
        '{"sqlalchemy.url": "sqlite:///" + ("elsewhere.db" if os.path.exists("looked") else "dev.db")}',
    )
    env = shell.folder / "migrations" / "env.py"
    env.write_text("import os\n" + env.read_text() + '\nopen("looked", "w").close()\n')
    shutil.copyfile(shell.folder / "dev.db", shell.folder / "elsewhere.db")
    databases.run(database(shell, "elsewhere"), ["UPDATE migrate_flow_target SET environment = 'production'"])
    report = shell.json("apply", "--env", "dev", code=3)
    assert "another database" in report["steps"][0]["error"]
    for name in ("dev", "elsewhere"):
        assert databases.heads(database(shell, name)) == ["aaaa01"]
        assert databases.tables(database(shell, name)) == ["t_aaaa01"]
    assert proof.kinds(shell.folder)[-2:] == ["apply.intended", "apply.failed"]
