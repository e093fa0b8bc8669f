"""What was approved is what runs: files, graph, approvals and policy that change at the worst moment."""

from __future__ import annotations

import hashlib
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance import databases
from tests.faults.matrix import SQLITE
from tests.faults.place import BEFORE, FIRST, NEW, Place, go_on, stopped, wait_until
from tests.support import proof
from tests.support.alembic_projects import ADA, BEN, CARLA, attest, edit, table, write_script

SCRIPT = table("fresh") + "\nop.execute(\"INSERT INTO fresh VALUES (1, 'approved')\")"
EVIL = table("evil")
AFTER = {"fresh": ["{'id': 1, 'text': 'approved'}"], **BEFORE}
APPLY = ("apply", "--env", "dev", "--format", "json")


def _requires_approval(place: Place) -> None:
    edit(
        place.shell.folder / "migrate-flow.toml",
        r"(?m)^\[environments\.dev\]\n",
        '[environments.dev]\nrequires = "approved"\n',
    )
    place.flow("policy", "record", actor=CARLA)


@pytest.fixture
def approved(place: Place) -> Place:
    """dev asks for approvals, and the second revision has them all."""
    _requires_approval(place)
    place.second(SCRIPT)
    attest(place.shell, NEW)
    return place


def _is(place: Place) -> None:
    assert databases.contents(place.url) == AFTER


def _row(place: Place) -> dict[str, Any]:
    return dict(place.json("status", NEW)["migrations"][0])


def _refused(place: Place, *gates: str) -> list[dict[str, Any]]:
    """`apply` says no, by these gates at least; the verdicts. Nothing is left behind."""
    intents = place.kinds().count("apply.intended")
    report = place.apply(code=1)
    failed = _failed(report)
    assert {verdict["gate"] for verdict in failed} >= set(gates), failed
    assert all(verdict["hint"] for verdict in failed)
    place.as_before()
    assert place.kinds().count("apply.intended") == intents
    assert place.kinds()[-1] == "apply.refused"
    return failed


def _failed(report: dict[str, Any]) -> list[dict[str, Any]]:
    verdicts = [*report["gates"], *(verdict for step in report["steps"] for verdict in step["gates"])]
    return [verdict for verdict in verdicts if not verdict["passed"]]


# -- F85


@pytest.mark.fault("F85")
def test_a_rebase_changes_down_revision(approved: Place) -> None:
    """Another revision came first. The approval was of a script that follows the first one."""
    write_script(approved.versions, "aaaa15", FIRST)
    (path,) = approved.versions.glob(f"{NEW}*")
    edit(path, rf"(?m)^down_revision = .*{FIRST}.*$", "down_revision = 'aaaa15'")
    row = _row(approved)
    assert (row["state"], row["stale"]) == ("created", True)
    assert f"the script changed since the approval by {CARLA}" in row["stale_reason"]
    assert f"down_revision was {FIRST}, is aaaa15" in row["stale_reason"]
    failed = _refused(approved, "self-reviewed", "approved", "content-unchanged")
    assert f"down_revision was {FIRST}, is aaaa15" in " ".join(verdict["reason"] for verdict in failed)
    # With the rebased bytes attested, and the one below them, all is in order.
    approved.flow("track", "aaaa15", actor=ADA)
    for revision in ("aaaa15", NEW):
        attest(approved.shell, revision)
    approved.apply()
    approved.applied_once()


# -- F86


@pytest.mark.fault("F86")
def test_the_file_is_swapped_after_the_check(approved: Place) -> None:
    _swapped_at(approved, "intent-recorded")


@pytest.mark.on(SQLITE)
@pytest.mark.fault("F86")
@pytest.mark.parametrize("point", ["intent-writing", "step-begun"])
def test_the_file_is_swapped_at_another_moment(approved: Place, point: str) -> None:
    _swapped_at(approved, point)


