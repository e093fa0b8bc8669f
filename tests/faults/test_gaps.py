"""Attacks that got through once. One that does by now belongs here as a strict xfail: it says what must hold."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from migrate_flow.core.entry import format_time
from migrate_flow.core.revision import manifest_digest
from tests.faults.matrix import SQLITE
from tests.faults.siege import ADA, BOB, DAN, EVE, REV, Siege
from tests.support.forger import policy_subject

DAY = timedelta(days=1, hours=1)
NOTHING = [("bbbb01.py", b"# nothing\n")]


# -- time: production waits a day after staging


def _at(offset: timedelta) -> dict[str, str]:
    return {"at": format_time(datetime.now(UTC) + offset)}


def _soaking(released: Siege) -> None:
    released.policy(r"(?m)^\[environments\.production\]\n", '[environments.production]\nsoak = "24h"\n')


def _of_nothing(released: Siege, ahead: timedelta = DAY, **how: Any) -> int:
    """`created` for some other revision, by Bob, tomorrow."""
    ((name, content),) = NOTHING
    manifest = manifest_digest([(name, hashlib.sha256(content).hexdigest())])
    fields = {"files": NOTHING, "revision": "bbbb01", "manifest": manifest, "frame": _at(ahead)}
    return released.forger.says(BOB, "migration.created", **fields, **how)


def _by_bob(released: Siege) -> None:
    _of_nothing(released)


def _by_nobody(released: Siege) -> None:
    """No key is needed for that: the signature is an old one of Bob's, under what he never said."""
    old = next(row["signature"] for row in released.forger.rows() if row["actor"] == BOB)
    _of_nothing(released, signature=old)


@pytest.mark.fault("A23")
@pytest.mark.parametrize("say", [_by_bob, _by_nobody])
def test_a_time_to_come_does_not_end_the_wait(released: Siege, say: Callable[[Siege], None]) -> None:
    _soaking(released)
    released.shell.flow("apply", "--env", "staging", actor=DAN)
    released.held("production", {"soaked": "to go"})
    say(released)
    plan = released.shell.flow("plan", "--env", "production", actor=DAN, code=None)
    assert plan.code in (1, 4), plan
    released.shell.flow("apply", "--env", "production", actor=DAN, code=plan.code)
    assert released.contents("production") == {}


@pytest.mark.fault("A23")
def test_a_time_to_come_is_named(released: Siege) -> None:
    """It is no problem of the ledger, whose order goes by position: maybe the clock here is the wrong one."""
    seq = _of_nothing(released)
    named = f"entry {seq} by {BOB} says "
    assert f"! {named}" in released.shell.flow("ledger", "verify").err
    (check,) = (c for c in released.shell.json("doctor")["checks"] if named in c["message"])
    assert check["state"] == "warning"


@pytest.mark.fault("A23")
def test_a_time_that_is_told_a_little_early_is_none_to_come(released: Siege) -> None:
    _of_nothing(released, ahead=timedelta(minutes=4))
    assert "! entry" not in released.shell.flow("ledger", "verify").err


@pytest.mark.fault("A23")
def test_a_time_gone_by_does_not_end_the_wait(released: Siege) -> None:
    _soaking(released)
    for kind in ("apply.intended", "apply.applied"):
        released.forger.acts(DAN, kind, REV, "staging", "x", frame=_at(-DAY))
    released.held("production", {"soaked": "to go"})


# -- policy


@pytest.mark.fault("A19")
def test_production_by_another_name_does_not_escape_the_founding_rule(siege: Siege) -> None:
    section = '[environments.live]\nurl = "sqlite:///live.db"\ndialect = "sqlite"\nupstream = ["staging"]\n\n[policy]\n'
    siege.policy(r"(?m)^\[policy\]\n", section)
    document = json.loads(json.dumps(dict(siege.forger.history().policy.document)))
    document["environments"][-1].update(upstream=[], requires="created")
    base, subjects = siege.forger.history().policy.digest, [policy_subject(document)]
    seq = siege.forger.says(EVE, "policy.proposed", subjects=subjects, base=base, document=document)
    with siege.untouched("live"):
        siege.shell.flow("apply", "--env", "live", actor=DAN, code=1)
    siege.accused({seq: "live"})


# -- whose work it is


@pytest.mark.fault("A16")
def test_an_author_s_own_approval_is_named_by_verify(siege: Siege) -> None:
    siege.gives(ADA, "backend-lead")
    seq = siege.forger.attests(ADA, "migration.approved", REV, role="backend-lead")
    siege.accused({seq: "contributed"})


# -- the ledger that this machine saw


@pytest.fixture
def cut_off(released: Siege) -> Siege:
    """An objection was recorded and seen; the backup without it is what somebody would like to go on with."""
    backup = released.folder.parent / "backup.db"
    shutil.copy(released.forger.file, backup)
    released.shell.flow("review", REV, "--request-changes", "-m", "no index", actor=BOB)
    backup.replace(released.forger.file)
    released.distrusted("staging", "restored from a backup, or cut off")
    return released


@pytest.mark.fault("F80", dialect=SQLITE)
def test_a_ledger_that_was_cut_off_is_not_copied(cut_off: Siege) -> None:
    cut_off.shell.flow("ledger", "copy", "sqlite:///copy.db", actor=EVE, code=4)


# -- what nobody can read


@pytest.mark.fault("A21")
@pytest.mark.parametrize(
    ("actor", "kind", "fields", "words"),
    [
        (ADA, "migration.self-reviewed", {"sql": {"sqlite": 5}}, ("show", REV)),
        (ADA, "migration.self-reviewed", {"sql": {"sqlite": {"upgrade": 5}}}, ("plan", "--env", "production")),
        (BOB, "apply.refused", {"environment": "staging", "gates": 5}, ("log",)),
        (BOB, "apply.refused", {"environment": "staging", "gates": [5]}, ("log",)),
    ],
)
def test_what_is_malformed_inside_takes_nothing_from_anybody(
    siege: Siege, actor: str, kind: str, fields: dict[str, Any], words: tuple[str, ...]
) -> None:
    siege.forger.attests(actor, kind, REV, **fields)
    assert siege.shell.flow(*words, actor=BOB, code=None).code in (0, 1)


@pytest.mark.fault("A21")
def test_an_operator_without_a_host_takes_nothing_from_anybody(released: Siege) -> None:
    released.forger.acts(DAN, "apply.intended", REV, "staging", str(uuid4()), operator={"pid": []})
    released.shell.flow("status")
