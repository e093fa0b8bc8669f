"""Pictures of the terminal for the documentation: ``python -m tests.docs.pictures`` draws docs/pictures/terminal from
what the wheel's command prints on a pseudo-terminal, light and dark; test_pictures.py fails where that is something
else.

What is another one in each run (ids, digests, times, durations, versions) is drawn as one that stays the same, of the
same length, so that no line wraps elsewhere.
"""

from __future__ import annotations

import hashlib
import io
import os
import pty
import re
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import DEFAULT_TERMINAL_THEME, MONOKAI, TerminalTheme
from rich.text import Text

from tests.acceptance.tutorial import DOCS
from tests.support import wheel
from tests.support.shell import make_home

FOLDER = DOCS / "pictures" / "terminal"
THEMES: Mapping[str, TerminalTheme] = {"light": DEFAULT_TERMINAL_THEME, "dark": MONOKAI}
TIMEOUT_S = 120
ADA, BEN, DORA = (f"{name}@example.com" for name in ("ada", "ben", "dora"))
SCRIPT = """
    op.create_table(
        "products",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(200), nullable=False),
    )
"""
# Rich's picture asks a server for its font; a page of ours asks nobody.
_FONTS = re.compile(r"\s*@font-face \{.*?\}\n", re.S)
_IDS = re.compile(r"(?<![0-9a-f])(?:[0-9a-f]{64}|[0-9a-f]{16}|[0-9a-f]{12}|(?<=target )[0-9a-f]{8})(?![0-9a-f])")
_ALWAYS = (
    (re.compile(r"\d{4}-\d\d-\d\d([T ])\d\d:\d\d:\d\d"), r"2026-11-22\g<1>23:40:15"),
    (re.compile(r"\d{4}-\d\d-\d\d (?=\d\d:\d\d UTC)\d\d:\d\d"), "2026-11-22 23:40"),
    (re.compile(r"\b\d\.\d\d s\b"), "0.12 s"),
    (re.compile(r"SQLite \d+\.\d+\.\d+"), "SQLite 3.45.1"),
    (re.compile(r" on \S+, process \d+"), " on runner-7, process 4711"),
)


@dataclass(frozen=True, slots=True)
class Picture:
    """code: how the command ends."""

    name: str
    words: tuple[str, ...]
    width: int = 80
    code: int = 0


STORY = (
    Picture("refused", ("--as", DORA, "apply", "--env", "production"), code=1),
    Picture("plan", ("--as", DORA, "plan", "--env", "dev"), width=100),
    Picture("interrupted", ("--as", DORA, "status"), width=140),
    Picture("recovered", ("--as", DORA, "recover", "--env", "dev"), width=140),
    Picture("review", ("--as", ADA, "show", "head"), width=100),  # where no digest is parted
    Picture("status", ("--as", DORA, "status")),
)


@dataclass(frozen=True, slots=True)
class Shop:
    """The demo's project, and where its command runs."""

    folder: Path
    environ: Mapping[str, str]
    programs: Path

    def run(self, *words: str, code: int = 0, **more: str) -> None:
        done = subprocess.run(
            [self.programs / "migrate-flow", *words],
            cwd=self.folder, env={**self.environ, **more}, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            check=False, timeout=TIMEOUT_S,
        )  # fmt: skip
        assert done.returncode == code, done.stdout + done.stderr

    def seen(self, picture: Picture) -> str:
        """What stands on the terminal in the end, with its colours; progress goes elsewhere."""
        main, other = pty.openpty()
        size = {"COLUMNS": str(picture.width), "LINES": "1000", "TERM": "xterm-256color"}
        with subprocess.Popen(
            [self.programs / "migrate-flow", *picture.words],
            cwd=self.folder, env={**self.environ, **size}, stdin=subprocess.DEVNULL, stdout=other,
            stderr=subprocess.DEVNULL,
        ) as process:  # fmt: skip
            os.close(other)
            text = b"".join(_blocks(main))
        os.close(main)
        assert process.returncode == picture.code, text.decode()
        return text.decode().replace("\r\n", "\n")


def _blocks(terminal: int) -> Iterator[bytes]:
    while True:
        try:
            block = os.read(terminal, 1 << 16)
        except OSError:  # the other end is closed
            return
        if not block:
            return
        yield block


def drawn(folder: Path, programs: Path) -> dict[str, str]:
    """Every picture by its file's name."""
    shop, known, found = _shop(folder, programs), dict[str, str](), {}
    for picture in STORY:
        _before(picture, shop)
        command = " ".join(["migrate-flow", *(word for word in picture.words if word not in ("--as", ADA, DORA))])
        text = _steady(shop.seen(picture), known)
        for name, theme in THEMES.items():
            found[f"{picture.name}-{name}.svg"] = _svg(text, picture, command, theme)
    return found


def _shop(folder: Path, programs: Path) -> Shop:
    """After the demo's tour, with one more migration that nobody looked at."""
    environ = {
        "PATH": os.environ.get("PATH", os.defpath), "HOME": str(make_home(folder / "home")), "LANG": "C.UTF-8",
        "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring", "GIT_CEILING_DIRECTORIES": str(folder),
        "PYTHONPYCACHEPREFIX": str(wheel.byte_code(programs)),
    }  # fmt: skip
    shop = Shop(folder, environ, programs)
    shop.run("demo", "shop")
    shop = Shop(folder / "shop", environ, programs)
    shop.run("--as", BEN, "new", "-m", "add products")
    (script,) = shop.folder.glob("migrations/versions/*add_products.py")
    text = script.read_text().replace("Say why this change is needed, and what it is worth.", "The shop sells things.")
    text = text.replace("Say what the downgrade does, and what is lost by it.", "Drops the table and its rows.")
    up, _, down = text.partition("def downgrade")
    down = down.replace("    pass", '    op.drop_table("products")')
    script.write_text(f"{up.replace('    pass', SCRIPT.strip(chr(10)))}def downgrade{down}")
    return shop


def _before(picture: Picture, shop: Shop) -> None:
    """What happens in the story since the last picture."""
    match picture.name:
        case "plan":
            shop.run("--as", BEN, "self-review", "head")
            shop.run("--as", ADA, "review", "head", "--approve")
        case "interrupted":
            broken = {"MIGRATE_FLOW_FAILPOINT": "step-committed:kill"}
            shop.run("--as", DORA, "apply", "--env", "dev", code=-9, **broken)


def _steady(text: str, known: dict[str, str]) -> str:
    for pattern, instead in _ALWAYS:
        text = pattern.sub(instead, text)
    return _IDS.sub(lambda match: known.setdefault(match[0], _id(len(known), len(match[0]))), text)


def _id(number: int, length: int) -> str:
    return hashlib.sha256(f"picture {number}".encode()).hexdigest()[:length]


def _svg(text: str, picture: Picture, command: str, theme: TerminalTheme) -> str:
    console = Console(
        record=True, width=picture.width, file=io.StringIO(), force_terminal=True, color_system="standard"
    )
    console.print(Text.from_ansi(text.rstrip("\n")), soft_wrap=True)
    drawing = console.export_svg(title=command, theme=theme, unique_id=f"terminal-{picture.name}")
    return _FONTS.sub("\n", drawing)


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        for name, text in drawn(Path(temporary), wheel.install(Path(temporary) / "wheel")).items():
            (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
