"""The hashes of a ledger, packed: what a plain dictionary would say of them."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrate_flow.core.chain import ORIGIN
from migrate_flow.core.packed import Hashes

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
