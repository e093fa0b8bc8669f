"""What befalls migrations and databases in the audited project, each as it would come about."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from unittest.mock import patch

import pytest
from alembic import command
from alembic.config import Config

from migrate_flow import failpoint
from migrate_flow.bootstrap.exporting import archive
from migrate_flow.core.audit import Selection
from migrate_flow.core.entry import Draft, Kind
from migrate_flow.core.fingerprint import fingerprint
from migrate_flow.services import adopt as adopting
from migrate_flow.services import drift, people, revoke_key
from migrate_flow.services.export import gather
from migrate_flow.services.recover import Settlement, recover
from tests.support.audited_scripts import Does, Script, write
from tests.support.audited_team import ENVIRONMENTS, blockers, done, mail

if TYPE_CHECKING:
    from tests.support.audited_story import Story


@dataclass(frozen=True, slots=True)
class Chapter:
    """last: what the last script of its migrations does. tell: brings them to production, somehow."""

    last: Does | None
    tell: Callable[[Story, Sequence[Script]], None]


def adopt(story: Story, scripts: Sequence[Script]) -> None:
    """The project is older than its flow: these stand everywhere already."""
    folder, team = story.team.folder, story.team
    plain_alembic(story, "dev", scripts[-1])
    for name in ENVIRONMENTS[1:]:
        shutil.copy(folder / "dev.db", folder / f"{name}.db")
    for name in ENVIRONMENTS:
        adopting.adopt(team.by("eve"), name, "=1+1: what stood here before the flow")
    story.mark("grandfathered", *scripts)
    production = "[environments.production]"
    text = (folder / "migrate-flow.toml").read_text()
    rules = 'apply_roles = ["release-manager"]\nsoak = "24h"\nwindows = ["mon-thu 09:00-16:00 Europe/Berlin"]\n'
    upstream = 'upstream = ["staging"]\n'
    assert upstream in text.partition(production)[2]
    team.edits(
        (upstream, upstream + rules),
        ('# ticket_pattern = "SHOP-[0-9]+"', 'ticket_pattern = "SHOP-[0-9]+"'),
        ('# contract_tables = ["api_*"]', 'contract_tables = ["area_0"]'),
    )
    team.record_policy("eve")


def plain_alembic(story: Story, environment: str, to: Script) -> None:
    """Behind the flow's back."""
    config = Config(story.team.folder / "alembic.ini")
    config.set_main_option("sqlalchemy.url", f"sqlite:///{story.team.folder / environment}.db")
    config.attributes["configure_logger"] = False
    with patch("logging.config.fileConfig"):
        command.upgrade(config, to.revision)


def by_hand(story: Story, environment: str, *statements: str) -> None:
    with closing(sqlite3.connect(story.team.folder / f"{environment}.db")) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def again(story: Story, script: Script, why: str) -> None:
    """Other bytes of a script that was approved already."""
    story.team.commit([script])
    story.team.vouch(script, lossy=script.does is Does.DROP)
    story.team.review(script, story.reviewer(script), why)
    story.approved(script)


# On the way to the approval: each gives the script as it is in the end, reviewed


def changes_asked(story: Story, script: Script) -> Script:
    team, other = story.team, story.reviewer(script)
    team.vouch(script)
    team.review(script, other, story.comment() or "no", "request-changes")
    story.mark("changes-requested", script)
    edited = script.edited()
    team.commit([edited])
    team.vouch(edited)
    team.review(edited, other, "better now")
    return edited


def taken_back(story: Story, script: Script) -> Script:
    team, first = story.team, story.reviewer(script)
    team.vouch(script)
    seq = team.review(script, first, "fine with me")
    team.revoke(seq, first, "I had read another file: =1+1")
    story.mark("review-revoked", script)
    team.review(script, story.reviewer(script, first) if len(script.authors) == 1 else "ida", story.comment())
    return script


def lint_error(story: Story, script: Script) -> Script:
    """Found by a check, and gone with other bytes."""
    team = story.team
    team.checked(script, "ida", broken=True)
    story.mark("lint-error", script)
    edited = script.edited()
    team.commit([edited])
    team.checked(edited, "ida")
    team.vouch(edited)
    team.review(edited, story.reviewer(script), story.comment())
    return edited


def edited_after_approval(story: Story, script: Script) -> Script:
    """All that was said is stale."""
    team = story.team
    team.vouch(script)
    team.review(script, story.reviewer(script), story.comment())
    team.approve(script, "cy")
    story.mark("stale", script)
    edited = script.edited()
    team.commit([edited])
    team.vouch(edited)
    team.review(edited, story.reviewer(script), "read again")
    return edited


