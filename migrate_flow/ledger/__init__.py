"""The ledger's database: tables, its own migrations, and the store."""
