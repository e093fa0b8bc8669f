"""The report in Chromium, as a person opens it: at three sizes, in the dark, by keyboard, on paper, and with a ledger
that was written by somebody who means ill.

Needs ``chromium`` and ``pdftotext`` (poppler-utils) of the system's packages, and node with playwright-core and
axe-core: ``npm install --prefix DIR playwright-core axe-core``, then ``NODE_PATH=DIR/node_modules``.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.exports.made import Made, document, export
from tests.exports.test_html_hostile import hostile

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]

LOOK = Path(__file__).with_name("look.js")
ILL = "</style></script><script>alert(1)</script><img src=//127.0.0.1:9/x onerror=alert(1)>\u202e" + "W" * 400


def looked_at(made: Made, folder: Path) -> dict[str, Any]:
    page = folder / "page.html"
    page.write_text(document(made), encoding="utf-8")
    done = subprocess.run(
        ["node", LOOK, page, folder], capture_output=True, text=True, env=dict(os.environ), check=False
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("report")


@pytest.fixture(scope="module")
def found(folder: Path) -> dict[str, Any]:
    return looked_at(export(3), folder)


@pytest.fixture(scope="module")
def found_ill(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return looked_at(hostile(ILL), tmp_path_factory.mktemp("ill"))


def test_it_asks_for_nothing_and_complains_of_nothing(found: dict[str, Any]) -> None:
    for view in found["views"]:
        assert [url for url in view["requests"] if not url.startswith("file:")] == []
        assert view["messages"] == []


def test_it_fits_a_phone_a_tablet_and_a_desk(found: dict[str, Any], found_ill: dict[str, Any]) -> None:
    for view in (*found["views"], *found_ill["views"]):
        assert view["width"] <= 0, view


def test_it_is_dark_where_people_want_that(found: dict[str, Any]) -> None:
    colours = {view["scheme"]: view["background"] for view in found["views"]}
    assert colours == {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 24, 28)"}


def test_axe_finds_no_violation(found: dict[str, Any], found_ill: dict[str, Any]) -> None:
    assert found["violations"] == []
    assert found_ill["violations"] == []


def test_the_first_key_leads_to_the_report(found: dict[str, Any]) -> None:
    assert found["keyboard"] == {"first": "Skip to the report", "shown": True, "then": "main"}


def test_nothing_in_a_ledger_runs(found_ill: dict[str, Any]) -> None:
    for view in found_ill["views"]:
        assert view["dialogs"] == 0
        assert [url for url in view["requests"] if not url.startswith("file:")] == []
        assert view["messages"] == []


def test_what_got_in_all_the_same_would_not_run(found: dict[str, Any]) -> None:
    assert found["attack"]["ran"] is False
    assert found["attack"]["styled"] is False
    assert found["attack"]["fetched"].startswith("TypeError")


def test_paper_is_white_and_holds_what_the_screen_folds(found: dict[str, Any], folder: Path) -> None:
    assert found["paper"] == {"background": "rgb(255, 255, 255)", "navigation": "none", "folded": 0}
    read = subprocess.run(
        ["pdftotext", "-layout", folder / "page.pdf", "-"], capture_output=True, text=True, check=True
    )
    made = export(3)
    for said in ("Pipeline board", "DROP TABLE", made.rows[0].git_commit, "https://www.iso.org/standard/27001"):
        assert said in read.stdout
