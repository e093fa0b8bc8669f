"""Headers: what Alembic would read by importing, read from the source; and every way in which that can go wrong."""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path
from types import ModuleType

import pytest
from alembic.script.base import Script
from alembic.util import load_python_file, to_tuple
from hypothesis import given, settings
from hypothesis import strategies as st

from migrate_flow.alembic_adapter.header import MAX_BYTES, parse_script, read_header
from migrate_flow.core.revision import Revision
from migrate_flow.errors import ScriptError

PATH = "migrations/versions/a.py"
HEAD = b'revision = "3f2a91c04d7e"\ndown_revision = None\n'

TEMPLATE = b'''"""add orders, "quoted"

Revision ID: 3f2a91c04d7e
Revises: 1a2b3c4d5e6f
"""
from typing import Sequence, Union

from alembic import op
import sqlalchemy as sa


# revision identifiers, used by Alembic.
revision: str = '3f2a91c04d7e'
down_revision: Union[str, Sequence[str], None] = '1a2b3c4d5e6f'
branch_labels: Union[str, Sequence[str], None] = ("orders",)
depends_on: Union[str, Sequence[str], None] = ['a1', 'b2']


def upgrade() -> None:
    """Upgrade schema."""
    op.execute("SELECT 1")
'''


def imported(source: bytes) -> Script:
    """What Alembic itself makes of it."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        Path(folder, "a.py").write_bytes(source)
        module: ModuleType = load_python_file(folder, "a.py")
    return Script(module, module.revision, "a.py")


def test_a_script_of_the_template() -> None:
    revision = read_header(TEMPLATE, PATH)
    assert revision.id == "3f2a91c04d7e"
    assert revision.down_revision == ("1a2b3c4d5e6f",)
    assert revision.branch_labels == ("orders",)
    assert revision.depends_on == ("a1", "b2")
    assert revision.message == 'add orders, "quoted"'
    assert revision.path == PATH


ALLOWED = {
    "template": TEMPLATE,
    "bare": HEAD,
    "no line end": HEAD.strip(),
    "windows": TEMPLATE.replace(b"\n", b"\r\n"),
    "old mac": TEMPLATE.replace(b"\n", b"\r"),
    "byte order mark": b"\xef\xbb\xbf" + TEMPLATE,
    "latin-1": b"# -*- coding: latin-1 -*-\n" + HEAD + b'note = "caf\xe9"\n',
    "encoding that hides letters": b"# coding: unicode_escape\n" + HEAD + b"def f(): 1\n\\x72evision='b2'\n",
    "utf-8": '"""größer"""\n'.encode() + HEAD,
    "concatenated": b'revision = ("3f2a" "91c0")\ndown_revision = "a" \\\n "b"\n',
    "merge": b'revision = "m"\ndown_revision = ("a", "b")\n',
    "merge as a list": b'revision = "m"\ndown_revision = ["a", "b", "a"]\n',
    "empty tuple": b'revision = "m"\ndown_revision = ()\n',
    "chained": b'revision = "m"\ndown_revision = branch_labels = depends_on = None\n',
    "assigned twice": HEAD + b'revision = "later"\n',
    "assigned and unassigned": b'depends_on = "a"\n' + HEAD + b"depends_on = None\n",
    "after a function": b"def upgrade(): pass\n" + HEAD,
    "again after a function": HEAD + b"def upgrade(): pass\nrevision = 'b2'\n",
    "full-width letters after a function": HEAD + "def upgrade(): pass\nｒevision = 'b2'\n".encode(),
    "def at a line's start in a docstring": b'"""text\ndef upgrade(): pass\nrevision = "no"\n"""\n' + HEAD,
    "assignment in a docstring": b'"""text\nrevision = "no"\ndown_revision = "no"\n"""\n' + HEAD,
    "assignment in a bracket": b"x = dict(\nrevision = 'no',\n)\n" + HEAD,
    "ids with dots": b'revision = "v0.9.0.a"\ndown_revision = "0.21.0"\n',
    "decorated": HEAD + b"import functools\n@functools.cache\ndef upgrade(): pass\n",
    "semicolons": b'revision = "a1"; down_revision = None; depends_on = "b2"\n',
    "annotated without a value": b"revision: str\n" + HEAD,
    "comprehension with its own names": HEAD + b"ids = [revision for revision in ()]\n",
    "local names": HEAD + b"def f(revision=1):\n    depends_on = branch_labels = 2\n",
    "used later": HEAD + b"def upgrade():\n    print(revision, down_revision)\n",
    "careless escape": HEAD + b'x = "\\d"\n',
    "label as a string": HEAD + b'branch_labels = "orders"\n',
    "comment before the docstring": b'# license\n\n"""text"""  # comment\n' + HEAD,
    "docstring of several strings": b'"a" "b"\n' + HEAD,
    "no docstring": b"1\n" + HEAD,
    "32 characters": b'revision = "' + b"a" * 32 + b'"\ndown_revision = None\n',
}


@pytest.mark.parametrize("source", ALLOWED.values(), ids=ALLOWED.keys())
def test_what_is_read_is_what_alembic_imports(source: bytes) -> None:
    theirs = imported(source)
    ours = read_header(source, PATH)
    assert ours.id == theirs.revision
    assert ours.down_revision == tuple(dict.fromkeys(to_tuple(theirs.down_revision, ())))
    assert ours.depends_on == to_tuple(theirs.dependencies, ())
    assert set(ours.branch_labels) == theirs.branch_labels
    assert ours.doc == (theirs.module.__doc__ or "")
    assert read_header(source, PATH, whole=True) == ours


lines = st.sampled_from(
    [
        b"\n",
        b"# revision = 'c'\n",
        b"  # x\n",
        b"import a.b as c\n",
        b"from a import b, c  # x\n",
        b"from typing import Sequence, Union\n",
        b"revision = 'a1'\n",
        b'revision: str = "b2"  # x\n',
        b"down_revision = None\n",
        b"down_revision: Union[str, None] = 'a1'\n",
        b"down_revision = ('a1', 'b2')\n",
        b"branch_labels = None\n",
        b"branch_labels = ''\n",
        b"branch_labels = 'lab'\n",
        b"depends_on: str | None = 'c3'\n",
        b"depends_on = None\n",
        b"depends_on = x\n",
        b"x = '''\n",
        b"'''\n",
        b'"""text"""\n',
        b'"""\n',
        b"x = (\n",
        b")\n",
        b"import revision\n",
        b"def upgrade(): pass\n",
        b"revision = None\n",
    ]
)


