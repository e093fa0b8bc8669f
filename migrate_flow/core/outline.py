"""What a script amounts to, for showing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from migrate_flow.core.traits import Traits, combined, read_traits

if TYPE_CHECKING:
    from migrate_flow.core.revision import Manifest


@dataclass(frozen=True, slots=True)
class Outline:
    """A manifest without the bytes: it may come from a cache, so nothing is signed or judged by it.

    That it is another type than `Manifest` is what keeps them apart. digest, behaviour: the manifest's. traits: of an
    upgrade, modules included. files: (path, hex digest), in the manifest's order.
    """

    digest: str
    behaviour: str
    traits: Traits
    files: tuple[tuple[str, str], ...]


def manifest_traits(manifest: Manifest, direction: str = "upgrade") -> Traits:
    """What the script and the modules that it imports may do. Read once: a plan asks three times for each."""
    known = manifest.traits.get(direction)
    if known is None:
        others: Iterable[Traits] = (read_traits(file.content, direction) for file in manifest.files[1:])
        known = manifest.traits[direction] = combined(read_traits(manifest.script.content, direction), others)
    return known
