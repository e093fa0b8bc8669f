"""What was probably meant."""

from __future__ import annotations

from collections.abc import Iterable

_AS_NEAR = 0.08


def meant(word: str, known: Iterable[str]) -> str:
    """``; did you mean production?``, to be put behind a message; empty where nothing is near. A beginning is near."""
    import difflib  # for who mistyped alone

    names = list(known)
    plain = word.casefold()
    near = [name for name in names if plain and name.casefold().startswith(plain)]
    if not near and (close := difflib.get_close_matches(plain, names, n=3)):
        # Addresses of one house are all alike: only those that are nearly as near as the nearest.
        ratios = {name: difflib.SequenceMatcher(None, plain, name).ratio() for name in close}
        near = [name for name in close if ratios[name] > ratios[close[0]] - _AS_NEAR]
    return f"; did you mean {' or '.join(near[:3])}?" if near else ""
