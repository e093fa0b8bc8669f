"""The engine: severities, rules that crash, files that can't be used, rules from elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

import pytest

from migrate_flow.core.finding import Finding, Severity
from migrate_flow.core.revision import Revision, ScriptProblem
from migrate_flow.errors import ConfigError
from migrate_flow.lint import catalogue
from migrate_flow.lint.catalogue import all_rules, built_in, documentation, rule_set
from migrate_flow.lint.linter import Linter
from migrate_flow.lint.reading import read_script
from migrate_flow.lint.rule import Group, Hit, Rule
from migrate_flow.lint.script import Script

SOURCE = b"from alembic import op\n\ndef upgrade():\n    op.drop_table('t')\n"
PLUGIN = '''"""Rules of a team."""
from migrate_flow.lint.rule import Group, Hit, Rule


def check(script):
    """No script is good enough.

    Problem: none.

    Instead of: this.

    Use: that.
    """
    yield Hit(1, "never good enough", "try again")


RULE = Rule("{slug}", Group.STYLE, check)
'''


def _check(script: Script) -> Iterator[Hit]:
    return (Hit(op.line, "dropped", "keep it") for op in script.up("drop_table"))


def _crash(script: Script) -> Iterator[Hit]:
    yield Hit(4, "said before", "x")
    raise KeyError("the wrong name")


def findings(
    *rules: Rule,
    source: bytes = SOURCE,
    severity: Mapping[str, str] | None = None,
    dialects: tuple[str, ...] = (),
    problems: tuple[ScriptProblem, ...] = (),
) -> list[Finding]:
    script = read_script("a.py", source, Revision("aaaa"), problems=problems)
    return list(Linter(rules, severity or {}, frozenset(dialects)).findings(script))


@pytest.mark.parametrize(
    ("dialects", "configured", "severity"),
    [
        (("postgresql",), {}, "error"),
        (("sqlite",), {}, "info"),
        (("sqlite", "mariadb"), {}, "info"),
        (("sqlite", "postgresql"), {}, "error"),
        (("mysql",), {}, "off"),
        ((), {}, "error"),
        (("postgresql",), {"drop": "warning"}, "warning"),
        (("postgresql",), {"drop": "off"}, "off"),
    ],
)
def test_severity(dialects: tuple[str, ...], configured: dict[str, str], severity: str) -> None:
    by_dialect = {"sqlite": Severity.INFO, "mysql": Severity.OFF, "mariadb": Severity.OFF}
    found = findings(Rule("drop", Group.SAFETY, _check, severities=by_dialect), dialects=dialects, severity=configured)
    assert [finding.severity.value for finding in found] == ([severity] if severity != "off" else [])


def test_a_rule_of_other_dialects_is_not_run() -> None:
    rule = Rule("drop", Group.SAFETY, _check, dialects=frozenset({"postgresql"}))
    assert findings(rule, dialects=("sqlite",)) == []
    assert len(findings(rule, dialects=("sqlite", "postgresql"))) == 1
    # its dialect decides, not one where it says nothing
    mild = Rule("drop", Group.SAFETY, _check, Severity.INFO, {"sqlite": Severity.ERROR}, frozenset({"postgresql"}))
    assert [f.severity for f in findings(mild, dialects=("sqlite", "postgresql"))] == [Severity.INFO]


def test_a_rule_that_crashes_is_an_error_that_names_it_and_the_others_go_on() -> None:
    found = findings(Rule("bad", Group.SAFETY, _crash), Rule("drop", Group.SAFETY, _check))
    crashed = [finding for finding in found if finding.rule == "rule-crashed"]
    assert [(f.severity, f.refuses, f.line) for f in crashed] == [(Severity.ERROR, True, 0)]
    assert "bad" in crashed[0].message
    assert "KeyError: 'the wrong name'" in crashed[0].message
    assert [finding.rule for finding in found if finding.line == 4] == ["bad", "drop"]


def test_a_crash_is_neither_waived_nor_turned_down() -> None:
    source = b"# migrate-flow: ignore[rule-crashed, bad] why\n" + SOURCE
    found = findings(Rule("bad", Group.SAFETY, _crash), source=source, severity={"rule-crashed": "info"})
    assert [f.refuses for f in found if f.rule == "rule-crashed"] == [True]


def test_what_one_rule_says_twice_is_one_finding() -> None:
    def twice(script: Script) -> Iterator[Hit]:
        yield from [*_check(script), *_check(script)]

    assert len(findings(Rule("drop", Group.SAFETY, twice))) == 1


def test_a_source_that_does_not_parse_is_an_error() -> None:
    (found,) = findings(source=b"def upgrade(:\n")
    assert (found.rule, found.severity, found.line) == ("syntax-error", Severity.ERROR, 1)


def test_a_file_that_can_not_be_used_is_an_error_that_no_rule_needs_to_know() -> None:
    problem = ScriptProblem("a.py", 3, "the file declares no revision", "add one")
    (found,) = findings(problems=(problem,))
    assert (found.rule, found.severity, found.line, found.hint) == ("unusable-script", Severity.ERROR, 3, "add one")


def test_a_problem_whose_rule_is_off_or_unknown_is_told_all_the_same() -> None:
    problem = ScriptProblem("a.py", 0, "two of them", "one of them", "aaaa", rule="duplicate-revision")
    (found,) = findings(problems=(problem,))
    assert (found.rule, found.message) == ("unusable-script", "two of them")


def test_rules_of_a_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "house_rules.py").write_text(PLUGIN.format(slug="house-good"))
    monkeypatch.delitem(sys.modules, "house_rules", raising=False)
    before = list(sys.path)

    rules = all_rules(["house_rules"], tmp_path)

    assert sys.path == before
    (own,) = [rule for rule in rules if rule.slug == "house-good"]
    assert [finding.message for finding in findings(own)] == ["never good enough"]
    assert len(rules) == len(built_in()) + 1
    assert rule_set(rules) != rule_set(built_in())


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("raise RuntimeError('not today')", "RuntimeError: not today"),
        ("import no_such_module_anywhere", "ModuleNotFoundError"),
        ("raise SystemExit(3)", "SystemExit"),
        ("RULES = [1]", "no rule stands there"),
        ("x = 1", "no rule stands there"),
        (PLUGIN.format(slug="truncate"), "two rules are called truncate"),
    ],
)
def test_a_plugin_that_can_not_be_used(text: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_rules.py").write_text(text)
    monkeypatch.delitem(sys.modules, "broken_rules", raising=False)
    with pytest.raises(ConfigError, match=says) as caught:
        all_rules(["broken_rules"], tmp_path)
    assert caught.value.exit_code == 2
    assert "broken_rules" in caught.value.where


def test_rules_of_an_installed_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "packaged_rules.py").write_text(PLUGIN.format(slug="packaged"))
    monkeypatch.syspath_prepend(str(tmp_path))
    point = EntryPoint("house", "packaged_rules:RULE", catalogue.GROUP)
    monkeypatch.setattr(catalogue, "entry_points", lambda group: EntryPoints([point]))
    assert [rule for rule in all_rules() if rule.slug == "packaged"]

    lost = EntryPoint("house", "packaged_rules:NOTHING", catalogue.GROUP)
    monkeypatch.setattr(catalogue, "entry_points", lambda group: EntryPoints([lost]))
    with pytest.raises(ConfigError, match="AttributeError"):
        all_rules()


def test_the_rule_set_names_the_rules_as_they_are() -> None:
    rules = built_in()
    assert rule_set(rules) == rule_set(tuple(reversed(rules)))
    assert rule_set(rules).startswith("1:")
    other = Rule("truncate", Group.SAFETY, _check, Severity.INFO)
    assert rule_set([other]) != rule_set([rule for rule in rules if rule.slug == "truncate"])


def test_documentation_is_the_files_docstring() -> None:
    (rule,) = [rule for rule in built_in() if rule.slug == "truncate"]
    assert documentation(rule).startswith("A table is emptied by raw SQL.")
