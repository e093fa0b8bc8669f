"""The faults that must hold, by id, and the kinds of database that each of them concerns; and attacks on the gates."""

from __future__ import annotations

from dataclasses import dataclass

SQLITE, POSTGRESQL, MARIADB = "sqlite", "postgresql", "mariadb"
DIALECTS = (SQLITE, POSTGRESQL, MARIADB)
ALL = frozenset(DIALECTS)
SERVERS = frozenset((POSTGRESQL, MARIADB))
ONLY_SQLITE, ONLY_POSTGRESQL, ONLY_MARIADB = (frozenset((name,)) for name in DIALECTS)


@dataclass(frozen=True, slots=True)
class Fault:
    """where: dialects on which a test must show it. why: what the others have instead, or why it can't be there."""

    id: str
    what: str
    holds: str
    where: frozenset[str] = ALL
    why: str = ""


@dataclass(frozen=True, slots=True)
class Attack:
    """On a gate, with whatever database behind it."""

    id: str
    what: str
    holds: str


_LEDGER = "the ledger's"
_NO_SERVER = "no server: what runs, runs in the process"
_ONE_TRANSACTION = "the whole step is one transaction"
_OWN = "PostgreSQL's own"
_MANY = "DDL commits by itself: see F18 to F21"
_FILE_ONLY = "concerns a database in a file"

