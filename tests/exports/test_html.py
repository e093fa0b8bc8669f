"""The report for people: what stands on the page, that nothing in a ledger can do anything there, and that it is the
same page for the same export."""

from __future__ import annotations

import base64
import hashlib
import io
import re
import tracemalloc
from collections import Counter
from dataclasses import replace

import pytest

from migrate_flow.core.audit import Reconciled, Selection
from migrate_flow.core.entry import Kind
from migrate_flow.exports.html import write
from migrate_flow.exports.html.colour import LONGEST_COLOURED, coloured
from migrate_flow.exports.html.report import policy
from migrate_flow.exports.html.sample import SIZE, lot
from tests.exports.made import Made, document, export, rehearsal
from tests.exports.page import Page

MANY = 14  # with each of the exceptions that `made` knows


@pytest.fixture(scope="module")
def made() -> Made:
    return export(MANY)


@pytest.fixture(scope="module")
def page(made: Made) -> Page:
    return Page(document(made))


def words(text: str) -> str:
    return " ".join(text.split())


def test_it_is_one_file_that_lets_nothing_in(made: Made, page: Page) -> None:
    assert page.tags["script"] == page.tags["link"] == page.tags["img"] == page.tags["iframe"] == 0
    assert not [name for _, name, _ in page.attributes if name == "style" or name.startswith("on")]
    links = [value for tag, name, value in page.attributes if tag == "a" and name == "href"]
    assert links
    assert all(value.startswith(("#", "https://")) for value in links)
    assert not [value for _, name, value in page.attributes if name in ("src", "srcset", "data", "action")]
    digest = base64.b64encode(hashlib.sha256("".join(page.styles).encode()).digest()).decode()
    assert policy() == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert ("meta", "content", policy()) in page.attributes
    assert not re.search(r"url\((?!#)|@import|https?:", "".join(page.styles))


def test_the_page_is_well_formed_and_its_links_lead_somewhere(page: Page) -> None:
    assert page.open == []
    assert not [name for name, count in Counter(page.ids).items() if count > 1]
    for _, name, value in page.attributes:
        if name == "href" and value.startswith("#"):
            assert value[1:] in page.ids
        if name == "aria-labelledby":
            assert set(value.split()) <= set(page.ids)


def test_landmarks_headings_and_tables_are_for_readers_of_all_kinds(page: Page) -> None:
    assert page.tags["main"] == page.tags["nav"] == page.tags["header"] == page.tags["footer"] == page.tags["h1"] == 1
    assert all(after - before <= 1 for before, after in zip(page.headings, page.headings[1:], strict=False))
    assert page.tags["caption"] == page.tags["table"]
    scopes = [value for tag, name, value in page.attributes if tag == "th" and name == "scope"]
    assert len(scopes) == page.tags["th"]
    assert ("html", "lang", "en") in page.attributes
    assert ("a", "href", "#main") in page.attributes


def test_the_controls_are_counted(made: Made, page: Page) -> None:
    rows = made.rows
    held = sum(row.approved_before is True for row in rows)
    broken = sum(row.approved_before is False for row in rows)
    aside = sum(row.approved_before is None for row in rows)
    assert broken
    found = words(page.text)
    assert "Approved before applied ✗ does not hold everywhere" in found
    assert f"holds {held} does not {broken} not concerned {aside}" in found
    assert f"Distinct people ✓ holds Nobody reviews or approves what they wrote. holds {len(rows)} does not 0" in found
    assert "Reconciled ! not known everywhere" in found


def test_what_was_applied_without_evidence_is_told_where_it_is_asked_for(made: Made) -> None:
    bare = [replace(row, lint=()) for row in made.rows]
    asked = sum(row.approved_before is not None for row in bare)
    found = words(Page(document(replace_rows(made, bare))).text)
    assert (
        "Evidence of checks ✗ does not hold everywhere Findings of the rules and a rehearsal of what was applied. "
        f"holds 0 does not {asked}" in found
    )


