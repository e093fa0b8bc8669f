from __future__ import annotations

import codecs
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from migrate_flow.config import load
from migrate_flow.core.policy import Level
from migrate_flow.errors import ConfigError
from tests.config.samples import ADA, BOB, GOOD, contract_example, parsed


def test_the_contract_example_loads() -> None:
    config = parsed(contract_example())
    assert config.project.x == ("tenant=main",)
    assert config.ledger.url == "sqlite:///.migrate-flow/ledger.db"
    assert list(config.environments) == ["dev", "staging", "production"]
    production = config.environments["production"]
    assert (production.url, production.dialect, production.lock_retries) == ("keyring:production", "postgresql", 10)
    assert (production.lock_timeout, production.statement_timeout) == (timedelta(seconds=5), timedelta(minutes=15))
    rules = config.policy.environments["production"]
    assert (rules.requires, rules.upstream, rules.apply_roles) == (Level.APPROVED, ("staging",), ("release-manager",))
    assert (rules.confirm, rules.soak, rules.windows[0].zone) == (True, timedelta(hours=24), "Europe/Berlin")
    assert config.policy.approval_expires == timedelta(days=30)
    assert config.policy.required_approvals(["lossy"]) == {"backend-lead": 1, "product-owner": 1}
    assert config.policy.people["ada@example.com"].keys == (ADA,)
    assert config.policy.document["lint"]["severity"] == {"rename-column": "error"}
    assert config.rehearsal.baseline == "schema.sql"
    assert config.text == contract_example()
    assert config.raw["project"]["name"] == "shop"


def test_defaults() -> None:
    config = parsed('[project]\nname = "shop"\n[environments.dev]\nurl = "sqlite:///dev.db"\n')
    assert (config.project.alembic, config.project.alembic_section) == ("alembic.ini", "alembic")
    assert (config.project.graph, config.project.url_env) == ("literal", None)
    assert config.ledger.url == "sqlite:///.migrate-flow/ledger.db"
    assert config.environments["dev"].dialect == "sqlite"
    assert config.environments["dev"].lock_timeout == timedelta(seconds=5)
    assert config.policy.document == {
        "v": 1,
        "people": {},
        "policy": {
            "separation": "strict",
            "peer_reviews": 1,
            "approvals": {"backend-lead": 1},
            "approval_expires": None,
            "escalations": [],
            "review_roles": ["developer"],
            "admins": 1,
            "allow_irreversible": False,
            "unknown_authors": "warn",
        },
        "lint": {"contract_tables": [], "severity": {}, "plugins": [], "drift_ignore": []},
        "environments": [
            {
                "name": "dev",
                "dialect": "sqlite",
                "requires": "created",
                "upstream": [],
                "apply_roles": [],
                "confirm": False,
                "soak": None,
                "windows": [],
                "personal": False,
            }
        ],
    }


def test_defaults_that_are_written_out_keep_the_digest() -> None:
    explicit = GOOD.replace("[policy]", '[policy]\nseparation = "strict"\nadmins = 1\nreview_roles = ["developer"]')
    explicit = explicit.replace('upstream = ["dev"]', 'upstream = ["dev"]\nrequires = "approved"\nconfirm = false')
    assert parsed(explicit).policy.digest == parsed(GOOD).policy.digest


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("env:STAGING_DATABASE_URL", "keyring:elsewhere"),
        ("sqlite:///dev.db", "sqlite:///other.db"),
        ('upstream = ["dev"]', 'upstream = ["dev"]\nlock_timeout = "1s"\nstatement_timeout = "1h"\nlock_retries = 1'),
        (BOB, f"{BOB} bob@laptop"),
        ('["developer", "backend-lead"]', '["backend-lead", "developer", "developer"]'),
    ],
)
def test_what_is_no_part_of_the_policy_keeps_the_digest(old: str, new: str) -> None:
    assert old in GOOD
    assert parsed(GOOD.replace(old, new)).policy.digest == parsed(GOOD).policy.digest


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("peer_reviews = 1", "peer_reviews = 2"),
        ("peer_reviews = 1", "allow_irreversible = true"),
        ('"developer", "backend-lead"', '"developer"'),
        ('upstream = ["dev"]', 'upstream = ["dev"]\nsoak = "1h"'),
        ("[policy]", '[lint]\nseverity = { drop-table = "off" }\n[policy]'),
        ('dialect = "postgresql"\nupstream = ["dev"]', 'dialect = "mysql"\nupstream = ["dev"]'),
    ],
)
def test_each_rule_is_part_of_the_policy(old: str, new: str) -> None:
    assert old in GOOD
    assert parsed(GOOD.replace(old, new)).policy.digest != parsed(GOOD).policy.digest


def test_aliases_are_folded_since_git_spells_them_in_any_case() -> None:
    config = parsed(GOOD + 'aliases = ["Bob@Laptop.Example", "12+bob[bot]@users.example.net"]')
    person = config.policy.people["bob@example.com"]
    assert person.aliases == ("bob@laptop.example", "12+bob[bot]@users.example.net")


