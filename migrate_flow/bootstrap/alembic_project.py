"""What `init` finds: the Alembic project, and what its env.py asks of the flow. Nothing of the project is run."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from migrate_flow.alembic_adapter.env_py import EnvPy, read_env_py
from migrate_flow.config.below import below, listed
from migrate_flow.errors import UsageError

if TYPE_CHECKING:
    from migrate_flow.alembic_adapter.settings import AlembicSettings

INI, PYPROJECT = "alembic.ini", "pyproject.toml"
_SOURCES, _LARGEST = 300, 1 << 18  # files that are looked through for a variable, and their size in bytes
_NOT_ITS_OWN = ("venv", "node_modules", "site-packages", "tests")
_FACTORY = re.compile(r"(?m)^(?:def (?:create_app|make_app)\(|(?:app|application)\b.*=\s*Flask\()")
_ENVIRON = re.compile(r"""(?:environ(?:\.get)?\s*[\[(]|getenv\s*\()\s*["']([A-Za-z_][A-Za-z0-9_]*)["']""")
_FLASKENV = re.compile(r"""(?m)^\s*(?:export\s+)?FLASK_APP\s*=\s*["']?([^\s"'#]+)""")


@dataclass(frozen=True, slots=True)
class Asked:
    """url_env, flask_app: for [project], empty where env.py asks for none. warnings: lines of env.py that are in the
    way, each with what to do."""

    url_env: str = ""
    flask_app: str = ""
    warnings: tuple[str, ...] = ()


def find_alembic(folder: Path, wanted: str) -> str:
    """Alembic's configuration, relative to the folder. wanted: as given, empty to look for it: here, or as the only one
    below. Raises UsageError if there is none, or a choice."""
    if wanted:
        if not (folder / wanted).is_file():
            raise UsageError(f"there is no file {wanted}", hint="alembic init migrations", where="--alembic")
        return wanted
    if (folder / INI).is_file():
        return INI
    if _is_alembics(folder / PYPROJECT):
        return PYPROJECT
    inside = [path for path in below(folder, [INI, PYPROJECT]) if path.name == INI or _is_alembics(folder / path)]
    folders = list(dict.fromkeys(path.parent for path in inside))
    if len(folders) == 1:
        return min(inside, key=lambda path: path.name).as_posix()
    if folders:
        raise UsageError(
            f"there are {len(folders)} Alembic projects below: {listed(inside)}",
            hint=f"cd {folders[0].as_posix()} && migrate-flow init …, in each of them; "
            f"or for one of them: migrate-flow init --alembic {inside[0].as_posix()}",
            where=str(folder.name),
        )
    raise UsageError(
        "there is no Alembic project here (no alembic.ini, no [tool.alembic] in pyproject.toml)",
        hint="alembic init migrations; or name its configuration: migrate-flow init --alembic PATH",
        where=str(folder.name),
    )


def _is_alembics(path: Path) -> bool:
    try:
        return bool(re.search(r"^\[tool\.alembic\]", path.read_text("utf-8", "replace"), re.M))
    except OSError:
        return False


def asked(folder: Path, settings: AlembicSettings) -> Asked:
    """What the project's env.py asks for, as far as can be told from its text. folder: of migrate-flow.toml."""
    env_py = settings.script_location / "env.py"
    first = read_env_py(env_py)
    url_env = first.url_variable
    flask_app = _flask_app(folder) if first.flask else ""
    if first.flask:
        url_env = _flask_variable(folder)
    found = read_env_py(env_py, url_env=url_env, flask_app=flask_app)
    return Asked(url_env, flask_app, tuple(_warnings(folder, env_py, found, url_env)))


def _warnings(folder: Path, env_py: Path, found: EnvPy, url_env: str) -> Iterator[str]:
    where = os.path.relpath(env_py, folder)
    for one in found.surprises:
        yield f"{where}:{one.line}: {one.problem}; {one.hint}"
    if found.flask and not url_env:
        yield (
            "the application's SQLALCHEMY_DATABASE_URI names one database; let it come from a variable, "
            'and name that one: url_env = "DATABASE_URL" under [project]'
        )


def _flask_app(folder: Path) -> str:
    """As `flask` finds it, or the only package that makes one; empty where neither can be told."""
    if named := os.environ.get("FLASK_APP", ""):
        return named
    try:
        if line := _FLASKENV.search((folder / ".flaskenv").read_text("utf-8", "replace")):
            return line[1]
    except OSError:
        pass
    for name in ("wsgi", "app"):
        if (folder / f"{name}.py").is_file():
            return name
    packages = [
        path.parent.relative_to(folder).as_posix()
        for pattern in ("*/__init__.py", "src/*/__init__.py")
        for path in sorted(folder.glob(pattern))
        if path.parent.name not in _NOT_ITS_OWN and _FACTORY.search(path.read_text("utf-8", "replace"))
    ]
    return packages[0] if len(packages) == 1 else ""


def _flask_variable(folder: Path) -> str:
    """The variable from which the application takes SQLALCHEMY_DATABASE_URI; empty for none, or several."""
    names: set[str] = set()
    for number, path in enumerate(_sources(folder)):
        if number >= _SOURCES:
            break
        for line in path.read_text("utf-8", "replace").splitlines():
            if "SQLALCHEMY_DATABASE_URI" in line:
                names.update(_ENVIRON.findall(line))
    return names.pop() if len(names) == 1 else ""


def _sources(folder: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in sorted(folders) if not name.startswith(".") and name not in _NOT_ITS_OWN]
        for name in sorted(files):
            path = Path(place, name)
            if name.endswith(".py") and path.is_file() and path.stat().st_size <= _LARGEST:
                yield path
