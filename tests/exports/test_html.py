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

from migrate_flow.core.audit import CONTROLS, Reconciled, Selection
from migrate_flow.core.entry import Kind
from migrate_flow.exports.html import write
from migrate_flow.exports.html.colour import LONGEST_COLOURED, coloured
from migrate_flow.exports.html.report import policy
from migrate_flow.exports.html.sample import SIZE, lot
from tests.exports.conftest import Exported
from tests.exports.made import Made, document, export, rehearsal
from tests.exports.page import Page

MANY = 14  # with each of the exceptions that `made` knows
TOLD = {field: (title, meaning) for field, title, meaning in CONTROLS}
ANSWERS = {True: "✓ yes", False: "✗ no", None: "· not concerned"}


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
    title, meaning = TOLD["approved_before"]
    assert f"{title} ✗ does not hold everywhere {meaning} holds {held} does not {broken}" in found
    assert f"holds {held} does not {broken} not concerned {aside}" in found
    title, meaning = TOLD["distinct_people"]
    assert f"{title} ✓ holds {meaning} holds {len(rows)} does not 0" in found
    assert "Reconciled ! not known everywhere" in found


@pytest.mark.parametrize("field", TOLD)
def test_each_control_is_what_the_row_says_of_it_and_nothing_else(field: str) -> None:
    """With its evidence or without: who computes a row judges, and no page does."""
    made, (title, meaning) = export(2), TOLD[field]
    for answer, verdict in ((False, "✗ does not hold everywhere"), (True, "✓ holds"), (None, "· nothing to judge")):
        rows = [replace(row, **{field: answer}, lint=()) for row in made.rows]
        found = words(Page(document(replace_rows(made, rows))).text)
        assert f"{title} {verdict} {meaning}" in found
        cards = found.count(f"{title} {ANSWERS[answer]}")
        assert cards == len(rows)


def test_an_applier_who_wrote_the_change_is_no_clean_page() -> None:
    made = export(2)
    author = made.rows[0].contributors[0]
    rows = [replace(row, applier_distinct=row.contributors != (author,)) for row in made.rows]
    mine = [row for row in rows if not row.applier_distinct]
    text = Page(document(replace_rows(made, rows))).text
    found, title = words(text), TOLD["applier_distinct"][0]
    assert "✗ 1 control does not hold everywhere." in found
    part = found[found.index("Exceptions First what went") : found.index("Pipeline board")]
    assert f"✗ {title}: does not hold for {len(mine)} changes" in part
    assert "There is none" not in part
    odd = next(row for row in mine if row.environment == "dev")
    told = [replace(row, exceptions=("refused to somebody",)) if row is odd else row for row in rows]
    found = words(Page(document(replace_rows(made, told))).text)
    assert f"{words(odd.message)} ✗ {title}: no (dev, staging, production) ! refused to somebody (dev)" in found
    duties = found[found.index("Whose migrations others reviewed") : found.index("Keys and roles")]
    count = len({row.revision for row in mine})
    assert re.search(rf"{author} {count} .*? ✓ no exception ✗ not in {count} ", duties)


def replace_rows(made: Made, rows: list) -> Made:
    return Made(made.header, made.environments, rows, made.log, made.stored)


def selected(made: Made, rows: list, log: list | None = None, **asked: str) -> str:
    """The page of a part of the ledger, in words."""
    header = replace(made.header, selection=Selection(**asked), left_out=1)
    return words(Page(document(Made(header, made.environments, rows, log or [], made.stored))).text)


def board(found: str) -> str:
    return found[found.index("Pipeline board ") : found.index("Timeline From")]


def test_the_board_shows_the_selected_environment_alone(made: Made) -> None:
    found = selected(made, [row for row in made.rows if row.environment == "staging"], environment="staging")
    assert "Migration Review staging " in board(found)
    assert "not applied" not in board(found)
    assert "dev" not in board(found)
    assert "production" not in board(found)
    assert "Environments 1 " in found
    lanes = found[found.index("The same in numbers") : found.index("People and separation")]
    assert "reviews staging 20" in lanes


@pytest.mark.parametrize("asked", [{"kind": "apply"}, {"person": "ada@example.com"}, {"since": "2026-01-06"}])
def test_the_board_never_calls_what_was_left_out_not_applied(made: Made, asked: dict[str, str]) -> None:
    found = board(selected(made, [row for row in made.rows if row.environment == "dev"], **asked))
    assert "Migration Review dev staging production" in found
    assert "not applied" not in found
    assert found.count("not in the selection") == 2 * MANY + 1  # and once what that means


def test_what_nobody_tried_is_called_not_applied_where_all_of_it_is_here(made: Made, page: Page) -> None:
    assert board(words(page.text)).count("not applied") == 1  # the tenth, in production
    revision = made.rows[0].revision
    rows = [row for row in made.rows if row.revision == revision and row.environment != "production"]
    assert board(selected(made, rows, revision=revision)).count("not applied") == 1


