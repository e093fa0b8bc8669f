"""Settings, held against Alembic's own Config and ScriptDirectory on the same files."""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

from migrate_flow.alembic_adapter.settings import AlembicSettings, read_settings
from migrate_flow.errors import ConfigError


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with migrations/, more/, other/ and a package pkg.sub; the current directory, as Alembic expects."""
    for folder in (
        "migrations/versions",
        "more",
        "other/nested",
        "other/pkg_of_test/sub",
        "lib/pkg_of_test/sub/versions",
        "lib/spread_of_test/v",
    ):
        (tmp_path / folder).mkdir(parents=True)
    for folder in ("lib/pkg_of_test", "lib/pkg_of_test/sub"):
        (tmp_path / folder / "__init__.py").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))  # Alembic puts prepend_sys_path there
    for folder in ("lib", "other"):
        sys.path_importer_cache.pop(folder, None)  # of another test's current directory
    return tmp_path


def alembics(project: Path, section: str = "alembic") -> tuple[Path, list[Path], bool, list[Path], str | None]:
    """What Alembic makes of the project's files, started as its command line would."""
    ini, toml = project / "alembic.ini", project / "pyproject.toml"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        config = Config(str(ini), toml_file=str(toml), ini_section=section)
        scripts = ScriptDirectory.from_config(config)
        prepended = config.get_prepend_sys_paths_list() or []
    locations = [location.resolve() for location in scripts._version_locations]
    url = config.get_section(section, {}).get("sqlalchemy.url")
    for name in [n for n in sys.modules if n.endswith("_of_test") or "_of_test." in n]:
        del sys.modules[name]
    return Path(scripts.dir).resolve(), locations, scripts.recursive_version_locations, [*map(Path, prepended)], url


def ours(settings: AlembicSettings) -> tuple[Path, list[Path], bool, list[Path], str | None]:
    locations = [location.resolve() for location in settings.version_locations]
    prepended = [path.resolve() for path in settings.prepend_sys_path]
    return settings.script_location.resolve(), locations, settings.recursive, prepended, settings.sqlalchemy_url


def same(project: Path, *, ini: str = "", toml: str = "", section: str = "alembic") -> AlembicSettings:
    """Write the files, read them with both, compare, give ours."""
    for name, text in (("alembic.ini", ini), ("pyproject.toml", toml)):
        if text:
            (project / name).write_text(text)
    settings = read_settings(project / ("alembic.ini" if ini else "pyproject.toml"), section)
    folder, locations, recursive, prepended, url = alembics(project, section)
    assert ours(settings) == (folder, locations, recursive, [p.resolve() for p in prepended], url)
    return settings


