"""From migrate-flow.toml to a Config. Everything that can be wrong with the file is a ConfigError that says where."""

from __future__ import annotations

import os
import re
import shlex
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from migrate_flow.config import checked
from migrate_flow.config.document import dialect, policy_document
from migrate_flow.config.settings import Environment, File, Hook, Ledger, Lint, Project, Rehearsal, file_of
from migrate_flow.core.policy import Policy
from migrate_flow.core.schedule import parse_duration
from migrate_flow.errors import ConfigError

FILE_NAME = "migrate-flow.toml"

_LARGEST = 1 << 20
_BYTE_ORDER_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
_POSITION = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
_KEY = re.compile(r"""\s*([\w."'@+ -]+(?==)|\[\[?[\w."'@+ -]+\]\]?(?=\s*(?:#|$)))""")
_QUOTED = re.compile(r"key '([^']+)'")
_TWICE = re.compile(r"(?i)overwrite|twice|duplicate|redefine|already")


@dataclass(frozen=True, slots=True)
class EnvironmentConfig:
    """How to reach an environment's database, and how patient to be there. What must be true before something is
    applied is not here but in the policy: ``policy.environments[name]``.

    url: as written, so a literal, ``env:NAME`` or ``keyring:NAME``; SQLite paths are relative to the root.
    """

    name: str
    url: str
    dialect: str
    lock_timeout: timedelta
    statement_timeout: timedelta
    lock_retries: int


@dataclass(frozen=True, slots=True)
class Config:
    """The file as loaded. root: its folder. policy: what the file proposes; the ledger's copy is in force.

    environments: in the file's order. text: the file as read. raw: its values without defaults.
    """

    path: Path
    root: Path
    project: Project
    ledger: Ledger
    environments: Mapping[str, EnvironmentConfig]
    policy: Policy
    lint: Lint
    rehearsal: Rehearsal
    hooks: Mapping[str, Hook]
    text: str = field(repr=False)
    raw: Mapping[str, Any] = field(repr=False)


def find(start: Path) -> Path:
    """The nearest migrate-flow.toml in `start` or above it. Raises ConfigError if there is none."""
    folder = start.absolute()
    for candidate in (folder, *folder.parents):
        # A dangling link or a folder of that name is found, so that `load` says what is wrong with it.
        if os.path.lexists(candidate / FILE_NAME):
            return candidate / FILE_NAME
    raise _nowhere(folder)


def _nowhere(folder: Path) -> ConfigError:
    from migrate_flow.config.below import below, listed

    inside = below(folder, [FILE_NAME])
    top = next((above for above in folder.parents if (above / ".git").exists()), None)
    if not inside and top is not None:  # between the projects of a monorepo
        inside = [Path(os.path.relpath(top / path, folder)) for path in below(top, [FILE_NAME])]
    if not inside:
        return ConfigError(f"no {FILE_NAME} here or in a folder above", hint="migrate-flow init", where=str(folder))
    place = "beside" if inside[0].parts[0] == os.pardir else "below"
    projects = f"a project is {place}" if len(inside) == 1 else f"{len(inside)} projects are {place}"
    first = shlex.quote(str(inside[0].parent))
    return ConfigError(
        f"no {FILE_NAME} here or in a folder above; {projects}: {listed(inside)}",
        hint=f"cd {first}, or name it before the command: migrate-flow --config {shlex.quote(str(inside[0]))} status",
        where=str(folder),
    )


def load(path: Path) -> Config:
    """Raises ConfigError."""
    data = _read(path)
    text = _decode(path, data)
    if checked.known(data):
        raw = decode_toml(text, str(path))
        return _config(text, path, raw, file_of(raw))
    config = parse(text, path)
    checked.remember(data)
    return config


def parse(text: str, path: Path) -> Config:
    """As `load`, for text that is not written yet; `path` is where it will stand. Raises ConfigError."""
    from migrate_flow.config.validate import validate  # pydantic, which takes longer than a short command

    raw = decode_toml(text, str(path))
    return _config(text, path, raw, validate(raw, path))


