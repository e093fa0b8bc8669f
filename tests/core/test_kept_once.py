"""What entries say again and again is kept once, and never something that they did not say."""

from __future__ import annotations

from typing import Any

import pytest

from migrate_flow.core.entry import Kind
from migrate_flow.core.history import Application, History
from tests.support.builders import ADA, REV, Scribe, adopted, approved, opened, tracked

ENVIRONMENTS = ("dev", "staging", "production")


def _application(history: History, environment: str) -> Application:
    found = history.environment(environment).latest(REV)
    assert found is not None
    return found


def test_a_revision_that_is_adopted_everywhere_has_one_place() -> None:
    scribe = opened()
    for environment in ENVIRONMENTS:
        scribe.adopts(env=environment)
    history = scribe.history()
    first, *others = (_application(history, environment).place for environment in ENVIRONMENTS)
    assert first == {"files": adopted("grandfathered")["files"]}
    assert all(other is first for other in others)


def test_a_place_that_differs_is_its_own() -> None:
    scribe = opened()
    scribe.adopts(env="dev", revisions=[adopted("grandfathered") | {"message": "one", "down_revision": ["a"]}])
    scribe.adopts(env="staging", revisions=[adopted("grandfathered") | {"message": "two", "down_revision": ["a"]}])
    dev, staging = (_application(scribe.history(), name).place for name in ("dev", "staging"))
    assert (dev["message"], staging["message"]) == ("one", "two")
    assert staging["down_revision"] == ["a"]


def test_an_application_says_where_it_ran_as_its_author_did() -> None:
    history = approved().history()
    content = history.record(REV).last_content()
    assert content is not None
    dev, staging = (_application(history, name).place for name in ("dev", "staging"))
    assert dev is staging
    shared = dev.keys() & content.fields.keys()
    assert all(dev[name] is content.fields[name] for name in shared)


@pytest.mark.parametrize(
    ("before", "after"), [([1], [True]), ([{"a": False}], [{"a": 0}]), (1, True), ("a", "a"), ([], []), ({}, [])]
)
def test_each_says_what_it_said(before: Any, after: Any) -> None:
    scribe = tracked()
    scribe.self_reviewed(extra=before, other=[before])
    scribe.self_reviewed(extra=after, other=[after])
    first, second = scribe.history().record(REV).self_reviews
    assert (repr(first.fields["extra"]), repr(second.fields["extra"])) == (repr(before), repr(after))
    assert (repr(first.fields["other"]), repr(second.fields["other"])) == (repr([before]), repr([after]))
    if repr(before) == repr(after):
        assert second.fields["other"] is first.fields["other"]


@pytest.mark.parametrize("behaviour", [None, 7, ["x"]])
def test_an_adoption_whose_items_hold_anything(behaviour: Any) -> None:
    """It is not half done, and what it came to before it comes to now."""
    scribe = opened()
    scribe.adopts(revisions=[adopted("grandfathered") | {"behaviour": behaviour}])
    history = scribe.history()
    assert not history.flawed
    assert _application(history, "dev").behaviour == behaviour


def test_places_say_what_they_said() -> None:
    scribe = opened()
    for environment, message in (("dev", 1), ("staging", True)):
        scribe.adopts(env=environment, revisions=[adopted("grandfathered") | {"message": message}])
    said = [_application(scribe.history(), name).place["message"] for name in ("dev", "staging")]
    assert repr(said) == "[1, True]"


def test_what_is_malformed_lends_nothing() -> None:
    """Of what is well formed the fields of text are compared as they are; what is not may hold anything."""
    scribe = tracked()
    scribe.self_reviewed(modules={"a.py": 1})
    scribe.self_reviewed(modules={"a.py": True})
    one, other = scribe.history().record(REV).self_reviews
    assert one.flaw
    assert other.flaw
    assert [repr(said.fields["modules"]) for said in (one, other)] == ["{'a.py': 1}", "{'a.py': True}"]


def test_at_every_cut_it_is_the_same() -> None:
    scribe = approved()
    scribe.adopts(by=ADA, env="production")
    whole = scribe.history()
    for cut in range(1, len(scribe.entries)):
        history = Scribe(entries=scribe.entries[:cut]).history()
        known = [said for said in whole.attestations() if said.seq <= cut]
        assert [(said.seq, said.fields) for said in history.attestations()] == [(s.seq, s.fields) for s in known]
    assert whole.record(REV).created[0].kind == Kind.MIGRATION_CREATED
