"""Mako without its colours: Alembic renders as ever, and whoever wants the colours can still load them."""

from __future__ import annotations

import subprocess
import sys

PROBE = """
import sys
from migrate_flow.alembic_adapter import plain_mako
plain_mako.load()
import alembic.command
from mako.template import Template
print(Template("a ${word}").render(word="<b>"))
print("pygments" in sys.modules)
import mako.ext.pygmentplugin
print("pygments" in sys.modules)
"""


def test_alembic_loads_without_pygments_which_stays_to_be_had() -> None:
    done = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["a <b>", "False", "True"]