def replace_rows(made: Made, rows: list) -> Made:
    return Made(made.header, made.environments, rows, made.log, made.stored)


def test_exceptions_come_first_and_waivers_first_of_all(made: Made, page: Page) -> None:
    found = words(page.text)
    part = found[found.index("Exceptions First what went") : found.index("Pipeline board ✓")]
    assert (
        part.index("waived the gate soaked")
        < part.index("not approved as the policy asks")
        < part.index("an upgrade failed")
    )
    for row in made.rows:
        for text in row.exceptions:
            assert f"{words(text)} ({row.environment})" in part


def test_what_was_adopted_is_called_so_and_is_no_applied_change(made: Made) -> None:
    applier = made.rows[0].applier
    assert applier is not None
    found = replace(applier, kind=Kind.TARGET_ADOPTED)
    revision = made.rows[0].revision
    rows = [
        replace(row, applier=found, outcome="grandfathered", grandfathered=True, lint=(), rehearsals=())
        if row.revision == revision
        else row
        for row in made.rows
    ]
    text = words(Page(document(replace_rows(made, rows))).text)
    assert (
        f"of {len(rows) - 3} applied changes (3 that were found in a database and adopted are not among them)" in text
    )
    assert "! found there and adopted (dev, staging, production)" in text
    assert "None: it was found in the database, and not applied by the flow." in text
    assert f"Applied changes {len(rows) - 3} Found and adopted 3" in text


def test_each_migration_has_its_section_with_its_evidence(made: Made, page: Page) -> None:
    revisions = list(dict.fromkeys(row.revision for row in made.rows))
    assert page.tags["article"] == len(revisions) == MANY
    found = words(page.text)
    for row in made.rows[:6]:
        for said in (
            row.script_digest,
            row.manifest,
            row.git_commit,
            row.attempt,
            row.schema_after,
            row.ticket,
            row.path,
        ):
            assert said in found
        for act in (row.author, *row.reviewers, *row.approvers, row.applier):
            assert act is not None
            assert act.key in found
    assert "Sales asks for" in found
    assert "alembic 1.20.1, sqlalchemy 2.0.58" in found


def test_the_sql_is_coloured_and_whole(made: Made, page: Page) -> None:
    assert '<span class="k">CREATE</span>' in document(made)
    for digest in {row.sql_digest for row in made.rows}:
        assert words(made.stored[digest.removeprefix("sha256:")].decode()) in words(page.text)


def test_colours_never_change_the_text() -> None:
    text = "SELECT '<b>' || $$ </pre> $$ -- \u202e\n;\x00 `x` \\ /* open"
    plain = re.sub(r"</?span[^>]*>", "", coloured(text, "postgresql"))
    assert plain == "SELECT &#39;&lt;b&gt;&#39; || $$ &lt;/pre&gt; $$ -- \\u202e\n;\\x00 `x` \\ /* open"
    assert "span" not in coloured("SELECT 1;" * LONGEST_COLOURED)


def test_sql_that_could_not_be_rendered_is_what_the_rehearsal_sent() -> None:
    made = export(1)
    report = hashlib.sha256(content := rehearsal("postgresql", ["CREATE TABLE sent_there (id int)"])).hexdigest()
    made.stored[report] = content
    made.stored.pop(made.rows[0].sql_digest.removeprefix("sha256:"))
    assert "not stored, the ledger has lost it" in words(Page(document(made)).text)
    review = next(entry for entry in made.log if entry.kind == Kind.SELF_REVIEWED)
    review.predicate["sql"] = {"postgresql": {"problem": "it looks at data"}}
    made.rows = [replace(row, rehearsals=(replace(row.rehearsals[0], report=f"sha256:{report}"),)) for row in made.rows]
    found = words(Page(document(made)).text)
    assert "CREATE TABLE sent_there (id int);" in found
    assert "as the rehearsal on PostgreSQL 17.2 sent it" in found
    assert "it looks at data" in found


