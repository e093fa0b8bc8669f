"""The door to Alembic for the services: sessions on a target, rendered SQL, new scripts.

Alembic is imported where it is needed first: most commands only read, and never need it.
"""

from __future__ import annotations

import base64
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from migrate_flow import garbage
from migrate_flow.alembic_adapter import plain_mako
from migrate_flow.core.canonical import sha256
from migrate_flow.core.graph import RevisionGraph
from migrate_flow.core.redaction import redact, remember
from migrate_flow.errors import ScriptError
from migrate_flow.services.ports import RenderedSql

if TYPE_CHECKING:
    from alembic.config import Config

    from migrate_flow.alembic_adapter.checkout import Checkout
    from migrate_flow.alembic_adapter.session import Session
    from migrate_flow.core.revision import Manifest, Revision
    from migrate_flow.services.ports import NewRevision

RENDER_TIMEOUT_S = 60
_KEPT_VARIABLES = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "PYTHONPYCACHEPREFIX",
    "SYSTEMROOT",
    "TMPDIR",
    "TEMP",
    "VIRTUAL_ENV",
)

MARK = "migrate_flow"  # among a Config's attributes: it is the flow that runs env.py


@dataclass(frozen=True, slots=True)
class AlembicRunner:
    """Implements `Runner`. x, url_env and flask_app: as [project] in the configuration says."""

    checkout: Checkout
    x: tuple[str, ...] = ()
    url_env: str | None = None
    flask_app: str | None = None

    @contextmanager
    def session(
        self,
        url: str,
        dialect: str,
        manifests: Sequence[Manifest],
        held: object,
        headers: Sequence[Revision] | None = None,
    ) -> Iterator[Session]:
        plain_mako.load()
        from migrate_flow.alembic_adapter.flask_app import application
        from migrate_flow.alembic_adapter.sealed import script_directory, sealed_imports
        from migrate_flow.alembic_adapter.session import Session
        from migrate_flow.dialects import dialect_for

        config = self._config(url)
        root, folder = self.checkout.root, self.checkout.folder
        if headers is None and self.checkout.problems:
            problem = self.checkout.problems[0]
            raise ScriptError(problem.problem, hint=problem.hint, where=f"{problem.path}:{problem.line}")
        with sealed_imports(manifests, root), _variable(self.url_env, url), application(self.flask_app, folder):
            graph = self.checkout.graph if headers is None else RevisionGraph(headers)
            directory = script_directory(config, graph, manifests, root, self.checkout.settings.digest)
            yield Session(config, directory, dialect_for(dialect), folder, root, held)

    def render(self, manifest: Manifest, dialect: str) -> RenderedSql:
        import subprocess

        files = [
            {"path": file.path, "module": file.module, "content": base64.b64encode(file.content).decode()}
            for file in manifest.files
        ]
        request = {"dialect": dialect, "files": files, "root": str(self.checkout.root)}
        paths = [*map(str, self.checkout.settings.prepend_sys_path), *filter(None, sys.path)]
        environment = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
        try:
            done = subprocess.run(
                [sys.executable, "-m", "migrate_flow.alembic_adapter.render"],
                input=json.dumps(request).encode(),
                capture_output=True,
                timeout=RENDER_TIMEOUT_S,
                cwd=self.checkout.folder,
                env={**environment, "PYTHONPATH": os.pathsep.join(paths), "PYTHONDONTWRITEBYTECODE": "1"},
                check=False,
            )
            answer = json.loads(done.stdout)
            return RenderedSql(answer["upgrade"], answer["downgrade"], redact(answer["problem"]))
        except subprocess.TimeoutExpired:
            return RenderedSql(None, None, f"rendering took longer than {RENDER_TIMEOUT_S} s")
        except (ValueError, KeyError):
            last = done.stderr.decode(errors="replace").strip().rsplit("\n", 1)[-1]
            return RenderedSql(None, None, redact(last) or "the script ended the rendering process")

    def new_revision(self, request: NewRevision, url: str | None) -> str:
        from migrate_flow.alembic_adapter.flask_app import application
        from migrate_flow.alembic_adapter.new import write_revision

        # Without a URL env.py is not asked, as a rule, so that no application is needed.
        variable, app = (self.url_env, self.flask_app) if url is not None else (None, None)
        with _variable(variable, url or ""), application(app, self.checkout.folder):
            path = write_revision(self._config(url), self.checkout, request)
        return Path(path).resolve().relative_to(self.checkout.root.resolve()).as_posix()

    def versions(self) -> dict[str, str]:
        return dict(_versions())

    def environment_digests(self) -> dict[str, str]:
        env_py = self.checkout.settings.script_location / "env.py"
        return {
            "env.py": sha256(env_py.read_bytes()) if env_py.is_file() else "",
            "configuration": self.checkout.settings.digest,
        }

    def _config(self, url: str | None) -> Config:
        """Alembic's configuration, as its own command line makes it, with our URL in place of the file's."""
        from argparse import Namespace

        plain_mako.load()
        from alembic.config import Config

        settings = self.checkout.settings
        config = Config(
            file_=str(settings.ini) if settings.ini else None,
            toml_file=str(settings.toml) if settings.toml else None,
            ini_section=settings.section,
            cmd_opts=Namespace(x=list(self.x), quiet=True),
            stdout=sys.stderr,
        )
        config.attributes[MARK] = True
        config.set_main_option("script_location", str(settings.script_location).replace("%", "%%"))
        if url is not None:
            config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
        _remember_password(settings.sqlalchemy_url or "")
        env_py = settings.script_location / "env.py"
        if env_py.is_file() and b"config_file_name is not None" in env_py.read_bytes():
            # NOTE: fileConfig would disable our loggers and print Alembic's own; the stock templates allow None.
            config.config_file_name = None
        garbage.leave_out_what_is_here()  # env.py is about to run
        return config


@cache
def _versions() -> Mapping[str, str]:
    """Read from the packages' files, and they don't change while this runs: every entry of a run names them."""
    from importlib.metadata import version

    found = {name: version(name) for name in ("migrate-flow", "alembic", "sqlalchemy")}
    return {**found, "python": sys.version.split()[0]}


def _remember_password(url: str) -> None:
    """Of the project's own URL, which env.py can read and repeat."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    if not url or url.startswith("driver://"):  # Alembic's template, whose password is the word "pass"
        return
    with suppress(ArgumentError, ValueError):  # it is not ours to judge
        remember(str(make_url(url).password or ""))


@contextmanager
def _variable(name: str | None, value: str) -> Iterator[None]:
    """Hand the URL to env.py in a variable too, and put the variable back."""
    if name is None:
        yield
        return
    before: Mapping[str, str] = dict(os.environ)
    os.environ[name] = value
    try:
        yield
    finally:
        if name in before:
            os.environ[name] = before[name]
        else:
            del os.environ[name]
