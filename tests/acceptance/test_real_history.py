"""A history that others wrote, adopted where it stands and promoted to its head, every refusal on the way tried."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance import databases
from tests.acceptance.argilla import (
    ADA,
    BEN,
    CARLA,
    DORA,
    ENVIRONMENTS,
    GRANDFATHERED,
    OLD,
    REST,
    Company,
    company,
    databases_of,
)  # fmt: skip
from tests.acceptance.conftest import Terminal
from tests.support import proof

MALLORY = "mallory@example.com"
UNREVIEWED = {"self-reviewed", "content-unchanged", "lint-clean", "rehearsed", "peer-reviewed", "approved"}


@pytest.fixture(params=["sqlite", "postgresql"])
def argilla(request: pytest.FixtureRequest, terminal: Terminal, tmp_path: Path) -> Iterator[Company]:
    (tmp_path / "argilla").mkdir()
    with databases_of(request.param, tmp_path, lambda: request.getfixturevalue("postgres")) as urls:
        yield company(terminal(tmp_path / "argilla"), urls)


def test_it_goes_from_adoption_to_production(argilla: Company, tmp_path: Path):
    begin(argilla)
    adopt(argilla)
    apply_to_dev(argilla)
    review_the_first(argilla)
    promote_the_first(argilla)
    go_ahead_with_what_is_ready(argilla)
    edit_after_approval(argilla)
    change_the_policy(argilla)
    be_somebody_else(argilla)
    promote_the_rest(argilla)

    prove(argilla, tmp_path)
    compare_with_plain_alembic(argilla)
    read_the_board(argilla)


def begin(at: Company) -> None:
    people = {
        CARLA: "backend-lead,policy-admin",
        ADA: "developer",
        BEN: "developer,backend-lead",
        DORA: "release-manager",
    }
    words = [word for name, roles in people.items() for word in ("--person", f"{name}={roles}")]
    words += [word for name, url in at.urls.items() for word in ("--env", f"{name}={url}")]
    store = "file" if at.urls["dev"].startswith("sqlite") else "project"
    at.shell.flow("init", "--key-store", store, *words)
    edit_toml(
        at,
        r"(?s)(\[environments\.production\].*?)# (apply_roles = .*?\n)# (confirm = true)",
        r"\1\2\3",
    )
    assert at.shell.error("policy", "record", actor=ADA, code=1)["code"] == "refused"
    assert at.shell.json("policy", "record", actor=CARLA)["recorded"] == 2


def adopt(at: Company) -> None:
    shell = at.shell
    plan = shell.json("plan", "--env", "staging", actor=ADA, code=1)
    assert failing(plan["gates"]) == {"target-identified"}
    assert "migrate-flow adopt --env staging" in hints(plan["gates"])

    assert OLD in shell.error("adopt", "--env", "dev", "--to", REST[0], "-m", "wrong", actor=ADA, code=1)["message"]
    assert CARLA in shell.error("adopt", "--env", "staging", "-m", "no right to", actor=ADA, code=1)["hint"]
    for name, actor in zip(ENVIRONMENTS, (ADA, CARLA, CARLA), strict=True):
        done = shell.json("adopt", "--env", name, "--to", OLD, "-m", "it stood here before us", actor=actor)
        assert done["heads"] == [OLD]
        assert len(done["grandfathered"]) == GRANDFATHERED
    before = proof.rows(shell.folder)
    assert shell.json("adopt", "--env", "production", "-m", "again", actor=CARLA)["seq"] == 0
    assert proof.rows(shell.folder) == before

    board = shell.json("status")["migrations"]
    assert [row["state"] for row in board] == ["grandfathered"] * GRANDFATHERED + ["untracked"] * len(REST)


def apply_to_dev(at: Company) -> None:
    """Dev takes what is created, in the order of the history, up to the revision that is named."""
    shell = at.shell
    refuse(at, "dev", "head", ADA, {"tracked"}, steps=len(REST))
    assert shell.error("self-review", REST[0], actor=ADA, code=1)["hint"] == f"migrate-flow track {REST[0]}"
    shell.flow("track", actor=ADA)
    assert shell.json("track", actor=ADA)["tracked"] == []

    applied = shell.json("apply", REST[0], "--env", "dev", actor=ADA)
    assert outcomes(applied) == {REST[0]: "applied"}
    applied = shell.json("apply", "--env", "dev", actor=ADA)
    assert outcomes(applied) == dict.fromkeys(REST[1:], "applied")
    again = shell.json("apply", "--env", "dev", actor=ADA)
    assert again["steps"] == []
    assert again["allowed"]


def review_the_first(at: Company) -> None:
    """Nobody out of order, nobody for themselves, nobody without the role, nobody twice."""
    shell, first = at.shell, REST[0]
    refuse(at, "staging", first, ADA, UNREVIEWED)
    no(at, "review", first, "--approve", actor=BEN)
    no(at, "approve", first, actor=CARLA)

    shell.flow("self-review", first, actor=ADA)
    refuse(at, "staging", first, ADA, {"peer-reviewed", "approved"})
    no(at, "approve", first, actor=CARLA)
    no(at, "review", first, "--approve", actor=ADA)
    no(at, "review", first, "--approve", actor=DORA)
    shell.flow("review", first, "--approve", "-m", "the rows without a user go", actor=BEN)

    refuse(at, "staging", first, ADA, {"approved"})
    no(at, "approve", first, actor=ADA)
    no(at, "approve", first, actor=BEN)
    no(at, "approve", first, actor=DORA)
    no(at, "approve", first, "--role", "policy-admin", actor=DORA)
    shell.flow("approve", first, actor=CARLA)
    no(at, "approve", first, actor=CARLA)


def promote_the_first(at: Company) -> None:
    shell, first = at.shell, REST[0]
    refuse(at, "production", first, DORA, {"upstream-applied"})
    refuse(at, "production", first, ADA, {"upstream-applied", "applier-allowed"})

    dry = shell.json("apply", first, "--env", "staging", "--dry-run", actor=ADA)
    assert outcomes(dry) == {first: "planned"}
    # The script looks into the database, so that no SQL can be written without one: the plan says so.
    if at.urls["staging"].startswith("sqlite"):
        assert dry["steps"][0]["sql"] is None
        assert dry["steps"][0]["sql_note"]
    else:
        assert "ALTER TABLE responses ADD CONSTRAINT responses_user_id_fkey" in dry["steps"][0]["sql"]
    assert databases.heads(at.urls["staging"]) == [OLD]
    other = "sha256:" + "0" * 64
    assert no(at, "apply", first, "--env", "staging", "--plan", other, actor=ADA)["where"] == f"now {dry['digest']}"
    done = shell.json("apply", first, "--env", "staging", "--plan", dry["digest"], actor=ADA)
    assert outcomes(done) == {first: "applied"}

    refuse(at, "production", first, ADA, {"applier-allowed"})
    unasked = shell.error("apply", first, "--env", "production", actor=DORA, code=2)
    assert unasked["hint"] == "add --confirm production"
    no(at, "apply", first, "--env", "production", "--confirm", "staging", actor=DORA)
    assert databases.heads(at.urls["production"]) == [OLD]
    done = shell.json("apply", first, "--env", "production", "--confirm", "production", actor=DORA)
    assert outcomes(done) == {first: "applied"}


def go_ahead_with_what_is_ready(at: Company) -> None:
    second = REST[1]
    attest(at, second)
    refuse(at, "staging", "head", ADA, UNREVIEWED, steps=5, blocked=4)
    assert databases.heads(at.urls["staging"]) == [REST[0]]
    done = at.shell.json("apply", "--env", "staging", "--ready", actor=ADA)
    assert outcomes(done) == {second: "applied"} | dict.fromkeys(REST[2:], "blocked")
    assert databases.heads(at.urls["staging"]) == [second]


def edit_after_approval(at: Company) -> None:
    """Approval is of bytes: other ones make it stale, the old ones bring it back."""
    third = REST[2]
    attest(at, third)
    script = at.script(third)
    approved = script.read_bytes()
    script.write_bytes(approved.replace(b"unique=False", b"unique=True "))
    row = at.shell.json("status", third)["migrations"][0]
    assert (row["state"], row["stale"], row["approvals"]) == ("created", True, [])
    refuse(at, "staging", third, ADA, UNREVIEWED | {"upstream-applied"})
    no(at, "approve", third, actor=CARLA)

    script.write_bytes(approved + b"# only a word\n")
    refuse(at, "staging", third, ADA, UNREVIEWED)
    script.write_bytes(approved)
    row = at.shell.json("status", third)["migrations"][0]
    assert (row["state"], row["stale"], len(row["approvals"])) == ("approved", False, 1)


def change_the_policy(at: Company) -> None:
    """A policy that only stands in the file is a proposal."""
    file = at.shell.folder / "migrate-flow.toml"
    recorded = file.read_text()
    edit_toml(at, "approvals = { backend-lead = 1 }", "approvals = { developer = 1 }")
    refuse(at, "staging", REST[2], ADA, {"policy-current"}, target=True)
    no(at, "self-review", REST[3], actor=ADA)
    no(at, "policy", "record", actor=ADA)
    assert at.shell.json("status", REST[2])["migrations"][0]["state"] == "approved"
    file.write_text(recorded)


def be_somebody_else(at: Company) -> None:
    """Identity is the key, whatever name is given. Nothing of it leaves an entry."""
    shell, before = at.shell, len(proof.rows(at.shell.folder))
    keys = {key["person"]: Path(key["where"]) for key in shell.json("keys", "list")["keys"]}
    theirs = shell.under(MIGRATE_FLOW_SIGNING_KEY=keys[ADA].read_text())
    for words in (["approve", REST[2]], ["apply", REST[2], "--env", "staging"], ["apply", "--env", "production"]):
        assert theirs.error(*words, actor=CARLA, code=2)["code"] == "identity"
    assert shell.error("self-review", REST[3], actor=MALLORY, code=2)["code"] == "identity"
    assert shell.error("apply", "--env", "production", actor=MALLORY, code=2)["code"] == "identity"
    assert shell.error("self-review", REST[3], code=2)["code"] == "identity"
    hers = keys[CARLA].read_text()
    keys[CARLA].write_text(keys[ADA].read_text())
    assert shell.error("approve", REST[2], actor=CARLA, code=2)["code"] == "identity"
    keys[CARLA].write_text(hers)
    assert len(proof.rows(shell.folder)) == before


def promote_the_rest(at: Company) -> None:
    shell, last = at.shell, REST[-1]
    for revision in REST[3:]:
        attest(at, revision)
    refuse(at, "production", last, DORA, {"upstream-applied"}, steps=5, blocked=4)
    shell.flow("apply", "--env", "staging", actor=ADA)
    plan = shell.json("plan", "--env", "production", actor=DORA)
    assert plan["allowed"]
    assert outcomes(plan) == dict.fromkeys(REST[1:], "planned")
    words = ("apply", "--env", "production", "--confirm", "production", "--plan", plan["digest"])
    assert outcomes(shell.json(*words, actor=DORA)) == dict.fromkeys(REST[1:], "applied")
    assert outcomes(shell.json("apply", "--env", "production", actor=DORA)) == {}


def prove(at: Company, folder: Path) -> None:
    """The ledger holds for us, for a reader with ten lines of hashing, and for stock ssh-keygen."""
    verdict = at.shell.json("ledger", "verify")
    entries = proof.rows(at.shell.folder)
    witnesses = [seen["where"] for seen in verdict.pop("seen")]
    assert witnesses == ["this machine's note", *(f"the newest receipt of {name}" for name in ENVIRONMENTS)]
    assert verdict.pop("policies") >= 1
    assert verdict == {
        "schema": "migrate-flow/ledger-verify/1",
        "ok": True,
        "entries": len(entries),
        "head": proof.head(entries),
        "problems": [],
    }
    assert proof.verified_by_ssh_keygen(at.shell.folder, folder) == len(entries)


def compare_with_plain_alembic(at: Company) -> None:
    """Schema and rows are what ``alembic upgrade head`` makes of the same database, without us."""
    expected, rows = databases.schema(at.reference), databases.contents(at.reference)
    for name, url in at.urls.items():
        assert databases.heads(url) == [REST[-1]], name
        assert set(databases.schema(url)) ^ set(expected) == set(), name
        assert databases.contents(url) == rows, name
    assert all(rows[name] for name in ("fields", "questions", "records", "suggestions")), "none fell to a cascade"
    assert "completed" in str(rows["records"])
    # And plain Alembic agrees that nothing is left to do.
    assert "Running upgrade" not in at.plain_upgrade(at.urls["production"], "head").text


def read_the_board(at: Company) -> None:
    board = at.shell.json("status")
    assert set(board) == {"schema", "ledger", "environments", "migrations", "attempts", "problems"}
    assert set(board["ledger"]) == {"id", "entries", "head"}
    assert board["environments"] == list(ENVIRONMENTS)
    assert board["ledger"]["entries"] == len(proof.rows(at.shell.folder))
    rows = board["migrations"]
    promised = {
        "revision", "down_revision", "message", "path", "in_tree", "digest", "state", "stale", "author", "reviews",
        "approvals", "applied", "next",
    }  # fmt: skip
    assert all(promised <= set(row) for row in rows)
    assert [row["down_revision"] for row in rows] == [[]] + [[row["revision"]] for row in rows[:-1]]
    assert [row["revision"] for row in rows[GRANDFATHERED:]] == list(REST)
    assert [row["state"] for row in rows] == ["grandfathered"] * GRANDFATHERED + ["approved"] * len(REST)
    for row in rows:
        kind = "applied" if row["revision"] in REST else "grandfathered"
        assert {name: there["state"] for name, there in row["applied"].items()} == dict.fromkeys(ENVIRONMENTS, kind)
        assert all(set(there) >= {"state", "at", "by"} for there in row["applied"].values())
        assert (row["in_tree"], row["stale"], row["next"]) == (True, False, "")
    assert {row["applied"]["production"]["by"] for row in rows[GRANDFATHERED:]} == {DORA}
    assert (rows[-1]["author"], rows[-1]["reviews"][0]["by"], rows[-1]["approvals"][0]["by"]) == (ADA, BEN, CARLA)


def attest(at: Company, revision: str) -> None:
    at.shell.flow("self-review", revision, actor=ADA)
    at.shell.flow("review", revision, "--approve", actor=BEN)
    at.shell.flow("approve", revision, actor=CARLA)


def no(at: Company, *words: str, actor: str) -> dict[str, str]:
    """The act is forbidden to this person, or now: exit 1, and no entry."""
    before = len(proof.rows(at.shell.folder))
    error = at.shell.error(*words, actor=actor, code=1)
    assert error["code"] == "refused"
    assert len(proof.rows(at.shell.folder)) == before
    return error


def refuse(
    at: Company,
    environment: str,
    to: str,
    actor: str,
    gates: set[str],
    *,
    steps: int = 1,
    blocked: int = 0,
    target: bool = False,
) -> None:
    """``apply`` exits 1, names exactly these gates for each of the last ``blocked`` steps (default: all), tells who
    clears each, runs nothing, and leaves one entry that says so. target: the gates speak of the target as a whole."""
    before, heads = len(proof.rows(at.shell.folder)), databases.heads(at.urls[environment])
    report = at.shell.json("apply", to, "--env", environment, actor=actor, code=1)
    assert not report["allowed"]
    assert len(report["steps"]) == steps
    late = report["steps"][-(blocked or steps) :]
    assert {step["outcome"] for step in late} == {"blocked"}, outcomes(report)
    for step in late:
        assert failing(step["gates"]) == gates, step["revision"]
        assert all(verdict["hint"] and verdict["who"] for verdict in step["gates"] if not verdict["passed"])
    assert bool(failing(report["gates"])) == (target or "applier-allowed" in gates)
    assert databases.heads(at.urls[environment]) == heads
    assert [row["kind"] for row in proof.rows(at.shell.folder)][before:] == ["apply.refused"]


def failing(gates: list[dict[str, Any]]) -> set[str]:
    return {verdict["gate"] for verdict in gates if not verdict["passed"]}


def hints(gates: list[dict[str, Any]]) -> str:
    return " ".join(verdict["hint"] for verdict in gates)


def outcomes(report: dict[str, Any]) -> dict[str, str]:
    return {step["revision"]: step["outcome"] for step in report["steps"]}


def edit_toml(at: Company, pattern: str, new: str) -> None:
    file = at.shell.folder / "migrate-flow.toml"
    text, count = re.subn(pattern, new, file.read_text(), count=1)
    assert count == 1
    file.write_text(text)
