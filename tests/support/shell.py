"""The installed command as people run it: a process of its own, in a project's folder, with a clean environment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

from tests.support.canary import CANARIES
from tests.support.warm import VARIABLE, Server

TIMEOUT_S = 280  # a little less than a test may take
TRACEBACK = "Traceback (most recent call last)"
GITCONFIG = "[user]\n\tname = Example Person\n\temail = person@example.com\n"


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended."""

    words: tuple[str, ...]
    code: int
    out: str
    err: str

    def __str__(self) -> str:
        return f"$ {' '.join(self.words)}\n(exit {self.code})\n--- stdout\n{self.out}\n--- stderr\n{self.err}"

    @property
    def text(self) -> str:
        return self.out + self.err


@dataclass(frozen=True, slots=True)
class Shell:
    """folder: the project's. home: of the person at this terminal. environ: what is set beside the defaults.

    state: the folder in the home where programs keep what they saw. warm: where processes are forked from; None
    starts a fresh interpreter each time. pycache: where byte code goes (without any, a process that finds none in the
    environment compiles every library for seconds). checked: whether `self-review` runs its checks, see `unchecked`.
    python: the interpreter of each command, where it is not that of the tests; only without warm.
    """

    folder: Path
    home: Path
    pycache: Path
    warm: Server | None = None
    environ: Mapping[str, str] = field(default_factory=dict)
    state: str = "state"
    checked: bool = False
    python: str = sys.executable

    def flow(self, *words: str, actor: str = "", code: int | None = 0, given: str = "") -> Done:
        """Run ``migrate-flow WORDS``; actor: for ``--as``. code: None for any. given: standard input, which is never a
        terminal."""
        person = ("--as", actor) if actor else ()
        return self._run("migrate_flow", *person, *words, code=code, given=given)

    def json(self, *words: str, actor: str = "", code: int = 0) -> dict[str, Any]:
        """The document that ``--format json`` prints, alone on stdout."""
        done = self.flow(*words, "--format", "json", actor=actor, code=code)
        try:
            document = json.loads(done.out)
        except ValueError:
            raise AssertionError(f"stdout is not one JSON document\n{done}") from None
        assert document["schema"].startswith("migrate-flow/"), done
        return dict(document)

    def error(self, *words: str, actor: str = "", code: int) -> dict[str, str]:
        """The error that ``--format json`` prints: code, message, hint and where."""
        document = self.json(*words, actor=actor, code=code)
        assert document["schema"] == "migrate-flow/error/1", document
        assert set(document) == {"schema", "error"}, document
        assert set(document["error"]) == {"code", "message", "hint", "where"}, document
        assert document["error"]["message"], document
        assert document["error"]["hint"], document
        return dict(document["error"])

    def alembic(self, *words: str, code: int = 0) -> Done:
        """Plain Alembic, without us."""
        return self._run("alembic", *words, code=code)

    def at(self, folder: Path) -> Shell:
        """The same terminal in another folder, with nothing seen there yet: a copy of a ledger that grows apart from
        the first one would be found out."""
        return replace(self, folder=folder, state=f"state-{uuid4()}")

    def under(self, **environ: str) -> Shell:
        """The same terminal with more variables."""
        return replace(self, environ={**self.environ, **environ})

    @property
    def variables(self) -> dict[str, str]:
        """The whole environment of a command: nothing comes from whoever runs the tests but PATH."""
        folders = ("CONFIG", "DATA", "CACHE")
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self.home),
            **{f"XDG_{name}_HOME": str(self.home / name.lower()) for name in folders},
            "XDG_STATE_HOME": str(self.home / self.state),
            "GIT_CONFIG_GLOBAL": str(self.home / "gitconfig"),
            "GIT_CONFIG_NOSYSTEM": "1",
            "LANG": "C.UTF-8",
            "PYTHONPYCACHEPREFIX": str(self.pycache),
            "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring",
            **({} if self.checked else {VARIABLE: "1"}),
            **self.environ,
        }

    def _run(self, *words: str, code: int | None, given: str = "") -> Done:
        with tempfile.TemporaryFile() as stdin, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            stdin.write(given.encode())
            stdin.seek(0)
            if self.warm is not None:
                ended = self.warm.run(words, self.folder, self.variables, (stdin, out, err), TIMEOUT_S)
            else:
                ended = subprocess.run(
                    [self.python, "-m", *words],
                    cwd=self.folder,
                    env=self.variables,
                    stdin=stdin,
                    stdout=out,
                    stderr=err,
                    timeout=TIMEOUT_S,
                    check=False,
                ).returncode
            done = Done(words, ended, *(_text(file) for file in (out, err)))
        CANARIES.learn((self.folder, self.home), self.variables)
        CANARIES.check(done.text, words)
        assert TRACEBACK not in done.text or "--debug" in words, done
        assert code is None or done.code == code, f"exit {done.code}, it should be {code}\n{done}"
        return done


def _text(file: Any) -> str:
    file.seek(0)
    return str(file.read().decode())


def make_home(folder: Path) -> Path:
    """A person's home, with git knowing who they are."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "gitconfig").write_text(GITCONFIG)
    return folder
