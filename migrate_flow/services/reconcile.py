"""The ledger beside each target's version table, as far as the databases are in reach."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from functools import cache
from typing import TYPE_CHECKING

from migrate_flow.core.audit import Reconciled
from migrate_flow.core.audit_rows import in_promotion_order
from migrate_flow.core.facts import Observation
from migrate_flow.errors import MigrateFlowError

if TYPE_CHECKING:
    from migrate_flow.core.audit_outcomes import Outcomes
    from migrate_flow.services.ports import Target
    from migrate_flow.services.survey import Survey

NO_ACCESS = "not reconciled: no access"
_PERSONAL = "not reconciled: each developer has a database of one's own"
_ANOTHER = "not reconciled: another database answers"
_MOVED = "not reconciled: the ledger goes on behind what is exported, and the database with it"
Look = Callable[[str], Observation]


def observer(target: Callable[[str], Target]) -> Look:
    """Looks at the database of an environment once, however often it is asked."""

    @cache
    def look(name: str) -> Observation:
        try:
            return target(name).observe()
        except MigrateFlowError as error:
            return Observation(problem=error.message)

    return look


def reconcile(survey: Survey, judged: Outcomes, look: Look, configured: Collection[str]) -> Iterator[Reconciled]:
    """One for each selected environment of which the ledger knows where it stands, by the entries that count.
    configured: the environments that the file tells how to reach."""
    rules = survey.policies[-1].policy.environments
    for name in _asked(survey):
        known = judged.history.environment(name).targets
        if not known:
            continue
        if rules[name].personal:
            yield Reconciled(name, "", (), reason=_PERSONAL)
            continue
        record = next(iter(known.values()))
        uuid, heads = record.uuid, tuple(sorted(record.heads or ()))
        if name in judged.headless:
            seq = judged.headless[name]
            reason = f"not reconciled: entry {seq}, the newest outcome, does not say where the version table stands"
        elif record.heads is None:
            reason = "not reconciled: nothing is recorded yet of the database that is in use now"
        elif record.attempt is not None:
            reason = f"not reconciled: the attempt of entry {record.attempt.seq} is open"
        else:
            reason = _unseen(survey, name, look, configured)
        yield Reconciled(name, uuid, heads, reason=reason) if reason else _held(look(name), name, uuid, heads)


def in_reach(survey: Survey, look: Look, configured: Collection[str]) -> bool:
    """Whether there is any database to hold the ledger beside."""
    rules = survey.policies[-1].policy.environments
    names = (name for name in _asked(survey) if name in survey.known and not rules[name].personal)
    return any(not _unseen(survey, name, look, configured) for name in names)


def unjudged(survey: Survey, look: Look, configured: Collection[str], why: str = "") -> Iterator[Reconciled]:
    """One for each environment of which some entry says where it stands, where nobody judged which of them count. why:
    the ledger can't be judged; empty where no database is in reach to hold it beside."""
    rules = survey.policies[-1].policy.environments
    for name in _asked(survey):
        if name in survey.known:
            seen = _PERSONAL if rules[name].personal else _unseen(survey, name, look, configured)
            yield Reconciled(name, "", (), reason=seen or f"not reconciled: {why}")


def _unseen(survey: Survey, name: str, look: Look, configured: Collection[str]) -> str:
    """Why the database can't be held beside the ledger, whatever that says; empty if it can."""
    if name not in configured:
        return NO_ACCESS
    if name in survey.moved:
        return _MOVED
    seen = look(name)
    if seen.problem:
        return f"{NO_ACCESS} ({seen.problem})"
    if seen.absent:
        return f"{NO_ACCESS} (there is no database)"
    if seen.identity is None:
        return f"not reconciled: what the URL names ({seen.dialect}) says of itself no id that the ledger knows"
    return ""


def _asked(survey: Survey) -> Iterator[str]:
    """The selected environment alone, or all, in the order of promotion."""
    wanted = survey.selection.environment
    return (name for name in in_promotion_order(survey.policies[-1].policy) if wanted in ("", name))


def _held(seen: Observation, name: str, uuid: str, heads: tuple[str, ...]) -> Reconciled:
    found = seen.identity.uuid if seen.identity else ""
    if found != uuid:
        return Reconciled(name, uuid, heads, reason=f"{_ANOTHER} ({found})")
    there = tuple(sorted(seen.heads or ()))
    agrees = there == heads
    return Reconciled(name, uuid, heads, there, agrees, "" if agrees else "the version table is not as recorded")