INI = {
    "plain": "[alembic]\nscript_location = migrations\n",
    "here": "[alembic]\nscript_location = %(here)s/migrations\nsqlalchemy.url = sqlite:///%(here)s/a.db\n",
    "default section": "[DEFAULT]\nwhere = migrations\n[alembic]\nscript_location = %(where)s\n",
    "key from the default section": "[DEFAULT]\nscript_location = migrations\n[alembic]\n",
    "recursive": "[alembic]\nscript_location = migrations\nrecursive_version_locations = true\n",
    "not recursive but for true": "[alembic]\nscript_location = migrations\nrecursive_version_locations = True\n",
    "os": "[alembic]\nscript_location=migrations\npath_separator=os\nversion_locations=more:other/nested\n",
    "colon": "[alembic]\nscript_location=migrations\npath_separator=:\nversion_locations=more : %(here)s/other\n",
    "semicolon": "[alembic]\nscript_location=migrations\npath_separator=;\nversion_locations=more;other\n",
    "space": "[alembic]\nscript_location=migrations\npath_separator=space\nversion_locations=more  other\n",
    "newline": "[alembic]\nscript_location=migrations\npath_separator=newline\nversion_locations=\n  more\n  other\n",
    "older key": "[alembic]\nscript_location=migrations\nversion_path_separator=;\nversion_locations=more;other\n",
    "newer key first": "[alembic]\nscript_location=migrations\nversion_path_separator=space\npath_separator=;\n"
    "version_locations=more;other\n",
    "legacy": "[alembic]\nscript_location=migrations\n"
    "version_locations=more, other  other/nested,migrations/versions\n",
    "same place twice": "[alembic]\nscript_location=migrations\npath_separator=:\nversion_locations=more:other\n",
    "prepend": "[alembic]\nscript_location=migrations\nprepend_sys_path=.\npath_separator=os\n",
    "prepend several": "[alembic]\nscript_location=migrations\nprepend_sys_path=. : lib\npath_separator=os\n",
    "prepend legacy": "[alembic]\nscript_location=migrations\nprepend_sys_path=., lib:other more\n",
    "prepend ignores the older key": "[alembic]\nscript_location=migrations\nversion_path_separator=;\n"
    "prepend_sys_path=.:lib\n",
    "package": "[alembic]\nscript_location=pkg_of_test:sub\nprepend_sys_path=lib\npath_separator=os\n",
    "package deeper": "[alembic]\nscript_location=pkg_of_test:sub:versions\nprepend_sys_path=lib\npath_separator=os\n",
    "a folder of its name before the package": "[alembic]\nscript_location=pkg_of_test:sub\n"
    "prepend_sys_path=other:lib\npath_separator=os\n",
    "inner package": "[alembic]\nscript_location=pkg_of_test.sub:versions\nprepend_sys_path=lib\npath_separator=os\n",
    "namespace package": "[alembic]\nscript_location=spread_of_test:v\nprepend_sys_path=lib\npath_separator=os\n",
    "package among locations": "[alembic]\nscript_location=migrations\nprepend_sys_path=lib\npath_separator=;\n"
    "version_locations=more;pkg_of_test:sub:versions\n",
    "comments and other sections": "# x\n[alembic]\n; y\nscript_location = migrations\n[loggers]\nkeys = root\n",
    "doubled percent": "[alembic]\nscript_location=migrations\nsqlalchemy.url=postgresql://u:p%%40w@h/d\n",
}


@pytest.mark.skipif(os.pathsep != ":", reason="paths joined by a colon")
@pytest.mark.parametrize("text", INI.values(), ids=INI.keys())
def test_ini_files(project: Path, text: str) -> None:
    settings = same(project, ini=text)
    assert settings.ini == project / "alembic.ini"
    assert settings.toml is None


TOML = {
    "plain": 'script_location = "migrations"',
    "here": 'script_location = "%(here)s/migrations"\nprepend_sys_path = [".", "%(here)s/lib"]',
    "recursive": 'script_location = "migrations"\nrecursive_version_locations = true',
    "locations": 'script_location = "migrations"\nversion_locations = ["%(here)s/more", "other"]',
    "package": 'script_location = "pkg_of_test:sub"\nprepend_sys_path = ["lib"]',
    "percent": 'script_location = "migrations"\nfile_template = "%%(rev)s"',
}


@pytest.mark.parametrize("text", TOML.values(), ids=TOML.keys())
def test_pyproject_files(project: Path, text: str) -> None:
    settings = same(project, toml=f"[project]\nname = 'x'\n[tool.alembic]\n{text}\n")
    assert settings.ini is None
    assert settings.toml == project / "pyproject.toml"


BOTH = {
    "the ini has the url only": ("[alembic]\nsqlalchemy.url = sqlite://\n", 'script_location = "migrations"'),
    "the ini goes first": ("[alembic]\nscript_location = more\n", 'script_location = "migrations"'),
    "key by key": (
        "[alembic]\nrecursive_version_locations = false\nversion_locations = other\npath_separator = os\n",
        'script_location = "migrations"\nversion_locations = ["more"]\nrecursive_version_locations = true\n'
        'prepend_sys_path = ["lib"]',
    ),
    "an empty list in the ini": (
        "[alembic]\nversion_locations =\nprepend_sys_path =\n",
        'script_location = "migrations"\nversion_locations = ["more"]\nprepend_sys_path = ["lib"]',
    ),
    "no section in the ini": ("[loggers]\nkeys = root\n", 'script_location = "migrations"'),
}


@pytest.mark.parametrize(("ini", "toml"), BOTH.values(), ids=BOTH.keys())
def test_both_files(project: Path, ini: str, toml: str) -> None:
    settings = same(project, ini=ini, toml=f"[tool.alembic]\n{toml}\n")
    assert settings.ini
    assert settings.toml
    assert read_settings(project / "pyproject.toml") == settings


