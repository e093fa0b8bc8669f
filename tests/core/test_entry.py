"""A statement as others read it: stock JSON, stock in-toto, a signature that another library verifies."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
import rfc8785
import sshsig as third_verifier
from hypothesis import given
from hypothesis import strategies as st

from migrate_flow.core.chain import EMPTY, Head
from migrate_flow.core.entry import Draft, Kind, Subject, format_time, kind_of, parse_time, project, statement
from migrate_flow.signing.sshsig import NAMESPACE
from tests.support.builders import ADA, LEDGER, REV, opened, public_key

FRAME: dict[str, Any] = {
    "ledger": LEDGER,
    "nonce": "n1",
    "at": "2026-11-22T13:20:00.000000Z",
    "actor": ADA,
    "after": Head(7, "ab" * 32),
    "policy": "sha256:" + "cd" * 32,
}


def test_a_statement_is_an_in_toto_statement() -> None:
    draft = Draft(Kind.REVIEWED, [Subject("versions/a.py", "ef" * 32)], {"revision": REV, "verdict": "approve"})
    written = statement(draft, **FRAME)
    assert json.loads(written) == {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "versions/a.py", "digest": {"sha256": "ef" * 32}}],
        "predicateType": "urn:migrate-flow:entry:migration.reviewed:v1",
        "predicate": {
            "ledger": LEDGER,
            "nonce": "n1",
            "at": "2026-11-22T13:20:00.000000Z",
            "actor": ADA,
            "after": {"seq": 7, "hash": "sha256:" + "ab" * 32},
            "policy": "sha256:" + "cd" * 32,
            "revision": REV,
            "verdict": "approve",
        },
    }
    assert written == rfc8785.dumps(json.loads(written))


def test_fields_without_a_value_are_left_out() -> None:
    written = statement(Draft(Kind.APPLY_FAILED, [], {"error": None, "heads": []}), **FRAME)
    predicate = json.loads(written)["predicate"]
    assert "error" not in predicate
    assert predicate["heads"] == []


def test_no_password_in_a_comment_is_signed() -> None:
    """What is signed can never be taken back, and goes to auditors."""
    fields = {"of": 4, "comment": "it showed postgresql://joe:s3cretpw@db/shop to everybody"}
    predicate = json.loads(statement(Draft(Kind.REVOKED, [], fields), **FRAME))["predicate"]
    assert predicate["comment"] == "it showed postgresql://joe:***@db/shop to everybody"


@pytest.mark.parametrize("name", sorted(FRAME))
def test_no_field_can_take_the_place_of_signer_ledger_or_position(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        statement(Draft(Kind.APPROVED, [], {name: "forged"}), **FRAME)


def test_the_columns_are_projections_of_the_statement() -> None:
    scribe = opened()
    written = scribe.intends()
    assert (written.kind, written.revision, written.environment, written.actor) == ("apply.intended", REV, "dev", ADA)
    assert written.at == written.predicate["at"]
    assert written.document["predicate"] is written.predicate
    assert written.head == Head(2, written.hash)
    assert (scribe.entries[0].revision, scribe.entries[0].environment) == (None, None)


def test_an_independent_library_verifies_an_entry() -> None:
    entry = opened().entries[0]
    key = third_verifier.check_signature(entry.statement, entry.signature, NAMESPACE)
    assert key == third_verifier.PublicKey.from_openssh_str(public_key(ADA))


def test_every_kind_is_found_again() -> None:
    for kind in Kind:
        assert kind_of(json.loads(statement(Draft(kind, [], {}), **FRAME))) == kind


GOOD = json.loads(statement(Draft(Kind.APPROVED, [], {}), **FRAME))


@pytest.mark.parametrize(
    ("document", "error"),
    [
        (GOOD | {"_type": "https://in-toto.io/Statement/v0.1"}, "not an in-toto Statement"),
        ({key: value for key, value in GOOD.items() if key != "_type"}, "not an in-toto Statement"),
        (GOOD | {"predicateType": 7}, "not an in-toto Statement"),
        (GOOD | {"predicateType": "https://slsa.dev/provenance/v1"}, "not ours"),
        (GOOD | {"predicateType": "urn:migrate-flow:entry:migration.approved:v2"}, "not ours"),
        (GOOD | {"predicateType": "urn:migrate-flow:entry:migration.blessed:v1"}, "migration.blessed"),
        (GOOD | {"predicate": ["actor"]}, "not a JSON object"),
        (GOOD | {"predicate": "actor"}, "not a JSON object"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_foreign_statement_is_no_entry(document: dict[str, Any], error: str) -> None:
    with pytest.raises(ValueError, match=error):
        project(1, EMPTY.hash, json.dumps(document).encode(), "signature")


@pytest.mark.parametrize("data", [b"[]", b'"text"', b"7", b"{}", b'{"predicate":{}}', b"{", b'{"a":1,"a":1}'])
def test_bytes_that_are_no_statement_are_no_entry(data: bytes) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        project(1, EMPTY.hash, data, "signature")


moments = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))


@given(moments, st.integers(-14 * 60, 14 * 60))
def test_times_are_utc_with_microseconds_wherever_they_come_from(moment: datetime, minutes: int) -> None:
    elsewhere = moment.astimezone(timezone(timedelta(minutes=minutes)))
    assert format_time(elsewhere) == format_time(moment)
    assert len(format_time(moment)) == len("2026-11-22T13:20:00.000000Z")
    assert parse_time(format_time(elsewhere)) == moment
    assert parse_time(format_time(moment)).tzinfo is UTC


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-11-22",
        "2026-11-22T13:20:00Z",
        "2026-11-22T13:20:00.1Z",
        "2026-11-22T13:20:00.000000",
        "2026-11-22T13:20:00.000000+00:00",
        "2026-11-22T14:20:00.000000+01:00",
        "2026-11-22 13:20:00.000000Z",
        "2026-W47-7T13:20:00.000000Z",
        "2026-11-22T25:20:00.000000Z",
        " 2026-11-22T13:20:00.000000Z",
    ],
)
def test_no_other_form_of_a_time_is_read(text: str) -> None:
    with pytest.raises(ValueError):
        parse_time(text)
