"""Environments: names that can't be mistaken, an order of promotion, and the floor under staging and production."""

from __future__ import annotations

import graphlib
import re
from collections.abc import Iterator, Mapping

from migrate_flow.config import urls
from migrate_flow.config.problem import Problem, shown
from migrate_flow.config.settings import Environment
from migrate_flow.config.shape import nearest
from migrate_flow.core.dialects import NAMES, speaks

Environments = Mapping[str, Environment]

PROTECTED = frozenset({"staging", "production"})

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_FOLD = str.maketrans("_01", "-ol")


def problems(environments: Environments) -> Iterator[Problem]:
    yield from _names(environments)
    yield from _order(environments)
    yield from _circle(environments)
    yield from _levels(environments)
    yield from _loners(environments)
    for name, environment in environments.items():
        yield from _database(name, environment)


def folded(name: str) -> str:
    """Names that look alike are equal under this: ``Prod_1`` and ``prod-l``."""
    return name.casefold().translate(_FOLD)


def _names(environments: Environments) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    for name in environments:
        at = ("environments", name)
        other = seen.setdefault(folded(name), name)
        if not _NAME.fullmatch(name):
            allowed = "letters a-z, digits, dash and underscore"
            yield Problem(at, f"an environment's name is made of {allowed}", "choose a name such as staging-eu")
        elif other != name:
            yield Problem(at, f"looks like {shown(other)}: names must not be mistaken for each other", "rename one")


def _order(environments: Environments) -> Iterator[Problem]:
    for name, environment in environments.items():
        for index, upstream in enumerate(environment.upstream):
            at = ("environments", name, "upstream", index)
            if upstream == name:
                yield Problem(at, f"{shown(name)} can't be its own upstream", "name the environment before it")
            elif upstream not in environments:
                meant = nearest(upstream, environments)
                hint = f'write upstream = ["{meant}"]' if meant else f"one of: {', '.join(map(shown, environments))}"
                yield Problem(at, f"no environment {shown(upstream)}", hint)


def _circle(environments: Environments) -> Iterator[Problem]:
    graph = {name: set(value.upstream) & set(environments) - {name} for name, value in environments.items()}
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        trail: list[str] = error.args[1]
        message = f"the environments go round in a circle: {' → '.join(map(shown, trail))}"
        yield Problem(("environments", trail[0], "upstream"), message, "take one of these upstreams out")


def _loners(environments: Environments) -> Iterator[Problem]:
    """A production by another name does not escape the rule that it has an upstream."""
    named = {upstream for environment in environments.values() for upstream in environment.upstream}
    for name, environment in environments.items():
        protected = folded(name) in PROTECTED
        if len(environments) > 1 and not environment.upstream and name not in named and not protected:
            message = "with several environments, one without upstream must be the upstream of another"
            hint = 'add upstream = ["…"] here, or name this one as upstream elsewhere'
            yield Problem(("environments", name), message, hint)


def _levels(environments: Environments) -> Iterator[Problem]:
    for name, environment in environments.items():
        at = ("environments", name)
        below = environment.requires not in (None, "approved")
        if folded(name) in PROTECTED and not environment.upstream:
            hint = 'add: upstream = ["dev"] (requires = "approved" comes with it)'
            yield Problem((*at, "upstream"), f"{shown(name)} needs an upstream, and approval", hint)
        if below and (environment.upstream or folded(name) in PROTECTED):
            message = f'can\'t be "{environment.requires}" here: behind an upstream it is "approved", never less'
            yield Problem((*at, "requires"), message, 'write requires = "approved", or leave it out')
        if environment.personal and environment.upstream:
            yield Problem((*at, "personal"), "a personal environment has no upstream", "take personal or upstream out")
        if environment.soak and not environment.upstream:
            yield Problem((*at, "soak"), "counts from the application upstream, and there is none", "take soak out")


def _database(name: str, environment: Environment) -> Iterator[Problem]:
    flaw = urls.flaw(environment.url, name=name)
    if flaw:
        yield Problem(("environments", name, "url"), *flaw)
        return
    at = ("environments", name, "dialect")
    real, said = urls.dialect_of(environment.url), environment.dialect
    if said is None and real is None:
        listed = ", ".join(f'"{choice}"' for choice in NAMES)
        message = f"must be given where the URL stands elsewhere: one of {listed}"
        yield Problem(at, message, f'add to [environments.{shown(name)}]: dialect = "postgresql"')
    elif said and real and not speaks(real, said):
        yield Problem(at, f'"{said}", but the URL begins with {real}', f'write dialect = "{real}", or mend the URL')
