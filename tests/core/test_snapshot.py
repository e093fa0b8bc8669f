"""Snapshots as values: fingerprints, documents, and differences told object by object."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrate_flow.core import canonical
from migrate_flow.core.snapshot import (
    Difference,
    Indeterminate,
    SchemaObject,
    Snapshot,
    attributes,
    difference,
    dotted,
    from_document,
    reordered,
    snapshot_of,
)

USERS = SchemaObject("table", "public.users")
ID = SchemaObject("column", "public.users.id", attributes(type="int", not_null=True), USERS.key)
EMAIL = SchemaObject("column", "public.users.email", attributes(type="text"), USERS.key)
INDEX = SchemaObject("index", "public.ix_email", attributes(definition="on (email)"), USERS.key)
NOTE = SchemaObject("comment", EMAIL.key, attributes(definition="where to write"), EMAIL.key)
ORDER = {USERS.key: ("id", "email")}


def snapshot(*objects: SchemaObject, order: dict[str, tuple[str, ...]] | None = None, **tags: str) -> Snapshot:
    return snapshot_of(
        objects, ORDER if order is None else order, **{"normaliser": "test/1", "server_major": "18"} | tags
    )


WHOLE = snapshot(USERS, ID, EMAIL, INDEX, NOTE)


def test_the_order_of_objects_and_of_columns_does_not_count() -> None:
    other = snapshot(NOTE, INDEX, EMAIL, ID, USERS, order={USERS.key: ("email", "id")})
    assert other.fingerprint == WHOLE.fingerprint
    assert difference(WHOLE, other) == ()
    assert reordered(WHOLE, other) == (USERS.key,)
    assert reordered(WHOLE, WHOLE) == ()
    assert reordered(WHOLE, snapshot(USERS, order={USERS.key: ("email",)})) == ()


def test_whatever_is_part_of_it_changes_the_fingerprint() -> None:
    others = [
        snapshot(USERS, ID, EMAIL, INDEX),
        snapshot(USERS, ID, EMAIL, INDEX, dataclasses.replace(NOTE, definition=attributes(definition="else"))),
        snapshot(USERS, ID, EMAIL, NOTE, dataclasses.replace(INDEX, of="")),
        snapshot(USERS, ID, EMAIL, INDEX, NOTE, normaliser="test/2"),
        snapshot(USERS, ID, EMAIL, INDEX, NOTE, server_major="17"),
    ]
    assert len({item.fingerprint for item in (WHOLE, *others)}) == len(others) + 1
    assert WHOLE.fingerprint.startswith("sha256:")


def test_a_changed_object_says_only_what_changed() -> None:
    wider = dataclasses.replace(ID, definition=attributes(type="bigint", not_null=True))
    assert difference(WHOLE, snapshot(USERS, wider, EMAIL, INDEX, NOTE)) == (
        Difference(ID.key, "column", "changed", "type: int", "type: bigint"),
    )
    nullable = dataclasses.replace(ID, definition=attributes(type="int"))
    assert difference(WHOLE, snapshot(USERS, nullable, EMAIL, INDEX, NOTE)) == (
        Difference(ID.key, "column", "changed", "not null", "not null: (not set)"),
    )
    moved = dataclasses.replace(INDEX, of="table public.other")
    assert difference(WHOLE, snapshot(USERS, ID, EMAIL, moved, NOTE)) == (
        Difference(INDEX.key, "index", "changed", "of: table public.users", "of: table public.other"),
    )


def test_what_goes_with_a_table_is_told_in_its_line() -> None:
    empty = snapshot(order={})
    (gone,) = _told(WHOLE, empty)
    said = "column: email, id; comment: column public.users.email; index: public.ix_email"
    assert gone == Difference(USERS.key, "table", "removed", said, "")
    (come,) = _told(empty, WHOLE)
    assert come == Difference(USERS.key, "table", "added", "", said)


def test_what_goes_with_a_column_is_told_in_its_line_and_the_rest_is_not() -> None:
    found = _told(WHOLE, snapshot(USERS, ID))
    assert [(item.object, item.change) for item in found] == [(EMAIL.key, "removed"), (INDEX.key, "removed")]
    assert found[0].expected == "type: text; comment: column public.users.email"


def test_what_comes_to_a_table_that_goes_is_not_hidden_in_its_line() -> None:
    view = SchemaObject("view", "public.users")
    trigger = SchemaObject("trigger", "public.users.t", attributes(definition="x"), view.key)
    found = _told(WHOLE, snapshot(view, trigger))
    assert [(item.object, item.change) for item in found] == [(USERS.key, "removed"), (view.key, "added")]


@pytest.mark.parametrize("tag", [{"normaliser": "test/2"}, {"server_major": "17"}])
def test_snapshots_of_other_normalisers_or_servers_are_not_compared(tag: dict[str, str]) -> None:
    found = difference(WHOLE, snapshot(USERS, **tag))
    assert isinstance(found, Indeterminate)
    assert next(iter(tag.values())) in found.reason
    assert isinstance(difference(WHOLE, snapshot(USERS, ID, EMAIL, INDEX, NOTE, **tag)), Indeterminate)


def test_objects_of_one_key_are_numbered_in_a_fixed_order() -> None:
    one, two = (SchemaObject("constraint", "t.check", attributes(definition=text)) for text in ("a", "b"))
    made = snapshot(two, one)
    assert [(key, item.definition) for key, item in made.objects.items()] == [
        ("constraint t.check", one.definition),
        ("constraint t.check #2", two.definition),
    ]
    assert from_document(made.to_document()) == made


def test_it_survives_its_document() -> None:
    written = canonical.dumps(WHOLE.to_document())
    read = from_document(canonical.loads(written))
    assert read == WHOLE
    assert read.fingerprint == WHOLE.fingerprint
    assert canonical.read(written) == canonical.loads(written)


@pytest.mark.parametrize(
    "change",
    [
        {"schema": "migrate-flow/snapshot/2"},
        {"objects": None},
        {"objects": [["table", "t"]]},
        {"objects": [["table", "t", "", [["a", 1]]]]},
        {"objects": [["table", 1, "", []]]},
        {"objects": [["table", "b", "", []], ["table", "a", "", []]]},
        {"column_order": []},
        {"normaliser": 1},
        {"more": 1},
    ],
)
def test_another_document_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="it is"):
        from_document(json.loads(json.dumps(WHOLE.to_document() | change)))
    with pytest.raises(ValueError, match="it is"):
        from_document(change)


def test_no_document_at_all_is_refused() -> None:
    for value in (None, [], "text", 3):
        with pytest.raises(ValueError, match="it is"):
            from_document(value)


def test_names_can_be_read_and_told_apart() -> None:
    assert dotted("public", "users") == "public.users"
    assert dotted("a.b", "c") == '"a.b".c'
    assert dotted("two words", 'say "so"') == '"two words"."say ""so"""'
    assert dotted("1st", "", "ü") == '"1st"."".ü'
    assert dotted("tab\tand\u202ebidi").isprintable()