def outcome(source: bytes, *, whole: bool) -> Revision | str:
    try:
        return read_header(source, PATH, whole=whole)
    except ScriptError as error:
        return error.message


@settings(max_examples=300, deadline=None)
@given(st.lists(lines, max_size=9).map(b"".join))
def test_the_short_cuts_never_read_anything_else_than_the_tree(body: bytes) -> None:
    for source in (body, HEAD + body, b'"""doc"""\n' + HEAD + body):
        slow = outcome(source, whole=True)
        if not str(slow).startswith("syntax error"):  # below the header the short cuts need not see one
            assert outcome(source, whole=False) == slow


REFUSED = [
    (b"", "declares no revision", ""),
    (b"x = 1\n", "declares no revision", ""),
    (b'revision = "a1"\n', "declares no down_revision", ""),
    (b"\n\nrevision = (\n", "syntax error", ":3"),
    (HEAD + b"\0", "NUL", ":3"),
    (HEAD + b"x = 1\n# caf\xe9\n", "not utf-8 text", ":4"),
    (b"# coding: ascii\n" + HEAD + b"# caf\xe9\n", "not ascii text", ":4"),
    (b"\xff\xfer\x00", "NUL", ":1"),
    (b"# coding: nowhere\n" + HEAD, "no encoding that Python knows", ":1"),
    (b"# coding: rot13\n" + HEAD, "no encoding that Python knows", ":1"),
    (HEAD + b"#" * MAX_BYTES, "over 1 MiB", ""),
    (b"-" * 200_000 + b"1\n", "nested too deeply", ""),
    (b"revision = None\ndown_revision = None\n", "revision is None", ":1"),
    (b"revision = 12\ndown_revision = None\n", "revision is of type int", ":1"),
    (b"revision = b'a1'\ndown_revision = None\n", "revision is of type bytes", ":1"),
    (b"revision = ('a1',)\ndown_revision = None\n", "revision is of type tuple", ":1"),
    (b"revision = 'a' + '1'\ndown_revision = None\n", "revision is an expression", ":1"),
    (b"revision = f'a1'\ndown_revision = None\n", "revision is an expression", ":1"),
    (b"revision = make()\ndown_revision = None\n", "revision is an expression", ":1"),
    (b"revision = 'a1'\n\ndown_revision = 12\n", "down_revision is of type int", ":3"),
    (b"revision = 'a1'\ndown_revision = other\n", "down_revision is an expression", ":2"),
    (b"revision = 'a1'\ndown_revision = {'a', 'b'}\n", "down_revision is of type set", ":2"),
    (b"revision = 'a1'\ndown_revision = ('a', None)\n", "down_revision is of type tuple", ":2"),
    (HEAD + b"depends_on = 12\n", "depends_on is of type int", ":3"),
    (HEAD + b"branch_labels = ''\n", "branch label ''", ":3"),
    (HEAD + b"branch_labels = ('a@b',)\n", "branch label 'a@b'", ":3"),
    (HEAD + b"branch_labels = 'head'\n", "branch label 'head'", ":3"),
    (HEAD + b"branch_labels = 'a\\nb'\n", "branch label 'a\\nb'", ":3"),
]
COMPUTED = [
    b"if True:\n    revision = 'b2'\n",
    b"try:\n    import x\nexcept ImportError:\n    revision = 'b2'\n",
    b"revision, x = 'b2', 1\n",
    b"revision += 'b2'\n",
    b"del revision\n",
    b"x = (revision := 'b2')\n",
    b"print(revision := 'b2')\n",
    b"x = [revision := 'b2' for _ in 'a']\n",
    b"import revision\n",
    b"import x as revision\n",
    b"from x import revision\n",
    b"if x:\n    from x import y as revision\n",
    b"for revision in 'ab': pass\n",
    b"with x as revision: pass\n",
    b"def revision(): pass\n",
    b"class revision: pass\n",
    b"def f():\n    global revision\n    revision = 'b2'\nf()\n",
    b"class A:\n    global revision\n    revision = 'b2'\n",
    b"match 'b2':\n    case revision: pass\n",
    b"try: pass\nexcept E as revision: pass\n",
    b"def f(): pass\nif True: revision = 'b2'\n",
    "if True: ｒevision = 'b2'\n".encode(),
]


