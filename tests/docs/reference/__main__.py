"""Write all pages."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.docs.reference import codes, commands, configuration, documents, entries, gates
from tests.support.audited import SMALL, make

for page in (commands, configuration, gates, codes):
    page.FILE.write_text(page.written(), encoding="utf-8")
configuration.SCHEMA.write_text(configuration.written_schema(), encoding="utf-8")
with tempfile.TemporaryDirectory() as temporary:
    entries.FILE.write_text(entries.written(make(Path(temporary, "shop"), SMALL).folder), encoding="utf-8")
documents.FILE.write_text(documents.written(documents.found_here()), encoding="utf-8")
