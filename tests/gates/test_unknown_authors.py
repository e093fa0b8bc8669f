"""The gate `peer-reviewed`, where git showed an author whom nobody in the policy claims."""

from __future__ import annotations

from typing import Any

import pytest

from tests.gates.case import Case, judged
from tests.support.builders import ADA, Scribe, facts, opened, policy_document

SEEN = {"commit": "1" * 40, "authors": ["stranger@example.net"], "dirty": False}


def reviewed(**rules: Any) -> Scribe:
    scribe = opened(**rules)
    scribe.created()
    scribe.self_reviewed(git=SEEN)
    scribe.reviewed()
    return scribe


def claimed_since() -> Scribe:
    scribe = reviewed(unknown_authors="refuse")
    document = policy_document(unknown_authors="refuse")
    document["people"][ADA]["aliases"] = ["Stranger@example.net"]
    scribe.proposes(document)
    return scribe


def known_since() -> Scribe:
    scribe = reviewed(unknown_authors="refuse")
    scribe.self_reviewed()
    return scribe


CASES = (
    Case(
        "peer-reviewed",
        "refused",
        lambda: facts(reviewed(unknown_authors="refuse")),
        False,
        "nobody in the policy claims: stranger@example.net",
        "add each address to its person's aliases",
        (ADA,),
    ),
    Case("peer-reviewed", "shown alone", lambda: facts(reviewed(unknown_authors="warn")), True, "by bob@example.com"),
    Case("peer-reviewed", "claimed since", lambda: facts(claimed_since()), True, "by bob@example.com"),
    Case("peer-reviewed", "not there any more", lambda: facts(known_since()), True, "by bob@example.com"),
)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_verdict(case: Case) -> None:
    judged(case)
