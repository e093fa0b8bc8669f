"""The picture of the lifecycle: ``python -m tests.docs.lifecycle`` writes docs/pictures/lifecycle.svg. Plain SVG: no
script, no font and no colour of its own but what a light and a dark page both bear."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tests.docs.site import DOCS

FILE = DOCS / "pictures" / "lifecycle.svg"
WIDTH, HEIGHT = 940, 470
BOX_WIDTH, BOX_HEIGHT = 148, 44


@dataclass(frozen=True, slots=True)
class Box:
    """x, y: of the upper left corner. kind: how it is drawn."""

    name: str
    x: int
    y: int
    kind: str = "state"

    @property
    def left(self) -> tuple[int, int]:
        return self.x, self.y + BOX_HEIGHT // 2

    @property
    def right(self) -> tuple[int, int]:
        return self.x + BOX_WIDTH, self.y + BOX_HEIGHT // 2

    @property
    def top(self) -> tuple[int, int]:
        return self.x + BOX_WIDTH // 2, self.y

    @property
    def bottom(self) -> tuple[int, int]:
        return self.x + BOX_WIDTH // 2, self.y + BOX_HEIGHT


ROW, LOW, PLACES = 120, 230, 370
UNTRACKED, CREATED, SELF, PEER, APPROVED = (
    Box(name, 20 + 188 * number, ROW)
    for number, name in enumerate(("untracked", "created", "self-reviewed", "peer-reviewed", "approved"))
)
CHANGES = Box("changes-requested", SELF.x, LOW)
WITHDRAWN = Box("withdrawn", CREATED.x, LOW)
GRANDFATHERED = Box("grandfathered", UNTRACKED.x, LOW)
STATES = (UNTRACKED, CREATED, SELF, PEER, APPROVED, CHANGES, WITHDRAWN, GRANDFATHERED)
DEV, STAGING, PRODUCTION = (
    Box(name, 208 + 282 * number, PLACES, "place") for number, name in enumerate(("dev", "staging", "production"))
)

STYLE = """\
text { font: 14px sans-serif; fill: #222; text-anchor: middle }
.small { font-size: 12px; fill: #555 }
rect { stroke: #456; stroke-width: 1.5; rx: 8 }
.state { fill: #e8eef5 }
.place { fill: #e6f2e6 }
.page { fill: #fff; stroke: none; rx: 0 }
path { stroke: #456; stroke-width: 1.5; fill: none; marker-end: url(#tip) }
.back { stroke-dasharray: 5 4 }
"""


def written() -> str:
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-labelledby="title">',
        '<title id="title">States of a migration, and the environments that it passes</title>',
        f"<style>\n{STYLE}</style>",
        '<defs><marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" orient="auto">'
        '<polygon points="0,0 10,5 0,10" fill="#456"/></marker></defs>',
        f'<rect class="page" width="{WIDTH}" height="{HEIGHT}"/>',
        *(_box(box) for box in (*STATES, DEV, STAGING, PRODUCTION)),
        *_forward(),
        *_back(),
        *_places(),
        "</svg>\n",
    ]
    return "\n".join(parts)


def _box(box: Box) -> str:
    x, y = box.x + BOX_WIDTH // 2, box.y + BOX_HEIGHT // 2 + 5
    return (
        f'<rect class="{box.kind}" x="{box.x}" y="{box.y}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}"/>'
        f'<text x="{x}" y="{y}">{box.name}</text>'
    )


def _forward() -> Iterator[str]:
    steps = ((UNTRACKED, CREATED, "track, new"), (CREATED, SELF, "self-review"), (SELF, PEER, "review"))
    for one, other, command in (*steps, (PEER, APPROVED, "approve")):
        yield _arrow(one.right, other.left)
        yield _text((one.right[0] + other.left[0]) // 2, ROW - 8, command)


def _back() -> Iterator[str]:
    (from_x, y), (to_x, _) = APPROVED.top, CREATED.top
    yield f'<path class="back" d="M{from_x},{y} V60 H{to_x} V{y}"/>'
    yield _text((from_x + to_x) // 2, 50, "the bytes change: every attestation is stale")
    yield _arrow(SELF.bottom, CHANGES.top)
    yield _text(SELF.bottom[0] + 70, LOW - 28, "review: changes")
    yield _arrow(CREATED.bottom, WITHDRAWN.top)
    yield _text(CREATED.bottom[0] + 40, LOW - 28, "withdraw")
    yield _arrow(UNTRACKED.bottom, GRANDFATHERED.top)
    yield _text(UNTRACKED.bottom[0] + 34, LOW - 28, "adopt")


def _places() -> Iterator[str]:
    yield f'<path d="M{CREATED.left[0]},{CREATED.left[1] + 12} h-14 V{DEV.left[1]} H{DEV.left[0]}"/>'
    yield _text(DEV.left[0] - 78, DEV.left[1] + 5, "created is enough")
    for one, other in ((DEV, STAGING), (STAGING, PRODUCTION)):
        yield _arrow(one.right, other.left)
        yield _text((one.right[0] + other.left[0]) // 2, one.left[1] - 8, "stood there first")
    x, y = APPROVED.bottom
    yield f'<path d="M{x},{y} V{PLACES - 45} H{STAGING.top[0]} V{PLACES}"/>'
    yield f'<path d="M{x},{PLACES - 45} H{PRODUCTION.top[0]} V{PLACES}"/>'
    yield _text(x - 80, PLACES - 53, "approved, these bytes")
    yield _text(WIDTH // 2, HEIGHT - 20, "apply: every gate again, one revision at a time; rollback goes the other way")


def _arrow(start: tuple[int, int], end: tuple[int, int]) -> str:
    return f'<path d="M{start[0]},{start[1]} L{end[0]},{end[1]}"/>'


def _text(x: int, y: int, text: str) -> str:
    return f'<text class="small" x="{x}" y="{y}">{text}</text>'


if __name__ == "__main__":
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(written(), encoding="utf-8")
