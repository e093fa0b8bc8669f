"""The file's name is not what the project's `file_template` would give it.

Problem: People find a migration by its name; one that says another id, or was renamed by hand, sends them to the
wrong file. Looked at only where Alembic's configuration sets `file_template`.

Instead of:

    versions/new_migration_2.py

Use: with `file_template = %%(year)d_%%(month).2d_%%(day).2d-%%(rev)s_%%(slug)s`:

    versions/2026_03_09-3f2a91c04d7e_add_note.py
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from migrate_flow.core.finding import Severity
from migrate_flow.lint.rule import Group, Hit, Rule

if TYPE_CHECKING:
    from migrate_flow.lint.script import Script

_FIELD = re.compile(r"%+\((\w+)\)[-.\d]*[sdifx]")
_NUMBERS = frozenset({"year", "month", "day", "hour", "minute", "second", "epoch"})


def check(script: Script) -> Iterator[Hit]:
    template = script.settings.file_template
    if not template or script.header is None:
        return
    parts = template.count("/") + 1
    name = "/".join(script.path.split("/")[-parts:]).removesuffix(".py")
    if not re.fullmatch(_pattern(template, script.revision), name):
        shown = template.replace("%%", "%")
        hint = f"git mv {script.path} to a name of the form {_example(template, script)}.py"
        yield Hit(0, f"{name}.py is not named as file_template says: {shown}", hint)


def _pattern(template: str, revision: str) -> str:
    def field(name: str) -> str:
        if name == "rev":
            return re.escape(revision)
        return r"\d+" if name in _NUMBERS else r"[\w.-]*"

    texts, names = _FIELD.split(template)[::2], _FIELD.findall(template)
    return "".join(re.escape(t) + (field(names[n]) if n < len(names) else "") for n, t in enumerate(texts))


def _example(template: str, script: Script) -> str:
    message = script.header.message if script.header else ""
    slug = "_".join(re.findall(r"\w+", message)).lower()[:40]
    known = {"rev": script.revision, "slug": slug, "year": "2026", "epoch": "1767225600"}
    return _FIELD.sub(lambda found: known.get(found[1], "01"), template)


RULE = Rule("file-name", Group.STYLE, check, Severity.INFO)
