"""The history in tests/data/argilla, as a company has it: three databases that plain Alembic brought to an old
revision, with rows in them, and a fourth that stays with plain Alembic, to compare with.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.acceptance import databases
from tests.support.postgres import PostgresServer
from tests.support.shell import Done, Shell

DATA = Path(__file__).parents[1] / "data" / "argilla"
ADA, BEN, CARLA, DORA = (f"{name}@example.com" for name in ("ada", "ben", "carla", "dora"))
OLD = "ca7293c38970"
REST = ("d00f819ccc67", "45a12f74448b", "237f7c674d74", "660d6c6b3360", "6ed1b8bf8e08", "580a6553186f")
GRANDFATHERED = 18
ENVIRONMENTS = ("dev", "staging", "production")

_MOMENT = "'2024-01-02 03:04:05', '2024-01-02 03:04:05'"
# Children of every kind below the one dataset, whose table 45a12f74448b rebuilds: none may be lost.
_ROWS = f"""
INSERT INTO users (id, first_name, username, role, api_key, password_hash, inserted_at, updated_at)
    VALUES ('{1:032}', 'Grace', 'grace', 'owner', 'k1', 'h1', {_MOMENT});
INSERT INTO workspaces (id, name, inserted_at, updated_at) VALUES ('{2:032}', 'main', {_MOMENT});
INSERT INTO datasets (id, name, status, workspace_id, inserted_at, updated_at, last_activity_at)
    VALUES ('{3:032}', 'reviews', 'ready', '{2:032}', {_MOMENT}, '2024-01-02 03:04:05');
INSERT INTO fields (id, name, title, settings, dataset_id, inserted_at, updated_at)
    VALUES ('{4:032}', 'text', 'Text', '{{}}', '{3:032}', {_MOMENT});
INSERT INTO questions (id, name, title, settings, dataset_id, inserted_at, updated_at)
    VALUES ('{5:032}', 'mood', 'Mood', '{{}}', '{3:032}', {_MOMENT});
INSERT INTO records (id, fields, external_id, dataset_id, inserted_at, updated_at)
    VALUES ('{6:032}', '{{"text": "fine"}}', 'a', '{3:032}', {_MOMENT}),
           ('{7:032}', '{{"text": "bad"}}', 'b', '{3:032}', {_MOMENT});
INSERT INTO responses (id, status, record_id, user_id, inserted_at, updated_at)
    VALUES ('{8:032}', 'submitted', '{6:032}', '{1:032}', {_MOMENT}),
           ('{9:032}', 'draft', '{7:032}', NULL, {_MOMENT});
INSERT INTO suggestions (id, value, score, agent, record_id, question_id, inserted_at, updated_at)
    VALUES ('{10:032}', '"good"', '0.5', 'm', '{6:032}', '{5:032}', {_MOMENT})
"""

_INI = """\
[alembic]
script_location = {scripts}
path_separator = os
sqlalchemy.url = {url}
"""


@dataclass(frozen=True, slots=True)
class Company:
    """urls: by environment. reference: the URL of the database that only plain Alembic touches."""

    shell: Shell
    urls: Mapping[str, str]
    reference: str

    def script(self, revision: str) -> Path:
        return next((self.shell.folder / "migrations" / "versions").glob(f"{revision}_*.py"))

    def plain_upgrade(self, url: str, to: str) -> Done:
        """``alembic upgrade``, as without us, from a configuration that names this database."""
        folder = self.shell.folder
        ini = self.shell.home / "plain.ini"
        ini.write_text(_INI.format(scripts=folder / "migrations", url=url.replace("%", "%%")))
        return self.shell.alembic("-c", str(ini), "upgrade", to)


def company(shell: Shell, urls: Callable[[str], str]) -> Company:
    """Copies the history into the shell's folder and fills the databases. urls: makes an empty database by name."""
    for name in ("alembic.ini", "migrations"):
        source = DATA / name
        copy = shutil.copytree if source.is_dir() else shutil.copyfile
        copy(source, shell.folder / name)
    made = Company(shell, {name: urls(name) for name in ENVIRONMENTS}, urls("reference"))
    for url in (*made.urls.values(), made.reference):
        made.plain_upgrade(url, OLD)
        databases.run(url, _ROWS.split(";"))
    made.plain_upgrade(made.reference, "head")
    return made


@contextmanager
def databases_of(dialect: str, folder: Path, server: Callable[[], PostgresServer]) -> Iterator[Callable[[str], str]]:
    """Makes empty databases by name, and drops those of a server at the end."""
    if dialect == "sqlite":
        yield lambda name: f"sqlite:///{folder / name}.db"
        return
    made: list[str] = []

    def create(_name: str) -> str:
        made.append(server().create_database())
        return made[-1]

    try:
        yield create
    finally:
        for url in made:
            server().drop_database(url)
