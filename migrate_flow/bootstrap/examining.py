"""What `doctor` looks at beside the ledger: the project's env.py, drivers, files and keys of this machine."""

from __future__ import annotations

import importlib.util
import json
import os
import shlex
import stat
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy.exc import NoSuchModuleError

from migrate_flow import credentials
from migrate_flow.alembic_adapter.env_py import EnvPy, Surprise, read_env_py
from migrate_flow.bootstrap.project import checkout
from migrate_flow.bootstrap.urls import environment_url
from migrate_flow.config.schema import schema
from migrate_flow.core.checkup import Check
from migrate_flow.core.dialects import KINDS
from migrate_flow.errors import MigrateFlowError
from migrate_flow.rehearsal import baseline, embedded
from migrate_flow.signing.key_files import project_keys_dir, user_keys_dir

if TYPE_CHECKING:
    from migrate_flow.config.load import Config
    from migrate_flow.core.history import History

_PACKAGES = {"psycopg2": "psycopg2-binary", "psycopg": "'psycopg[binary]'", "mysqldb": "mysqlclient"}
_OTHERS = 0o077


def machine(config: Config, history: History) -> Iterator[Check]:
    """Never raises for what is wrong: it is said."""
    yield from _env_py(config, history)
    yield from _drivers(config)
    yield from _keyring(config)
    yield from _scratch(config)


def _env_py(config: Config, history: History) -> Iterator[Check]:
    settings, project = checkout(config).settings, config.project
    path = settings.script_location / "env.py"
    where = os.path.relpath(path, config.root)
    read = read_env_py(path, url_env=project.url_env or "", flask_app=project.flask_app or "")
    found = [*read.surprises, *_another_version_table(read, history)]
    for one in found:
        state = "problem" if one.stops else "warning"
        yield Check("env.py", state, f"{where}:{one.line}: {one.problem}", one.hint)
    if not found:
        yield Check("env.py", "ok", f"{where} takes the URL that it is given, as far as its text tells")


def _another_version_table(read: EnvPy, history: History) -> Iterator[Surprise]:
    """Than the one in which a target's revisions were recorded: Alembic would begin anew."""
    named = dict(read.version_tables)
    for name, environment in history.environments.items():
        for target in environment.targets.values():
            recorded = str((target.version_table or {}).get("name", ""))
            if recorded and named and recorded not in named:
                told, line = next(iter(named.items()))
                what = f"its version table is {told}, and {name} has its revisions in {recorded}"
                yield Surprise(line, what, f'context.configure(…, version_table="{recorded}")', stops=True)
                return


def _drivers(config: Config) -> Iterator[Check]:
    """Ours, by which targets are looked at; and env.py's, which the URL names or SQLAlchemy chooses."""
    missing: dict[str, tuple[str, list[str]]] = {}
    for name, environment in config.environments.items():
        ours = KINDS[environment.dialect]
        if ours.driver and importlib.util.find_spec(ours.driver) is None:
            missing.setdefault(ours.driver, (f"pip install 'migrate-flow[{ours.extra}]'", []))[1].append(name)
        try:
            url = environment_url(config, name)
            driver = url.get_driver_name()
            url.get_dialect().import_dbapi()
        except ImportError:
            hint = f"pip install {_PACKAGES.get(driver, driver)}"
            missing.setdefault(driver, (hint, []))[1].append(name)
        except NoSuchModuleError:
            yield Check("drivers", "problem", f"SQLAlchemy knows no driver of the name in the URL of {name}",
                        "see [environments." + name + "] url; for example postgresql+psycopg://…")  # fmt: skip
        except (MigrateFlowError, AttributeError):
            continue  # its URL is not to be had here, which is said with the environment
    for driver, (hint, names) in missing.items():
        yield Check("drivers", "problem", f"the driver {driver} is not installed, which {', '.join(names)} needs", hint)


def _keyring(config: Config) -> Iterator[Check]:
    urls = [config.ledger.url, config.rehearsal.postgresql, config.rehearsal.mysql]
    urls += [environment.url for environment in config.environments.values()]
    if any(url and url.startswith("keyring:") for url in urls) and (reason := credentials.usable()):
        yield Check("keyring", "problem", f"{reason}, and URLs are looked for there",
                    'unlock it; or write "env:NAME" in place of "keyring:NAME" on machines without one')  # fmt: skip


def _scratch(config: Config) -> Iterator[Check]:
    given = config.rehearsal.baseline
    if given and (flaw := baseline.flaw(given, config.root)):
        yield Check("rehearsal", "problem", flaw.message, flaw.hint)
    dialects = {environment.dialect for environment in config.environments.values()}
    if "postgresql" in dialects and not config.rehearsal.postgresql and not embedded.installed():
        hint = "pip install 'migrate-flow[rehearsal]', or [rehearsal] postgresql = \"env:SCRATCH_DATABASE_URL\""
        yield Check("rehearsal", "warning", "nothing is here that PostgreSQL could be rehearsed on", hint)
    if dialects & {"mysql", "mariadb"} and not config.rehearsal.mysql:
        yield Check("rehearsal", "warning", "nothing is here that MariaDB could be rehearsed on",
                    '[rehearsal] mysql = "env:SCRATCH_MYSQL_URL"')  # fmt: skip


def files(config: Config) -> Iterator[Check]:
    """Of the project's own folder, and where keys lie. What is safe to mend can be mended."""
    own = config.root / ".migrate-flow"
    if own.is_dir():
        ignore = own / ".gitignore"
        if not ignore.is_file() and not ignore.is_symlink():
            yield _writable("git does not ignore .migrate-flow/, where keys and a ledger may lie", ignore, "*\n")
        text = json.dumps(schema(), indent=2) + "\n"
        if (own / "schema.json").is_file() and (own / "schema.json").read_text("utf-8", "replace") != text:
            yield _writable("the schema that editors read is another version's", own / "schema.json", text)
    if os.name != "posix":
        return
    for folder in (project_keys_dir(config.root), user_keys_dir()):
        if folder.is_dir():
            yield from _closed(folder, 0o700)
            for path in sorted(folder.iterdir()):
                if path.is_file() and not path.is_symlink() and path.suffix != ".pub":
                    yield from _closed(path, 0o600)
    ledger = own / "ledger.db"
    if ledger.is_file() and ledger.stat().st_mode & stat.S_IWOTH:
        mode = stat.S_IMODE(ledger.stat().st_mode) & ~stat.S_IWOTH
        yield _mode("everybody on this computer may write to the ledger", ledger, mode, f"chmod o-w {_quoted(ledger)}")


def _closed(path: Path, mode: int) -> Iterator[Check]:
    """A private key that others can read signs nothing: it is refused."""
    if path.stat().st_mode & _OTHERS:
        what = "the key file" if mode == 0o600 else "the folder of keys"
        yield _mode(f"{what} {path} is open to others", path, mode, f"chmod {mode:o} {_quoted(path)}")


def _mode(problem: str, path: Path, mode: int, command: str) -> Check:
    return Check("files", "problem", problem, command, command, partial(path.chmod, mode))


def _writable(problem: str, path: Path, text: str) -> Check:
    mend: Callable[[], object] = partial(path.write_text, text, "utf-8")
    return Check("files", "warning", problem, "migrate-flow doctor --fix", f"write {path}", lambda: (mend(), None)[1])


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))
