"""Gates about the order of things: ancestors-applied, upstream-applied, soaked, in-window, single-head."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from migrate_flow.core.facts import Facts, Sighting
from migrate_flow.core.history import Application, Applied
from migrate_flow.core.schedule import parse_window
from migrate_flow.core.traits import Traits
from migrate_flow.core.verdict import Verdict
from tests.gates.case import Case, judged
from tests.support.builders import (
    ADA,
    BOB,
    CY,
    DAN,
    LATER,
    MANIFEST,
    OTHER_BYTES,
    REV,
    TEAM,
    Scribe,
    approved,
    environment,
    facts,
)

EVERYBODY = tuple(TEAM)
MORNING = (parse_window("mon-thu 09:00-12:00 UTC"), parse_window("fri 09:00-10:00 UTC"))


def upstream(**found: Application | None) -> Facts:
    return facts(upstream=found)


def seen(upstream: dict[str, Any] | None = None, **found: Sighting) -> Facts:
    """What databases show of what stands there by the ledger's word."""
    return facts(sightings=found, upstream=upstream or {name: application() for name in found})


def application(state: Applied = Applied.APPLIED, **parts: Any) -> Application:
    return replace(Application(REV, state, LATER, ADA, 7, MANIFEST, "ast1:a"), **parts)


def soaking(hours: float, **only: Any) -> Facts:
    since = application(at=LATER - timedelta(hours=hours))
    return facts(keys={"soak": timedelta(hours=24)}, **{"upstream": {"staging": since}} | only)


def at(hour: int, minute: int = 0, **only: Any) -> Facts:
    """On the Tuesday after."""
    return facts(keys={"windows": MORNING}, now=LATER.replace(hour=hour, minute=minute), **only)


def midway() -> Scribe:
    scribe = approved()
    scribe.intends(env="production")
    return scribe


def standing_there(scribe: Scribe | None) -> Facts:
    """The version table has its row, and the ledger no outcome."""
    found = facts(scribe, missing_ancestors=(REV,))
    return replace(found, observation=replace(found.observation, heads=(REV,)))


def with_release_managers() -> Facts:
    places = [environment("staging", upstream=["dev"], apply_roles=["backend-lead"]), environment("dev")]
    places.append(environment("production", upstream=["staging"]))
    scribe = approved(environments=places)
    return facts(scribe, upstream={"staging": None})


