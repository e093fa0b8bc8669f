"""Alembic without Pygments. Mako, which renders Alembic's templates, would load it to colour the HTML of its own error
pages; nobody here is ever shown one, and it is a tenth or more of the time that Alembic takes to load."""

from __future__ import annotations

import importlib
import sys

_COLOURS = "mako.ext.pygmentplugin"


def load() -> None:
    """To be called before Alembic is imported first. Mako itself goes without the plugin where it can't be had."""
    if "mako.exceptions" in sys.modules or _COLOURS in sys.modules:
        return
    sys.modules[_COLOURS] = None  # type: ignore[assignment]
    try:
        importlib.import_module("mako.exceptions")
    finally:
        del sys.modules[_COLOURS]  # whoever wants it later may have it