FAULTS = (
    Fault("F01", "kill -9 after the intent, before BEGIN", "failed clean; applied with the same approvals"),
    Fault("F02", "kill -9 in the middle of upgrade()", "rolled back, or said what is durable"),
    Fault("F03", "kill -9 just before COMMIT", "rolled back, or said what is durable"),
    Fault("F04", "kill -9 after COMMIT, before the outcome", "the receipt is found; never run again"),
    Fault("F07", "the outcome can't be appended", "exit 6, names the attempt; the next command heals"),
    Fault("F08", "the ledger can't be reached before the intent", "refused, target untouched"),
    Fault("F11", "kill during recovery", "one outcome, idempotent"),
    Fault("F12", "two recoveries at once", "one outcome, idempotent"),
    Fault("F13", "SIGTERM, or Ctrl-C once", "cancelled, rolled back, recorded, 143 or 130"),
    Fault("F14", "Ctrl-C twice", "cancelled, rolled back, recorded, 130"),
    Fault("F15", "stdout is closed", "the apply goes on, the exit code tells the truth"),
    Fault("F16", "a message that breaks the renderer", "the apply goes on, the exit code tells the truth"),
    Fault("F17", "the server is killed in mid DDL", "rolled back; MariaDB: at most one in doubt", SERVERS, _NO_SERVER),
    Fault("F18", "statement k of n fails", "partial, naming durable and failed", ONLY_MARIADB, _ONE_TRANSACTION),
    Fault("F19", "kill between statements", "partial; not replayed", ONLY_MARIADB, _ONE_TRANSACTION),
    Fault("F21", "DML, then DDL, then kill", "partial; not replayed", ONLY_MARIADB, _ONE_TRANSACTION),
    Fault("F23", "failure at statement k", "everything or nothing", frozenset((SQLITE, POSTGRESQL)), _MANY),
    Fault("F24", "kill in batch_alter_table", "no _alembic_tmp_ table is left", ONLY_SQLITE, _FILE_ONLY),
    Fault("F26", "the database is busy", "bounded wait", ONLY_SQLITE, "see F38"),
    Fault(
        "F27",
        "an autocommit block, then failure",
        "receipts tell what is durable",
        ONLY_POSTGRESQL,
        "see F28; F18 to F21",
    ),
    Fault("F28", "an autocommit block that the plan does not know", "refused at its entry", ALL),
    Fault("F29", "env.py runs a SELECT before configure()", "refused with the cause"),
    Fault("F30", "env.py begins a transaction before configure()", "refused with the cause"),
    Fault("F31", "upgrade() commits by itself", "detected; never applied"),
    Fault("F32", "upgrade() exits the process", "detected; never applied"),
    Fault("F33", "upgrade() opens its own engine", "detected; never applied"),
    Fault(
        "F35",
        "CREATE INDEX CONCURRENTLY fails",
        "partial, the index named",
        ONLY_POSTGRESQL,
        _OWN,
    ),
    Fault("F38", "an application holds a lock for good", "bounded retries of the whole", SERVERS, "see F26"),
    Fault("F39", "an application holds a lock for a moment", "applied at a later try", SERVERS, "see F26"),
    Fault("F40", "our waiting DDL queues readers", "they wait no longer than lock_timeout", SERVERS, "see F26"),
    Fault("F41", "the server ends an idle transaction", "rolled back, cause named", SERVERS, _NO_SERVER),
    Fault("F42", "the step is a deadlock's victim", "rolled back and tried again", SERVERS, _NO_SERVER),
    Fault("F44", "the target's disk is full", "rolled back, cause named"),
    Fault("F45", "the ledger's disk is full before the intent", "refused, target untouched"),
    Fault("F48", "a revision id of more than 32 characters", "refused before any DDL"),
    Fault("F51", "the receipt table is gone", "named; promotion blocked"),
    Fault("F52", "the version row was edited", "named; promotion blocked"),
    Fault("F53", "plain alembic upgrade", "named; promotion blocked"),
    Fault("F54", "plain alembic stamp", "named; promotion blocked"),
    Fault("F55", "the database stands at a revision that the tree lacks", "named; promotion blocked"),
    Fault("F56", "two runners at once, with data changes", "exactly once; the loser exits 5, names the holder"),
    Fault("F57", "eight runners at once, with data changes", "exactly once; the losers exit 5"),
    Fault("F60", "the client is killed, its statement goes on", "refused until it ends", SERVERS, _NO_SERVER),
    Fault("F61", "the same, looked at", "status shows process, query and age", SERVERS, _NO_SERVER),
    Fault("F62", "the lock's server process is ended in mid run", "noticed, rolled back", SERVERS, _NO_SERVER),
    Fault("F63", "PgBouncer in transaction mode", "refused, with the reason", ONLY_POSTGRESQL, _OWN),
    Fault(
        "F69",
        "8 processes append to the ledger at once",
        "no fork, no gap, none lost",
        ONLY_SQLITE,
        _LEDGER,
    ),
    Fault("F72", "production's URL under staging's name", "refused before any DDL"),
    Fault("F74", "a replica, or a read-only database", "refused up front"),
    Fault("F76", "env.py connects elsewhere", "refused before any DDL"),
    Fault("F78", "the clock is set back a year", "order by position"),
    Fault("F79", "time zones", "all is UTC"),
    Fault("F80", "the ledger is restored from a backup", "alarm, exit 4, apply refused"),
    Fault("F81", "the ledger's tail is deleted", "alarm, exit 4, apply refused"),
    Fault("F83", "the target is restored from an old backup", "named; a new apply needs a new intent"),
    Fault("F84", "an entry is edited, hashes recomputed", "alarm, exit 4, apply refused"),
    Fault("F85", "a rebase changes down_revision", "stale, with the reason"),
    Fault("F86", "the file is swapped between check and run", "the sealed bytes run"),
    Fault("F87", "a helper module is edited after the approval", "stale, with the reason"),
    Fault("F89", "several heads", "refused"),
    Fault("N01", "the connection breaks before COMMIT arrives", "rolled back, known at once", SERVERS, _NO_SERVER),
    Fault("N02", "the connection breaks after COMMIT was done", "applied, known at once", SERVERS, _NO_SERVER),
    Fault(
        "N03", "a batch operation on a parent table", "child rows survive", ONLY_SQLITE, "ALTER TABLE copies nothing"
    ),
    Fault("N04", "a partial attempt goes on", "nothing twice, nothing passed over", SERVERS, _ONE_TRANSACTION),
    Fault("N05", "the version table moves behind a crash", "the receipt decides; the rest is named"),
    Fault("N06", "a password in a statement", "in no journal, ledger or output", ONLY_MARIADB, "journals nothing"),
    Fault("N07", "two copies of the ledger grew apart", "alarm, exit 4, apply refused", ONLY_SQLITE, _LEDGER),
    Fault("N08", "another ledger in the place of the one that was seen", "alarm, exit 4", ONLY_SQLITE, _LEDGER),
    Fault("N09", "the note of what was seen is broken or can't be kept", "no error", ONLY_SQLITE, _LEDGER),
    Fault("F90", "an approval is revoked between check and intent", "refused"),
)
# Each is tried on a project that is ready but for one thing, so that nothing but the rule in question refuses it.
ATTACKS = (
    Attack("A01", "planted byte code, as old as its source or never to be checked", "the approved source runs"),
    Attack("A02", "an edit that keeps size and time", "stale, refused"),
    Attack("A03", "a link to outside the project", "not read, exit 2"),
    Attack("A04", "the id of an approved revision a second time", "exit 2"),
    Attack("A05", "a computed id", "exit 2; never applied"),
    Attack("A06", "code at import time", "does not run in a command that reads"),
    Attack("A07", "another person's name with one's own key", "exit 2"),
    Attack("A08", "the same, in an entry made by hand", "does not count, named by its position"),
    Attack("A09", "one key for two people, in the file or in a signed policy", "exit 2; not in force"),
    Attack("A10", "an approval copied to another revision or to other bytes", "does not count"),
    Attack("A11", "a waiver copied to another environment", "does not count"),
    Attack("A12", "an approval copied to another ledger", "does not count"),
    Attack("A13", "an approval or an intent for the other direction", "does not count; approve again"),
    Attack("A14", "an old policy replayed", "not in force"),
    Attack("A15", "a policy weakened in the file only", "refused until an admin signs it; never below the floor"),
    Attack("A16", "self-approval: as author, reviewer, by an alias, as git's co-author", "refused, and does not count"),
    Attack("A17", "UPDATE, DELETE, TRUNCATE, INSERT OR REPLACE on the ledger", "refused by the database"),
    Attack("A18", "a keyholder says what their role does not allow", "does not count"),
    Attack("A19", "a policy without the right, or without enough signatures", "not in force"),
    Attack("A20", "intents, outcomes, adoptions and databases made by hand", "open no other database"),
    Attack("A21", "malformed entries, signed by a keyholder", "named; nothing is taken from anybody"),
    Attack("A22", "entries of later versions, or no entries at all", "exit 4, and not a guess"),
    Attack(
        "A24", "a cache of scripts that lies about bytes or places", "fools `status` at most; nothing signed or run"
    ),
)
