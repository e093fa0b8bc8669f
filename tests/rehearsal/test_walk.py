"""The order of a walk on a real scratch database: what is built, what is rehearsed, and what comes after a failure."""

from __future__ import annotations

from pathlib import Path

from migrate_flow.core.rehearsal import Grade, Now, Rehearsal
from migrate_flow.rehearsal.walk import Walk
from tests.rehearsal.conftest import Make
from tests.support.alembic_projects import write_script


def write(project: Path, *revisions: str, **more: str) -> None:
    """In a line; more: bodies of upgrades, by revision."""
    down = None
    for revision in revisions:
        write_script(project / "migrations" / "versions", revision, down, upgrade=more.get(revision, ""))
        down = revision


def downgrade_fails(project: Path, revision: str, how: str = 'raise RuntimeError("no way back")') -> None:
    path = project / "migrations" / "versions" / f"{revision}_script.py"
    path.write_text(path.read_text().replace(f'op.drop_table("t_{revision}")', how))


def walked(walk: Walk) -> tuple[str, dict[str, Rehearsal]]:
    """``+a a- b+ …``: + before a revision that is built, after one each of its three steps; and what came of it."""
    said, found = [], {}
    for event in walk.events():
        if isinstance(event, Now):
            said.append(f"+{event.revision}" if event.building else f"{event.revision}:{event.part.value[0]}")
        else:
            found[event.revision] = event
    return " ".join(said), found


def test_each_is_rehearsed_where_the_one_before_ended(project: Path, walk_over: Make) -> None:
    write(project, "aa", "bb")
    said, found = walked(walk_over())
    assert said == "aa:u aa:d aa:r bb:u bb:d bb:r"
    assert [one.grade for one in found.values()] == [Grade.LOSSLESS] * 2


def test_what_is_not_wanted_is_built_once_and_comes_from_a_template_then(project: Path, walk_over: Make) -> None:
    write(project, "aa", "bb", "cc")
    said, found = walked(walk_over("cc"))
    assert (said, list(found)) == ("+aa +bb cc:u cc:d cc:r", ["cc"])
    assert walked(walk_over("cc"))[0] == "cc:u cc:d cc:r"
    # Of the nearest that fits.
    write_script(project / "migrations" / "versions", "dd", "cc")
    write_script(project / "migrations" / "versions", "ee", "dd")
    assert walked(walk_over("ee"))[0] == "+dd ee:u ee:d ee:r"


def test_other_bytes_below_ask_for_another_template(project: Path, walk_over: Make) -> None:
    write(project, "aa", "bb")
    walked(walk_over("bb"))
    path = project / "migrations" / "versions" / "aa_script.py"
    path.write_text(path.read_text() + "# another\n")
    assert walked(walk_over("bb"))[0] == "+aa bb:u bb:d bb:r"


def test_another_env_py_asks_for_another_template(project: Path, walk_over: Make) -> None:
    write(project, "aa", "bb")
    walked(walk_over("bb"))
    env_py = project / "migrations" / "env.py"
    env_py.write_text(env_py.read_text() + "# another\n")
    assert walked(walk_over("bb"))[0] == "+aa bb:u bb:d bb:r"


def test_after_a_failed_downgrade_it_goes_on_with_what_was_kept(project: Path, walk_over: Make) -> None:
    write(project, "aa", "bb", "cc")
    downgrade_fails(project, "bb")
    said, found = walked(walk_over())
    assert said == "aa:u aa:d aa:r bb:u bb:d cc:u cc:d cc:r"
    assert [one.grade for one in found.values()] == [Grade.LOSSLESS, Grade.IRREVERSIBLE, Grade.LOSSLESS]


def test_a_downgrade_that_leaves_something_does_not_spoil_what_comes(project: Path, walk_over: Make) -> None:
    write(project, "aa", "bb", "cc")
    downgrade_fails(project, "bb", "pass")
    said, found = walked(walk_over())
    assert said == "aa:u aa:d aa:r bb:u bb:d bb:r cc:u cc:d cc:r"
    assert "already exists" in found["bb"].error
    assert [one.grade for one in found.values()] == [Grade.LOSSLESS, Grade.IRREVERSIBLE, Grade.LOSSLESS]


def test_after_a_failed_upgrade_it_is_built_again_and_a_branch_goes_on(project: Path, walk_over: Make) -> None:
    write(project, "aa", "bb", "cc", bb='op.execute("CREATE TABLE half (id INT)")\nraise RuntimeError("no")')
    write_script(project / "migrations" / "versions", "dd", "aa")
    write_script(project / "migrations" / "versions", "ee", "cc")
    said, found = walked(walk_over())
    assert said.startswith("aa:u aa:d aa:r bb:u")
    assert "cc:" not in said
    assert found["bb"].error == "upgrade: RuntimeError: no"
    assert found["cc"].error == "its ancestor bb can't be applied"
    assert found["ee"].error == "its ancestor bb can't be applied"
    assert found["dd"].grade is Grade.LOSSLESS
    # A database with a half-made table would have told.
    assert not [one for one in found["dd"].differences if "half" in one.object]


def test_what_broke_in_another_process_is_not_tried_again(project: Path, walk_over: Make) -> None:
    write(project, "aa", "bb", "cc")
    said, found = walked(walk_over("aa", "cc", broken={"bb": "the script ended the process"}))
    assert said == "aa:u aa:d aa:r"
    assert found["cc"].error == "its ancestor bb can't be applied"


def test_a_version_table_that_says_otherwise_is_a_failure(project: Path, walk_over: Make) -> None:
    lie = "from alembic.runtime.migration import HeadMaintainer\nHeadMaintainer.update_to_step = lambda *_: None"
    write(project, "aa")
    env_py = project / "migrations" / "env.py"
    env_py.write_text(f"{lie}\n{env_py.read_text()}")
    from alembic.runtime.migration import HeadMaintainer

    honest = HeadMaintainer.update_to_step
    try:
        _, found = walked(walk_over())
    finally:
        HeadMaintainer.update_to_step = honest  # type: ignore[method-assign]
    assert found["aa"].upgrade is False
    assert "version table says nothing" in found["aa"].error
