"""What stands before the first migration, where a history does not start from an empty database."""

from __future__ import annotations

import os
import shlex
import sqlite3
import subprocess
from pathlib import Path

from sqlalchemy import URL, create_engine, pool

from migrate_flow.core.redaction import redact
from migrate_flow.errors import ConfigError, TargetError

WHERE = "[rehearsal] baseline"
VARIABLE = "DATABASE_URL"
COMMAND_TIMEOUT_S = 600
_MULTI_STATEMENTS = 1 << 16  # MySQL's CLIENT.MULTI_STATEMENTS


def lay(baseline: str, url: URL, root: Path) -> None:
    """baseline: a schema file, or ``command: …``, as [rehearsal] has it. Raises ConfigError, TargetError."""
    kind, _, rest = baseline.partition(":")
    if problem := flaw(baseline, root):
        raise problem
    if kind == "command":
        _run(rest.strip(), url, root)
    else:
        _load(root / baseline, url)


def flaw(baseline: str, root: Path) -> ConfigError | None:
    """What keeps it from being laid, as far as can be told without a database."""
    kind, colon, _ = baseline.partition(":")
    if colon and kind == "environment":
        return ConfigError(
            f"{baseline}: the schema of an environment is not read from a database yet",
            hint='dump it once, and write baseline = "schema.sql"; for example: pg_dump --schema-only URL > schema.sql',
            where=WHERE,
        )
    if not (colon and kind == "command") and not (root / baseline).is_file():
        return ConfigError(
            f"{baseline} can't be read: there is no such file",
            hint=f"pg_dump --schema-only URL > {shlex.quote(baseline)}",
            where=WHERE,
        )
    return None


def _run(command: str, url: URL, root: Path) -> None:
    """The URL of the scratch database is in the variable DATABASE_URL."""
    environment = {**os.environ, VARIABLE: url.render_as_string(hide_password=False)}
    try:
        done = subprocess.run(
            shlex.split(command), cwd=root, env=environment, timeout=COMMAND_TIMEOUT_S, check=False,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        raise ConfigError(f"the command can't be run: {error}", hint=f"try it: {command}", where=WHERE) from error
    if done.returncode:
        said = " ".join(done.stdout.decode(errors="replace").split())[-300:]
        raise ConfigError(
            f"the command ends with {done.returncode}: {redact(said)}", hint=f"try it: {command}", where=WHERE
        )


def _load(path: Path, url: URL) -> None:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{path.name} can't be read: {error}", hint="pg_dump --schema-only, say", where=WHERE
        ) from error
    backend = url.get_backend_name()
    options = {"connect_args": {"client_flag": _MULTI_STATEMENTS}} if backend in ("mysql", "mariadb") else {}
    try:
        if backend == "sqlite":
            connection = sqlite3.connect(str(url.database))
            connection.executescript(text)
            connection.close()
            return
        engine = create_engine(url, poolclass=pool.NullPool, hide_parameters=True, **options)
        raw = engine.raw_connection()
        try:
            cursor = raw.cursor()
            cursor.execute(_plain(text))
            while cursor.nextset():
                pass
            raw.commit()
        finally:
            raw.close()
    except Exception as error:  # drivers have classes of their own
        said = " ".join(str(getattr(error, "orig", None) or error).split())[:300]
        raise TargetError(
            f"{path.name} can't be loaded: {redact(said)}", hint=f"load {path.name} by hand once", where=WHERE
        ) from error


def _plain(text: str) -> str:
    """A dump of psql's without the lines that are for psql alone."""
    return "\n".join(line for line in text.splitlines() if not line.startswith("\\"))
