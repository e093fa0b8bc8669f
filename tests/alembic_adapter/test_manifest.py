"""Manifests: which files they seal, that any change of these shows, and that Python would import the same ones."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from migrate_flow.alembic_adapter import imports
from migrate_flow.alembic_adapter.files import read_sealed
from migrate_flow.alembic_adapter.header import read_header
from migrate_flow.alembic_adapter.manifest import read_manifest
from migrate_flow.alembic_adapter.settings import read_settings
from migrate_flow.core.behaviour import behaviour_digest
from migrate_flow.core.revision import Manifest
from migrate_flow.errors import ScriptError

HEAD = 'revision = "a1"\ndown_revision = None\n'
SCRIPT = "migrations/versions/a1.py"


class Project:
    """A project on disk with one script that imports what a test lets it import."""

    def __init__(self, root: Path, prepend: str = ".") -> None:
        self.root = root
        self.write("migrations/versions/a1.py", HEAD)
        self.write("alembic.ini", f"[alembic]\nscript_location = migrations\nprepend_sys_path = {prepend}\n")

    def write(self, name: str, text: str = "") -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def script(self, imports: str) -> None:
        self.write(SCRIPT, f"{HEAD}\n\ndef upgrade():\n    pass\n\n\n{imports}\n")

    def manifest(self) -> Manifest:
        revision = read_header((self.root / SCRIPT).read_bytes(), SCRIPT)
        return read_manifest(revision, read_settings(self.root / "alembic.ini"), self.root)

    def sealed(self) -> dict[str, str]:
        """Module → path, without the script."""
        return {f.module: f.path for f in self.manifest().files[1:]}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def test_a_script_alone(project: Project) -> None:
    project.script("import os, sqlalchemy as sa\nfrom alembic import op\nfrom sqlalchemy.dialects import postgresql")
    sealed = project.manifest()
    content = (project.root / SCRIPT).read_bytes()
    assert [f.path for f in sealed.files] == [SCRIPT]
    assert sealed.script.content == content
    assert sealed.script.module == ""
    assert sealed.behaviour == behaviour_digest(content) != ""


def test_sha256sum_agrees(project: Project) -> None:
    project.script("import app.models")
    project.write("app/__init__.py")
    project.write("app/models.py", "x = 1\n")
    lines = project.manifest().lines
    checked = subprocess.run(["sha256sum", "-c"], input=lines, cwd=project.root, capture_output=True, check=False)
    assert checked.returncode == 0, checked.stderr
    project.write("app/models.py", "x = 2\n")
    checked = subprocess.run(["sha256sum", "-c"], input=lines, cwd=project.root, capture_output=True, check=False)
    assert b"app/models.py: FAILED" in checked.stdout


# imports of the script → what is sealed, in a project with all the files of LAYOUT
LAYOUT = {
    "app/__init__.py": "",
    "app/models.py": "from . import types\nfrom .parts import deep as d\n",
    "app/types.py": "",
    "app/parts/__init__.py": "import app.parts.other",
    "app/parts/deep.py": "def f():\n    from ..lazy import x\n",
    "app/parts/other.py": "from .. import app_is_no_module\nfrom .... import beyond\n",
    "app/lazy.py": "x = 1\n",
    "app/unused.py": "import flat",
    "starred/__init__.py": "__all__ = ['one', 'name']\nname = 1\n",
    "starred/one.py": "",
    "starred/two.py": "",
    "space/inner/mod.py": "",
    "src/space/other.py": "",
    "src/pkg/__init__.py": "",
    "src/pkg/a.py": "import flat",
    "flat.py": "",
    "circle/__init__.py": "from .x import y",
    "circle/x.py": "import circle\ny = 1\n",
    "alembic/__init__.py": "",
    "alembic/op.py": "",
    "sqlalchemy/__init__.py": "",
    "json/notes.py": "",
    "venv/lib/installed.py": "",
    "node_modules/gyp/__init__.py": "",
    "migrations/helpers.py": "import flat",
    "migrations/versions/beside.py": "",
}
APP_MODELS = {"app", "app.models", "app.types", "app.parts", "app.parts.deep", "app.parts.other", "app.lazy"}
IMPORTS = {
    "import flat": {"flat"},
    "import flat as f, os": {"flat"},
    "from flat import x": {"flat"},
    "from flat import *": {"flat"},
    "import app": {"app"},
    "import app.lazy": {"app", "app.lazy"},
    "from app import lazy": {"app", "app.lazy"},
    "from app import nothing": {"app"},
    "import app.nothing.more": {"app"},
    "import app.models": APP_MODELS,
    "from app.models import X": APP_MODELS,
    "from starred import *": {"starred", "starred.one"},
    "from starred import name": {"starred"},
    "import space.inner.mod, space.other": {"space.inner.mod", "space.other"},
    "import space": set(),
    "import pkg.a": {"pkg", "pkg.a", "flat"},
    "import src.pkg.a": {"src.pkg", "src.pkg.a", "flat"},
    "import circle": {"circle", "circle.x"},
    "from alembic import op": set(),
    "import sqlalchemy": set(),
    "import json.notes": set(),
    "import venv.lib.installed": set(),
    "import node_modules.gyp": set(),
    "from migrations import helpers": {"migrations.helpers", "flat"},
    "import beside": set(),
    "from . import beside": set(),
    "def f():\n    if 1:\n        import flat": {"flat"},
    "try:\n    import gone\nexcept ImportError:\n    import flat": {"flat"},
    "class A:\n    import flat": {"flat"},
    "import importlib\nimportlib.import_module('app.lazy')": {"app", "app.lazy"},
    "from importlib import import_module as i, import_module\nimport_module('flat')": {"flat"},
    "__import__('flat')": {"flat"},
    "import_module('app/../flat'); import_module('')": set(),
    "'import flat'  # import flat": set(),
}


@pytest.mark.parametrize(("imports", "modules"), IMPORTS.items())
def test_what_a_script_imports_is_sealed_with_it(project: Project, imports: str, modules: set[str]) -> None:
    for name, text in LAYOUT.items():
        project.write(name, text)
    project.script(imports)
    sealed = project.sealed()
    assert set(sealed) == modules
    for module, path in sealed.items():
        assert path.removeprefix("src/") in (
            f"{module.removeprefix('src.').replace('.', '/')}.py",
            f"{module.removeprefix('src.').replace('.', '/')}/__init__.py",
        )


@pytest.mark.parametrize("imports", ["import app.models", "from starred import *", "import circle", "import flat"])
def test_python_loads_the_same_files(project: Project, imports: str) -> None:
    for name, text in LAYOUT.items():
        if name.partition("/")[0] not in ("json", "alembic", "sqlalchemy"):
            project.write(
                name, text.replace("from .... import beyond", "").replace("from .. import app_is_no_module", "")
            )
    project.script(imports)
    show = (
        f"import sys, runpy; sys.path[:0] = ['.', 'src']; runpy.run_path({SCRIPT!r})\n"
        f"files = [getattr(m, '__file__', None) or '' for m in sys.modules.values()]\n"
        f"print(*[f for f in files if f.startswith({str(project.root)!r})])"
    )
    ran = subprocess.run([sys.executable, "-c", show], cwd=project.root, capture_output=True, text=True, check=True)
    loaded = {Path(f).relative_to(project.root).as_posix() for f in ran.stdout.split()}
    assert loaded <= set(project.sealed().values())
    assert loaded


def test_the_roots_go_in_the_order_of_sys_path(project: Project) -> None:
    project.write("alembic.ini", "[alembic]\nscript_location=migrations\npath_separator=os\nprepend_sys_path=lib:.\n")
    for name in ("lib/twice.py", "twice.py", "src/twice.py", "src/thrice/__init__.py", "thrice.py"):
        project.write(name)
    project.script("import twice, thrice")
    assert project.sealed() == {"twice": "lib/twice.py", "thrice": "thrice.py"}


def test_without_prepend_sys_path_the_project_is_still_searched(tmp_path: Path) -> None:
    project = Project(tmp_path, prepend="")
    project.write("src/app/__init__.py")
    project.script("import app, flat")
    project.write("flat.py")
    assert project.sealed() == {"app": "src/app/__init__.py", "flat": "flat.py"}


def test_the_folder_of_the_configuration_is_searched(tmp_path: Path) -> None:
    Project(tmp_path / "db", prepend="")
    (tmp_path / "db/helper.py").touch()
    (tmp_path / "db" / SCRIPT).write_text(HEAD + "import helper\n\n\ndef upgrade():\n    pass\n")
    revision = read_header((tmp_path / "db" / SCRIPT).read_bytes(), f"db/{SCRIPT}")
    sealed = read_manifest(revision, read_settings(tmp_path / "db/alembic.ini"), tmp_path)
    assert [f.path for f in sealed.files] == [f"db/{SCRIPT}", "db/helper.py"]


def test_a_module_that_hides_the_standard_library_is_sealed(project: Project) -> None:
    project.write("colorsys.py", "x = 'mine'")
    project.write("wave/readme.py")
    project.script("import colorsys, wave, os")
    assert project.sealed() == {"colorsys": "colorsys.py"}
    shown = "import sys; sys.path.insert(0, '.'); import colorsys; print(colorsys.x)"
    ran = subprocess.run([sys.executable, "-c", shown], cwd=project.root, capture_output=True, text=True, check=True)
    assert ran.stdout == "mine\n"


def test_but_not_where_alembic_does_not_put_its_folder_first(tmp_path: Path) -> None:
    project = Project(tmp_path, prepend="")
    project.write("colorsys.py")
    project.script("import colorsys")
    assert project.sealed() == {}


def test_a_file_under_two_names_is_sealed_under_both(project: Project) -> None:
    project.write("src/pkg/__init__.py")
    project.script("import pkg, src.pkg")
    assert project.sealed() == {"pkg": "src/pkg/__init__.py", "src.pkg": "src/pkg/__init__.py"}


def test_a_change_of_a_helper_changes_the_manifest_even_with_the_same_size_and_time(project: Project) -> None:
    helper = project.write("helper.py", "x = 1\n")
    project.script("import helper")
    before = project.manifest()
    kept = helper.stat()
    helper.write_text("x = 2\n")
    os.utime(helper, ns=(kept.st_atime_ns, kept.st_mtime_ns))
    after = project.manifest()
    assert after.digest != before.digest
    assert after.behaviour != before.behaviour  # what a module does, the script may do
    helper.write_text("x = 1\n")
    assert project.manifest().digest == before.digest


def test_the_order_of_imports_does_not_matter(project: Project) -> None:
    for name in ("a", "b", "c"):
        project.write(f"{name}.py")
    project.script("import a, b, c")
    first = [f.path for f in project.manifest().files[1:]]
    project.script("import c, b\nimport a")
    assert [f.path for f in project.manifest().files[1:]] == first == ["a.py", "b.py", "c.py"]


def test_a_link_inside_the_project_is_sealed_at_its_place(project: Project) -> None:
    project.write("shared/real.py")
    (project.root / "linked.py").symlink_to(project.root / "shared/real.py")
    (project.root / "folder").symlink_to(project.root / "shared")
    project.script("import linked, folder.real")
    assert project.sealed() == {"linked": "shared/real.py", "folder.real": "shared/real.py"}


@pytest.mark.parametrize("what", ["module", "package", "root", "script"])
def test_a_link_to_outside_is_refused(project: Project, tmp_path_factory: pytest.TempPathFactory, what: str) -> None:
    outside = tmp_path_factory.mktemp("outside")
    (outside / "evil.py").write_text(HEAD)
    project.write(
        "alembic.ini", "[alembic]\nscript_location=migrations\npath_separator=os\nprepend_sys_path=.:linked\n"
    )
    if what == "module":
        (project.root / "evil.py").symlink_to(outside / "evil.py")
    elif what == "package":
        (project.root / "pkg").symlink_to(outside)
    elif what == "root":
        (project.root / "linked").symlink_to(outside)
    project.script("import pkg.evil" if what == "package" else "import evil")
    revision = read_header(HEAD.encode(), SCRIPT)
    if what == "script":
        (project.root / SCRIPT).unlink()
        (project.root / SCRIPT).symlink_to(outside / "evil.py")
    with pytest.raises(ScriptError, match="is a link to a file outside the project"):
        read_manifest(revision, read_settings(project.root / "alembic.ini"), project.root)


def test_folders_outside_the_project_are_as_installed(
    project: Project, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("outside")
    (outside / "elsewhere.py").touch()
    project.write(
        "alembic.ini", f"[alembic]\nscript_location=migrations\nprepend_sys_path={outside}\npath_separator=os\n"
    )
    project.script("import elsewhere")
    assert project.sealed() == {}


@pytest.mark.parametrize("compiled", ["helper.pyc", "helper.abi3.so", "pkg/__init__.pyc"])
def test_what_would_run_compiled_is_refused(project: Project, compiled: str) -> None:
    project.write(compiled)
    if compiled.endswith(".so"):
        project.write("helper.py")
    project.script("import helper, pkg")
    with pytest.raises(ScriptError, match="compiled module"):
        project.manifest()


def test_a_cache_beside_the_source_is_no_matter(project: Project) -> None:
    project.write("helper.py")
    project.write("__pycache__/helper.cpython-311.pyc", "planted")
    project.write("speed.abi3.so")  # built in place: no more source than an installed package
    project.script("import helper, speed")
    assert project.sealed() == {"helper": "helper.py"}


def test_helpers_that_can_not_be_sealed_are_named(project: Project) -> None:
    project.script("import helper")
    project.write("helper.py", "def f(:\n")
    with pytest.raises(ScriptError, match="syntax error") as caught:
        project.manifest()
    assert caught.value.where == "helper.py:1"
    project.write("helper.py", "#" * (1 << 20) + "#")
    with pytest.raises(ScriptError, match="over 1 MiB") as caught:
        project.manifest()
    assert caught.value.where == "helper.py"


def test_a_syntax_error_in_the_script_names_its_line(project: Project) -> None:
    revision = read_header(HEAD.encode(), SCRIPT)
    project.write(SCRIPT, HEAD + "def f(:\n")
    with pytest.raises(ScriptError, match="syntax error") as caught:
        read_manifest(revision, read_settings(project.root / "alembic.ini"), project.root)
    assert caught.value.where == f"{SCRIPT}:3"


def test_a_script_that_is_gone(project: Project) -> None:
    revision = read_header(HEAD.encode(), SCRIPT)
    (project.root / SCRIPT).unlink()
    with pytest.raises(ScriptError, match="No such file") as caught:
        read_manifest(revision, read_settings(project.root / "alembic.ini"), project.root)
    assert caught.value.where == SCRIPT


def test_too_many_files(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    assert imports.MAX_FILES == 2000
    monkeypatch.setattr(imports, "MAX_FILES", 20)
    for n in range(19):
        project.write(f"many/m{n}.py")
    project.write("many/__init__.py", "\n".join(f"from . import m{n}" for n in range(18)))
    project.script("import many")
    assert len(project.manifest().files) == 20
    project.script("import many.m18")
    with pytest.raises(ScriptError, match="20 of the project's files or more"):
        project.manifest()


def test_read_sealed_takes_regular_files_only(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"x" * (1 << 20))
    (tmp_path / "link").symlink_to(file)
    assert read_sealed(tmp_path / "link") == read_sealed(str(file)) == file.read_bytes()
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "fifo", tmp_path, Path("/dev/zero")):
        with pytest.raises(ScriptError, match="not a regular file") as caught:
            read_sealed(path, "shown")
        assert caught.value.where == "shown"
    for path in (tmp_path / "gone", f"{tmp_path}/a\0b"):
        with pytest.raises(ScriptError, match="can't be read"):
            read_sealed(path)
    file.write_bytes(b"x" * ((1 << 20) + 1))
    with pytest.raises(ScriptError, match="over 1 MiB"):
        read_sealed(file)