def test_another_section(project: Path) -> None:
    ini = "[alembic]\nscript_location = other\n[tenant]\nscript_location = migrations\nversion_locations = more\n"
    settings = same(project, ini=ini, section="tenant")
    assert settings.section == "tenant"
    assert settings.version_locations == (project / "more",)


def test_a_pyproject_without_alembic_does_not_count(project: Path) -> None:
    (project / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    settings = same(project, ini=INI["plain"])
    assert settings.toml is None
    (project / "pyproject.toml").write_text("[project]\nname = 'y'\n")
    assert read_settings(project / "alembic.ini").digest == settings.digest


def test_paths_are_relative_to_the_file_wherever_one_stands(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = same(project, ini=INI["prepend several"])
    monkeypatch.chdir(project / "other")
    assert read_settings(project / "alembic.ini") == settings
    assert read_settings(Path("../alembic.ini")).version_locations[0].resolve() == project / "migrations" / "versions"


def test_the_digest_follows_every_byte_and_both_files(project: Path) -> None:
    digests = {same(project, ini=INI["plain"]).digest, same(project, ini=INI["plain"] + "# x\n").digest}
    digests |= {same(project, toml='[tool.alembic]\nscript_location = "migrations"\n', ini=INI["plain"]).digest}
    digests |= {same(project, toml='[tool.alembic]\nscript_location = "more"\n', ini=INI["plain"]).digest}
    assert len(digests) == 4
    assert all(d.startswith("sha256:") and len(d) == 71 for d in digests)


def test_a_password_is_not_shown_by_accident(project: Path) -> None:
    settings = same(project, ini=INI["doubled percent"])
    assert settings.sqlalchemy_url == "postgresql://u:p%40w@h/d"
    assert "p%40w" not in repr(settings)


def test_no_package_code_runs(project: Path) -> None:
    (project / "lib/pkg_of_test/__init__.py").write_text("raise SystemExit('ran')\n")
    (project / "alembic.ini").write_text(INI["inner package"])
    settings = read_settings(project / "alembic.ini")
    assert settings.script_location == project / "lib/pkg_of_test/sub/versions"
    assert "pkg_of_test" not in sys.modules


def test_an_installed_package_is_found_without_its_path(project: Path) -> None:
    (project / "alembic.ini").write_text("[alembic]\nscript_location = alembic:templates\n")
    assert (read_settings(project / "alembic.ini").script_location / "generic").is_dir()


@pytest.mark.parametrize("url", ["postgresql://%(DB_USER)s@h/d", "postgresql://u:p%40w@h/d"])
def test_a_url_that_env_py_completes_is_left_to_it(project: Path, url: str) -> None:
    (project / "alembic.ini").write_text(INI["plain"] + f"sqlalchemy.url = {url}\n")
    assert read_settings(project / "alembic.ini").sqlalchemy_url is None


def test_empty_entries_are_no_folders(project: Path) -> None:
    text = (
        "[alembic]\nscript_location=migrations\npath_separator=:\nversion_locations=more: :\nprepend_sys_path= :lib\n"
    )
    (project / "alembic.ini").write_text(text)
    settings = read_settings(project / "alembic.ini")
    assert settings.version_locations == (project / "more",)
    assert settings.prepend_sys_path == (project / "lib",)


SECRET = "hunter2"
BAD_INI = [
    ("[other]\nscript_location = x\n", "no [alembic] section", "alembic.ini", "one of [other]"),
    ("", "no [alembic] section", "alembic.ini", "add a [alembic] section"),
    ("[alembic]\nkey = x\n", "no script_location", "[alembic]", "script_location ="),
    ("[alembic]\nscript_location =\n", "no script_location", "[alembic]", "script_location ="),
    ("[alembic]\nscript_location = gone\n", "'gone' does not exist", "[alembic] script_location", "alembic init gone"),
    ("[alembic]\nscript_location = alembic.ini\n", "is not a folder", "[alembic] script_location", "correct"),
    (
        "[alembic]\nscript_location = nopkg_of_test:x\n",
        "importable package",
        "[alembic] script_location",
        "nopkg_of_test/",
    ),
    ("[alembic]\nscript_location = alembic:gone\n", "importable package", "[alembic] script_location", "install"),
    (INI["plain"] + "version_locations = gone\n", "'gone' does not exist", "[alembic] version_locations", "mkdir -p"),
    (INI["os"].replace("=os", "=comma"), "none of space, newline", "[alembic] path_separator", "path_separator = os"),
    (INI["plain"] + "prepend_sys_path = %(gone)s\n", "can't be expanded", "[alembic] prepend_sys_path", "%%"),
    (
        f"[alembic]\nsqlalchemy.url = {SECRET}\n{SECRET}\n",
        "neither a key nor a section",
        "alembic.ini:3",
        "key = value",
    ),
    (f"{SECRET}\n", "does not start with a section", "alembic.ini:1", "[alembic]"),
    ("[alembic]\na = 1\na = 2\n", "[alembic] a is there twice", "alembic.ini:3", "keep one"),
    ("[alembic]\n[alembic]\n", "[alembic] is there twice", "alembic.ini:2", "keep one"),
    ("\ufeff[alembic]\n", "byte order mark", "alembic.ini:1", "without"),
]
BAD_TOML = [
    ("x = 1\n", "no [tool.alembic]", "pyproject.toml", "alembic.ini"),
    ("[tool.alembic]\nx = 1\n", "no script_location", "pyproject.toml", "script_location ="),
    ("[tool]\nalembic = 1\n", "must be a table", "pyproject.toml", "[tool.alembic]"),
    ("[tool.alembic\n", "not valid TOML", "pyproject.toml:1", "line"),
    (
        "[tool.alembic]\nscript_location = 1\n",
        "must be a string",
        "[tool.alembic] script_location",
        "script_location =",
    ),
    ('[tool.alembic]\nscript_location = "%(gone)s"\n', "can't be expanded", "[tool.alembic] script_location", "%%"),
    ('[tool.alembic]\nscript_location = "50%"\n', "can't be expanded", "[tool.alembic] script_location", "%%"),
    (
        '[tool.alembic]\nscript_location = "migrations"\nversion_locations = "more"\n',
        "must be a list",
        "version_loc",
        "[",
    ),
    ('[tool.alembic]\nscript_location = "migrations"\nprepend_sys_path = [1]\n', "must be a list", "prepend", "["),
    (
        '[tool.alembic]\nscript_location = "migrations"\nrecursive_version_locations = "true"\n',
        "true or false",
        "rec",
        "=",
    ),
]


@pytest.mark.parametrize(
    ("name", "text", "said", "where", "hint"),
    [("alembic.ini", *case) for case in BAD_INI] + [("pyproject.toml", *case) for case in BAD_TOML],
    ids=range(len(BAD_INI) + len(BAD_TOML)),
)
def test_bad_files_say_where_and_what_to_do(
    project: Path, name: str, text: str, said: str, where: str, hint: str
) -> None:
    (project / name).write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        read_settings(project / name)
    assert said in caught.value.message
    assert where in caught.value.where
    assert str(project / name) in caught.value.where
    assert hint in caught.value.hint
    assert SECRET not in f"{caught.value.message}{caught.value.hint}{caught.value.where}"


def test_files_that_can_not_be_read(project: Path) -> None:
    ini = project / "alembic.ini"
    with pytest.raises(ConfigError, match="no such Alembic configuration"):
        read_settings(ini)
    ini.write_bytes(b"[alembic]\nscript_location = caf\xe9\n")
    with pytest.raises(ConfigError, match="not UTF-8") as caught:
        read_settings(ini)
    assert caught.value.where == f"{ini}:2"
    ini.unlink()
    ini.mkdir()
    with pytest.raises(ConfigError, match="not a file"):
        read_settings(ini)
    ini.rmdir()
    os.mkfifo(ini)
    with pytest.raises(ConfigError, match="not a file"):
        read_settings(ini)


def test_the_section_alembic_lacks_is_refused_there_too(project: Path) -> None:
    (project / "alembic.ini").write_text("[other]\nscript_location = migrations\n")
    with pytest.raises(Exception, match="No 'script_location'"):
        alembics(project)
