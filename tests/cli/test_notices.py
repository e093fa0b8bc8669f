"""What a plan says before anything runs: surroundings that changed, and what a failure can leave half done."""

from __future__ import annotations

from tests.support.project import ADA, Project


def notices(project: Project, env: str, code: int = 0) -> list[str]:
    return list(project.json("plan", "--env", env, actor=ADA, code=code)["notices"])


def test_a_changed_env_py_is_shown_and_the_plan_goes_ahead(project: Project) -> None:
    project.script("aaaa")
    project.approved("aaaa")
    assert notices(project, "dev") == []
    env_py = project.folder / "migrations" / "env.py"
    env_py.write_text(env_py.read_text() + "\n# another line\n")
    assert notices(project, "dev") == ["env.py is not what it was when aaaa was self-reviewed"]
    project.flow("apply", "--env", "dev", actor=ADA)
    project.script("bbbb", "aaaa")
    project.approved("bbbb")
    assert notices(project, "dev") == []
    env_py.write_text(env_py.read_text() + "\n# and one more\n")
    found = notices(project, "dev")
    assert found == ["env.py is not what it was when bbbb was self-reviewed and when aaaa was applied here"]
    ini = project.folder / "alembic.ini"
    ini.write_text(ini.read_text() + "\n# a comment\n")
    assert any(text.startswith("Alembic's configuration is not what it was") for text in notices(project, "dev"))
    assert "env.py is not" in project.flow("plan", "--env", "dev", actor=ADA).out
    rollback = project.json("rollback", "--env", "dev", "--to", "base", "-m", "why", "--dry-run", actor=ADA)
    assert any("env.py is not" in text for text in rollback["notices"])


def test_the_env_py_that_runs_is_the_one_in_the_intent(project: Project) -> None:
    """Swapped while the run goes on: the bytes that were read first run for every revision."""
    project.script(
        "aaaa", upgrade='with open("migrations/env.py", "a") as file: file.write("\\nraise ValueError(1)\\n")'
    )
    project.script("bbbb", "aaaa")
    project.flow("track", actor=ADA)
    report = project.json("apply", "--env", "dev", actor=ADA)
    assert [step["outcome"] for step in report["steps"]] == ["applied", "applied"]
    project.script("cccc", "bbbb")
    project.flow("track", actor=ADA)
    assert project.run("apply", "--env", "dev", actor=ADA).code == 3


def test_a_step_that_commits_in_parts_is_announced(project: Project) -> None:
    project.script("aaaa", upgrade='with op.get_context().autocommit_block(): op.execute("SELECT 1")')
    project.flow("track", actor=ADA)
    (notice,) = notices(project, "dev")
    assert notice.startswith("aaaa commits in parts")
