"""RFC 8785 JSON, the one form in which a statement or a policy is written and hashed.

The subset that we write (no floats, integers within 2**53, NFC strings without surrogates) makes the standard
library's encoder exact: only the key order (UTF-16 code units) has to be seen to.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from typing import Any

_LARGEST = 2**53 - 1


def dumps(value: Any) -> bytes:
    """Encode as RFC 8785 JSON. Raises ValueError for what has no single form (floats, large integers, …)."""
    return json.dumps(_ordered(value), ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def loads(data: bytes) -> Any:
    """Decode JSON in UTF-8. Raises ValueError, for duplicate keys and for what is nested too deeply too."""
    try:
        return _DECODER.decode(data.decode())
    except RecursionError:
        raise ValueError("nested too deeply") from None


def read(data: bytes) -> Any:
    """Decode what `dumps` wrote. Raises ValueError for any other spelling of the same value, as for what is no JSON."""
    try:
        text = data.decode()
        value = _EXACT.decode(text)
        # The encoder's order of keys is that of code points, and it knows nothing of Unicode's forms.
        if text.isascii() or (not _ASTRAL.search(text) and unicodedata.is_normalized("NFC", text)):
            same = _SORTED.encode(value) == text
        else:
            same = dumps(value) == data
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not same:
        raise ValueError("it is not written in the one canonical way")
    return value


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
