"""Rules: each file here forbids one thing; its docstring is its documentation page (Problem / Instead of / Use).

A new rule is a new file with a `RULE`, and a case file in tests/lint/cases. Outside packages add theirs through the
entry point group `migrate_flow.rules`, projects through `[lint] plugins`.
"""
