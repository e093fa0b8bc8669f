"""Alembic's configuration, read without Alembic: alembic.ini, ``[tool.alembic]`` in pyproject.toml, or both.

Follows ``alembic.config.Config`` and ``ScriptDirectory.from_config`` of Alembic 1.20, with two differences.
A relative path is relative to the configuration file's folder (Alembic: to the current directory, which is that
folder where Alembic is run as its manual says). Empty entries of a list are dropped (Alembic would list the
current directory as a version location).
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import sys
import tomllib
from collections.abc import Iterable
from configparser import (
    ConfigParser,
    DuplicateOptionError,
    DuplicateSectionError,
    MissingSectionHeaderError,
    ParsingError,
)
from configparser import Error as IniError
from dataclasses import dataclass, field
from pathlib import Path

from migrate_flow.core.revision import manifest_lines
from migrate_flow.errors import ConfigError

_SEPARATORS = {"space": " ", "newline": "\n", "os": os.pathsep, ":": ":", ";": ";"}
_COMMAS_AND_SPACES = re.compile(r", *| +")
_COMMAS_SPACES_AND_COLONS = re.compile(r", *| +|:")


@dataclass(frozen=True, slots=True)
class AlembicSettings:
    """Where an Alembic project keeps its scripts. Paths are absolute, links in them not resolved.

    ini, toml: the files that were read. version_locations: at least one, in Alembic's order.
    sqlalchemy_url: as the ini section has it; None where it has none, or leaves parts of it to env.py
    (``%(DB_USER)s``). It may hold a password. digest: ``sha256:<hex>`` over the files, names included.
    """

    ini: Path | None
    toml: Path | None
    section: str
    script_location: Path
    version_locations: tuple[Path, ...]
    recursive: bool
    prepend_sys_path: tuple[Path, ...]
    sqlalchemy_url: str | None = field(repr=False)
    digest: str
    file_template: str = ""  # as Alembic would fill it in, empty for its default
    flask: bool = False  # Flask-Migrate's layout: env.py beside the ini file, which names no script_location


def read_settings(file: Path, section: str = "alembic") -> AlembicSettings:
    """file: an ini file or a pyproject.toml; the other one is read too where it stands beside it, as Alembic does.

    section: of the ini file (``alembic -n``). Raises ConfigError with where = the file, its line or its key.
    """
    sources = _read_files(file, section)
    prepended = tuple(sources.here / text for text in sources.paths("prepend_sys_path", _COMMAS_SPACES_AND_COLONS))
    text = sources.text("script_location")
    flask = not text and sources.ini == file.absolute() and file.with_name("env.py").is_file()
    if flask:
        text = "."
    if not text:
        raise sources.missing("script_location", 'script_location = "migrations"')
    script_location = _folder(text, prepended, sources, "script_location")
    locations = [
        _folder(t, prepended, sources, "version_locations")
        for t in sources.paths("version_locations", _COMMAS_AND_SPACES, "version_path_separator")
    ]
    return AlembicSettings(
        ini=sources.ini,
        toml=sources.toml,
        section=section,
        script_location=script_location,
        version_locations=tuple(dict.fromkeys(locations)) or (script_location / "versions",),
        recursive=sources.flag("recursive_version_locations"),
        prepend_sys_path=prepended,
        sqlalchemy_url=sources.url(),
        digest=sources.digest,
        file_template=sources.text("file_template"),
        flask=flask,
    )


@dataclass(frozen=True, slots=True)
class _Sources:
    """Both files. A key of the ini section goes before the same key of [tool.alembic]."""

    ini: Path | None
    toml: Path | None
    section: str
    parser: ConfigParser
    table: dict[str, object]
    here: Path
    digest: str

    def in_ini(self, key: str) -> bool:
        return self.parser.has_option(self.section, key)  # false where there is no such section

    def where(self, key: str) -> str:
        return f"{self.ini}: [{self.section}] {key}" if self.in_ini(key) else f"{self.toml}: [tool.alembic] {key}"

    def from_ini(self, key: str) -> str:
        try:
            return self.parser.get(self.section, key)
        except IniError:
            hint = "write a percent sign as %%, and use only %(here)s and keys of the same section"
            raise ConfigError(f"{key} can't be expanded", hint=hint, where=self.where(key)) from None

    def text(self, key: str) -> str:
        if self.in_ini(key):
            return self.from_ini(key)
        value = self.table.get(key, "")
        if not isinstance(value, str):
            raise ConfigError(f"{key} must be a string", hint=f'{key} = "…"', where=self.where(key))
        return self.expand(key, value)

    def expand(self, key: str, value: str) -> str:
        """What Alembic does with strings of the TOML file."""
        try:
            return value % {"here": self.here.as_posix()}
        except (KeyError, ValueError, TypeError):
            hint = "write a percent sign as %%, and use only %(here)s"
            raise ConfigError(f"{key} can't be expanded", hint=hint, where=self.where(key)) from None

    def flag(self, key: str) -> bool:
        if self.in_ini(key):
            return self.from_ini(key) == "true"
        value = self.table.get(key, False)
        if not isinstance(value, bool):
            raise ConfigError(f"{key} must be true or false", hint=f"{key} = true", where=self.where(key))
        return value

    def paths(self, key: str, legacy: re.Pattern[str], *older: str) -> list[str]:
        """A list of paths. legacy: how Alembic splits it where no separator is configured."""
        if self.in_ini(key) and (joined := self.from_ini(key)):
            separator = self.separator("path_separator", *older)
            parts = joined.split(separator) if separator else legacy.split(joined)
            return [part.strip() for part in parts if part.strip()]
        value = self.table.get(key, [])
        if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
            raise ConfigError(f"{key} must be a list of strings", hint=f'{key} = ["…"]', where=self.where(key))
        return [text for v in value if (text := self.expand(key, v))]

    def separator(self, *keys: str) -> str:
        for key in keys:
            if self.in_ini(key):
                name = self.from_ini(key)
                if name not in _SEPARATORS:
                    allowed = ", ".join(_SEPARATORS)
                    raise ConfigError(f"{key} is none of {allowed}", hint=f"{key} = os", where=self.where(key))
                return _SEPARATORS[name]
        return ""

    def url(self) -> str | None:
        if not self.in_ini("sqlalchemy.url"):
            return None
        try:
            return self.parser.get(self.section, "sqlalchemy.url") or None
        except IniError:
            return None  # %(DB_USER)s, which env.py fills in

    def missing(self, key: str, hint: str) -> ConfigError:
        if self.parser.has_section(self.section) or self.table:
            where = str(self.toml) if self.table else f"{self.ini}: [{self.section}]"
            return ConfigError(f"the Alembic configuration has no {key}", hint=hint, where=where)
        if self.ini is None:
            hint = "add [tool.alembic] with script_location, or name the project's alembic.ini"
            return ConfigError("there is no [tool.alembic] in it", hint=hint, where=str(self.toml))
        found = ", ".join(f"[{s}]" for s in self.parser.sections() if self.parser.has_option(s, key))
        hint = f"set alembic_section to one of {found}" if found else f"add a [{self.section}] section with {key}"
        return ConfigError(f"there is no [{self.section}] section in it", hint=hint, where=str(self.ini))


def _read_files(file: Path, section: str) -> _Sources:
    file = file.absolute()
    named_toml = file.suffix == ".toml"
    ini = file.with_name("alembic.ini") if named_toml else file
    toml = file if named_toml else file.with_name("pyproject.toml")
    read: dict[Path, bytes] = {path: _read(path) for path in (ini, toml) if path == file or path.is_file()}
    parser = ConfigParser({"here": file.parent.as_posix()})
    if ini in read:
        _parse_ini(parser, read[ini], ini)
    table = _parse_toml(read[toml], toml) if toml in read else None
    if table is None and not named_toml:
        read.pop(toml, None)  # a pyproject.toml that is not Alembic's
    return _Sources(
        ini=ini if ini in read else None,
        toml=toml if toml in read else None,
        section=section,
        parser=parser,
        table=table or {},
        here=file.parent,
        digest=_digest(read),
    )


def _digest(files: dict[Path, bytes]) -> str:
    lines = manifest_lines((path.name, hashlib.sha256(content).hexdigest()) for path, content in files.items())
    return "sha256:" + hashlib.sha256(lines).hexdigest()


def _read(path: Path) -> bytes:
    hint = "set alembic under [project] to the project's alembic.ini or pyproject.toml"
    try:
        if not path.exists():
            raise ConfigError("there is no such Alembic configuration", hint=hint, where=str(path))
        if not path.is_file():  # a FIFO would never end
            raise ConfigError("the Alembic configuration is not a file", hint=hint, where=str(path))
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"the file can't be read: {error.strerror}", hint=hint, where=str(path)) from None
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError("the file is not UTF-8", hint="save it as UTF-8", where=f"{path}:{line}") from None
    if content.startswith(b"\xef\xbb\xbf"):
        hint = "save it as UTF-8 without a byte order mark; Alembic can't read it either"
        raise ConfigError("the file starts with a byte order mark", hint=hint, where=f"{path}:1")
    return content


def _parse_ini(parser: ConfigParser, content: bytes, path: Path) -> None:
    """The lines of an ini file may hold a password: no message repeats one."""
    try:
        parser.read_string(content.decode("utf-8"))
    except DuplicateOptionError as error:
        raise _bad_ini(path, error.lineno, f"[{error.section}] {error.option} is there twice", "keep one") from None
    except DuplicateSectionError as error:
        raise _bad_ini(path, error.lineno, f"the section [{error.section}] is there twice", "keep one") from None
    except MissingSectionHeaderError as error:
        raise _bad_ini(
            path, error.lineno, "the file does not start with a section", "start it with [alembic]"
        ) from None
    except ParsingError as error:
        line = error.errors[0][0] if error.errors else None
        raise _bad_ini(path, line, "the line is neither a key nor a section", "write it as key = value") from None
    except IniError:
        raise _bad_ini(path, None, "the file is not an ini file", "see alembic.ini of a fresh `alembic init`") from None


def _bad_ini(path: Path, line: int | None, problem: str, hint: str) -> ConfigError:
    return ConfigError(problem, hint=hint, where=f"{path}:{line}" if line else str(path))


def _parse_toml(content: bytes, path: Path) -> dict[str, object] | None:
    """The table [tool.alembic], None where there is none."""
    try:
        tool = tomllib.loads(content.decode("utf-8")).get("tool", {})
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        line = re.search(r"\(at line (\d+)", str(error))
        where = f"{path}:{line[1]}" if line else str(path)
        raise ConfigError(f"not valid TOML: {error}", hint="correct that line", where=where) from None
    table = tool.get("alembic") if isinstance(tool, dict) else None
    if table is not None and not isinstance(table, dict):
        raise ConfigError("tool.alembic must be a table", hint="[tool.alembic]", where=str(path))
    return table


def _folder(text: str, prepended: tuple[Path, ...], sources: _Sources, key: str) -> Path:
    """A location as Alembic takes it: a path, or ``package:folder`` inside an importable package."""
    where = sources.where(key)
    if ":" in text and not Path(text).is_absolute():
        package, *inner = text.split(":")
        for folder in _package_folders(package, [str(p) for p in prepended]):
            if (found := Path(folder, *inner)).is_dir():
                return found
        hint = f"install the package, or add the folder that holds {package.partition('.')[0]}/ to prepend_sys_path"
        raise ConfigError(f"there is no folder {text!r} in an importable package", hint=hint, where=where)
    found = sources.here / text
    if not found.is_dir():
        problem = "is not a folder" if found.exists() else "does not exist"
        make = f"alembic init {text}" if key == "script_location" else f"mkdir -p {found}"
        raise ConfigError(f"{key} {text!r} {problem}", hint=f"{make}, or correct {key}", where=where)
    return found


def _package_folders(package: str, prepended: list[str]) -> Iterable[str]:
    """Folders of a package, found without running it: its own, or all portions of a namespace package."""
    first, *inner = package.split(".")
    folders = _inner_folders([*prepended, *sys.path], first) or _found_by_import_system(first)
    for part in inner:
        folders = _inner_folders(folders, part)
    return folders


def _inner_folders(folders: Iterable[str], part: str) -> list[str]:
    inside = [os.path.join(folder, part) for folder in folders]  # noqa: PTH118 many, and compared as text
    regular = [folder for folder in inside if Path(folder, "__init__.py").is_file()]
    return regular[:1] or [folder for folder in inside if Path(folder).is_dir()]


def _found_by_import_system(name: str) -> list[str]:
    """Packages that are no folder of sys.path: editable installs. find_spec of a top-level name imports nothing."""
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return []
    return list(spec.submodule_search_locations or ()) if spec else []