def test_the_board_shows_exceptions_where_nothing_has_an_outcome(made: Made) -> None:
    one, other = made.rows[0], made.rows[3]
    rows = [
        replace(one, outcome="", applied_at="", exceptions=("found drift", "a drill")),
        replace(other, environment="", outcome="", applied_at="", exceptions=("a signature that does not count",)),
    ]
    found = board(words(Page(document(replace_rows(made, rows))).text))
    assert f"{words(one.message)} approved · not applied ! 2 exceptions not applied not applied" in found
    assert f"{words(other.message)} approved ! 1 exception not applied" in found


def test_an_environment_that_the_policy_forgot_has_its_column(made: Made) -> None:
    rows = [replace(row, environment="qa") if row.environment == "dev" else row for row in made.rows]
    found = board(words(Page(document(replace_rows(made, rows))).text))
    assert "Migration Review dev staging production qa" in found


def test_exports_are_no_exceptions() -> None:
    made = export(1)
    said = (
        "fay@example.com exported the ledger (entry 9)",
        "fay@example.com exported the ledger (entry 9), the newest of 3 exports",
        "ada@example.com revoked a key of x (entry 3): x exported the ledger (entry 5)",
        "of the gaps only the first 1000 are listed; more positions are left out",
        "ada@example.com found drift of dev (entry 4)",
    )
    found = words(Page(document(replace(made, header=replace(made.header, notices=said)))).text)
    before, _, after = found.partition("This export Made by")
    part = before[before.index("Exceptions First what went") : before.index("Pipeline board")]
    assert [text in part for text in said] == [False, False, True, False, True]
    assert [text in after for text in said] == [True, True, False, True, False]


def test_the_exports_of_a_real_ledger_are_no_exceptions(exported: Exported) -> None:
    found = words(Page(exported.file("html").read_text("utf-8")).text)
    before, _, after = found.partition("This export Made by")
    assert "exported the ledger (entry" not in before
    assert "exported the ledger (entry" in after


def test_sql_and_schema_that_a_selection_leaves_out_are_told() -> None:
    made = export(1)
    sql = words(made.stored[made.rows[0].sql_digest.split()[2].rstrip(";").removeprefix("sha256:")].decode())
    approvals = [entry for entry in made.log if entry.kind == Kind.APPROVED]
    found = selected(made, made.rows, approvals, kind="migration.approved")
    assert sql in found  # the row names its digests
    assert "postgresql, upgrade" in found
    assert "postgresql, downgrade" in found
    assert "What it did to the schema dev, staging, production: ! left out by the selection" in found
    bare = [replace(row, sql_digest="") for row in made.rows]
    assert "SQL left out by the selection" in selected(made, bare, approvals, kind="migration.approved")
    intents = [entry for entry in made.log if entry.kind == Kind.APPLY_INTENDED]
    found = selected(made, made.rows, intents, kind="apply.intended")
    assert "What it did to the schema dev, staging, production: ! left out by the selection" in found
    whole = words(Page(document(made)).text)
    assert "left out by the selection" not in whole
    assert sql in whole


def test_an_open_attempt_is_not_called_left_out() -> None:
    made = export(1)
    rows = [replace(row, outcome="open", schema_after="") for row in made.rows[:1]]
    log = [entry for entry in made.log if entry.kind in (Kind.APPLY_INTENDED, Kind.SELF_REVIEWED)]
    assert "the schema was not recorded" in selected(made, rows, log, kind="apply")


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
    for digest in {word.rstrip(";") for row in made.rows for word in row.sql_digest.split() if ":" in word}:
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
    made.stored.pop(made.rows[0].sql_digest.split()[2].rstrip(";").removeprefix("sha256:"))
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


@pytest.mark.parametrize("what", ["notice", "out of reach"])
def test_a_page_with_exceptions_about_the_whole_alone_does_not_say_that_there_is_none(what: str) -> None:
    made = export(1)
    fine = Reconciled("dev", "T", ("aaa",), ("aaa",), True)
    apart = Reconciled("dev", "T", ("aaa",), reason="not reconciled: no access")
    rows = [replace(row, exceptions=()) for row in made.rows]

    def lead(*said: str, beside: Reconciled) -> str:
        header = replace(made.header, notices=said, reconciliation=(beside,))
        found = words(Page(document(replace_rows(replace(made, header=header), rows))).text)
        return found[found.index("Summary") : found.index("Controls and their result")]

    none = "No control fails in what this page covers, and there is no exception."
    exported = "fay@example.com exported the ledger (entry 9)"
    assert none in lead(exported, beside=fine)
    said = lead("ada found drift of dev (entry 4)", beside=fine) if what == "notice" else lead(beside=apart)
    assert none not in said
    assert "! No control fails in what this page covers, but there are exceptions. What concerns the whole" in said


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