def test_what_happened_to_the_schema_is_said_once_for_environments_alike(made: Made, page: Page) -> None:
    found = words(page.text)
    table = made.rows[0].objects[0]
    assert f"dev, staging, production + added table public.{table} after column: id" in found
    assert found.count(f"added table public.{table} ") == 1


def test_a_snapshot_that_is_lost_is_told() -> None:
    made = export(1)
    made.stored.clear()
    assert "the ledger has lost the recorded snapshot" in Page(document(made)).text


def test_the_sample_can_be_drawn_again(made: Made, page: Page) -> None:
    seed = made.header.head
    applied = [row for row in made.rows if row.applied_at]
    lots = sorted((lot(seed, row.revision, row.environment), f"{row.revision} in {row.environment}") for row in applied)
    found = words(page.text)
    assert f"{SIZE} of {len(applied)} applied changes. The seed is the chain's head: {seed}." in found
    places = [found.index(f"{number} {name}") for number, (_, name) in enumerate(lots[:SIZE], start=1)]
    assert places == sorted(places)
    first, name = lots[0]
    revision, _, environment = name.partition(" in ")
    assert hashlib.sha256(f"{seed} {revision} {environment}".encode()).hexdigest() == first
    assert first[:12] in found


def test_duties_are_parted_by_author(made: Made, page: Page) -> None:
    author = made.rows[0].contributors[0]
    mine = {row.revision: row for row in made.rows if row.contributors == (author,)}.values()
    reviewer, count = Counter(row.reviewers[0].person for row in mine).most_common(1)[0]
    assert f"{author} {len(mine)} " in words(page.text)
    assert f"{reviewer} ×{count}" in words(page.text)
    unlike = [replace(row, distinct_people=False) if row.contributors == (author,) else row for row in made.rows]
    assert f"✗ not in {len(mine)}" in words(Page(document(replace_rows(made, unlike))).text)


def test_the_header_says_what_is_left_out(made: Made) -> None:
    asked = Selection(since="2026-01-01", environment="production")
    header = replace(
        made.header, selection=asked, left_out=7, gaps=((3, 5), (9, 9)), recorded=False, by="", notices=("a notice",)
    )
    found = words(Page(document(Made(header, made.environments, made.rows, made.log, made.stored))).text)
    assert "Part of the ledger only: since 2026-01-01, environment production. 7 positions left out." in found
    assert "Gaps 3–5, 9" in found
    assert "somebody without a key (! not recorded in the ledger)" in found
    assert "! a notice" in found


def test_an_environment_that_does_not_agree_is_an_exception(made: Made) -> None:
    apart = Reconciled("production", "T", ("aaa",), ("bbb",), False, "somebody stamped it")
    found = words(
        Page(
            document(
                Made(replace(made.header, reconciliation=(apart,)), made.environments, made.rows, made.log, made.stored)
            )
        ).text
    )
    assert "✗ production does not agree: the ledger says aaa, its version table bbb (somebody stamped it)" in found
    assert "Reconciled ✗ does not hold everywhere" in found


def test_an_empty_ledger_has_a_page_too() -> None:
    found = words(Page(document(export(0))).text)
    assert "Nothing in this selection has a time." in found
    assert "There is none in this selection." in found
    assert "· nothing to judge" in found


def test_the_same_export_gives_the_same_bytes(made: Made) -> None:
    assert document(made) == document(export(MANY))


def test_it_is_written_as_it_is_made() -> None:
    class Sink(io.RawIOBase):
        """Counts and forgets."""

        size = largest = 0

        def writable(self) -> bool:
            return True

        def write(self, data: bytes) -> int:  # type: ignore[override]
            self.size += len(data)
            self.largest = max(self.largest, len(data))
            return len(data)

    made = export(40)
    write(made, Sink())  # what is loaded once
    tracemalloc.start()
    sink = Sink()
    write(made, sink)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert sink.size > 400_000
    assert sink.largest < sink.size / 10
    assert peak < 4 * sink.size  # the tally and twelve snapshots, not the page with its pieces
