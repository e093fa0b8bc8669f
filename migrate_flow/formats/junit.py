"""JUnit XML, which every CI system shows: one test case a revision and kind of check."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from migrate_flow.core.results import REHEARSAL, Result, results

if TYPE_CHECKING:
    from migrate_flow.core.document import Document
    from migrate_flow.formats import Medium

# What XML 1.0 can't hold in any spelling.
_UNSPEAKABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(document: Document, medium: Medium) -> None:
    """Errors that are not waived fail a case; all else stands in its output."""
    found = results(document, "junit")
    cases = list(_cases(document, found))
    failed = sum(case.find("failure") is not None for case in cases)
    counts = {"tests": str(len(cases)), "failures": str(failed), "errors": "0"}
    suites = ElementTree.Element("testsuites", counts)
    suite = ElementTree.SubElement(suites, "testsuite", {"name": f"migrate-flow {document.name}", **counts})
    suite.extend(cases)
    ElementTree.indent(suites)
    medium.stream.write('<?xml version="1.0" encoding="UTF-8"?>\n')
    medium.stream.write(ElementTree.tostring(suites, encoding="unicode") + "\n")


def _cases(document: Document, found: list[Result]) -> Iterator[ElementTree.Element]:
    linted = [*document.data.get("revisions", ()), *(one.revision or one.path for one in found if not _rehearsed(one))]
    rehearsed = [f"{one['revision']}" for one in document.data["rehearsals"]]
    for kind, names in (("lint", linted), (REHEARSAL, rehearsed)):
        for name in dict.fromkeys(names):
            mine = [
                one for one in found if (one.revision or one.path) == name and _rehearsed(one) is (kind == REHEARSAL)
            ]
            yield _case(kind, name, mine)


def _rehearsed(one: Result) -> bool:
    return one.rule.partition("/")[0] == REHEARSAL


def _case(kind: str, name: str, found: list[Result]) -> ElementTree.Element:
    case = ElementTree.Element("testcase", {"classname": f"migrate-flow.{kind}", "name": _plain(name), "time": "0"})
    bad = [one for one in found if one.severity == "error" and not one.reason]
    if bad:
        failure = ElementTree.SubElement(case, "failure", {"message": _plain(bad[0].message), "type": bad[0].rule})
        failure.text = _plain("\n".join(map(_told, bad)))
    if rest := [one for one in found if one not in bad]:
        ElementTree.SubElement(case, "system-out").text = _plain("\n".join(map(_told, rest)))
    return case


def _told(one: Result) -> str:
    place = f"{one.path}:{one.line}: " if one.line else f"{one.path}: " if one.path else ""
    waived = f" (waived: {one.reason})" if one.reason else ""
    return f"{place}{one.severity} {one.rule}: {one.message}{waived}\n    fix: {one.hint}"


def _plain(text: str) -> str:
    return _UNSPEAKABLE.sub("\N{REPLACEMENT CHARACTER}", text)
