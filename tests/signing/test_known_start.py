"""Armour whose beginning was read before is read faster, and judged exactly as any other."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from migrate_flow.signing import sshsig
from migrate_flow.signing.sshsig import sign, verify
from tests.support.builders import ADA, BOB, private_key

MESSAGE = b"the statement"
SIGNED = sign(private_key(ADA), MESSAGE)
BEGIN, END = SIGNED.splitlines()[0], SIGNED.splitlines()[-1]


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sshsig, "_known", {})


def answer(armoured: str) -> str:
    try:
        return verify(MESSAGE, armoured)
    except sshsig.SignatureInvalid as error:
        return f"refused: {type(error).__name__}"


def variants() -> Iterator[str]:
    dice = random.Random(20261122)
    body = "".join(SIGNED.splitlines()[1:-1])
    characters = "ABCabc019+/=\n \r\té-"
    for place in range(len(SIGNED)):
        before, after = SIGNED[:place], SIGNED[place:]
        yield before + dice.choice(characters) + after
        yield before + after[1:]
        yield before + dice.choice(characters) + after[1:]
        yield before
        yield before + "\n" + after
    for width in (1, 7, 64, 76, 300):
        yield "\n".join([BEGIN, *(body[at : at + width] for at in range(0, len(body), width)), END, ""])
    yield SIGNED.removesuffix("\n")
    yield sign(private_key(BOB), MESSAGE)
    yield sign(private_key(ADA), b"another")


def test_every_variant_is_judged_as_if_nothing_had_been_read_before() -> None:
    fresh = {}
    for armoured in variants():
        sshsig._known.clear()
        fresh[armoured] = answer(armoured)
    assert len(set(fresh.values())) == 3  # Ada's key, Bob's, refused
    sshsig._known.clear()
    answer(SIGNED)
    assert len(sshsig._known) == 1
    for armoured in variants():
        assert answer(armoured) == fresh[armoured], armoured
    assert all(answer(armoured) == said for armoured, said in fresh.items())  # with all that they left behind


def test_what_is_known_does_not_grow_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sshsig, "_KNOWN_AT_MOST", 4)
    for number in range(20):
        verify(MESSAGE, sign(private_key(f"person {number}"), MESSAGE))
        assert len(sshsig._known) <= 4
