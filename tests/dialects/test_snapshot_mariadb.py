"""Snapshots of MariaDB: equal after a dump and its restore, from few statements, and the session is left as it was."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import event

from migrate_flow.core.facts import Identity
from migrate_flow.core.snapshot import Snapshot, from_document, reordered
from migrate_flow.dialects.mysql_form import in_one_form, joins_in_one_form
from migrate_flow.dialects.mysql_grants import lacking
from tests.dialects.mariadb_zoo import DUMP, MARIADB, VERSION_TABLE, connected, fill, run, taken, told

if TYPE_CHECKING:
    from tests.support.mariadb import MariadbServer

STATEMENTS = 15  # of a database with partitions and sequences; without them it is one less for each
SETTINGS = "SELECT @@sql_mode, @@time_zone, @@sql_quote_show_create, @@autocommit"
server = pytest.mark.mariadb


@server
def test_the_zoo_is_seen_whole(mariadb_zoo: Snapshot) -> None:
    kinds = {item.kind for item in mariadb_zoo.objects.values()}
    assert kinds == {
        *("table", "column", "constraint", "index", "partition", "sequence", "view", "trigger"),
        *("function", "procedure", "package", "package body", "event"),
    }
    assert (mariadb_zoo.normaliser, len(mariadb_zoo.objects)) == ("mariadb/1", 79)
    assert mariadb_zoo.server_major.count(".") == 1
    assert dict(mariadb_zoo.objects["column person.more"].definition) == {"type": "json"}
    assert dict(mariadb_zoo.objects["index person.person_bio"].definition) == {"columns": "bio(20), age desc"}
    assert dict(mariadb_zoo.objects["partition event.p0"].definition) == {"values": "10", "comment": "old"}
    assert dict(mariadb_zoo.objects["sequence numbers"].definition).items() >= {"start": "5", "cache": "10"}.items()
    assert dict(mariadb_zoo.objects["function total"].definition)["definition"].startswith(
        "BEGIN DECLARE sum int DEFAULT 0; D"
    )
    assert from_document(mariadb_zoo.to_document()) == mariadb_zoo


@server
def test_a_restored_dump_is_equal(
    mariadb: MariadbServer, mariadb_source: str, mariadb_url: str, mariadb_zoo: Snapshot, second_url: str
) -> None:
    run(mariadb, mariadb_url, run(mariadb, mariadb_source, "", program="mariadb-dump", options=DUMP))
    assert told(mariadb_zoo, taken(mariadb_url)) == ()
    assert taken(mariadb_url) == mariadb_zoo  # in another database: its name is nowhere
    run(mariadb, second_url, run(mariadb, mariadb_url, "", program="mariadb-dump", options=DUMP))
    assert taken(second_url) == mariadb_zoo


@pytest.fixture
def second_url(mariadb: MariadbServer) -> Iterator[str]:
    url = mariadb.create_database()
    yield url
    mariadb.drop_database(url)


JOINS = (
    "person p, team t", "person p, team t, plain", "person p JOIN team t ON p.team_id = t.id, plain",
    "person p, team t JOIN plain ON plain.a = t.id", "person p, team t NATURAL JOIN aged",
    "person p, team t, (SELECT id AS x FROM aged) q LEFT JOIN plain ON q.x = plain.a",
    "(person p, team t) LEFT JOIN plain ON plain.a = t.id", "person p, plain JOIN plain other",
    "person p LEFT JOIN (team t LEFT JOIN plain ON plain.a = t.id) ON p.team_id = t.id",
    "person p STRAIGHT_JOIN team t STRAIGHT_JOIN plain",
    "(person p CROSS JOIN team t) CROSS JOIN (plain CROSS JOIN aged)",
    "person p JOIN (team t JOIN plain) ON p.team_id = t.id", "person p RIGHT JOIN team t USING (id), aged",
)  # fmt: skip


@server
def test_views_are_printed_as_they_are_read_again(
    mariadb: MariadbServer, mariadb_url: str, second_url: str, mariadb_source: str
) -> None:
    fill(mariadb, mariadb_url)
    views = [f"CREATE VIEW j{n} AS SELECT p.id FROM {join}" for n, join in enumerate(JOINS)]
    views += [f"CREATE VIEW k{n} AS SELECT 1 FROM plain WHERE EXISTS (SELECT 1 FROM {j})" for n, j in enumerate(JOINS)]
    run(mariadb, mariadb_url, ";\n".join(views))
    run(mariadb, second_url, run(mariadb, mariadb_url, "", program="mariadb-dump", options=DUMP))
    seen = taken(mariadb_url)
    assert told(seen, taken(second_url)) == ()
    # Those that join otherwise stay apart.
    said = [dict(item.definition)["definition"] for name, item in seen.objects.items() if name.startswith("view j")]
    assert len(set(said)) == len(JOINS)


@server
def test_an_event_that_starts_when_it_is_made(mariadb: MariadbServer, mariadb_url: str, second_url: str) -> None:
    made = "SET time_zone = '+05:00'; CREATE EVENT e ON SCHEDULE EVERY 1 HOUR DO DELETE FROM plain"
    run(mariadb, mariadb_url, made)
    run(mariadb, second_url, "DO sleep(1.1);" + made)
    first, second = taken(mariadb_url), taken(second_url)
    assert told(first, second) == ()
    assert "starts" not in dict(first.objects["event e"].definition)


@server
def test_the_order_of_columns_is_kept_apart(mariadb: MariadbServer, mariadb_source: str, mariadb_zoo: Snapshot) -> None:
    run(mariadb, mariadb_source, "ALTER TABLE plain MODIFY a int AFTER c")
    after = taken(mariadb_source)
    run(mariadb, mariadb_source, "ALTER TABLE plain MODIFY a int FIRST")
    assert told(mariadb_zoo, after) == ()
    assert reordered(mariadb_zoo, after) == ("table plain",)


@server
def test_the_session_is_left_as_it_was(mariadb_source: str, mariadb_zoo: Snapshot) -> None:
    with connected(mariadb_source) as connection:
        connection.exec_driver_sql("SET SESSION sql_mode = 'ANSI_QUOTES,PIPES_AS_CONCAT', time_zone = '+09:00'")
        before = connection.exec_driver_sql(SETTINGS).one()
        sent: list[str] = []
        event.listen(connection, "before_cursor_execute", lambda *args: sent.append(args[2]))
        assert MARIADB.snapshot(connection) == mariadb_zoo
        assert len(sent) == STATEMENTS
        assert connection.exec_driver_sql(SETTINGS).one() == before


@server
def test_it_commits_nothing(mariadb_url: str) -> None:
    with connected(mariadb_url) as connection:
        connection.exec_driver_sql("CREATE TABLE t (id int)")
        connection.exec_driver_sql("CREATE SEQUENCE s")
        connection.exec_driver_sql("INSERT INTO t VALUES (1)")
        MARIADB.snapshot(connection)
        assert MARIADB.row_counts(connection) == {"t": 1}
        connection.rollback()
        assert MARIADB.row_counts(connection) == {"t": 0}


@server
def test_it_asks_as_often_for_many_objects(mariadb_url: str) -> None:
    with connected(mariadb_url) as connection:
        for n in range(25):
            connection.exec_driver_sql(f"CREATE TABLE t{n} (id int PRIMARY KEY, n int UNIQUE, CHECK (n > 1))")
            connection.exec_driver_sql(f"CREATE TABLE p{n} (id int) PARTITION BY HASH (id) PARTITIONS 2")
            connection.exec_driver_sql(f"CREATE SEQUENCE s{n}")
            connection.exec_driver_sql(f"CREATE VIEW v{n} AS SELECT 1")
            connection.exec_driver_sql(f"CREATE PROCEDURE r{n}(a int, b int) SELECT 1")
        sent: list[str] = []
        event.listen(connection, "before_cursor_execute", lambda *args: sent.append(args[2]))
        assert len(MARIADB.snapshot(connection).column_order) == 50
        assert len(sent) == STATEMENTS
        sent.clear()
        assert len(MARIADB.row_counts(connection)) == 50
        assert len(sent) == 2


@server
def test_our_own_tables_and_the_version_table_are_left_out(mariadb_url: str) -> None:
    with connected(mariadb_url) as connection:
        connection.exec_driver_sql("CREATE TABLE t (id int)")
        connection.commit()
        before = MARIADB.snapshot(connection)
        MARIADB.prepare(connection)
        MARIADB.tables.write_identity(connection, Identity("uuid", "shop", "dev", "ledger"))
        connection.exec_driver_sql("CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)")
        assert MARIADB.snapshot(connection, VERSION_TABLE) == before
        assert MARIADB.row_counts(connection, VERSION_TABLE) == {"t": 0}
        assert [item.object for item in told(before, MARIADB.snapshot(connection))] == ["table alembic_version"]


@pytest.mark.parametrize(
    ("printed", "form"),
    [
        ("select `shop`.`t`.`id` AS `id`\n  from `shop`.`t`", "select `t`.`id` AS `id` from `t`"),
        ("concat('`shop`.  ', `other`.`f`(1))", "concat('`shop`.  ', `other`.`f`(1))"),
        ("`t`.`shop` = `shop`.`shop`", "`t`.`shop` = `shop`"),
        ("`other`.`shop`.`n`", "`other`.`shop`.`n`"),
        ('a = "x  `shop`.y"', 'a = "x  `shop`.y"'),
        (r"a = 'it\'s  `shop`.'  + 1", r"a = 'it\'s  `shop`.' + 1"),
        ("BEGIN -- it's  so\n SET a = 'x  # y'; # z\n /* all */ END", "BEGIN SET a = 'x  # y'; END"),
        ("SELECT /*!50000 1,*/ /*+ HINT */ 2--1", "SELECT /*!50000 1,*/ /*+ HINT */ 2--1"),
        (None, ""),
    ],
)
def test_neither_space_nor_comments_nor_the_name_of_the_database_count(printed: str | None, form: str) -> None:
    assert in_one_form(printed, "`shop`") == form


@pytest.mark.parametrize(
    ("printed", "form"),
    [
        ("select 1 from (`a` join `b`) where 1", "select 1 from `a` join `b` where 1"),
        ("from ((`a` join `b` on(`a`.`x` = 1)) join `c`)", "from `a` join `b` on(`a`.`x` = 1) join `c`"),
        ("from (`a` join (`b` left join `c` on(1)))", "from `a` join (`b` left join `c` on(1))"),
        ("from `a` join ((`b` join `c`) join `d`)", "from `a` join (`b` join `c` join `d`)"),
        ("from (select 1 AS `x`) `q`", "from (select 1 AS `x`) `q`"),
        ("from ((select ')' AS `(`) `q` join `b`)", "from (select ')' AS `(`) `q` join `b`"),
        ("where `a` - (`b` - 1) in (select 1 from (`c`))", "where `a` - (`b` - 1) in (select 1 from `c`)"),
        ("trim(leading 'x' from concat('(', `s`))", "trim(leading 'x' from concat('(', `s`))"),
    ],
)  # fmt: skip
def test_joins_are_read_from_the_left(printed: str, form: str) -> None:
    assert joins_in_one_form(printed) == joins_in_one_form(form) == form


@pytest.mark.parametrize(
    ("grants", "without"),
    [
        (["GRANT ALL PRIVILEGES ON *.* TO `a`@`%` WITH GRANT OPTION"], []),
        (["GRANT USAGE ON *.* TO `a`@`%`", "GRANT ALL PRIVILEGES ON `shop`.* TO `r`"], []),
        (["GRANT ALL PRIVILEGES ON `sh%`.* TO `a`"], []),
        (["GRANT SELECT, EVENT, TRIGGER ON *.* TO `a`", "GRANT SHOW VIEW, EXECUTE ON `s__p`.* TO `a`"], []),
        ([r"GRANT ALL PRIVILEGES ON `sh\_p`.* TO `a`"], ["EVENT", "EXECUTE", "SELECT", "SHOW VIEW", "TRIGGER"]),
        (
            ["GRANT ALL PRIVILEGES ON `shop`.`t` TO `a`", "GRANT SELECT, SHOW VIEW, EXECUTE ON `shop`.* TO `a`"],
            ["EVENT", "TRIGGER"],
        ),
    ],
)
def test_what_an_account_may_not_look_at(grants: list[str], without: list[str]) -> None:
    assert lacking(grants, "shop") == without