def _swapped_at(approved: Place, point: str) -> None:
    """Script and env.py were read once. What runs, what is recorded and what is kept are those bytes."""
    (path,) = approved.versions.glob(f"{NEW}*")
    reviewed, env_py = path.read_bytes(), approved.env_py.read_bytes()
    with approved.started(*APPLY, MIGRATE_FLOW_FAILPOINT=f"{point}:stop") as runner:
        wait_until(lambda: stopped(runner), f"the runner to stop at {point}")
        write_script(approved.versions, NEW, FIRST, upgrade=EVIL)
        approved.env_py.write_text('raise SystemExit("swapped")\n')
        go_on(runner)
        out, err = runner.communicate(timeout=60)
    assert runner.returncode == 0, out + err
    _is(approved)
    intent = next(row for row in reversed(proof.rows(approved.shell.folder)) if row["kind"] == "apply.intended")
    assert hashlib.sha256(reviewed).hexdigest() in str(intent["statement"])
    assert proof.predicate(intent)["environment_digests"]["env.py"] == f"sha256:{hashlib.sha256(env_py).hexdigest()}"
    with closing(sqlite3.connect(approved.shell.folder / proof.LEDGER)) as ledger:
        query = "SELECT content FROM artifact WHERE sha256 = ?"
        assert ledger.execute(query, (hashlib.sha256(reviewed).hexdigest(),)).fetchall() == [(reviewed,)]
    path.write_bytes(reviewed)
    approved.env_py.write_bytes(env_py)
    approved.applied_once(lambda: _is(approved))


@pytest.mark.on(SQLITE)
@pytest.mark.fault("F86")
def test_the_file_is_swapped_before_the_check(approved: Place) -> None:
    """The runner has the lock, and has looked at nothing of it yet."""
    with approved.started(*APPLY, MIGRATE_FLOW_FAILPOINT="locked:stop") as runner:
        wait_until(lambda: stopped(runner), "the runner to stop")
        (path,) = approved.versions.glob(f"{NEW}*")
        text = path.read_text()
        path.write_text(text.replace("'approved'", "'swapped!'"))
        go_on(runner)
        out, err = runner.communicate(timeout=60)
    assert runner.returncode in (1, 2), out + err
    approved.as_before()
    _refused(approved, "approved")
    path.write_text(text)
    approved.apply()
    approved.applied_once(lambda: _is(approved))


# -- F87


HELPER = "WORD = 'approved'\n"
USING = table("fresh") + "\nop.execute(f\"INSERT INTO fresh VALUES (1, '{words.WORD}')\")"


@pytest.fixture
def with_helper(place: Place) -> Place:
    """As approved; the script takes a word from a module of the project."""
    _requires_approval(place)
    _helper(place).write_text(HELPER)
    place.second(USING, imports="import words\n")
    attest(place.shell, NEW)
    return place


def _helper(place: Place) -> Path:
    return place.shell.folder / "words.py"


@pytest.mark.fault("F87")
def test_a_helper_module_is_edited_after_the_approval(with_helper: Place) -> None:
    _helper(with_helper).write_text(HELPER.replace("approved", "edited"))
    row = _row(with_helper)
    assert (row["state"], row["stale"]) == ("created", True)
    assert "words.py" in row["stale_reason"], row["stale_reason"]
    failed = _refused(with_helper, "approved", "content-unchanged")
    assert "words.py" in " ".join(verdict["reason"] for verdict in failed)
    _helper(with_helper).write_text(HELPER)
    assert _row(with_helper)["state"] == "approved"
    with_helper.apply()
    with_helper.applied_once(lambda: _is(with_helper))


@pytest.mark.on(SQLITE)
@pytest.mark.fault("F86", "F87")
def test_a_helper_module_is_swapped_after_the_check(with_helper: Place) -> None:
    with with_helper.started(*APPLY, MIGRATE_FLOW_FAILPOINT="step-begun:stop") as runner:
        wait_until(lambda: stopped(runner), "the runner to stop")
        _helper(with_helper).write_text(HELPER.replace("approved", "swapped"))
        go_on(runner)
        out, err = runner.communicate(timeout=60)
    assert runner.returncode == 0, out + err
    _helper(with_helper).write_text(HELPER)
    with_helper.applied_once(lambda: _is(with_helper))


# -- F89


