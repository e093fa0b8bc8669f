"""Options of PostgreSQL's foreign servers, tables and columns, without what may be a secret.

Each wrapper has options of its own, and what it calls a password nobody can know here. So only options that are
known to hold none are told with their value; of all others a snapshot says that they are set.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

SET = "(set)"
_PLAIN = frozenset((
    "address", "analyze_sampling", "application_name", "async_capable", "batch_size", "client_encoding", "collection",
    "column_name", "columns", "connect_timeout", "database", "dbname", "dbserver", "delimiter", "encoding", "escape",
    "extensions", "fdw_startup_cost", "fdw_tuple_cost", "fetch_size", "filename", "force_not_null", "force_null",
    "format", "header", "host", "hostaddr", "import_collate", "import_default", "import_generated", "import_not_null",
    "keep_connections", "log_verbosity", "match_case", "max_long", "null", "on_error", "parallel_abort",
    "parallel_commit", "password_required", "port", "prefetch", "query_timeout", "quote", "readonly", "reject_limit",
    "row_estimate_method", "sample_percent", "schema", "schema_name", "servername", "sslmode", "table", "table_name",
    "target_session_attrs", "truncatable", "updatable", "use_remote_estimate", "use_scram_passthrough",
))  # fmt: skip
# A connection string may stand where a name or an address is asked for.
_MAY_BE_SECRET = re.compile(r"://|pass|pwd|secret|token|key\s*=|@", re.I)


def plain(options: Iterable[str] | None) -> str:
    """``host=a, password=(set)`` of what a catalog holds as ``name=value``, sorted; empty for none."""
    return ", ".join(sorted(map(_shown, options))) if options else ""


def _shown(option: str) -> str:
    name, _, value = option.partition("=")
    known = name in _PLAIN and not _MAY_BE_SECRET.search(value)
    return f"{name}={value if known else SET}"
