"""Opens a new ledger: the genesis entry holds the first policy."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

from migrate_flow import __version__
from migrate_flow.core.chain import EMPTY
from migrate_flow.core.entry import Draft, Entry, Kind, Subject, format_time, statement
from migrate_flow.core.policy import POLICY_ADMIN, Policy
from migrate_flow.errors import Refused

if TYPE_CHECKING:
    from migrate_flow.core.history import Succession
    from migrate_flow.services.ports import Clock, Ledger, Signer


def found(
    ledger: Ledger, project: str, policy: Policy, signer: Signer, clock: Clock, succeeds: Succession | None = None
) -> Entry:
    """succeeds: the ledger that this one follows. Raises Refused if the signer could not administer the policy that
    they record."""
    person = policy.people.get(signer.person)
    if person is None or signer.public_key not in person.keys or POLICY_ADMIN not in person.roles:
        raise Refused(
            f"{signer.person} opens the ledger, and so must hold the role {POLICY_ADMIN} with this very key",
            hint=f"migrate-flow init --person {signer.person} --role {POLICY_ADMIN}",
            where="[people]",
        )
    identity = str(uuid4())
    draft = Draft(
        Kind.LEDGER_OPENED,
        [Subject("policy", policy.digest.removeprefix("sha256:"))],
        {
            "project": project,
            "number": 1,
            "document": policy.document,
            "version": __version__,
            "succeeds": _named(succeeds) if succeeds else None,
        },
    )
    signed = statement(
        draft,
        ledger=identity,
        nonce=str(uuid4()),
        at=format_time(clock()),
        actor=signer.person,
        after=EMPTY,
        policy=policy.digest,
    )
    return ledger.append(signed, signer.sign(signed), (), seen=EMPTY, recheck=_refuse)


def _named(old: Succession) -> dict[str, object]:
    return {"ledger": old.ledger, "seq": old.head.seq, "hash": f"sha256:{old.head.hash}", "comment": old.why}


def _refuse(_entries: object) -> None:
    raise Refused("somebody else opened this ledger just now", hint="migrate-flow ledger info")
