"""Keys that people have already, in ssh-agent and in ``~/.ssh``: those that the policy knows, and no others.

Who has a hundred keys in the agent must not see them all tried, nor named in a list of keys to sign with.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from migrate_flow.signing.local_key import Found, LocalKey, local_key

if TYPE_CHECKING:
    from migrate_flow.signing.agent import Agent

_MOST_BYTES = 1 << 16


def known(owners: Mapping[str, str], agent: Agent) -> Found:
    """The keys that belong to somebody, the agent's first; a key that is in both places counts once.

    owners: public key to person. agent: what it answered.
    """
    in_agent = [local_key(owners[key], key, "agent", "ssh-agent") for key in agent.keys if key in owners]
    folder = Path("~/.ssh")
    pairs = list(_pairs(folder))
    in_folder = [
        local_key(owners[key], key, "ssh", str(path), path)
        for path, key in pairs
        if key in owners and key not in agent.keys
    ]
    tried = [
        f"ssh-agent ({agent.problem or _counted(len(agent.keys), in_agent)})",
        f"{folder} ({_counted(len(pairs), in_folder)})",
    ]
    return in_agent + in_folder, tried


def _pairs(folder: Path) -> Iterator[tuple[Path, str]]:
    """Private file and public key (``type base64``) of each pair; what can't be read is no pair."""
    try:
        publics = sorted(folder.expanduser().glob("*.pub"))
    except (OSError, RuntimeError):  # the latter where nobody knows of a home
        return
    for public in publics:
        private = public.with_suffix("")
        try:
            if not (public.is_file() and private.is_file()):
                continue
            with public.open("rb") as file:
                words = file.read(_MOST_BYTES).decode("utf-8", "replace").split(maxsplit=2)
        except OSError:
            continue
        if len(words) > 1:
            yield private, " ".join(words[:2])


def _counted(number: int, keys: list[LocalKey]) -> str:
    if not number:
        return "no key"
    whose = ", ".join(dict.fromkeys(key.person for key in keys)) or "none that the policy knows"
    return f"{number} {'key' if number == 1 else 'keys'}: {whose}"
