from __future__ import annotations

from pathlib import Path

import pytest

from migrate_flow.ledger.store import LedgerStore, create_store
from tests.support.builders import Scribe

URL = "sqlite:///ledger.db"


@pytest.fixture
def store(tmp_path: Path) -> LedgerStore:
    """A new, empty ledger in tmp_path / "ledger.db"."""
    return create_store(URL, tmp_path)


@pytest.fixture
def scribe(store: LedgerStore) -> Scribe:
    """Six entries in the store: opened, created, self-reviewed, reviewed, approved, intended."""
    scribe = Scribe(store)
    scribe.opens()
    scribe.created(artifacts=[b"the script"])
    scribe.self_reviewed(artifacts=[b"the script", b"the SQL"])
    scribe.reviewed()
    scribe.approved()
    scribe.intends()
    return scribe