@pytest.mark.parametrize(("source", "said", "line"), REFUSED, ids=range(len(REFUSED)))
def test_what_is_refused_names_its_line(source: bytes, said: str, line: str) -> None:
    with pytest.raises(ScriptError) as caught:
        read_header(source, PATH)
    assert said in caught.value.message
    assert caught.value.where == PATH + line
    assert caught.value.hint
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("more", COMPUTED, ids=range(len(COMPUTED)))
def test_a_computed_id_is_refused(more: bytes) -> None:
    with pytest.raises(ScriptError, match="revision is computed") as caught:
        read_header(HEAD + more, PATH)
    assert caught.value.where.startswith(PATH + ":")


@pytest.mark.parametrize("unfit", ["", "a" * 33, *("a" + c for c in "'\"`\\ :@+-\n\x1b\x7fé"), "head", "heads", "base"])
def test_ids_that_would_break_sql_or_the_version_table(unfit: str) -> None:
    with pytest.raises(ScriptError, match="the revision id") as caught:
        read_header(f"revision = {unfit!r}\ndown_revision = None\n".encode(), PATH)
    assert caught.value.message.isascii()
    assert caught.value.message.isprintable()
    assert caught.value.where == PATH + ":1"


@pytest.mark.parametrize("unfit", ["a@b", "a-b", "a+b", "a:b"])
def test_alembic_refuses_these_ids_too(unfit: str) -> None:
    with pytest.raises(Exception, match="not allowed in revision identifier"):
        imported(f"revision = {unfit!r}\ndown_revision = None\n".encode())


EXPRESSIONS = b"import cli\n" + HEAD + b"branch_labels = (cli.EXPAND,)\ndepends_on = cli.NEEDS\n"


def test_labels_that_are_expressions_need_an_import() -> None:
    with pytest.raises(ScriptError, match=f"{PATH} needs an import: its branch_labels is an expression") as caught:
        read_header(EXPRESSIONS, PATH)
    assert caught.value.where == PATH + ":4"
    assert 'graph = "import" under [project]' in caught.value.hint


def test_the_importer_is_asked_only_where_it_is_needed() -> None:
    asked = []

    def evaluate(source: bytes, path: str) -> tuple[object, object]:
        asked.append((source, path))
        return ["expand"], "a1"

    revision = read_header(EXPRESSIONS, PATH, evaluate=evaluate)
    assert (revision.branch_labels, revision.depends_on) == (("expand",), ("a1",))
    assert asked == [(EXPRESSIONS, PATH)]
    assert read_header(HEAD + b"depends_on = 'b2'\n", PATH, evaluate=evaluate).depends_on == ("b2",)
    assert len(asked) == 1


@pytest.mark.parametrize("value", [12, [1], object()])
def test_what_the_importer_finds_must_be_text(value: object) -> None:
    with pytest.raises(ScriptError, match="branch_labels is an expression, not None") as caught:
        read_header(EXPRESSIONS, PATH, evaluate=lambda source, path: (value, None))
    assert "graph" not in caught.value.hint


def test_a_syntax_error_below_the_header_is_seen_on_request() -> None:
    source = HEAD + b"\n\ndef upgrade(:\n    pass\n"
    assert read_header(source, PATH).id == "3f2a91c04d7e"
    with pytest.raises(ScriptError, match="syntax error") as caught:
        read_header(source, PATH, whole=True)
    assert caught.value.where == PATH + ":5"
    with pytest.raises(ScriptError, match="syntax error"):
        parse_script(source, PATH)


def test_a_lone_surrogate_in_a_docstring_can_be_stored() -> None:
    assert read_header(b'"\\ud800 \xc3\xa9"\n' + HEAD, PATH).doc.encode() == b"\\ud800 \xc3\xa9"


def test_nothing_of_the_script_runs() -> None:
    assert read_header(HEAD + b"raise SystemExit('ran')\n", PATH).id == "3f2a91c04d7e"
