"""The behaviour digest: blind to what does not run, and the same on every version of Python."""

from __future__ import annotations

import ast

import pytest

from migrate_flow.core.behaviour import behaviour_digest, syntax_tree, tree_digest

SCRIPT = b'''"""add a column

Revises: none
"""
from alembic import op
import sqlalchemy as sa

revision = "3f2a91c04d7e"
down_revision = None


def upgrade():
    op.add_column("orders", sa.Column("paid", sa.Integer()))


def downgrade():
    op.drop_column("orders", "paid")
'''

SAME = {
    "comment": SCRIPT.replace(b"import sqlalchemy as sa", b"import sqlalchemy as sa  # types\n# more"),
    "module docstring": SCRIPT.replace(b"Revises: none", b"Revises: nothing at all"),
    "no module docstring": SCRIPT[SCRIPT.index(b"from") :],
    "function docstring": SCRIPT.replace(b"def upgrade():\n", b'def upgrade():\n    """Add it."""\n'),
    "blank lines": SCRIPT.replace(b"\n\n\n", b"\n\n\n\n\n"),
    "quotes": SCRIPT.replace(b'"orders"', b"'orders'"),
    "prefix": SCRIPT.replace(b'"orders"', b'u"orders"'),
    "joined by the parser": SCRIPT.replace(b'"orders"', b'"or" "ders"'),
    "brackets": SCRIPT.replace(b'op.drop_column("orders", "paid")', b'(op.drop_column(\n    "orders", "paid",\n))'),
    "windows line ends": SCRIPT.replace(b"\n", b"\r\n"),
    "byte order mark": b"\xef\xbb\xbf" + SCRIPT,
    "declared encoding": b"# -*- coding: latin-1 -*-\n" + SCRIPT,
    "semicolon": SCRIPT.replace(b'"paid")\n', b'"paid");\n'),
}
OTHER = {
    "name": SCRIPT.replace(b'"paid"', b'"payed"'),
    "statement": SCRIPT + b"\nop = None\n",
    "parent": SCRIPT.replace(b"down_revision = None", b'down_revision = "a"'),
    "order of statements": SCRIPT.replace(b"import sqlalchemy as sa\n", b"") + b"import sqlalchemy as sa\n",
    "type of a constant": SCRIPT.replace(b'"orders", "paid"', b'"orders", b"paid"'),
    "a call more": SCRIPT.replace(b"sa.Integer()", b"sa.Integer()()"),
    "an f-string": SCRIPT.replace(b'"orders"', b'f"orders"'),
    "async": SCRIPT.replace(b"def upgrade", b"async def upgrade"),
    "a decorator": SCRIPT.replace(b"def upgrade", b"@op\ndef upgrade"),
}


@pytest.mark.parametrize("source", SAME.values(), ids=SAME.keys())
def test_what_does_not_run_does_not_count(source: bytes) -> None:
    assert source != SCRIPT
    assert behaviour_digest(source) == behaviour_digest(SCRIPT)


@pytest.mark.parametrize("source", OTHER.values(), ids=OTHER.keys())
def test_what_runs_counts(source: bytes) -> None:
    assert behaviour_digest(source) not in ("", behaviour_digest(SCRIPT))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x = 1", "x = 1.0"),
        ("x = 1", "x = True"),
        ("x = 0.0", "x = -0.0"),
        ("x = None", "x = ..."),
        ("x = 'a'", "x = b'a'"),
        ("x = ['a', 'b']", "x = [['a'], 'b']"),
        ("x = ('a', 'b')", "x = ['a', 'b']"),
        ("f('a', 'b')", "f('ab')"),
        ("f('a', k='b')", "f('a', 'b')"),
        ("f(*a)", "f(**a)"),
        ("x = {**a}", "x = {a: a}"),
        ("x = {**a, 'b': c}", "x = {'b': c, **a}"),
        ("x[1:]", "x[:1]"),
        ("x[1::]", "x[::1]"),
        ("def f(a, /): pass", "def f(a): pass"),
        ("def f(*, a): pass", "def f(a): pass"),
        ("def f(*, a=1, b): pass", "def f(*, a, b=1): pass"),
        ("from a import b", "from .a import b"),
        ("import a", "import a as b"),
        ("f'{x}'", "f'{x!r}'"),
        ("f'{x}'", "f'{x:d}'"),
        ("f'{x}a'", "f'a{x}'"),
        ("match x:\n case None: pass", "match x:\n case False: pass"),
        ("a < b < c", "a < b > c"),
        ("if a: pass\nelse: b", "if a: b"),
        ("while a: b", "if a: b"),
        ("raise A from B", "raise A"),
        ("[a for a in b if c]", "[a for a in b]"),
        ("x: int = 1", "(x): int = 1"),
    ],
)
def test_different_trees_have_different_digests(one: str, other: str) -> None:
    assert behaviour_digest(one.encode()) != behaviour_digest(other.encode())


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("def f():\n 'doc'", "def f(): pass"),
        ("class A:\n 'doc'\n x = 1", "class A: x = 1"),
        ("async def f():\n 'doc'\n pass", "async def f(): pass"),
        ("'doc'", ""),
        ("f'{x:}'", "f'{x}'"),
        ("f'a' 'b' f'{x}' 'c' f'd'", "f'ab{x}cd'"),
        ("x = 0x10", "x = 16"),
    ],
)
def test_equal_meaning_in_another_form(one: str, other: str) -> None:
    assert behaviour_digest(one.encode()) == behaviour_digest(other.encode())


