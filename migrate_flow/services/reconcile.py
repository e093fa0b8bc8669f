"""The ledger beside each target's version table, as far as the databases are in reach."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import TYPE_CHECKING

from migrate_flow.core.audit import Reconciled
from migrate_flow.core.audit_rows import in_promotion_order
from migrate_flow.errors import MigrateFlowError

if TYPE_CHECKING:
    from migrate_flow.core.audit_notes import Watch
    from migrate_flow.services.ports import Target
    from migrate_flow.services.survey import Survey

NO_ACCESS = "not reconciled: no access"
NOT_JUDGED = "not reconciled: jsonl judges no entry; csv, xlsx, md, html and bundle do"


def reconcile(
    survey: Survey, watch: Watch | None, target: Callable[[str], Target], configured: Collection[str]
) -> Iterator[Reconciled]:
    """One for each selected environment of which the ledger knows where it stands, by the entries that count. watch:
    None where nobody judged them. configured: the environments that the file tells how to reach."""
    rules, asked = survey.policies[-1].policy.environments, survey.selection.environment
    for name in in_promotion_order(survey.policies[-1].policy):
        if asked and name != asked:
            continue
        if watch is None:
            if name in survey.known:
                yield Reconciled(name, "", (), reason=NOT_JUDGED)
            continue
        known = watch.history.environment(name).targets
        if not known:
            continue
        if rules[name].personal:
            yield Reconciled(name, "", (), reason="not reconciled: each developer has a database of one's own")
            continue
        record = next(iter(known.values()))
        uuid, heads = record.uuid, tuple(sorted(record.heads or ()))
        if name in watch.headless:
            seq = watch.headless[name]
            reason = f"not reconciled: entry {seq}, the newest outcome, does not say where the version table stands"
            yield Reconciled(name, uuid, heads, reason=reason)
        elif record.heads is None:
            reason = "not reconciled: nothing is recorded yet of the database that is in use now"
            yield Reconciled(name, uuid, heads, reason=reason)
        elif record.attempt is not None:
            reason = f"not reconciled: the attempt of entry {record.attempt.seq} is open"
            yield Reconciled(name, uuid, heads, reason=reason)
        elif name not in configured:
            yield Reconciled(name, uuid, heads, reason=NO_ACCESS)
        elif name in survey.moved:
            reason = "not reconciled: the ledger goes on behind what is exported, and the database with it"
            yield Reconciled(name, uuid, heads, reason=reason)
        else:
            yield _one(target(name), name, uuid, heads)


def _one(target: Target, name: str, uuid: str, heads: tuple[str, ...]) -> Reconciled:
    try:
        seen = target.observe()
    except MigrateFlowError as error:
        return Reconciled(name, uuid, heads, reason=f"{NO_ACCESS} ({error.message})")
    if seen.problem:
        return Reconciled(name, uuid, heads, reason=f"{NO_ACCESS} ({seen.problem})")
    if seen.absent:
        return Reconciled(name, uuid, heads, reason=f"{NO_ACCESS} (there is no database)")
    if seen.identity is None:
        reason = f"not reconciled: what the URL names ({seen.dialect}) says of itself no id that the ledger knows"
        return Reconciled(name, uuid, heads, reason=reason)
    if seen.identity.uuid != uuid:
        reason = f"not reconciled: another database answers ({seen.identity.uuid})"
        return Reconciled(name, uuid, heads, reason=reason)
    there = tuple(sorted(seen.heads or ()))
    agrees = there == heads
    return Reconciled(name, uuid, heads, there, agrees, "" if agrees else "the version table is not as recorded")
