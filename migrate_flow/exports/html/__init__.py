"""The report for people: one HTML page that needs nothing else, on a screen or on paper."""

from __future__ import annotations

from migrate_flow.exports.html.report import write

__all__ = ["write"]