def withdrawn_beside(story: Story, script: Script) -> Script:
    """Another one on the same parent is given up."""
    team = story.team
    side = write(story.seed, script.number, script.parent, Does.COLUMN, ["hal"], side="side")
    team.commit([side])
    team.track(side)
    team.vouch(side)
    team.review(side, "ben", "which of the two do we want?", "request-changes")
    team.withdraw(side, "the other one does it: <b>=1+1</b>")
    story.mark("withdrawn", side)
    story.revisions.append(side.revision)
    team.vouch(script)
    team.review(script, story.reviewer(script), story.comment())
    return script


ON_THE_WAY: dict[int, Callable[[Story, Script], Script]] = {
    1: changes_asked,
    3: taken_back,
    5: lint_error,
    9: edited_after_approval,
    11: withdrawn_beside,
}


# On the way to production


def refused_and_waived(story: Story, scripts: Sequence[Script]) -> None:
    """Production is asked for too early, at the wrong hour and by the wrong person; then a night makes it urgent."""
    team, last = story.team, scripts[-1]
    report = team.apply("production", last.revision)
    assert not report.allowed
    story.promote(last, ENVIRONMENTS[:2])
    team.clock.to(20)
    report = team.apply("production", last.revision, "ada")
    assert {"soaked", "in-window", "applier-allowed"} <= {gate for gate, _reason in blockers(report)}
    story.mark("refused:production", scripts[0])
    for script in scripts:
        team.waive(script, "soaked", "orders stand still: =1+1")
        team.waive(script, "in-window", "orders stand still\nsince noon")
    story.mark("waived:production", *scripts)
    done(team.apply("production", last.revision))


def failed(story: Story, scripts: Sequence[Script]) -> None:
    """Somebody put a row into staging by hand; and an index into production, which is drift."""
    team, last = story.team, scripts[-1]
    story.promote(last, ["dev"])
    by_hand(story, "staging", f"INSERT INTO markers (id, name) VALUES ({last.number}, 'by hand')")
    story.hour("staging")
    report = team.apply("staging", last.revision)
    assert str(report.worst) == "failed", report.ran[-1]
    story.mark("failed:staging", last)
    by_hand(story, "staging", f"DELETE FROM markers WHERE id = {last.number}")
    story.promote(last, ["staging"])
    by_hand(story, "production", f'CREATE INDEX "=1+1 {last.number}" ON markers (name, id)')
    found = drift.drift(team.by("ida"), ["production"])
    assert found[0].seq
    drift.accept(team.by("dan"), "production", '=HYPERLINK("x")\nit made the report fast')
    story.mark("drift:production", last)
    story.promote(last, ["production"])


def interrupted(story: Story, scripts: Sequence[Script]) -> None:
    """dev is left half done, production is applied by a process that ends before it can say so."""
    team, last = story.team, scripts[-1]
    story.hour("dev")
    report = team.apply("dev", last.revision, "ada")
    assert str(report.worst) == "partial", report.ran[-1]
    story.mark("partial:dev", last)
    by_hand(story, "dev", *(f"DROP TABLE {name}" for name in last.tables))
    recover(team.by("dan"), "dev", Settlement(why="dropped the table: @SUM(A1)", abandon=True))
    mended = replace(last, edition=last.edition + 1, mended=True)
    again(story, mended, "without the COMMIT")
    story.promote(last, ["dev", "staging"])
    story.hour("production")
    failpoint._passed.clear()  # it acts once a process
    with patch.dict(os.environ, {failpoint.VARIABLE: "step-committed:raise"}), pytest.raises(OSError):
        team.apply("production", scripts[0].revision)
    recover(team.by("dan"), "production")
    story.mark("recovered:production", scripts[0])
    if scripts[1:]:
        done(team.apply("production", last.revision))


def rolled_back(story: Story, scripts: Sequence[Script]) -> None:
    """The last one is taken back from production, approved again and applied again; then staging is made anew."""
    team, last = story.team, scripts[-1]
    story.promote(last)
    done(team.roll_back("production", scripts[-2].revision, "customers see =1+1"))
    story.mark("rolled-back:production", last)
    story.approved(last)
    team.clock.passes(hours=1)
    story.promote(last, ["production"])
    if not story.marks["replaced:staging"]:
        _guarded(story)
        _staging_made_anew(story)


