"""The reference of the rules: ``python -m tests.lint.reference`` writes docs/reference/rules.md from their docstrings;
test_reference.py fails where the file is not what the rules say."""

from __future__ import annotations

import re
import sys
from itertools import groupby
from pathlib import Path

from migrate_flow.lint.catalogue import built_in, documentation
from migrate_flow.lint.own import OWN
from migrate_flow.lint.rule import Rule

FILE = Path(__file__).parents[2] / "docs" / "reference" / "rules.md"
HEAD = """\
# The rules of `lint`

Generated from the rules by `python -m tests.lint.reference`: edit their docstrings, not this file.

`migrate-flow lint --explain RULE` shows the same page.
A rule's severity is set under `[lint]` in `migrate-flow.toml`: `severity = { rename-column = "error" }`, or `"off"`.
A comment waives one finding, with a reason: `# migrate-flow: ignore[RULE] the reason`.
It stands at the end of the statement, or on the line above; for a finding on the file as a whole, on a line of its own
outside of every function.
On PostgreSQL the findings of [squawk](https://squawkhq.com/docs/rules) come on top, as `squawk/RULE`, each a warning.
"""
_INDENTED = re.compile(r"(?:^ {4}.*\n(?:\n(?= {4}))?)+", re.M)
_SQL = re.compile(r"\s*(ALTER|CREATE|DROP|SELECT|UPDATE|INSERT|DELETE)\b")


def written() -> str:
    rules = built_in()
    parts = [HEAD, _contents(rules)]
    for group, members in groupby(rules, key=lambda rule: rule.group):
        parts.append(f"\n## {group.capitalize()}\n")
        parts += [_section(rule.slug, _facts(rule), documentation(rule)) for rule in members]
    parts.append("\n## What the engine finds\n\nThese can't be waived.\n")
    parts += [_section(own.slug, f"**{own.severity}**", own.page) for own in OWN]
    return "".join(parts)


def _contents(rules: tuple[Rule, ...]) -> str:
    lines = ["\n| rule | severity | forbids |", "|---|---|---|"]
    for rule in rules:
        first = documentation(rule).partition("\n\n")[0].replace("\n", " ").replace("|", "\\|")
        lines.append(f"| [`{rule.slug}`](#{rule.slug}) | {rule.severity} | {first} |")
    return "\n".join(lines) + "\n"


def _facts(rule: Rule) -> str:
    facts = f"**{rule.severity}**"
    facts += "".join(f", {level} on {name}" for name, level in sorted(rule.severities.items()))
    facts += f"; on {', '.join(sorted(rule.dialects))} only" if rule.dialects else ""
    return facts + ("" if rule.waivable else "; can't be waived")


def _section(slug: str, facts: str, page: str) -> str:
    return f"\n### {slug}\n\n{facts}\n\n{_markdown(page)}\n"


def _markdown(page: str) -> str:
    """Titles in bold, indented code fenced."""
    bold = re.sub(r"^(Problem|Instead of|Use):", r"**\1:**", page, flags=re.M)
    return _INDENTED.sub(_fenced, bold.rstrip("\n") + "\n").rstrip("\n")


def _fenced(match: re.Match[str]) -> str:
    code = "\n".join(line.removeprefix("    ") for line in match[0].rstrip("\n").split("\n"))
    language = "sql" if _SQL.match(code) else "python"
    blank = "\n" if match[0].endswith("\n\n") else ""
    return f"```{language}\n{code}\n```\n{blank}"


if __name__ == "__main__":
    FILE.write_text(written(), encoding="utf-8")
    sys.stdout.write(f"wrote {FILE}\n")
