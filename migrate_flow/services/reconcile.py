"""The ledger beside each target's version table, as far as the databases are in reach."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

from migrate_flow.core import canonical
from migrate_flow.core.audit import Reconciled
from migrate_flow.core.audit_rows import in_promotion_order
from migrate_flow.errors import MigrateFlowError
from migrate_flow.services.ports import Target, Verifier
from migrate_flow.services.survey import Survey

NO_ACCESS = "not reconciled: no access"


def reconcile(
    survey: Survey, verifier: Verifier, target: Callable[[str], Target] | None, configured: Collection[str]
) -> Iterator[Reconciled]:
    """One for each environment of which the ledger knows where it stands: by the newest outcome or adoption there, if
    a person of the policy signed it. target: None where no database is to be asked. configured: the environments that
    the file tells how to reach."""
    rules = survey.policies[-1].policy.environments
    for name in in_promotion_order(survey.policies[-1].policy):
        row = survey.newest.get(name)
        if row is None:
            continue
        try:
            fields = canonical.loads(row[3])["predicate"]
            uuid, heads = str(fields["target"]), tuple(sorted(map(str, fields["heads"])))
            signed = survey.history.policy.owners.get(verifier.verify(row[3], row[4])) == row[8]
        except (ValueError, KeyError, TypeError):
            uuid, heads, signed = "", (), False
        if not signed:
            yield Reconciled(name, uuid, heads, reason=f"not reconciled: entry {row[0]} is not signed as it says")
        elif target is None or name not in configured:
            yield Reconciled(name, uuid, heads, reason=NO_ACCESS)
        elif rules[name].personal:
            yield Reconciled(name, uuid, heads, reason="not reconciled: each developer has a database of one's own")
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
    if seen.identity is None or seen.identity.uuid != uuid:
        answers = f" ({seen.identity.uuid})" if seen.identity else ""
        return Reconciled(name, uuid, heads, reason=f"not reconciled: another database answers{answers}")
    there = tuple(sorted(seen.heads or ()))
    agrees = there == heads
    return Reconciled(name, uuid, heads, there, agrees, "" if agrees else "the version table is not as recorded")
