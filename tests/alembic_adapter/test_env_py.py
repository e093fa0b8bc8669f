"""What is read out of an env.py, without running it."""

from __future__ import annotations

from pathlib import Path

import pytest

from migrate_flow.alembic_adapter.env_py import EnvPy, read_env_py

ONLINE = """
from alembic import context
from sqlalchemy import engine_from_config
with engine_from_config(context.config.get_section("alembic")).connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""

PLAIN = EnvPy(version_tables=(("alembic_version", 5),))


def read(tmp_path: Path, text: str, url_env: str = "", flask_app: str = "") -> EnvPy:
    path = tmp_path / "env.py"
    path.write_text(text)
    return read_env_py(path, url_env=url_env, flask_app=flask_app)


def told(found: EnvPy) -> list[tuple[int, str, bool]]:
    return [(one.line, one.problem.partition(":")[0].partition(",")[0], one.stops) for one in found.surprises]


def test_nothing_is_said_of_a_plain_one(tmp_path: Path) -> None:
    assert read(tmp_path, ONLINE) == PLAIN


@pytest.mark.parametrize(
    "text",
    [
        'os.environ["SHOP_URL"]', 'environ["SHOP_URL"]', 'os.environ.get("SHOP_URL", "x")', 'os.getenv("SHOP_URL")',
        'getenv("SHOP_URL") or os.environ["SHOP_URL"]', 'os.environ["SHOP_URL"] + os.environ["TENANT"]',
    ],
)  # fmt: skip
def test_the_variable_of_its_url(tmp_path: Path, text: str) -> None:
    text = f"{ONLINE}url = {text}\n"
    found = read(tmp_path, text)
    assert found.url_variable == "SHOP_URL"
    assert told(found) == [(8, "it takes its URL from the variable SHOP_URL", False)]
    assert read(tmp_path, text, url_env="SHOP_URL").surprises == ()


def test_of_two_variables_none_is_the_one(tmp_path: Path) -> None:
    text = f'{ONLINE}urls = os.environ["SHOP_URL"], os.environ["LOG_URL"], os.environ[name]\n'
    assert read(tmp_path, text).url_variable == ""


@pytest.mark.parametrize(
    ("line", "problem", "stops"),
    [
        ('config.set_main_option("sqlalchemy.url", "sqlite:///x.db")', "it names its database itself", True),
        ('engine = create_engine("sqlite:///x.db")', "it names its database itself", True),
        (
            'config.set_main_option("sqlalchemy.url", settings.url)',
            "it puts a URL of its own over the one that it is given",
            False,
        ),
        ("context.run_migrations(engine_name=name)", "it migrates several databases in one run (the multidb template)",
         True),
        ("from flask import current_app", "it runs inside of a Flask application (Flask-Migrate)", True),
    ],
)  # fmt: skip
def test_lines_that_are_in_the_way(tmp_path: Path, line: str, problem: str, stops: bool) -> None:
    assert told(read(tmp_path, f"{ONLINE}{line}\n")) == [(8, problem, stops)]


def test_with_a_flask_application_nothing_is_in_the_way(tmp_path: Path) -> None:
    found = read(tmp_path, ONLINE + "from flask import current_app\n", flask_app="shop")
    assert found == EnvPy(flask=True, version_tables=PLAIN.version_tables)


def test_statements_before_the_context_is_configured(tmp_path: Path) -> None:
    early = ONLINE.replace("    context.configure", '    connection.execute(text("SET ROLE x"))\n    context.configure')
    assert told(read(tmp_path, early)) == [(5, "it opens a transaction before context.configure()", True)]
    late = ONLINE.replace(
        "    with context.begin", '    connection.execute(text("SET ROLE x"))\n    with context.begin'
    )
    assert read(tmp_path, late).surprises == ()


def test_migrations_that_never_run(tmp_path: Path) -> None:
    assert told(read(tmp_path, "from alembic import context\n")) == [
        (1, "it never calls context.run_migrations()", True)
    ]
    assert read(tmp_path, "from shop.migrations import run\nrun()\n").surprises == ()


def test_what_can_not_be_read_is_no_surprise(tmp_path: Path) -> None:
    assert told(read(tmp_path, "\ndef broken(:\n")) == [(2, "it is no Python", True)]
    assert told(read(tmp_path, "a = '\0'")) == [(1, "it is no Python", True)]
    assert told(read_env_py(tmp_path / "none.py")) == [(1, "there is no such file", True)]


@pytest.mark.parametrize(
    ("words", "tables"),
    [
        ("connection=connection", ["alembic_version"]),
        ('connection=connection, version_table="shop_version"', ["shop_version"]),
        ("connection=connection, version_table=NAME", []),
        ("connection=connection, **options", []),
    ],
)
def test_the_version_table_where_the_text_tells(tmp_path: Path, words: str, tables: list[str]) -> None:
    found = read(tmp_path, ONLINE.replace("connection=connection", words))
    assert [name for name, _line in found.version_tables] == tables


def test_others_configure_too(tmp_path: Path) -> None:
    own = ONLINE.replace("connection=connection", "connection=connection, version_table=NAME")
    two = f"logging_setup.configure(level=1)\n{own}"
    assert read(tmp_path, two).version_tables == ()
    both = ONLINE + ONLINE.replace("connection=connection", "connection=connection, **options")
    assert read(tmp_path, both).version_tables == ()