@given(st.text(), st.text(), st.text())
def test_any_text_survives_and_counts(name: str, one: str, other: str) -> None:
    """Lone surrogates and forms of the same character that Unicode calls equal included."""
    first, second = (snapshot(SchemaObject("view", name, attributes(definition=text))) for text in (one, other))
    assert from_document(canonical.loads(canonical.dumps(first.to_document()))) == first
    assert (first.fingerprint == second.fingerprint) == (one == other)


def _told(expected: Snapshot, observed: Snapshot) -> tuple[Difference, ...]:
    found = difference(expected, observed)
    assert isinstance(found, tuple)
    return found


@pytest.mark.parametrize(
    "text", ["plain", 'quoted "x" \\ y', "tab\tline\nbell\x07\x7f", "é", "\U0001f600", "\ud800", "e\u0301"]
)
def test_it_is_written_in_the_canonical_way(text: str) -> None:
    objects = [SchemaObject("table", f"t{n} {text}", (("definition", text),)) for n in range(3)]
    order = {f"table t{n} {text}": (text, "b") for n in range(3)} | {"table \uffff": ("a",), "table \U00010000": ("a",)}
    found = snapshot_of(objects, order, normaliser="test/1", server_major="1")
    assert found.to_bytes() == canonical.dumps(found.to_document())
    assert from_document(json.loads(found.to_bytes())).fingerprint == found.fingerprint
    said = {"normaliser": "test/1", "server_major": "1", "objects": found.to_document()["objects"]}
    assert found.fingerprint == canonical.digest(said)
