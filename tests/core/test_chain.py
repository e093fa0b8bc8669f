"""The chain, computed a second time from its definition."""

from __future__ import annotations

import hashlib
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrate_flow.core.chain import EMPTY, ORIGIN, Head, link
from tests.support.builders import approved


def test_a_link_is_the_hash_of_the_one_before_and_of_both_digests() -> None:
    parts = bytes(32) + hashlib.sha256(b"statement").digest() + hashlib.sha256(b"signature").digest()
    assert link(ORIGIN, b"statement", "signature") == hashlib.sha256(parts).hexdigest()


@given(st.binary(max_size=40), st.text(st.characters(exclude_categories=["Cs"]), max_size=40), st.data())
def test_other_bytes_give_another_hash(statement: bytes, signature: str, data: st.DataObject) -> None:
    other = data.draw(st.binary(max_size=40).filter(lambda b: b != statement))
    assert link(ORIGIN, statement, signature) != link(ORIGIN, other, signature)
    assert link(ORIGIN, statement, signature) != link("1" * 64, statement, signature)
    # Moving a byte over the border between the two changes both digests.
    assert link(ORIGIN, statement + b"x", signature) != link(ORIGIN, statement, "x" + signature)


@pytest.mark.parametrize("prev", ["0" * 63, "g" * 64, "AB" * 32, " " + "ab" * 32, "ab " * 32, "\u0660" * 64])
def test_a_predecessor_that_is_no_hash_continues_nothing(prev: str) -> None:
    with pytest.raises(ValueError):
        link(prev, b"", "")


def test_entries_are_linked_from_the_origin_on() -> None:
    entries = approved().entries
    assert entries[0].prev == ORIGIN
    assert [entry.seq for entry in entries] == list(range(1, len(entries) + 1))
    assert all(later.prev == earlier.hash for earlier, later in pairwise(entries))


def test_a_head_is_shown_as_position_and_hash() -> None:
    assert str(Head(7, "ab" * 32)) == "7:sha256:" + "ab" * 32
    assert str(EMPTY) == f"0:sha256:{ORIGIN}"
