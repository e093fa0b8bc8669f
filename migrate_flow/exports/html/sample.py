"""A sample of applied changes that nobody picked: the chain's head decides, and anybody can draw it again.

No random numbers: each change is given the SHA-256 of the head, its revision and its environment, and the smallest are
taken. Whoever makes a change can't know the head that an export will have. Whoever exports can choose how far it goes,
and so one of several samples: the auditor names the position.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

SIZE = 25


@dataclass(frozen=True, slots=True)
class Candidate:
    """One applied change. anchor: of its section."""

    revision: str
    environment: str
    anchor: str
    message: str
    applied_at: str
    people: tuple[tuple[str, str], ...]  # what they did, and who
    entries: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Sample:
    """drawn: with their lots, in hex, smallest first. population: how many there were to draw from."""

    seed: str
    population: int
    drawn: tuple[tuple[str, Candidate], ...]


def lot(seed: str, revision: str, environment: str) -> str:
    """Hex, as ``printf '%s %s %s' SEED REVISION ENVIRONMENT | sha256sum`` prints it."""
    return hashlib.sha256(f"{seed} {revision} {environment}".encode(errors="backslashreplace")).hexdigest()


def draw(candidates: Iterable[Candidate], seed: str, size: int = SIZE) -> Sample:
    """size: at most so many."""
    lots = sorted(
        ((lot(seed, one.revision, one.environment), one) for one in candidates),
        key=lambda pair: (pair[0], pair[1].revision, pair[1].environment),
    )
    return Sample(seed, len(lots), tuple(lots[:size]))