@pytest.mark.fault("F89")
def test_several_heads(place: Place) -> None:
    """Two developers continued from the same revision. `head` is no answer; one may be named, the other then not."""
    place.second(SCRIPT)
    write_script(place.versions, "bbbb02", FIRST)
    place.flow("track", "bbbb02", actor=BEN)
    failed = _refused(place, "single-head")
    for verdict in failed:
        assert NEW in verdict["reason"]
        assert "bbbb02" in verdict["reason"]
        assert "merge" in verdict["hint"]
    place.json("apply", NEW, "--env", "dev")
    assert place.heads() == [NEW]
    report = place.json("apply", "bbbb02", "--env", "dev", code=1)
    assert {verdict["gate"] for verdict in _failed(report)} == {"single-head"}
    assert place.heads() == [NEW]
    _is(place)
    # A merge makes them one again.
    write_script(place.versions, "cccc03", (NEW, "bbbb02"), upgrade="pass")
    place.flow("track", "cccc03", actor=BEN)
    place.apply()
    assert place.heads() == ["cccc03"]
    place.agree()


# -- F90


def _revokes(place: Place) -> None:
    (approval,) = _row(place)["approvals"]
    place.flow("revoke", str(approval["seq"]), "-m", "seen too late", actor=CARLA)


def _requests_changes(place: Place) -> None:
    place.flow("review", NEW, "--request-changes", "-m", "no index", actor=BEN)


def _withdraws(place: Place) -> None:
    place.flow("withdraw", NEW, "-m", "not needed", actor=ADA)


def _changes_the_policy(place: Place) -> None:
    """Two approvals from now on. The file goes back, so that only the ledger knows."""
    file = place.shell.folder / "migrate-flow.toml"
    before = file.read_text()
    edit(
        file,
        r"(?m)^apply_roles.*\n|^requires = \"approved\"\n",
        'requires = "approved"\napply_roles = ["backend-lead"]\n',
    )
    place.flow("policy", "record", actor=CARLA)
    file.write_text(before)


CHANGES = {
    "changes requested": (_requests_changes, "peer-reviewed"),
    "withdrawn": (_withdraws, "self-reviewed|tracked|approved|peer-reviewed"),
    "another policy": (_changes_the_policy, "applier-allowed|policy-current"),
}


@pytest.mark.fault("F90")
def test_the_approval_is_revoked_between_the_check_and_the_intent(approved: Place) -> None:
    _taken_back(approved, _revokes, "approved")


@pytest.mark.on(SQLITE)
@pytest.mark.fault("F90")
@pytest.mark.parametrize(("change", "gate"), CHANGES.values(), ids=CHANGES)
def test_the_permission_is_gone_between_the_check_and_the_intent(
    approved: Place, change: Callable[[Place], None], gate: str
) -> None:
    _taken_back(approved, change, gate)


def _taken_back(approved: Place, change: Callable[[Place], None], gate: str) -> None:
    """Every gate was green, the intent is signed; then somebody takes it back before it is in the ledger."""
    with approved.started(*APPLY, MIGRATE_FLOW_FAILPOINT="intent-writing:stop") as runner:
        wait_until(lambda: stopped(runner), "the runner to stop")
        before = approved.kinds()
        change(approved)
        go_on(runner)
        out, err = runner.communicate(timeout=60)
    assert runner.returncode == 1, out + err
    assert re.search(rf"the ledger changed meanwhile: ({gate}): ", out), out
    assert approved.kinds().count("apply.intended") == before.count("apply.intended")
    approved.as_before()
    approved.apply(code=1)
    approved.as_before()


@pytest.mark.on(SQLITE)
@pytest.mark.fault("F90")
def test_the_approval_is_revoked_behind_the_intent(approved: Place) -> None:
    """The order in the ledger decides: what was begun in time is finished, and the record tells both."""
    with approved.started(*APPLY, MIGRATE_FLOW_FAILPOINT="intent-recorded:stop") as runner:
        wait_until(lambda: stopped(runner), "the runner to stop")
        _revokes(approved)
        go_on(runner)
        out, err = runner.communicate(timeout=60)
    assert runner.returncode == 0, out + err
    assert approved.kinds()[-3:] == ["apply.intended", "attestation.revoked", "apply.applied"]
    approved.applied_once(lambda: _is(approved))