@pytest.mark.parametrize(
    ("url", "dialect", "expected"),
    [
        ("postgresql+psycopg://ada@db:5432/shop?sslmode=require", None, "postgresql"),
        ("postgresql:///shop?host=/cloudsql/a:b:c&user=ada@shop.iam", None, "postgresql"),
        ("postgresql://ada@[::1]:5432/shop", None, "postgresql"),
        ("mysql+pymysql://db/shop", None, "mysql"),
        ("mysql+pymysql://db/shop", "mariadb", "mariadb"),
        ("mariadb+pymysql://db/shop", None, "mariadb"),
        ("sqlite:///C:/work@home/dev.db", None, "sqlite"),
        ("env:DEV_URL", "mariadb", "mariadb"),
    ],
)
def test_the_dialect_is_the_given_one_or_the_urls(url: str, dialect: str | None, expected: str) -> None:
    line = f'dialect = "{dialect}"\n' if dialect else ""
    config = parsed(f'[project]\nname = "shop"\n[environments.dev]\nurl = "{url}"\n{line}')
    assert config.environments["dev"].dialect == expected
    assert config.policy.environments["dev"].dialect == expected


def test_find_looks_upward(tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    with pytest.raises(ConfigError) as caught:
        load.find(deep)
    assert caught.value.hint == "migrate-flow init"
    (tmp_path / "migrate-flow.toml").write_text(GOOD)
    assert load.find(deep) == tmp_path / "migrate-flow.toml"
    (tmp_path / "a" / "migrate-flow.toml").write_text(GOOD)
    assert load.find(deep) == tmp_path / "a" / "migrate-flow.toml"


def test_load_knows_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "migrate-flow.toml").write_text(GOOD.replace("\n", "\r\n"), newline="")
    monkeypatch.chdir(tmp_path)
    config = load.load(Path("migrate-flow.toml"))
    assert (config.root, config.path) == (tmp_path, tmp_path / "migrate-flow.toml")
    assert config.policy.digest == parsed(GOOD).policy.digest


@pytest.mark.parametrize(
    ("data", "where", "message"),
    [
        (codecs.BOM_UTF8 + GOOD.encode(), ":1:1", "byte order mark"),
        (GOOD.encode("utf-16"), ":1:1", "byte order mark"),
        (b'[project]\nname = "caf\xe9"\n', ":2:12", "not UTF-8: byte 0xe9"),
        (GOOD.encode() + b"\x00", ":28:1", "not TOML"),
        (b"# " + b"x" * (1 << 20), ".toml", "larger than 1 MiB"),
        (b"", ".toml", "required"),
    ],
)
def test_bytes_that_are_no_configuration(tmp_path: Path, data: bytes, where: str, message: str) -> None:
    path = tmp_path / "migrate-flow.toml"
    path.write_bytes(data)
    with pytest.raises(ConfigError, match=message) as caught:
        load.load(path)
    assert where in caught.value.where
    assert caught.value.hint


def test_a_path_that_is_no_readable_file(tmp_path: Path) -> None:
    path = tmp_path / "migrate-flow.toml"
    with pytest.raises(ConfigError, match="no such file") as caught:
        load.load(path)
    assert caught.value.hint == "migrate-flow init"
    path.symlink_to(tmp_path / "gone.toml")
    with pytest.raises(ConfigError, match="no such file"):
        load.load(load.find(tmp_path))
    path.unlink()
    path.mkdir()
    with pytest.raises(ConfigError, match="a folder"):
        load.load(load.find(tmp_path))
    path.rmdir()
    os.mkfifo(path)
    with pytest.raises(ConfigError, match="not a regular file"):
        load.load(path)
    with pytest.raises(ConfigError, match="can't be read"):
        load.load(Path("a\0b"))


def test_an_unreadable_file(tmp_path: Path) -> None:
    path = tmp_path / "migrate-flow.toml"
    path.write_text(GOOD)
    path.chmod(0)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        with pytest.raises(ConfigError, match="can't be read: Permission denied"):
            load.load(path)
    finally:
        if root:
            os.seteuid(0)


def test_a_file_that_everybody_may_change(tmp_path: Path) -> None:
    path = tmp_path / "migrate flow.toml"
    path.write_text(GOOD)
    path.chmod(0o664)
    assert load.load(path).project.name == "shop"
    path.chmod(0o666)
    with pytest.raises(ConfigError, match="everybody") as caught:
        load.load(path)
    assert caught.value.hint == f"chmod o-w '{path}'"


def test_loading_imports_nothing_heavy() -> None:
    code = (
        "import sys; import migrate_flow.config.load; "
        "print([m for m in ('sqlalchemy', 'alembic', 'typer', 'rich', 'keyring', 'cryptography', 'tomlkit') "
        "if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