def _config(text: str, path: Path, raw: Mapping[str, Any], file: File) -> Config:
    return Config(
        path=path.absolute(),
        root=path.absolute().parent,
        project=file.project,
        ledger=file.ledger,
        environments={name: _environment(name, value) for name, value in file.environments.items()},
        policy=Policy.from_document(policy_document(file)),
        lint=file.lint,
        rehearsal=file.rehearsal,
        hooks=file.hooks,
        text=text,
        raw=raw,
    )


def decode_toml(text: str, where: str) -> dict[str, Any]:
    """Raises ConfigError with line and column, which repeats nothing of the text but a key's name."""
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ConfigError("lists or tables are nested too deep", hint="write it flat", where=where) from None
    except ValueError as error:
        raise _toml_error(text, where, str(error)) from None


def _toml_error(text: str, where: str, reason: str) -> ConfigError:
    lines = text.split("\n")
    line, column = len(lines), len(lines[-1]) + 1
    if (match := _POSITION.search(reason)) and match[1]:
        line, column = int(match[1]), int(match[2])
    message = f"not TOML: {_POSITION.sub('', reason)}"
    hint = f"look at line {line}; https://toml.io shows the syntax"
    if _TWICE.search(reason):
        from migrate_flow.config.problem import shown

        key = _QUOTED.search(reason) or _KEY.match(lines[min(line, len(lines)) - 1])
        message = f"{shown(key[1].strip()) if key else 'a key'} is given twice"
        hint = f"remove one of the two; the second is in line {line}"
    return ConfigError(message, hint=hint, where=f"{where}:{line}:{column}")


def _read(path: Path) -> bytes:
    try:
        status = path.stat()
        if stat.S_ISREG(status.st_mode) and status.st_size <= _LARGEST:
            data = path.read_bytes()
    except FileNotFoundError:
        raise ConfigError("there is no such file", hint="migrate-flow init", where=str(path)) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a path"
        raise ConfigError(f"can't be read: {reason}", hint=f"ls -l {shlex.quote(str(path))}", where=str(path)) from None
    if not stat.S_ISREG(status.st_mode):
        kind = "a folder" if stat.S_ISDIR(status.st_mode) else "not a regular file"
        inside = (path / FILE_NAME).is_file()
        hint = f"--config {shlex.quote(str(path / FILE_NAME))}" if inside else f"ls -ld {shlex.quote(str(path))}"
        raise ConfigError(f"{kind}, where a file is expected", hint=hint, where=str(path))
    if status.st_size > _LARGEST:
        raise ConfigError("larger than 1 MiB", hint="is this the right file?", where=str(path))
    if os.name == "posix" and status.st_mode & stat.S_IWOTH:
        message = "everybody on this computer may change this file, and so the rules"
        raise ConfigError(message, hint=f"chmod o-w {shlex.quote(str(path))}", where=str(path))
    return data


def _decode(path: Path, data: bytes) -> str:
    if data.startswith(_BYTE_ORDER_MARKS):
        message = "begins with a byte order mark; TOML is UTF-8 without one"
        raise ConfigError(message, hint="save it as UTF-8 without BOM", where=f"{path}:1:1")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - (data.rfind(b"\n", 0, error.start) + 1) + 1
        message = f"not UTF-8: byte 0x{data[error.start]:02x}"
        raise ConfigError(message, hint="save it as UTF-8", where=f"{path}:{line}:{column}") from None


def _environment(name: str, value: Environment) -> EnvironmentConfig:
    return EnvironmentConfig(
        name=name,
        url=value.url,
        dialect=dialect(value),
        lock_timeout=parse_duration(value.lock_timeout),
        statement_timeout=parse_duration(value.statement_timeout),
        lock_retries=value.lock_retries,
    )
