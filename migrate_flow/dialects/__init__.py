"""Dialects: each file here is one kind of database. A new dialect is a new file with a `DIALECT`, and an entry in
`core/dialects.py`."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from migrate_flow.dialects.dialect import Dialect
from migrate_flow.errors import UsageError


@cache
def _all() -> dict[str, Dialect]:
    modules = [importlib.import_module(f"{__name__}.{info.name}") for info in pkgutil.iter_modules(__path__)]
    return {module.DIALECT.name: module.DIALECT for module in modules if hasattr(module, "DIALECT")}


@cache
def _own_file(name: str) -> Dialect | None:
    """From the file that has the dialect's name: the drivers' modules of the others take their time."""
    if name not in {info.name for info in pkgutil.iter_modules(__path__)}:
        return None
    found = getattr(importlib.import_module(f"{__name__}.{name}"), "DIALECT", None)
    return found if found is not None and found.name == name else None


def dialect_for(name: str, where: str = "") -> Dialect:
    """The dialect of this name. Raises UsageError for one that this version can't run on."""
    found = _own_file(name) or _all().get(name)
    if found is None:
        known = ", ".join(sorted(_all()))
        raise UsageError(f"{name} is not supported by this version", hint=f"supported: {known}", where=where)
    return found


__all__ = ["Dialect", "dialect_for"]