def test_f_strings_cut_in_another_place() -> None:
    """3.12 puts empty texts around the parts of a format's specification, and may cut a text in two."""
    name, spec = ast.Name("x", ast.Load()), ast.FormattedValue(ast.Name("y", ast.Load()), -1)
    inner = ast.JoinedStr([ast.Constant(""), spec, ast.Constant(""), ast.Constant("d")])
    cut = ast.JoinedStr([ast.Constant("a"), ast.Constant("b"), ast.FormattedValue(name, -1, inner)])
    tree = ast.Module([ast.Expr(cut)], [])
    assert tree_digest(tree) == behaviour_digest(b"f'ab{x:{y}d}'")


def test_a_docstring_that_the_script_reads_is_behaviour() -> None:
    one, other = (f'"{doc}"\nop.create_table_comment("t", __doc__)'.encode() for doc in ("old", "new"))
    assert behaviour_digest(one) != behaviour_digest(other)
    one, other = (f'class A:\n "{doc}"\nprint(A.__doc__)'.encode() for doc in ("old", "new"))
    assert behaviour_digest(one) != behaviour_digest(other)


def test_only_a_docstring_is_a_docstring() -> None:
    assert behaviour_digest(b"x = 1\n'text'") != behaviour_digest(b"x = 1")
    assert behaviour_digest(b"def f():\n b'bytes'") != behaviour_digest(b"def f(): pass")


# Computed on 3.11, 3.12 and 3.13. A change here makes every digest in every ledger another one: raise the tag instead.
PINNED = [
    ("d192dfdd5cc2289b6e8f766200e5e237526097594f1fb4183da880ce771f4d9e", SCRIPT),
    ("b5999633d806a4425694a2e389d4c42e99949638e4f3c7a2b793b0073e37c634", b""),
    (
        "212db6c7f37c7d7a2904ae13ac30f1c40206becca48d0aea5ac1d66a76a2b038",
        b"def f(a, /, b=1, *c, d=2.5, **k) -> int:\n    return f'{a!r:>{b}}{{}} {c=}' + 'd'",
    ),
    (
        "e7acdd0b711e289f64a3f8ba51eac18ed23bdc6c7153b75b9789750d82db46ea",
        b"match x:\n case {'a': [1, *_], **r} if r: pass\n case None | -1+2j | A(b=c) as d: pass",
    ),
    (
        "1559c7fda0a067595b2ff965fec74304c744778ac6a1ff642771605bd6032641",
        b"async def f():\n async with a as b, c: [x async for x in await y]",
    ),
    (
        "30d558ce438bcb1c860384ecdb04f72c4feea4ffc3db3aabca1540d40de1d61a",
        b"try: pass\nexcept* E as e: raise\nfinally: del x, y[1:2, ...]",
    ),
    (
        "c894d6e48524750b7c833c754b924fcb7d21aa602f083e258d50007181746f8e",
        "x = '\u0378 \U0001fae8 \\ud800', b'\\xff', 1_000, 1e999, 2j, lambda *a: (yield)".encode(),
    ),
    (
        "288257f008c143df77df80245e0c0e1bd0e00f78d4fb9722d58bf7e21943bfee",
        b"class A(B, metaclass=C):\n 'doc'\n x: int\n @d\n def f(self): nonlocal_ = not self",
    ),
]


@pytest.mark.parametrize(("digest", "source"), PINNED, ids=range(len(PINNED)))
def test_the_digest_is_the_same_on_every_python(digest: str, source: bytes) -> None:
    assert behaviour_digest(source) == "ast1:sha256:" + digest


@pytest.mark.parametrize(
    "source",
    [b"def f(:", b"\0", b"\xff\xfe", b"# coding: rot13\nx", b"# coding: nowhere\nx", b"-" * 200_000 + b"1", b"(" * 500],
    ids=["syntax", "nul", "not UTF-8", "no text encoding", "unknown encoding", "deep", "brackets"],
)
def test_what_does_not_parse_has_no_digest(source: bytes) -> None:
    assert behaviour_digest(source) == ""
    with pytest.raises(SyntaxError):
        syntax_tree(source)


def test_a_careless_string_brings_no_warning() -> None:
    assert behaviour_digest(b'x = "\\d"') == behaviour_digest(b'x = "\\\\d"')
