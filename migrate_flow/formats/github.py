"""Annotations of GitHub Actions: workflow commands, one a finding. Source: GitHub's "Workflow commands"."""

from __future__ import annotations

from typing import TYPE_CHECKING

from migrate_flow.core.results import Result, results

if TYPE_CHECKING:
    from migrate_flow.core.document import Document
    from migrate_flow.formats import Medium

_COMMANDS = {"error": "error", "warning": "warning", "info": "notice"}


def render(document: Document, medium: Medium) -> None:
    for one in results(document, "github"):
        if not one.reason:
            medium.stream.write(_command(one) + "\n")


def _command(one: Result) -> str:
    where = [f"file={_property(one.path)}"] if one.path else []
    where += [f"line={one.line}"] if one.line else []
    where.append(f"title={_property(one.rule)}")
    text = f"{one.message}\n{one.hint}" if one.hint else one.message
    return f"::{_COMMANDS[one.severity]} {','.join(where)}::{_escaped(text)}"


def _escaped(text: str) -> str:
    """A message ends at its line's end, and %0A is one that does not."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _escaped(text).replace(":", "%3A").replace(",", "%2C")
