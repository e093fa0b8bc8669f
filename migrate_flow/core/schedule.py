"""Durations and apply windows, as the configuration writes them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

_DURATION = re.compile(r"(\d+)(ms|s|min|m|h|d|w)", re.ASCII)
_SECONDS = {"ms": 0.001, "s": 1, "min": 60, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WINDOW = re.compile(r"([a-z]{3})(?:-([a-z]{3}))? (\d\d):(\d\d)-(\d\d):(\d\d) (\S+)", re.ASCII)


def parse_duration(text: str) -> timedelta:
    """``5s``, ``15min``, ``24h``, ``30d``, ``1h30min``. Raises ValueError."""
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"{text!r} is not a duration such as 5s, 15min, 24h or 30d")
    try:
        return timedelta(seconds=sum(int(number) * _SECONDS[unit] for number, unit in parts))
    except OverflowError:
        raise ValueError(f"{text!r} is too long a duration") from None


def format_duration(length: timedelta) -> str:
    """The two largest units, rounded down: ``1d 4h``, ``12min``, ``3s``."""
    rest = max(0, int(length.total_seconds()))
    parts: list[str] = []
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        if rest >= size:
            parts.append(f"{rest // size}{unit}")
            rest %= size
    return " ".join(parts[:2]) or "0s"


@dataclass(frozen=True, slots=True)
class Window:
    """Weekdays (0 is Monday) and minutes of the day, in a time zone; the end minute is outside."""

    text: str
    days: frozenset[int]
    start: int
    end: int
    zone: str

    def holds(self, moment: datetime) -> bool:
        from zoneinfo import ZoneInfo

        local = moment.astimezone(ZoneInfo(self.zone))
        return local.weekday() in self.days and self.start <= local.hour * 60 + local.minute < self.end


def parse_window(text: str) -> Window:
    """``mon-thu 09:00-16:00 Europe/Berlin``. Raises ValueError."""
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    shape = f"{text!r} is not a window such as 'mon-thu 09:00-16:00 Europe/Berlin'"
    match = _WINDOW.fullmatch(text)
    if match is None:
        raise ValueError(shape)
    first, last, hour1, minute1, hour2, minute2, zone = match.groups()
    if first not in _DAYS or (last or first) not in _DAYS:
        raise ValueError(shape)
    start, end = int(hour1) * 60 + int(minute1), int(hour2) * 60 + int(minute2)
    if not (0 <= start < end <= 24 * 60) or int(minute1) > 59 or int(minute2) > 59:
        raise ValueError(f"{text!r}: the end must come after the start, on the same day")
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{text!r}: no time zone {zone!r}") from None
    begin, finish = _DAYS.index(first), _DAYS.index(last or first)
    days = range(begin, finish + 1) if begin <= finish else [*range(begin, 7), *range(finish + 1)]
    return Window(text, frozenset(days), start, end, zone)