HINTS = {
    Applied.PARTIAL: "migrate-flow recover --env staging",
    Applied.OUT_OF_BAND: "migrate-flow rollback --env staging",
}
CASES = (
    Case("ancestors-applied", "all there", facts, True, "applied, or come first"),
    Case(
        "ancestors-applied",
        "two missing",
        lambda: facts(missing_ancestors=("aaaa", "bbbb")),
        False,
        "not applied to production: aaaa, bbbb$",
        "migrate-flow plan --env production --to aaaa",
        EVERYBODY,
    ),
    Case(
        "ancestors-applied",
        "many missing",
        lambda: facts(missing_ancestors=tuple("abcdefg"), keys={"apply_roles": ("backend-lead",)}),
        False,
        "a, b, c, d, e …$",
        "migrate-flow plan",
        (CY, DAN),
    ),
    Case(
        "ancestors-applied",
        "in the version table, while an attempt is open",
        lambda: standing_there(midway()),
        False,
        "^the version table holds it: what the open attempt came to will tell",
        "migrate-flow recover --env production",
        EVERYBODY,
    ),
    Case(
        "ancestors-applied",
        "in the version table, and nobody knows why",
        lambda: standing_there(None),
        False,
        "^the version table holds it, and the ledger does not say how",
        "migrate-flow adopt --env production -m",
        EVERYBODY,
    ),
    Case("upstream-applied", "there", facts, True, "applied in staging"),
    Case(
        "upstream-applied",
        "adopted there",
        lambda: upstream(staging=application(Applied.GRANDFATHERED)),
        True,
        "in staging",
    ),
    Case(
        "upstream-applied",
        "only comments differ",
        lambda: facts(manifest=OTHER_BYTES, behaviour="ast1:a", upstream={"staging": application()}),
        True,
        "applied in staging",
    ),
    Case(
        "upstream-applied",
        "not there",
        lambda: upstream(staging=None),
        False,
        "^not applied in staging$",
        f"migrate-flow apply {REV} --env staging",
        EVERYBODY,
    ),
    Case(
        "upstream-applied", "by its roles", with_release_managers, False, "not applied", "migrate-flow apply", (CY, DAN)
    ),
    Case(
        "upstream-applied",
        "in one of two",
        lambda: upstream(dev=application(), staging=None),
        False,
        "^not applied in staging$",
        f"migrate-flow apply {REV} --env staging",
        EVERYBODY,
    ),
    *(
        Case(
            "upstream-applied",
            state,
            lambda state=state: upstream(staging=application(state)),  # type: ignore[misc]
            False,
            f"^{reason} in staging$",
            HINTS.get(state, "migrate-flow apply"),
            EVERYBODY,
        )
        for state, reason in {
            Applied.FAILED: "failed",
            Applied.PARTIAL: "partial",
            Applied.OPEN: "open",
            Applied.ROLLED_BACK: "rolled-back",
            Applied.OUT_OF_BAND: "it came there outside the flow",
        }.items()
    ),
    Case(
        "upstream-applied",
        "other bytes",
        lambda: facts(manifest=OTHER_BYTES, behaviour="ast1:b", upstream={"staging": application()}),
        False,
        "applied with other bytes in staging",
        "migrate-flow rollback --env staging",
        EVERYBODY,
    ),
    Case(
        "upstream-applied",
        "other bytes of unknown behaviour",
        lambda: facts(manifest=OTHER_BYTES, upstream={"staging": application(behaviour="")}),
        False,
        "applied with other bytes",
        "migrate-flow rollback --env staging",
        EVERYBODY,
    ),
    Case(
        "upstream-applied",
        "its database says otherwise",
        lambda: seen(staging=Sighting("the ledger says so, but it shows nothing", "migrate-flow adopt")),
        False,
        "^the ledger says so, but it shows nothing$",
        "migrate-flow adopt",
        (ADA,),
    ),
    Case(
        "upstream-applied",
        "its database was not looked at",
        lambda: seen(staging=Sighting(unseen="no answer")),
        True,
        "^applied in staging; the database of staging was not looked at: no answer$",
    ),
    Case(
        "upstream-applied",
        "the ledger says no already",
        lambda: seen(staging=Sighting("it shows nothing", "migrate-flow adopt"), upstream={"staging": None}),
        False,
        "^not applied in staging$",
        f"migrate-flow apply {REV} --env staging",
        EVERYBODY,
    ),
    Case("reversible", "it has a downgrade", facts, True, "has a downgrade"),
    Case(
        "reversible",
        "it has none",
        lambda: facts(traits=Traits(("irreversible",))),
        False,
        "no downgrade",
        "migrate-flow new",
        EVERYBODY,
    ),
    Case("reversible", "nobody holds the bytes", lambda: facts(manifest=""), False, "neither here nor", "check out"),
    Case("downstream-rolled-back", "it stands nowhere further down", facts, True, "no environment further down"),
    Case(
        "downstream-rolled-back",
        "it stands in production",
        lambda: facts(downstream=("production",)),
        False,
        "still stands in production",
        "migrate-flow rollback --env production",
        EVERYBODY,
    ),
    Case(
        "downstream-rolled-back",
        "it stands there, and may",
        lambda: facts(downstream=("production",), waived=frozenset({"downstream-rolled-back"})),
        True,
        "--allow-ahead",
    ),
    Case("soaked", "nothing asked", facts, True, "no soak time is configured"),
    Case("soaked", "just long enough", lambda: soaking(24), True, "at least 1d in staging"),
    Case(
        "soaked",
        "a minute short",
        lambda: soaking(24 - 1 / 60),
        False,
        "^in staging for 23h 59min, 1min to go$",
        f"wait 1min, or: migrate-flow approve {REV} --waive soaked --env production -m WHY",
        (CY, DAN),
    ),
    Case(
        "soaked",
        "applied in the future",
        lambda: soaking(-2),
        False,
        "^in staging for 0s, 1d 2h to go$",
        "wait 1d 2h",
        (CY, DAN),
    ),
    Case(
        "soaked",
        "waived",
        lambda: soaking(1, waived=frozenset({"soaked"})),
        True,
        "^waived: in staging for 1h, 23h to go",
    ),
    Case(
        "soaked",
        "another gate waived",
        lambda: soaking(1, waived=frozenset({"in-window"})),
        False,
        "23h to go",
        "wait",
        (CY, DAN),
    ),
    Case(
        "soaked",
        "not there",
        lambda: soaking(0, upstream={"staging": None}),
        False,
        "not applied in staging yet",
        f"migrate-flow apply {REV} --env staging",
        (CY, DAN),
    ),
    Case(
        "soaked",
        "rolled back there",
        lambda: soaking(0, upstream={"staging": application(Applied.ROLLED_BACK, at=LATER - timedelta(days=9))}),
        False,
        "not applied in staging yet",
        "migrate-flow apply",
        (CY, DAN),
    ),
    Case(
        "soaked",
        "in one of two",
        lambda: soaking(0, upstream={"a": application(at=LATER - timedelta(days=2)), "b": application()}),
        False,
        "in b for 0s",
        "wait 1d",
        (CY, DAN),
    ),
    Case("in-window", "at its beginning", lambda: at(9), True, "inside mon-thu 09:00-12:00 UTC"),
    Case(
        "in-window",
        "at its end",
        lambda: at(12),
        False,
        "^Tue 12:00 UTC is outside mon-thu 09:00-12:00 UTC, fri 09:00-10:00 UTC$",
        f"wait for the window, or: migrate-flow approve {REV} --waive in-window --env production -m WHY",
        (CY, DAN),
    ),
    Case(
        "in-window",
        "waived",
        lambda: at(23, waived=frozenset({"in-window"})),
        True,
        "^waived: Tue 23:00 UTC is outside",
    ),
    Case("single-head", "one", facts, True, "one head"),
    Case(
        "single-head",
        "two",
        lambda: facts(conflicting_heads=("aaaa", "bbbb")),
        False,
        "2 heads on one branch: aaaa, bbbb",
        "migrate-flow new --merge aaaa bbbb -m 'merge'",
        (ADA, BOB, DAN),
    ),
)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_verdict(case: Case) -> None:
    assert isinstance(judged(case), Verdict)
