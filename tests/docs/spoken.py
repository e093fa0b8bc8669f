"""The commands that the documentation names, and what is wrong with them: each must be there, with its options."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.docs.reference.commands import tree

NONE = frozenset({"migrate-flow guard refused …"})  # a line of a server's log
# In a block: a line, with those that it is continued on. In running text: between backticks.
_LINE = re.compile(
    r"^[ \t]*(?:\$ |- (?:run: )?|(?:run|entry): )?(?:[A-Z_]+=\S+ )*(?:uv run )?(migrate-flow(?: (?:.*\\\n)*.*)?)$", re.M
)
_INLINE = re.compile(r"`(migrate-flow [^`]+)`")
_FENCE = re.compile(r"^ *```(\w*).*?\n(.*?)^ *```$", re.M | re.S)
_ENDS = re.compile(r"\s(?:\||&&|>|#)\s|; |, then ")
_NO_COMMAND = (["--help"], ["COMMAND", "--help"], ["…"])
_PRINTED = {"text", "python", "toml", "json"}


@dataclass(frozen=True, slots=True)
class Spoken:
    """text: the command. whole: as one would paste it, so that nothing that it requires may be missing."""

    text: str
    whole: bool


def spoken(page: str) -> Iterator[Spoken]:
    def blocks(match: re.Match[str]) -> str:
        language, text = match[1], match[2]
        if language not in _PRINTED:
            found.extend(
                Spoken(line[1], True) for line in _LINE.finditer(text) if language != "console" or "$ " in line[0]
            )
        return ""

    found: list[Spoken] = []
    rest = _FENCE.sub(blocks, page)
    found += [Spoken(line[1], True) for line in _LINE.finditer(rest) if line[0].startswith("    ")]
    found += [Spoken(one[1], False) for one in _INLINE.finditer(rest)]
    yield from found


def flaw(said: Spoken) -> str:
    """What is wrong with a command; empty if nothing is."""
    text = _ENDS.split(said.text.replace("\\\n", " "))[0]
    try:
        words = shlex.split(text)[1:]
    except ValueError as error:
        return str(error)
    command, name = tree(), ""
    words, problem = _options(command, words, until_word=True)
    while not problem and words and words[0] in getattr(command, "commands", {}):
        name = f"{name} {words[0]}".lstrip()
        command, words = command.commands[words[0]], words[1:]
    if problem or (not name and not words):
        return problem
    if not name or (hasattr(command, "commands") and not command.invoke_without_command and words):
        return (
            ""
            if words in (["--help"], ["COMMAND", "--help"], ["…"])
            else f"there is no {f'{name} {words[0]}'.lstrip()}"
        )
    rest, problem = _options(command, words)
    if not problem and said.whole and words != ["--help"] and (missing := _missing(command, words)):
        return f"{name} asks for {missing}"
    return problem or _too_many(command, rest)


def _options(command: Any, words: Sequence[str], *, until_word: bool = False) -> tuple[list[str], str]:
    """The words that are no options of the command, and what is wrong with one that looks like an option."""
    known = {name: each for each in command.params for name in each.opts}
    rest = list(words)
    arguments: list[str] = []
    while rest:
        word = rest.pop(0)
        name, equals, _value = word.partition("=")
        if not word.startswith("-") or word == "-":
            if until_word:
                return [word, *rest], ""
            arguments.append(word)
        elif name in ("--help", "-h", "--version"):
            continue
        elif name not in known:
            return [], f"{command.name} has no option {name}"
        elif not known[name].is_flag and not equals and rest:
            rest.pop(0)
    return arguments, ""


def _missing(command: Any, words: Sequence[str]) -> str:
    given = {word.partition("=")[0] for word in words}
    needed = [each for each in command.params if each.required and each.opts[0].startswith("-")]
    return next((each.opts[0] for each in needed if not given & set(each.opts)), "")


def _too_many(command: Any, arguments: Sequence[str]) -> str:
    places = [each for each in command.params if not each.opts[0].startswith("-")]
    if any(each.nargs == -1 for each in places) or len(arguments) <= len(places) or "…" in arguments:
        return ""
    return f"{command.name} takes {len(places)} arguments, not {' '.join(arguments)}"


def read(path: Path) -> list[Spoken]:
    """Of a page, or of an example, which is one block."""
    text = path.read_text(encoding="utf-8")
    return list(spoken(text if path.suffix == ".md" else f"```sh\n{text}\n```\n"))


def flaws(path: Path) -> list[str]:
    found = [(said, flaw(said)) for said in read(path) if said.text not in NONE]
    return [f"{path.name}: {said.text}: {problem}" for said, problem in found if problem]
