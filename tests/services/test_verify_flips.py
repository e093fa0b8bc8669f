"""Any flipped byte is found.

Of every stored value: each byte of each row is flipped, and the altered row judged by itself, as `verify` judges it: it
must give itself away, whatever the other rows say. What a row can't show by itself, its position, is flipped bit by bit
under the whole verification, and so is a seeded sample of the rest.

Of the database's file: a flip is found, or the file can't be read, or no stored value is another for it.
"""

from __future__ import annotations

import os
import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from migrate_flow.errors import LedgerError
from migrate_flow.ledger.store import create_store, open_store
from migrate_flow.services.verify_chunk import COLUMNS, judge
from migrate_flow.services.verify_ledger import verify
from tests.services.ledgers import LENGTH, Signatures, Stored, fill, ledger
from tests.support.builders import Scribe

PARTS = 4
EVERY_BYTE = os.environ.get("MIGRATE_FLOW_FLIPS") == "all"


def flipped(value: bytes | str, place: int, mask: int) -> bytes | str:
    """The value with one byte changed, as it would be read from the database."""
    data = bytearray(value if isinstance(value, bytes) else value.encode())
    data[place] ^= mask
    return bytes(data) if isinstance(value, bytes) else data.decode(errors="backslashreplace")


def sized(value: bytes | str) -> int:
    return len(value if isinstance(value, bytes) else value.encode())


def found(changed: Stored) -> set[int]:
    """The entries that have problems."""
    return {problem.seq for problem in verify(changed, Signatures()).problems}


def silent(rows: list[dict[str, Any]], masks: random.Random) -> Iterator[tuple[int, str, int, int]]:
    """The flips that no row shows: entry, column, place, mask."""
    for row in rows:
        values = tuple(row[name] for name in COLUMNS)
        assert not judge(values, Signatures.verify).problems
        for index, value in enumerate(values):
            if isinstance(value, int) or value is None:
                continue
            for place in range(sized(value)):
                mask = masks.randrange(1, 256)
                other = flipped(value, place, mask)
                altered = (*values[:index], other, *values[index + 1 :])
                if not judge(altered, Signatures.verify).problems:
                    yield row["seq"], COLUMNS[index], place, mask


@pytest.mark.parametrize("part", range(PARTS))
def test_every_byte_of_every_value(part: int) -> None:
    rows = [row for row in ledger().rows if row["seq"] % PARTS == part]
    assert list(silent(rows, random.Random(part))) == []


@pytest.mark.sweep
@pytest.mark.parametrize("bit", range(8))
def test_every_bit_of_every_value(bit: int) -> None:
    class One(random.Random):
        def randrange(self, *_: Any) -> int:
            return 1 << bit

    assert list(silent(ledger().rows, One())) == []


@pytest.mark.parametrize("bits", [(0, 1, 2, 5, 6), (7, 31, 62, 63)], ids=str)
def test_every_position_by_its_bits(bits: tuple[int, ...]) -> None:
    for row in ledger().rows:
        for bit in bits:
            other = row["seq"] ^ (1 << bit) if bit < 63 else row["seq"] - (1 << 63)
            assert found(ledger().changed(row["seq"], seq=other)), (row["seq"], bit)


def test_a_value_that_is_not_there_has_no_bytes_but_no_other_value_takes_its_place() -> None:
    for row in ledger().rows:
        for name in ("revision", "environment"):
            if row[name] is None:
                assert found(ledger().changed(row["seq"], **{name: ""})) == {row["seq"]}


def test_a_sample_under_the_whole_verification() -> None:
    """The entry itself is named, whatever else is."""
    dice = random.Random(20261122)
    for _ in range(150):
        row = dice.choice(ledger().rows)
        name = dice.choice([name for name in COLUMNS[1:] if row[name] is not None])
        place, mask = dice.randrange(sized(row[name])), dice.randrange(1, 256)
        assert row["seq"] in found(ledger().changed(row["seq"], **{name: flipped(row[name], place, mask)})), (
            row["seq"],
            name,
            place,
            mask,
        )


def test_every_byte_of_every_artifact() -> None:
    stored = ledger()
    for number, (digest, content) in enumerate(stored.contents):
        others = [item for at, item in enumerate(stored.contents) if at != number]
        altered = [(flipped(digest, place, 1), content) for place in range(sized(digest))]
        altered += [(digest, flipped(content, place, 0x81)) for place in range(sized(content))]
        for item in altered:
            assert found(Stored(stored.rows, [item, *others])), item


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same 60 entries in a database."""
    folder = tmp_path_factory.mktemp("ledger")
    written = fill(Scribe(create_store("sqlite:///ledger.db", folder)))
    assert written.head.seq == LENGTH
    return folder / "ledger.db"


def verdict(file: Path) -> str:
    """What the installed command would say: empty if it found nothing."""
    try:
        report = verify(open_store(f"sqlite:///{file.name}", file.parent), Signatures())
    except LedgerError as error:
        return error.message
    return "; ".join(f"{problem.seq}: {problem.problem}" for problem in report.problems)


def values(file: Path) -> list[Any]:
    """Every stored value with its type, in the order of the tables."""
    with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as connection:
        connection.text_factory = bytes
        typed = ", ".join(f"typeof({name}), {name}" for name in COLUMNS)
        entries = connection.execute(f"SELECT {typed} FROM entry ORDER BY seq").fetchall()
        typed = "typeof(sha256), sha256, typeof(content), content"
        return entries + connection.execute(f"SELECT {typed} FROM artifact ORDER BY sha256").fetchall()


def unseen(file: Path, places: Iterator[tuple[int, int]], here: Path) -> list[tuple[int, int]]:
    """The flips (place, mask) that are not found although a stored value is another for them."""
    sound, expected = file.read_bytes(), values(file)
    copy = here / "copy.db"
    missed = []
    for place, mask in places:
        data = bytearray(sound)
        data[place] ^= mask
        copy.write_bytes(data)
        if not verdict(copy):
            copy.write_bytes(data)  # opening it may have mended the header
            if values(copy) != expected:
                missed.append((place, mask))
        for left in here.glob("copy.db-*"):
            left.unlink()
    return missed


def seeded(file: Path, count: int) -> Iterator[tuple[int, int]]:
    dice = random.Random(20261122)
    size = file.stat().st_size
    return ((dice.randrange(size), dice.randrange(1, 256)) for _ in range(count))


def test_flips_of_the_databases_file(file: Path, tmp_path: Path) -> None:
    assert not verdict(file)
    assert unseen(file, seeded(file, 300), tmp_path) == []


@pytest.mark.sweep
@pytest.mark.timeout(7200)
def test_many_flips_of_the_databases_file(file: Path, tmp_path: Path) -> None:
    """3,000 of them, or with MIGRATE_FLOW_FLIPS=all one of every byte."""
    places = ((place, 1) for place in range(file.stat().st_size)) if EVERY_BYTE else seeded(file, 3000)
    assert unseen(file, places, tmp_path) == []
