"""Whatever somebody writes into a ledger, on the page it is text."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace

import pytest

from migrate_flow.core.audit import Act, Reconciled, Selection
from migrate_flow.core.entry import Kind
from tests.exports.made import Made, document, export
from tests.exports.page import Page

HOSTILE = (
    "<script>alert(1)</script>",
    "</style><script>alert(1)</script>",
    '" onmouseover="alert(1)',
    "' autofocus onfocus='alert(1)",
    "<img src=x onerror=alert(1)>",
    "javascript:alert(1)",
    "<!-- {{ 7 * 7 }} {% raw %}",
    "</details></article></main>",
    "\u202etxt.exe\u2066",
    "\x00\x1b[31m\x07",
    "\ud800 half a character",
    "W" * 3000,
)


def hostile(text: str) -> Made:
    """Everywhere where somebody can write."""
    made = export(3)
    act = Act(1, text, text, text, (text,), text, text, text)
    rows = []
    for row in made.rows:
        assert row.rehearsals
        checked = replace(row.rehearsals[0], by=text, name=text, result=text, grade=text, report=text)
        said = dict.fromkeys(
            (
                "message",
                "rationale",
                "contract_mapping",
                "rollback_note",
                "ticket",
                "grade",
                "path",
                "script_digest",
                "manifest",
                "sql_digest",
                "git_commit",
                "state",
                "outcome",
                "duration_s",
                "target",
                "schema_before",
                "schema_after",
                "created_at",
                "applied_at",
                "approved_at",
                "intended_at",
                "reviewed_at",
                "self_reviewed_at",
            ),
            text,
        )
        rows.append(
            replace(
                row,
                **said,
                revision=f"{row.revision}{text}",
                environment=f"{row.environment}{text}",
                risks=(text,),
                objects=(text,),
                parents=(text,),
                versions={text: text},
                author=act,
                reviewers=(act,),
                approvers=(act,),
                applier=act,
                waivers=(act,),
                refused=(act,),
                failed=(act,),
                rollbacks=(act,),
                uncounted=(act,),
                lint=(checked,),
                rehearsals=(checked,),
                escalations=(text,),
                exceptions=(text,),
                contributors=(text,),
            )
        )
    review = next(entry for entry in made.log if entry.kind == Kind.SELF_REVIEWED)
    for digest in made.stored:
        made.stored[digest] = text.encode(errors="surrogatepass")
    review.predicate["sql"][text] = {"problem": text}
    header = replace(
        made.header,
        product=text,
        project=text,
        ledger=text,
        genesis=text,
        by=text,
        at=text,
        head=text,
        counts={text: 1},
        selection=Selection(text, text, text, text, text, text),
        notices=(text,),
        reconciliation=(
            Reconciled(text, text, (text,), (text,), False, text),
            Reconciled(text, text, (text,), reason=text),
        ),
    )
    return Made(header, tuple(f"{name}{text}" for name in made.environments), rows, made.log, made.stored)


@pytest.fixture(scope="module")
def plain() -> Page:
    return Page(document(hostile("words")))


def built(page: Page) -> Counter[tuple[str, str]]:
    """What the page is made of. The colours of SQL go by its text, so spans may be more or fewer."""
    kept = Counter((tag, name) for tag, name, _ in page.attributes if tag != "span")
    return kept + Counter({(tag, ""): count for tag, count in page.tags.items() if tag != "span"})


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_only_text(plain: Page, text: str) -> None:
    page = Page(document(hostile(text)))
    assert page.open == []
    assert built(page) == built(plain)
    links = {value for _, name, value in page.attributes if name == "href"}
    assert links == {value for _, name, value in plain.attributes if name == "href"}
    whole = page.text + "".join(value for _, _, value in page.attributes)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", whole)
    if text.isprintable():
        assert text in page.text
