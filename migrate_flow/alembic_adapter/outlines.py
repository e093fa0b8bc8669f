"""Outlines of scripts: what manifests of them would say, where possible without reading them again."""

from __future__ import annotations

from collections.abc import Iterable

from migrate_flow.alembic_adapter.header import parse_script
from migrate_flow.alembic_adapter.imports import Names, Project, follow, imports_of, module_names
from migrate_flow.alembic_adapter.manifest import require_upgrade, with_modules
from migrate_flow.alembic_adapter.scriptcache import Reading, ScriptCache
from migrate_flow.core.behaviour import every_node, tree_digest
from migrate_flow.core.outline import Outline
from migrate_flow.core.revision import SealedFile, manifest_digest
from migrate_flow.core.traits import Traits, combined, read_traits, tree_traits
from migrate_flow.errors import ScriptError

Behind = list[tuple[list[str], str, list[list[str]] | None]]  # imports, a script that has them, paths and digests
_Module = tuple[str, str, Reading]  # path in the project, dotted name, what it says


class Outlines:
    """For one command: which modules lie behind an import is looked up once."""

    def __init__(self, project: Project, cache: ScriptCache) -> None:
        self._project, self._cache = project, cache
        self._found: dict[tuple[str, ...], tuple[_Module, ...] | None] = {}
        self._asked: dict[tuple[str, ...], str] = {}  # a script that has these imports

    def of(self, paths: Iterable[str]) -> list[Outline | None]:
        """path: of a script, in the project. None where no manifest can be made: `Checkout.manifest` says why."""
        return [self._outline(path) for path in paths]

    def behind(self) -> Behind:
        """What lies behind all imports that were asked for."""
        return [(list(imports), path, _digests(self._behind(imports, path))) for imports, path in self._asked.items()]

    def still(self, known: Behind) -> bool:
        """Whether the same lies behind these imports now."""
        return all(_digests(self._behind(tuple(imports), path)) == files for imports, path, files in known)

    def _behind(self, imports: tuple[str, ...], path: str) -> tuple[_Module, ...] | None:
        if imports not in self._found:
            self._asked[imports] = path
            self._found[imports] = self._modules(imports, path)
        return self._found[imports]

    def _outline(self, path: str) -> Outline | None:
        reading = self._cache.reading(path) or self._read(path)
        if reading is None or not reading.behaviour:
            return None
        modules = self._behind(reading.names.imports, path)
        script = (path, reading.sha256)
        if not modules:
            whole = modules is not None
            return Outline(reading.alone, reading.behaviour, reading.traits, (script,)) if whole else None
        files = [(place, module.sha256) for place, _name, module in modules]
        behaviour = with_modules(reading.behaviour, files)
        traits = combined(reading.traits, (module.traits for _place, _name, module in modules))
        return Outline(manifest_digest([script, *files]), behaviour, traits, (script, *files))

    def _read(self, path: str) -> Reading | None:
        try:
            reading = read_script(self._project.seal_script(path))
        except ScriptError:
            return None
        self._cache.learn_reading(path, reading)
        return reading

    def _modules(self, imports: tuple[str, ...], script: str) -> tuple[_Module, ...] | None:
        """By path and name; None where one of them can't be used."""
        found: list[_Module] = []

        def read(path: str, name: str) -> Names:
            place = self._project.inside(path)
            known = self._cache.module(place, name) if place else None
            if known is None:
                known = read_module(self._project.seal(path, name))
                self._cache.learn_module(place, name, known)
            found.append((place, name, known))
            return known.names

        try:
            follow(self._project, imports, script, read)
        except ScriptError:
            return None
        return tuple(sorted(found, key=lambda module: module[:2]))


def _digests(modules: tuple[_Module, ...] | None) -> list[list[str]] | None:
    return None if modules is None else [[place, module.sha256] for place, _name, module in modules]


def read_script(file: SealedFile) -> Reading:
    """Never raises: of what can't be a migration script, the digest alone."""
    alone = manifest_digest([(file.path, file.sha256)])
    try:
        tree = parse_script(file.content, file.path)
        nodes = every_node(tree)
        require_upgrade(nodes, file.path)
    except ScriptError:
        return Reading(file.sha256, alone, "", Names(), Traits())
    names, traits = Names(imports_of(nodes)), tree_traits(tree, file.content)
    return Reading(file.sha256, alone, tree_digest(tree, nodes), names, traits)


def read_module(file: SealedFile) -> Reading:
    """Raises ScriptError."""
    names = module_names(file.content, file.path, file.module)
    return Reading(file.sha256, "", "", names, read_traits(file.content))
