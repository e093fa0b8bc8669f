from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrate_flow.core.schedule import format_duration, parse_duration, parse_window

MONDAY = datetime(2026, 11, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("500ms", timedelta(milliseconds=500)),
        ("5s", timedelta(seconds=5)),
        ("15min", timedelta(minutes=15)),
        ("15m", timedelta(minutes=15)),
        ("24h", timedelta(days=1)),
        ("30d", timedelta(days=30)),
        ("2w", timedelta(days=14)),
        ("1h30min", timedelta(minutes=90)),
        ("0s", timedelta()),
    ],
)
def test_durations(text: str, length: timedelta) -> None:
    assert parse_duration(text) == length


@pytest.mark.parametrize(
    "text", ["", "5", "s", "5 s", " 5s", "5s ", "-5s", "+5s", "5.5s", "5S", "5 minutes", "1y", "5s,", "٥s", "5s\n"]
)
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration such as"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["9" * 30 + "d", "9" * 400 + "ms", "9" * 400 + "w"])
def test_a_duration_beyond_all_time(text: str) -> None:
    with pytest.raises(ValueError, match="too long"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("length", "text"),
    [
        (timedelta(), "0s"),
        (timedelta(seconds=-5), "0s"),
        (timedelta(milliseconds=999), "0s"),
        (timedelta(seconds=59), "59s"),
        (timedelta(minutes=12), "12min"),
        (timedelta(days=1, hours=4, minutes=59), "1d 4h"),
        (timedelta(days=400), "400d"),
        (timedelta(days=1, seconds=1), "1d 1s"),
    ],
)
def test_durations_are_shown_in_two_units(length: timedelta, text: str) -> None:
    assert format_duration(length) == text


@given(st.timedeltas(timedelta(), timedelta(days=10_000)))
def test_what_is_shown_is_never_longer_than_it_was(length: timedelta) -> None:
    shown = sum((parse_duration(part) for part in format_duration(length).split()), timedelta())
    assert timedelta() <= length - shown
    assert length < timedelta(minutes=1) or length - shown <= length / 2


def at(day: int, hour: int, minute: int = 0) -> datetime:
    """day: 0 is Monday."""
    return MONDAY + timedelta(days=day, hours=hour, minutes=minute)


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("mon-thu 09:00-16:00 UTC", [at(0, 9), at(3, 15, 59)], [at(0, 8, 59), at(0, 16), at(4, 12), at(6, 12)]),
        ("fri 00:00-24:00 UTC", [at(4, 0), at(4, 23, 59)], [at(3, 23, 59), at(5, 0)]),
        ("sat-mon 10:00-11:00 UTC", [at(5, 10), at(6, 10), at(7, 10)], [at(1, 10), at(4, 10)]),
        ("mon-sun 10:00-11:00 UTC", [at(day, 10) for day in range(7)], [at(0, 11)]),
        # 09:00 in Berlin is 08:00 UTC in November, and in Tokyo it is then evening.
        ("mon 09:00-16:00 Europe/Berlin", [at(0, 8), at(0, 14, 59)], [at(0, 7, 59), at(0, 15)]),
        ("tue 00:00-06:00 Asia/Tokyo", [at(0, 15), at(0, 20, 59)], [at(0, 14, 59), at(1, 0)]),
    ],
)
def test_windows(text: str, inside: list[datetime], outside: list[datetime]) -> None:
    window = parse_window(text)
    assert window.text == text
    assert [moment for moment in inside if not window.holds(moment)] == []
    assert [moment for moment in outside if window.holds(moment)] == []


def test_a_window_follows_the_wall_clock_over_the_change_of_time() -> None:
    window = parse_window("mon 09:00-16:00 Europe/Berlin")
    summer = datetime(2026, 7, 6, 7, 0, tzinfo=UTC)
    assert window.holds(summer)
    assert not window.holds(summer.replace(month=11, day=2))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "is not a window"),
        ("mon-thu 09:00-16:00", "is not a window"),
        ("monday 09:00-16:00 UTC", "is not a window"),
        ("Mon 09:00-16:00 UTC", "is not a window"),
        ("mon-xyz 09:00-16:00 UTC", "is not a window"),
        ("mon 9:00-16:00 UTC", "is not a window"),
        ("mon ٠٩:00-16:00 UTC", "is not a window"),
        ("mon 09:00-16:00 UTC ", "is not a window"),
        ("mon 16:00-09:00 UTC", "the end must come after the start"),
        ("mon 09:00-09:00 UTC", "the end must come after the start"),
        ("mon 09:00-24:01 UTC", "the end must come after the start"),
        ("mon 09:60-10:30 UTC", "the end must come after the start"),
        ("mon 09:00-16:00 Europe/Atlantis", "no time zone"),
        ("mon 09:00-16:00 ../../etc/passwd", "no time zone"),
        ("mon 09:00-16:00 Europe", "no time zone"),
    ],
)
def test_what_is_no_window(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        parse_window(text)
