"""Where rehearsals run: the configured server, or one of our own, and the command of the child process."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import URL
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from migrate_flow.bootstrap.urls import environment_url, keyring_url
from migrate_flow.core.canonical import sha256
from migrate_flow.core.dialects import KINDS, scratched_by
from migrate_flow.database import resolve_url
from migrate_flow.errors import ConfigError, MigrateFlowError, TargetError
from migrate_flow.rehearsal import children, embedded
from migrate_flow.rehearsal.scratch import new_name
from migrate_flow.rehearsal.scratch_server import on_server

if TYPE_CHECKING:
    from migrate_flow.alembic_adapter.checkout import Checkout
    from migrate_flow.config.load import Config
    from migrate_flow.core.rehearsal import Now, Rehearsal, Route

# -P: the current folder may hold a module of any name.
_CHILD = (sys.executable, "-P", "-m", "migrate_flow.bootstrap.rehearsal_child")


@dataclass(frozen=True)
class ScratchRehearser:
    """Implements `Rehearser`."""

    config: Config
    scripts: Checkout

    def rehearse(self, route: Route, dialect: str, processes: int, patience_s: float) -> Iterator[Now | Rehearsal]:
        with ExitStack() as stack:
            server = self._server(dialect, stack)
            job = children.Job(
                str(self.config.path), dialect, route.order, route.wanted, route.manifests, route.bases,
                route.parents, server, self._driver(dialect), self.config.rehearsal.baseline or "", self._salt(),
                path=sys.path,
            )  # fmt: skip
            if server:
                on_server(dialect, server, new_name()).sweep()
            yield from children.rehearse(job, children.Nursery(_CHILD, _clear, patience_s), processes)

    def _server(self, dialect: str, stack: ExitStack) -> str:
        kind = KINDS[dialect]
        if kind.file:
            return ""
        key, (driver, maintenance) = kind.scratch, kind.login
        written = getattr(self.config.rehearsal, key)
        if written:
            url = self._configured(written, key)
            # The database that the URL names is only where we log in.
            url = url.set(drivername=driver, database=url.database or maintenance)
            return url.render_as_string(hide_password=False)
        if key == "postgresql" and embedded.installed():
            return stack.enter_context(embedded.server()).render_as_string(hide_password=False)
        instead = ", or pip install 'migrate-flow[rehearsal]'" if key == "postgresql" else ""
        raise ConfigError(
            f"there is no server to rehearse on {dialect}",
            hint=f'write {key} = "env:SCRATCH_DATABASE_URL" below [rehearsal], a server where databases may be made'
            + instead,
            where=f"[rehearsal] {key}",
        )

    def _configured(self, written: str, key: str) -> URL:
        where = f"[rehearsal] {key}"
        try:
            url = resolve_url(written, key, lambda name: keyring_url(self.config, name))
        except ConfigError as error:
            message = error.message.replace(f"the URL of {key}", "the URL of a server for scratch databases")
            raise ConfigError(message, hint=error.hint, where=where) from None
        backend = url.get_backend_name()
        if backend not in scratched_by(key):
            raise ConfigError(f"the URL is one of {backend}", hint=f"name a server that speaks {key}", where=where)
        return url

    def _driver(self, dialect: str) -> str:
        """As the project's own URLs say, where one can be read here: env.py may be written for that driver alone."""
        for name, environment in self.config.environments.items():
            if environment.dialect == dialect:
                try:
                    return environment_url(self.config, name).drivername
                except MigrateFlowError:
                    continue
        try:
            own = make_url(self.scripts.settings.sqlalchemy_url or "")
        except ArgumentError:
            return KINDS[dialect].login[0]
        return own.drivername if own.get_backend_name() == dialect else KINDS[dialect].login[0]

    def _salt(self) -> str:
        """What else the schema depends on: the baseline's content, and what env.py is given."""
        baseline, project = self.config.rehearsal.baseline or "", self.config.project
        file = self.config.root / baseline
        said = sha256(file.read_bytes()) if baseline and file.is_file() else baseline
        return json.dumps([said, list(project.x), project.url_env or ""])


def _clear(job: children.Job) -> None:
    if job.server:
        with suppress(TargetError):
            on_server(job.dialect, job.server, job.name).close()
