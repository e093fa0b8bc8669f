"""When things happened, as a picture: a lane for reviews and one for each environment, in bars of equal spans of time.

Every number is a whole one, so that the same export draws the same picture.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from migrate_flow.core.entry import parse_time

BINS = 90
LEFT, WIDTH, LANE, TOP = 150, 1080, 52, 12  # in units of the picture
_BAR = 34  # the highest
_TICKS = 6
_MONTHLY = timedelta(days=92)


@dataclass(frozen=True, slots=True)
class Event:
    """exception: what an auditor looks at, such as a failure."""

    at: str
    lane: str
    word: str
    exception: bool = False


@dataclass(frozen=True, slots=True)
class Bar:
    """Of one span of time. odd: whether it holds an exception. said: in words."""

    x: int
    y: int
    width: int
    height: int
    odd: bool
    said: str


@dataclass(frozen=True, slots=True)
class Lane:
    name: str
    floor: int
    bars: tuple[Bar, ...]


@dataclass(frozen=True, slots=True)
class Timeline:
    """ticks: x and label. table: the same in numbers, a row for each day or month."""

    width: int
    height: int
    lanes: tuple[Lane, ...]
    ticks: tuple[tuple[int, str], ...]
    period: str
    table: tuple[tuple[str, tuple[tuple[int, int], ...]], ...]
    first: str
    last: str


def draw(events: Iterable[Event], lanes: tuple[str, ...]) -> Timeline | None:
    """lanes: names, topmost first. None where nothing has a time."""
    timed = [(moment, event) for event in events if (moment := _moment(event.at)) is not None]
    if not timed:
        return None
    first, last = min(moment for moment, _ in timed), max(moment for moment, _ in timed)
    span = max(last - first, timedelta(minutes=1))
    found: dict[tuple[str, int], Counter[tuple[str, bool]]] = defaultdict(Counter)
    for moment, event in timed:
        place = min(BINS - 1, (moment - first) * BINS // span)
        found[event.lane, place][event.word, event.exception] += 1
    most = max(words.total() for words in found.values())
    drawn = tuple(
        _lane(name, row, {place: words for (lane, place), words in found.items() if lane == name}, most, first, span)
        for row, name in enumerate(lanes)
    )
    monthly = span > _MONTHLY
    return Timeline(
        width=LEFT + WIDTH + 10,
        height=TOP + LANE * len(lanes) + 34,
        lanes=drawn,
        ticks=tuple((LEFT + WIDTH * n // _TICKS, _label(first + span * n / _TICKS, span)) for n in range(_TICKS + 1)),
        period="month" if monthly else "day",
        table=_table(timed, lanes, 7 if monthly else 10),
        first=min(event.at for _, event in timed),
        last=max(event.at for _, event in timed),
    )


def _moment(text: str) -> datetime | None:
    try:
        return parse_time(text).astimezone(UTC)
    except ValueError:
        return None


def _lane(
    name: str,
    row: int,
    found: Mapping[int, Counter[tuple[str, bool]]],
    most: int,
    first: datetime,
    span: timedelta,
) -> Lane:
    floor = TOP + LANE * (row + 1) - 4
    bars = []
    for place, words in sorted(found.items()):
        height = max(4, _BAR * words.total() // most)
        x = LEFT + WIDTH * place // BINS
        width = LEFT + WIDTH * (place + 1) // BINS - x - 2
        odd = any(exception for _, exception in words)
        counts = ", ".join(f"{count} {word}" for (word, _), count in sorted(words.items()))
        said = f"{name}, from {_label(first + span * place / BINS, span)}: {counts}"
        bars.append(Bar(x, floor - height, width, height, odd, said))
    return Lane(name, floor, tuple(bars))


def _label(moment: datetime, span: timedelta) -> str:
    return f"{moment:%Y-%m-%d}" if span > timedelta(days=3) else f"{moment:%m-%d %H:%M}"


def _table(
    timed: Iterable[tuple[datetime, Event]], lanes: tuple[str, ...], length: int
) -> tuple[tuple[str, tuple[tuple[int, int], ...]], ...]:
    """By the first so many characters of the time: for each lane how many, and how many exceptions."""
    counts: dict[str, Counter[tuple[str, bool]]] = defaultdict(Counter)
    for _, event in timed:
        counts[event.at[:length]][event.lane, event.exception] += 1
    return tuple(
        (period, tuple((found[lane, False] + found[lane, True], found[lane, True]) for lane in lanes))
        for period, found in sorted(counts.items())
    )
