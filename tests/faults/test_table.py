"""Every fault of the matrix is shown on every kind of database that it concerns, and the reference says by what."""

from __future__ import annotations

import pytest

from tests.faults.table import FILE, Shown, collected, gaps, written


@pytest.fixture(scope="module")
def shown() -> Shown:
    return collected()


def test_no_gap(shown: Shown) -> None:
    assert gaps(shown) == []


def test_the_reference_is_what_the_tests_say(shown: Shown) -> None:
    assert FILE.read_text() == written(shown), "python -m tests.faults.table"
