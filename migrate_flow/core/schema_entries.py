"""The part of the fold that is about schemas: what an entry recorded of one, drift that was found, drift that was
accepted, and the guard that watches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from migrate_flow.core.entry import Kind
from migrate_flow.core.guard import RecordedGuard
from migrate_flow.core.history import Attestation, EnvironmentRecord, History, TargetRecord
from migrate_flow.core.snapshot import RecordedSchema


def environment_of(history: History, said: Attestation) -> EnvironmentRecord:
    """The record of the environment that an entry speaks of."""
    name = said.fields["environment"]
    return history.environments.get(name) or history.environments.setdefault(name, EnvironmentRecord(name))


def recorded_schema(said: Attestation) -> RecordedSchema | None:
    """None where the schema could not be read."""
    fields = said.fields.get("schema", {})
    if "fingerprint" not in fields:
        return None
    tags = fields["normaliser"], fields["server_major"], fields.get("rows", "")
    return RecordedSchema(said.seq, fields["fingerprint"], fields["snapshot"], *tags)


def leave(target: TargetRecord, said: Attestation) -> None:
    """The schema is as this entry has it; where it could not be read, that is remembered too."""
    target.schema, target.drift = recorded_schema(said), ""
    target.unread = 0 if target.schema else said.seq


def drift_mark(fingerprint: str, guard: str, elsewhere: str) -> str:
    """What tells one drift from another. guard: how it differs, elsewhere: how its place in the history does; empty if
    they do not."""
    return f"{fingerprint} {guard} {elsewhere}".strip()


def _drifted(history: History, said: Attestation) -> None:
    target = _known_target(history, said)
    if target is not None:
        found = recorded_schema(said)
        guard, elsewhere = (str(said.fields.get(name, "")) for name in ("guard", "elsewhere"))
        target.drift = drift_mark(found.fingerprint if found else "", guard, elsewhere)


def _drift_accepted(history: History, said: Attestation) -> None:
    """It explains, and approves nothing: whoever may apply there may say so."""
    _require_applier(history, said, "accept what was changed in")
    logged = said.fields.get("logged", 0)
    if not said.flaw and (type(logged) is not int or logged < 0):
        said.flaw = "malformed: the field logged is not what it must be"
    if not said.flaw and not (recorded_schema(said) and str(said.fields.get("comment", "")).strip()):
        said.flaw = "it does not say what is accepted, and why"
    target = _known_target(history, said)
    if target is not None:
        leave(target, said)
        target.guard = replace(target.guard, logged=logged or target.guard.logged)


def _guard_installed(history: History, said: Attestation) -> None:
    _require_applier(history, said, "install the guard of")
    mode, version = str(said.fields["mode"]), int(said.fields["version"])
    if not said.flaw and mode not in ("audit", "block"):
        said.flaw = f"{mode!r} is no mode of a guard"
    target = _known_target(history, said)
    if target is not None:
        target.guard, target.drift = RecordedGuard(mode, version, said.seq, target.guard.logged), ""


def _guard_removed(history: History, said: Attestation) -> None:
    _require_applier(history, said, "remove the guard of")
    target = _known_target(history, said)
    if target is not None:
        target.guard, target.drift = RecordedGuard(seq=said.seq, logged=target.guard.logged), ""


def _require_applier(history: History, said: Attestation, act: str) -> None:
    rules = history.policy.environments.get(str(said.fields["environment"]))
    if not said.flaw and rules and rules.apply_roles and not history.policy.has_role(said.actor, rules.apply_roles):
        said.flaw = f"{said.actor} may not {act} {rules.name}"


def _known_target(history: History, said: Attestation) -> TargetRecord | None:
    """The database that an entry about drift or a guard speaks of; None where the entry does not count."""
    environment = environment_of(history, said)
    target = environment.targets.get(said.fields["target"])
    if not said.flaw and target is None:
        said.flaw = f"speaks of another database than the one known as {environment.name}"
    if said.flaw:
        history.flawed.append(said)
        return None
    return target


HANDLERS: dict[Any, Callable[[History, Attestation], None]] = {
    Kind.DRIFT_FOUND: _drifted,
    Kind.DRIFT_ACCEPTED: _drift_accepted,
    Kind.GUARD_INSTALLED: _guard_installed,
    Kind.GUARD_REMOVED: _guard_removed,
}
