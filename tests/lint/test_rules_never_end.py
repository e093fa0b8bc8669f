"""No rule ends with an exception, however odd the call: a rule that crashes stops the flow."""

from __future__ import annotations

import pytest

from migrate_flow.lint.catalogue import built_in
from tests.lint.cases import script

OPERATIONS = [
    "create_table", "drop_table", "rename_table", "add_column", "drop_column", "alter_column", "create_index",
    "drop_index", "create_foreign_key", "create_check_constraint", "create_unique_constraint", "create_primary_key",
    "create_exclude_constraint", "drop_constraint", "bulk_insert", "execute", "create_table_comment",
    "batch_alter_table",
]  # fmt: skip
ARGUMENTS = [
    "", "*given", "**given", "None", "given", '"users"', '"users", None', '"users", *given', "1, 2, 3",
    '"users", sa.Column()', '"users", sa.Column("a")', '"users", sa.Column(*given, nullable=False)',
    '"users", sa.Column("a", given, sa.ForeignKey(given), sa.CheckConstraint(given), server_default=given)',
    '"users", given, nullable=False, type_=given, new_column_name=given', '"a", "b", given, postgresql_where=None',
    '"users", sa.Column("a", sa.String(length=given), sa.Identity(), sa.Computed(given, persisted=given), index=given)',
    'None, None, None, None', '"users", "a", type_=given(), existing_type=sa.Numeric(given, 2), nullable=given',
    'f"{given}"', '"ALTER TABLE", "x"', "given[0].name, lambda: 1", '"it\'s", "\\"", ["\\\\"]', '"ü", "ß", ["é"]',
]  # fmt: skip


@pytest.mark.parametrize("operation", OPERATIONS)
def test_no_rule_crashes(operation: str) -> None:
    calls = [f"op.{operation}({arguments})" for arguments in ARGUMENTS]
    batch = [f"    batch.{operation}({arguments})" for arguments in ARGUMENTS]
    body = "\n".join([*calls, 'with op.batch_alter_table("users") as batch:', *batch])
    for dialects in (["postgresql"], ["mysql"], ["sqlite"], []):
        read = script({"upgrade": body, "downgrade": body, "head": "given = object", "dialects": dialects})
        assert read.tree is not None
        for rule in built_in():
            for hit in rule.check(read):
                assert hit.message, rule.slug
                assert hit.hint, rule.slug
