"""One form in bytes: what the rfc8785 library writes, and nothing that could be read in two ways."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from enum import StrEnum
from typing import Any

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from migrate_flow.core import canonical

LARGEST = 2**53 - 1
texts = st.text(st.characters(exclude_categories=["Cs"])).map(lambda text: unicodedata.normalize("NFC", text))
integers = st.integers(-LARGEST, LARGEST)
values = st.recursive(
    st.none() | st.booleans() | integers | texts,
    lambda inner: st.lists(inner) | st.dictionaries(texts, inner),
    max_leaves=20,
)


class Colour(StrEnum):
    RED = "red"


@settings(deadline=None)
@given(values)
def test_writes_what_rfc8785_writes_and_reads_it_back(value: Any) -> None:
    written = canonical.dumps(value)
    assert written == rfc8785.dumps(value)
    assert canonical.loads(written) == value


def test_keys_are_sorted_by_utf16_code_units() -> None:
    # U+1F600 is two surrogates from U+D83D in UTF-16, so it comes before U+FFFD; by code points it would come after.
    value = {"\ufffd": 1, "\U0001f600": 2, "\u20ac": 3, "b": 4, "a": 5, "": 6}
    assert list(json.loads(canonical.dumps(value))) == ["", "a", "b", "\u20ac", "\U0001f600", "\ufffd"]
    assert canonical.dumps(value) == rfc8785.dumps(value)


def test_control_characters_and_quotes_are_escaped_in_the_one_way() -> None:
    text = "".join(map(chr, range(0x21))) + '"\\/\x7f\u2028'
    assert canonical.dumps(text) == rfc8785.dumps(text)


def test_one_text_in_two_unicode_forms_is_one_value() -> None:
    assert canonical.dumps("e\u0301") == canonical.dumps("\u00e9") == '"\u00e9"'.encode()
    assert canonical.dumps({"e\u0301": 1}) == canonical.dumps({"\u00e9": 1})


def test_tuples_and_text_enumerations_are_plain_values() -> None:
    assert canonical.dumps({Colour.RED: (1, Colour.RED)}) == b'{"red":[1,"red"]}'
    assert type(json.loads(canonical.dumps(True))) is bool


@pytest.mark.parametrize(
    "value",
    [
        *(1.0, 0.0, float("nan"), float("inf")),
        *(LARGEST + 1, -LARGEST - 1, 2**64),
        *("\ud800", "a\udfffb", {"\udc00": 1}),
        *(b"bytes", {1, 2}, 1j, ...),
        *({1: "a number as key"}, {None: 1}, {True: 1}),
        {"e\u0301": 1, "\u00e9": 2},
        [[{"deep": [1.5]}]],
    ],
    ids=repr,
)
def test_refuses_what_has_no_single_form(value: Any) -> None:
    with pytest.raises(ValueError):
        canonical.dumps(value)


@pytest.mark.parametrize(
    "data",
    [
        b'{"a":1,"a":1}',
        b'{"a":{"b":1,"b":2}}',
        b'[{"a":1,"\\u0061":2}]',
        b"",
        b"{",
        b"\xff",
        b'\xef\xbb\xbf{"a":1}',
        '{"a":1}'.encode("utf-16"),
        b"[" * 100_000,
    ],
    ids=lambda data: repr(data[:20]),
)
def test_reading_refuses_duplicate_keys_and_what_is_no_json_in_utf8(data: bytes) -> None:
    with pytest.raises(ValueError):
        canonical.loads(data)


def test_digests_are_of_the_canonical_bytes() -> None:
    expected = "sha256:" + hashlib.sha256(b'{"a":1,"b":[]}').hexdigest()
    assert canonical.digest({"b": [], "a": 1}) == canonical.sha256(b'{"a":1,"b":[]}') == expected


@settings(deadline=None)
@given(values)
def test_what_was_written_is_read_as_it_was_written(value: Any) -> None:
    assert canonical.read(canonical.dumps(value)) == value


@settings(deadline=None)
@given(values, st.integers(0, 2**32), st.integers(1, 255))
def test_whatever_is_read_has_no_other_spelling(value: Any, place: int, mask: int) -> None:
    data = bytearray(canonical.dumps(value))
    data[place % len(data)] ^= mask
    try:
        found = canonical.read(bytes(data))
    except ValueError:
        return
    assert canonical.dumps(found) == rfc8785.dumps(found) == bytes(data)


@pytest.mark.parametrize(
    "data",
    [
        *('{"a":1,"a":1}', '{"a":1,"a":2}', '{"b":1,"a":2}', '{"a": 1}', ' {"a":1}', '{"a":1}\n', '{"a" :1}'),
        *("1.0", "1e3", "-0", "01", "1E400", "NaN", "Infinity", "-Infinity", str(LARGEST + 1), str(-LARGEST - 1)),
        *(r'"\u0041"', r'"\/"', r'"\u000A"', r'"\u000a"', '"\\u001F"', r'"\u00e9"', r'"\ud83d\ude00"', r'"\ud800"'),
        *('"e\u0301"', '{"e\u0301":1}', '{"\ufffd":1,"\U0001f600":2}', '"\U0001f600e\u0301"', "[" * 100_000),
        *("", "{", '\ufeff{"a":1}', '{"a":1}x', "'a'", '"\t"'),
    ],
    ids=lambda text: repr(text[:20]),
)
def test_another_spelling_is_refused(data: str) -> None:
    with pytest.raises(ValueError):
        canonical.read(data.encode())


def test_keys_in_the_order_of_utf16_are_the_one_spelling() -> None:
    value = {"\ufffd": 1, "\U0001f600": 2, "\u20ac": 3, "b": 4, "": 6}
    assert canonical.read(canonical.dumps(value)) == value
    assert canonical.read('"\u00e9 \u20ac \U0001f600"'.encode()) == "\u00e9 \u20ac \U0001f600"


spaced = st.sampled_from(["", "", "", "", " ", "\n"])
numbers = st.one_of(
    st.integers(-(2**70), 2**70).map(str),
    st.floats().map(repr),
    st.sampled_from(["-0", "0.0", "1e5", "1E5", "1e16", "1.5e+300", "01", "NaN", "Infinity", str(2**53), str(2**63)]),
)
written = st.tuples(st.text(max_size=5), st.booleans()).map(lambda pair: json.dumps(pair[0], ensure_ascii=pair[1]))
spellings = st.recursive(
    st.sampled_from(["null", "true", "false", r'"\u0041"', r'"\/"', r'"\ud800"', r'"\u001F"', '"e\u0301"'])
    | numbers
    | written,
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: f"[{','.join(items)}]")
        | st.lists(st.tuples(written | st.sampled_from(['"a"', '"b"']), spaced, inner), max_size=4).map(
            lambda pairs: "{" + ",".join(f"{key}:{space}{value}" for key, space, value in pairs) + "}"
        )
    ),
    max_leaves=8,
)


@settings(deadline=None, max_examples=400)
@given(spellings)
def test_the_quick_reader_never_takes_what_the_strict_one_refuses(text: str) -> None:
    data = text.encode(errors="replace")
    value = canonical.quick(data)
    if value is not canonical.UNSURE:
        exact = canonical.strict(data)  # raises ValueError for what has another spelling
        assert repr(value) == repr(exact), "the types are the same, too"


@settings(deadline=None, max_examples=300)
@given(values, st.integers(0, 2**32), st.integers(0, 255))
def test_nor_does_it_with_one_byte_changed(value: Any, place: int, byte: int) -> None:
    data = bytearray(canonical.dumps({"text": value}))
    data[place % len(data)] = byte
    found = canonical.quick(bytes(data))
    assert found is canonical.UNSURE or repr(found) == repr(canonical.strict(bytes(data)))


@settings(deadline=None)
@given(values)
def test_the_quick_reader_knows_what_is_plain(value: Any) -> None:
    data = canonical.dumps(value)
    if data.isascii():
        assert repr(canonical.quick(data)) == repr(canonical.strict(data))


@pytest.mark.parametrize("number", ["1.0", "-1.5", "1e16", "0.0", "-0.0", "1e-7", str(LARGEST + 1), str(-LARGEST - 1)])
@pytest.mark.parametrize("around", ["{}", '{{"a":{}}}', "[{}]", '[1,"a",{}]', '{{"a":[[{{"b":{}}}]]}}'])
def test_a_number_that_is_written_again_as_it_was_is_found_wherever_it_stands(number: str, around: str) -> None:
    data = around.format(number).encode()
    assert canonical.quick(data) is canonical.UNSURE
    with pytest.raises(ValueError):
        canonical.read(data)


def test_every_character_of_the_first_planes_is_written_alike() -> None:
    for start in range(0, 0xD800, 0x100):
        text = unicodedata.normalize("NFC", "".join(map(chr, range(start, start + 0x100))))
        data = canonical.dumps({"text": text})
        assert canonical.quick(data) == canonical.strict(data) == {"text": text}


@pytest.mark.parametrize("depth", [100, 254, 255, 400, 1024, 5000, 100_000])
def test_however_deep_both_readers_agree(depth: int) -> None:
    data = b"[" * depth + b"]" * depth
    found = canonical.quick(data)
    assert found is canonical.UNSURE or canonical.dumps(found) == data
    try:
        exact = canonical.strict(data)
    except ValueError:
        assert found is canonical.UNSURE
    else:
        assert found is canonical.UNSURE or found == exact
