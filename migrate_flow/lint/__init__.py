"""Static rules over migration scripts: source and syntax tree, never executed. Pure; files and processes are others'.

`script` is what a rule sees, `reading` makes it from bytes, `linter` runs the rules, `waivers` reads the comments.
Each file in `rules/` is one rule; its docstring is its documentation page.
"""
