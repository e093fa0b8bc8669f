"""The reference is what the columns say."""

from __future__ import annotations

from migrate_flow.exports.columns import COLUMNS, LAST
from tests.exports.reference import FILE, written


def test_the_reference_is_what_the_columns_say() -> None:
    assert FILE.read_text(encoding="utf-8") == written(), "python -m tests.exports.reference"


def test_each_column_has_a_name_of_its_own() -> None:
    names = [*(column.name for column in COLUMNS), *LAST]
    assert len(set(names)) == len(names)