def _staging_made_anew(story: Story) -> None:
    """Out of a copy of production, without what tells which database it is."""
    folder, team = story.team.folder, story.team
    shutil.copy(folder / "production.db", folder / "staging.db")
    with closing(sqlite3.connect(folder / "staging.db")) as connection, connection:
        ours = "SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'migrate\\_flow%' ESCAPE '\\'"
        for (name,) in connection.execute(ours).fetchall():
            connection.execute(f'DROP TABLE "{name}"')
    team.reopen()
    done_by = team.by("eve")
    adopting.adopt(done_by, "staging", "the disk broke; =1+1", new_target=True)
    story.marks["replaced:staging"].append(story.revisions[-1])


def another_policy(story: Story, scripts: Sequence[Script]) -> None:
    """Two admins from now on; a reviewer's key is stolen."""
    last = scripts[-1]
    if not story.marks["key-revoked"]:
        exported(story, Selection())
        _two_admins(story)
        _lost_key(story, last)
    story.promote(last)


def _two_admins(story: Story) -> None:
    team = story.team
    team.edits(("admins = 1 ", "admins = 2 "), ('# approval_expires = "30d"', 'approval_expires = "90d"'))
    team.record_policy("eve", "fay")


def _lost_key(story: Story, last: Script) -> None:
    """What it signed last counts no more: its owner reviews again with another one."""
    team = story.team
    edited = last.edited()
    team.commit([edited])
    team.vouch(edited)
    reviewer = story.reviewer(edited)
    seq = team.review(edited, reviewer, "looks fine")
    key = team.space.policy.keys_of(mail(reviewer))[0]
    revoke_key.revoke_key(team.by("eve"), fingerprint(key), "the laptop was stolen: =1+1", since=seq)
    story.mark("key-revoked", last)
    public = team.new_key(reviewer, f"{story.seed} {reviewer} again")
    added = people.add(team.space.config, mail(reviewer), (), (public,))
    (team.folder / "migrate-flow.toml").write_text(added.config.text)
    team.reopen()
    team.record_policy("eve", "fay")
    team.review(edited, reviewer, "read again, with the new key")
    story.approved(edited)


def _guarded(story: Story) -> None:
    """As `guard install` and `guard remove` on PostgreSQL would sign it. The databases here are SQLite, which has no
    guards: nothing can be applied to one that the ledger says had one, so it is staging's, which is gone next."""
    team = story.team
    target = next(iter(team.space.history.environment("staging").targets))
    fields = {"environment": "staging", "target": target, "mode": "block"}
    team.by("dan").book.append(Draft(Kind.GUARD_INSTALLED, (), {**fields, "version": "1"}))
    team.by("dan").book.append(Draft(Kind.GUARD_REMOVED, (), {**fields, "comment": "the vendor works on it; =1+1"}))


CHAPTERS = (
    Chapter(None, rolled_back),
    Chapter(None, refused_and_waived),
    Chapter(Does.SEED, failed),
    Chapter(Does.IN_PARTS, interrupted),
    Chapter(None, another_policy),
)


# What has not arrived


def under_way(story: Story) -> None:
    """The newest migrations, each a step behind the one before it."""
    team = story.team
    staged, in_dev, approved, reviewed, objected, created = story.write([None] * 6)
    for script in (staged, in_dev, approved):
        story.flow(script)
    story.promote(staged, ["dev", "staging"])
    plain_alembic(story, "dev", in_dev)
    drift.drift(team.by("ida"), ["dev"])
    adopting.adopt(team.by("eve"), "dev", "somebody ran alembic upgrade here")
    story.mark("out-of-band:dev", in_dev)
    for script in (reviewed, objected, created):
        team.track(script)
    for script in (reviewed, objected):
        team.vouch(script)
    team.review(reviewed, story.reviewer(reviewed), story.comment())
    team.review(objected, story.reviewer(objected), "\u202ethis is the wrong way round", "request-changes")
    for mark, script in (("staging-only", staged), ("approved-only", approved), ("reviewed-only", reviewed)):
        story.mark(mark, script)
    story.mark("created-only", created)
    exported(story, Selection(environment="production"))


def exported(story: Story, selection: Selection) -> None:
    """For the auditors, who get a file that nobody here keeps."""
    team = story.team
    team.clock.passes(days=1)
    opened = archive(team.folder / "migrate-flow.toml", mail("fay"))
    assert gather(opened, selection, "csv").seq
