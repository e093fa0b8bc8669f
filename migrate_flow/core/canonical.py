"""RFC 8785 JSON, the one form in which a statement or a policy is written and hashed.

The subset that we write (no floats, integers within 2**53, NFC strings without surrogates) makes the standard
library's encoder exact: only the key order (UTF-16 code units) has to be seen to.

Reading is what every command does with every entry. orjson is many times as fast as the standard library, but laxer:
it only ever says that bytes are the canonical ones, because it writes the very same from what it read. Whatever else
they may be, the strict reader decides.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Iterable
from typing import Any

import orjson

_LARGEST = 2**53 - 1


def dumps(value: Any) -> bytes:
    """Encode as RFC 8785 JSON. Raises ValueError for what has no single form (floats, large integers, …)."""
    return json.dumps(_ordered(value), ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def loads(data: bytes) -> Any:
    """Decode JSON in UTF-8. Raises ValueError, for duplicate keys and for what is nested too deeply too."""
    if (value := quick(data)) is not UNSURE:
        return value
    try:
        return _DECODER.decode(data.decode())
    except RecursionError:
        raise ValueError("nested too deeply") from None


def read(data: bytes) -> Any:
    """Decode what `dumps` wrote. Raises ValueError for any other spelling of the same value, as for what is no JSON."""
    value = quick(data)
    return strict(data) if value is UNSURE else value


def quick(data: bytes) -> Any:
    """The value of bytes that are surely canonical; `UNSURE` for all else, canonical or not."""
    try:
        value = orjson.loads(data)
        # A key that comes twice, an escape or a space that need not be, another order: none is written again.
        if orjson.dumps(value, option=_OPTIONS) != data:
            return UNSURE
    except (ValueError, TypeError):
        return UNSURE
    if _holds_float((value,)) or not (data.isascii() or _plain(data.decode())):
        return UNSURE
    return value


def known(data: bytes) -> Any:
    """The value of bytes that `read` took before, here or in another process."""
    return orjson.loads(data)


def strict(data: bytes) -> Any:
    """As `read`, by the standard library alone."""
    try:
        text = data.decode()
        value = _EXACT.decode(text)
        same = _SORTED.encode(value) == text if _plain(text) else dumps(value) == data
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not same:
        raise ValueError("it is not written in the one canonical way")
    return value


def _holds_float(values: Iterable[Any]) -> bool:
    """At any depth: it would be written again as it was."""
    for value in values:
        kind = type(value)
        if kind is str:
            continue
        if kind is dict:
            if _holds_float(value.values()):
                return True
        elif kind is list:
            if _holds_float(value):
                return True
        elif kind is float:
            return True
    return False


def _plain(text: str) -> bool:
    """Whether the order of code points is that of UTF-16, and the text normal: encoders know nothing of either."""
    return text.isascii() or (not _ASTRAL.search(text) and unicodedata.is_normalized("NFC", text))


def digest(value: Any) -> str:
    """``sha256:`` and the hex digest of the canonical bytes."""
    return sha256(dumps(value))


def sha256(data: bytes) -> str:
    """``sha256:`` and the hex digest of these bytes."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def _ordered(value: Any) -> Any:
    match value:
        case None | bool():
            return value
        case int():
            if abs(value) > _LARGEST:
                raise ValueError(f"integer {value} has no exact JSON form")
            return int(value)
        case str():
            return _text(value)
        case list() | tuple():
            return [_ordered(item) for item in value]
        case dict():
            named = _unique([(_key(key), item) for key, item in value.items()])
            return {key: _ordered(named[key]) for key in sorted(named, key=lambda key: key.encode("utf-16-be"))}
        case _:
            raise ValueError(f"{type(value).__name__} has no canonical JSON form")


def _key(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{type(value).__name__} as a key has no canonical JSON form")
    return _text(value)


def _text(value: str) -> str:
    if value.isascii():
        return str(value)
    if any("\ud800" <= char <= "\udfff" for char in value):
        raise ValueError("text with a lone surrogate has no canonical JSON form")
    return unicodedata.normalize("NFC", value)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("duplicate key")
    return result


def _integer(digits: str) -> int:
    number = int(digits)
    if abs(number) > _LARGEST:
        raise ValueError(f"integer {digits} has no exact JSON form")
    return number


def _no_number(text: str) -> Any:
    raise ValueError(f"number {text} has no canonical JSON form")


# Made once: loads() would make one a call. What _EXACT reads of a key that comes twice is not written as it was.
_DECODER = json.JSONDecoder(object_pairs_hook=_unique)
_EXACT = json.JSONDecoder(parse_int=_integer, parse_float=_no_number, parse_constant=_no_number)
_SORTED = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True, check_circular=False)
_ASTRAL = re.compile("[\U00010000-\U0010ffff]")
UNSURE = object()
_OPTIONS = orjson.OPT_SORT_KEYS | orjson.OPT_STRICT_INTEGER
