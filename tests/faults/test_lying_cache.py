"""A cache that says of attacked scripts what was approved. Whoever can write it is this user, or one of their programs:
`status` may be fooled, but nothing that is judged, signed or run comes from there."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from migrate_flow.alembic_adapter.checkout import Checkout
from migrate_flow.alembic_adapter.header import read_header
from migrate_flow.alembic_adapter.outlines import read_module, read_script
from migrate_flow.alembic_adapter.scriptcache import ScriptCache
from migrate_flow.alembic_adapter.settings import read_settings
from migrate_flow.core.revision import SealedFile
from tests.faults.siege import ADA, CAUGHT, CY, DAN, HELPER, REV, Siege
from tests.support.alembic_projects import write_script

LATER = 3600 * 10**9
SECOND = "aaaa02"
EVIL = "op.execute(\"INSERT INTO t_aaaa01 VALUES (2, 'attacked')\")"


def _cache(siege: Siege) -> ScriptCache:
    """As the user's own programs would find it, but with every row kept, however new its script is."""
    folder = siege.shell.home / "cache" / "migrate-flow" / "scripts"
    return ScriptCache(folder, str(siege.folder.resolve()), time.time_ns() + LATER)


def _lie(siege: Siege, script: bytes, helper: bytes = HELPER.encode(), revision: str = REV) -> None:
    """The cache holds, for the files as they are now, what these bytes say."""
    cache = _cache(siege)
    path = f"migrations/versions/{revision}_script.py"
    for place in siege.script.parent.glob("*.py"):
        cache.header(f"migrations/versions/{place.name}")
    cache.learn_header(path, script, read_header(script, path))
    cache.learn_reading(path, read_script(SealedFile.seal(path, script)))
    cache.module("words.py", "words")
    cache.learn_module("words.py", "words", read_module(SealedFile.seal("words.py", helper, "words")))
    cache.save()


def _state(siege: Siege, revision: str = REV) -> str:
    (row,) = siege.shell.json("status", revision)["migrations"]
    return str(row["state"])


def _manifest(siege: Siege, revision: str = REV) -> str:
    """Of the bytes on the disk."""
    root = siege.folder
    return Checkout(read_settings(root / "alembic.ini"), root).manifest(revision).digest


@pytest.fixture(params=["script", "helper"])
def fooled(released: Siege, request: pytest.FixtureRequest) -> Iterator[Siege]:
    """Attacked, and `status` says that it is approved."""
    script, path = released.script.read_bytes(), getattr(released, request.param)
    path.write_text(path.read_text().replace("VALUES (1", "VALUES (2").replace("approved", "attacked"))
    assert _state(released) != "approved"
    _lie(released, script)
    assert _state(released) == "approved", "the attack is none: status is not fooled"
    yield released
    assert _state(released) == "approved", "the attack ended before what it was to change"


@pytest.mark.fault("A24")
def test_plan_and_apply_read_the_bytes(fooled: Siege) -> None:
    reasons = {"self-reviewed": f"changed since the approval by {CY}", "upstream-applied": "other bytes"}
    fooled.held("staging", {**dict.fromkeys(CAUGHT, ""), **reasons})


@pytest.mark.fault("A24")
def test_nobody_approves_other_bytes_than_those_that_are_there(fooled: Siege) -> None:
    before = fooled.kinds()
    fooled.shell.error("approve", REV, actor=CY, code=1)
    assert fooled.kinds() == before


@pytest.mark.fault("A24")
def test_a_self_review_signs_the_bytes_that_are_there(released: Siege) -> None:
    """Even where the cache says that these were never changed."""
    script = released.script.read_bytes()
    released.script.write_bytes(script + b"\n# more\n")
    _lie(released, script)
    assert _state(released) == "approved"
    released.shell.flow("self-review", REV, actor=ADA)
    signed = str(released.forger.rows()[-1])
    assert "migration.self-reviewed" in signed
    assert _manifest(released) in signed
    assert hashlib.sha256(released.script.read_bytes()).hexdigest() in signed


@pytest.mark.fault("A24")
def test_the_graph_that_is_run_comes_from_the_bytes(released: Siege) -> None:
    """The cache says that an approved revision does not stand on the one that nobody saw."""
    script = released.script.read_bytes()
    write_script(released.script.parent, SECOND, upgrade=EVIL)
    released.script.write_bytes(script.replace(b"down_revision = None", f'down_revision = "{SECOND}"'.encode()))
    assert released.script.read_bytes() != script
    _lie(released, script)
    assert _state(released) == "approved"
    with released.untouched("staging"):
        document = released.shell.json("plan", "--env", "staging", "--to", REV, actor=DAN, code=1)
    assert [step["revision"] for step in document["steps"]] == [SECOND, REV]


@pytest.mark.fault("A02")
@pytest.mark.parametrize("what", ["script", "helper"])
def test_an_edit_that_keeps_size_and_time_shows_where_the_old_bytes_are_cached(released: Siege, what: str) -> None:
    """In `status`, which relies on the time of the last change of the inode."""
    path: Path = getattr(released, what)
    _lie(released, released.script.read_bytes(), released.helper.read_bytes())
    assert _state(released) == "approved"
    told, text = path.stat(), path.read_text()
    path.write_text(text.replace("VALUES (1", "VALUES (2").replace("approved", "attacked"))
    os.utime(path, ns=(told.st_atime_ns, told.st_mtime_ns))
    assert path.read_text() != text
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (told.st_size, told.st_mtime_ns)
    assert _state(released) == "created"
