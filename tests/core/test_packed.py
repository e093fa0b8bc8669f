"""The hashes and the nonces of a ledger, packed: what a plain dictionary, and a plain set, would say of them."""

from __future__ import annotations

import hashlib
import tracemalloc
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrate_flow.core.chain import ORIGIN
from migrate_flow.core.packed import Hashes, Nonces

digests = st.integers(0, 5).map(lambda number: hashlib.sha256(bytes([number])).hexdigest())
texts = digests | digests.map(str.upper) | st.sampled_from([ORIGIN, "", "ab", "0" * 63, " " + "0" * 64, "ü" * 64, "é"])
steps = st.lists(st.tuples(st.integers(-2, 3), texts), max_size=30)


@given(steps)
def test_it_says_what_a_dictionary_would_say(steps: list[tuple[int, str]]) -> None:
    packed, plain, last = Hashes(), {0: ORIGIN}, 0
    for step, text in steps:  # mostly the next position, but also gaps, and the same one again
        last += step
        packed[last] = plain[last] = text
    for seq in range(min(plain) - 3, max(plain) + 4):
        assert packed.get(seq) == plain.get(seq)
        assert packed.get(seq, "none") == plain.get(seq, "none")


def test_a_position_out_of_all_proportion_takes_no_room() -> None:
    packed = Hashes()
    packed[2**63 - 1] = ORIGIN
    assert packed.get(2**63 - 1) == ORIGIN
    assert packed.get(2**62) is None


def test_two_of_them_are_equal_where_their_hashes_are() -> None:
    one, other = Hashes(), Hashes()
    assert one == other
    one[1] = "ab" * 32
    assert one != other
    other[1] = "ab" * 32
    assert one == other
    assert one != {0: ORIGIN, 1: "ab" * 32}


@pytest.mark.parametrize("count", [1, 1000])
def test_an_entry_takes_32_bytes(count: int) -> None:
    packed = Hashes()
    for seq in range(1, count + 1):
        packed[seq] = f"{seq:064x}"
    assert len(packed._packed) == 32 * (count + 1)
    assert not packed._odd


uuids = st.integers(0, 99).map(lambda number: str(UUID(bytes=hashlib.md5(bytes([number])).digest())))
odd = st.sampled_from(["", "nonce", "0" * 36, "-" * 36, " " * 4 + "0" * 32, "é" * 36])
nonces = uuids | uuids.map(str.upper) | uuids.map(lambda text: text.replace("-", "")) | odd


@given(st.lists(nonces, max_size=60), st.lists(nonces, max_size=20))
def test_nonces_are_those_that_were_added_in_their_very_spelling(added: list[str], others: list[str]) -> None:
    packed, plain = Nonces(), set[str]()
    for text in (*added, *added[:3]):
        assert (text in packed) is (text in plain)
        packed.add(text)
        plain.add(text)
    for before, text in zip(others, reversed(others), strict=True):  # another one comes between question and answer
        assert (before in packed) is (before in plain)
        for one in (text, before):
            packed.add(one)
            plain.add(one)
        assert before in packed
    for text in (*added, *map(str.upper, added), *others):
        assert (text in packed) is (text in plain)
    assert sorted(packed) == sorted(plain)


def test_what_is_added_between_question_and_answer_takes_nobodys_place() -> None:
    """With so few places two of these fall on one, sooner or later."""
    for number in range(300):
        packed = Nonces()
        first, *others = (str(UUID(int=number << 64 | other)) for other in range(30))
        assert first not in packed
        for text in (*others, first):
            packed.add(text)
        assert all(text in packed for text in (first, *others))


def test_thousands_of_nonces_take_little_room() -> None:
    packed, length = Nonces(), 20_000
    tracemalloc.start()
    try:
        before, _peak = tracemalloc.get_traced_memory()
        for number in range(length):
            packed.add(str(UUID(int=number << 64 | number)))
        taken = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert taken < 40 * length
    assert str(UUID(int=5 << 64 | 5)) in packed
    assert str(UUID(int=5 << 64 | 6)) not in packed
