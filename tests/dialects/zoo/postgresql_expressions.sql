-- Expressions of which the server prints another text after it has read in what it printed, in every place where one can
-- stand, and their neighbours that are printed alike each time.
CREATE TYPE mood AS ENUM ('good', 'bad');
CREATE DOMAIN code AS varchar(9) CHECK (VALUE IN ('a', 'b') AND (VALUE <> 'c' AND VALUE <> 'd'));
CREATE FUNCTION touched() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN new; END $$;
CREATE FUNCTION fits(a varchar, b varchar[] DEFAULT ARRAY['x', 'y']::varchar[], c numeric DEFAULT -(1.5)) RETURNS boolean LANGUAGE sql IMMUTABLE
  BEGIN ATOMIC SELECT a IN ('p', 'q') AND (c BETWEEN -(1) AND 5 AND a <> ALL (b)); END;
CREATE TABLE t (
  id int PRIMARY KEY, s varchar(9), c char(3), x text, n numeric, i int, b bigint, m mood, at timestamptz, d date, f float8, j jsonb, a varchar[], k code, o boolean,
  g varchar GENERATED ALWAYS AS (CASE WHEN s IN ('a', 'b') THEN s ELSE 'none' END) STORED,
  p varchar[] DEFAULT ARRAY['a', 'b']::text[]::varchar[], q text[] DEFAULT (ARRAY[['a'], ['b']]::varchar[])::text[],
  CHECK (s IN ('a', 'b') OR (s IS NULL OR x = 'c')), CHECK (s NOT IN ('a', 'b')), CHECK (c IN ('a', 'b')), CHECK (m IN ('good', 'bad')),
  CHECK (i BETWEEN 1 AND 9 AND n BETWEEN SYMMETRIC -1 AND 1.5), CHECK (NOT (i NOT BETWEEN 1 AND 9)), CHECK ((i > 1 AND (i < 9 AND (b > 1 AND b < 9))) OR ((i = 0 OR b = 0) OR n = 0)),
  CHECK (i > -1 AND n > -(1.5) AND b > -(2::bigint)), CHECK (f <> -(1e10) AND b <> 4294967296), CHECK (at > '2020-01-01' AND d < DATE '2020-02-02' AND at - at < INTERVAL '1 day 2 hours'),
  CHECK ((i, b) < (1, 2)), CHECK (x LIKE 'a%' AND x !~ '^b' AND x SIMILAR TO 'c'), CHECK (x IS DISTINCT FROM 'y' AND o IS NOT TRUE), CHECK (x COLLATE "C" > 'a'), CHECK (j @> '{"a": [1]}' AND j ->> 'k' IN ('v', 'w')),
  CHECK (s = ANY (a) AND a && ARRAY['a', 'b']::varchar[]), CHECK (s::text IN ('a', 'b')), CHECK (lower(s) IN ('a', 'b')), CHECK (substring(x FROM 1 FOR 2) = 'ab' AND position('a' IN x) = 1 AND trim(BOTH 'x' FROM x) <> ''),
  CHECK (extract(year FROM at AT TIME ZONE 'UTC') = 2020), CHECK (COALESCE(s, 'x') IN ('a', 'x') AND NULLIF(i, 0) > 0 AND GREATEST(i, 1) > 0), CHECK (CASE s WHEN 'a' THEN 1 ELSE -1 END > 0), CHECK (x = E'it''s\n\\ "odd"  AND  (ARRAY[1])::text[]'));
CREATE INDEX t_s ON t (lower(s), (i + -(1))) WHERE s IN ('a', 'b') AND (i BETWEEN 1 AND 5);
CREATE INDEX t_a ON t ((CASE WHEN s IN ('a', 'b') THEN 1 ELSE 2 END)) WHERE m IN ('good') AND (o OR (n > 1 OR n < 0));
CREATE STATISTICS t_st ON (s IN ('a', 'b')), (i BETWEEN 1 AND 2 AND b > 1) FROM t;
ALTER TABLE t ENABLE ROW LEVEL SECURITY;
CREATE POLICY one ON t USING (s IN ('a', 'b') AND (i > 1 AND i < 5)) WITH CHECK (EXISTS (SELECT FROM t u WHERE u.s IN ('a', 'b') AND u.i BETWEEN 1 AND 2 UNION SELECT WHERE true));
CREATE TRIGGER tr BEFORE UPDATE ON t FOR EACH ROW WHEN (old.s IN ('a', 'b') AND (new.i BETWEEN 1 AND 2 AND new.n > -(2.5))) EXECUTE FUNCTION touched('a', 'IN (''b'')');
CREATE RULE ru AS ON UPDATE TO t WHERE old.s IN ('a', 'b') AND (old.i BETWEEN 1 AND 2) DO ALSO (DELETE FROM t WHERE s IN ('z', 'y'); INSERT INTO t (id, s) SELECT * FROM (SELECT 1 AS a, 'x' AS w UNION ALL SELECT 2, NULL) q);
CREATE TABLE pt (s varchar, i int) PARTITION BY RANGE ((CASE WHEN s IN ('a', 'b') THEN 1 ELSE 2 END), i);
CREATE TABLE pt1 PARTITION OF pt FOR VALUES FROM (1, MINVALUE) TO (2, -5);
CREATE VIEW v_in AS SELECT * FROM t WHERE s IN ('a', 'b') AND c IN ('a', 'b') AND x IN ('a', 'b') AND s NOT IN ('d', 'e') AND i IN (1, 2) AND n IN (1, -2.5) AND m IN ('good', 'bad');
CREATE VIEW v_between AS SELECT i BETWEEN 1 AND 2 AS a, i BETWEEN 1 AND 2 AND b > 1 AS b, b > 1 AND i BETWEEN 1 AND 2 AS c, i BETWEEN 1 AND 2 OR b BETWEEN 1 AND 2 OR (n > 1 OR n < 0) AS d, NOT (i > 1 AND (i < 5 AND b > 1)) AS e FROM t;
CREATE VIEW v_numbers AS SELECT -1 AS a, -(1) AS b, - 1.5 AS c, -(1::smallint) AS d, -(2147483647) AS e, -2147483648 AS f, -(-(1)) AS g, 2 - -(1) AS h, -(1)::bigint << 3 AS i, x.* FROM (VALUES (-(2.5)), (1.5)) x(y);
CREATE VIEW v_arrays AS SELECT ARRAY['a', s]::text[] AS a, ARRAY[['a', s], [s, 'b']]::text[] AS b, (ARRAY['a', 'b']::varchar[])::text[] AS c, ARRAY[1, 2]::bigint[] AS d, ARRAY[]::int[] AS e, ARRAY['a', 'b']::varchar(3)[] AS f, ARRAY['good']::mood[] AS g, '{a}'::text[]::varchar[] AS h, ARRAY(SELECT s FROM t)::text[] AS i, (ARRAY[ARRAY[i, NULL]])::float8[] AS k FROM t;
CREATE VIEW v_union AS SELECT id, q FROM (SELECT id, x AS q FROM t UNION ALL SELECT NULL, 'x' UNION (SELECT 3, s FROM t INTERSECT SELECT 4 AS four, NULL::text) EXCEPT SELECT -1, 'y') u;
CREATE VIEW v_with AS WITH RECURSIVE r AS (SELECT 1 AS n, 'a'::varchar AS w UNION ALL SELECT n + 1, 'b' FROM r WHERE n < 5 AND w IN ('a', 'b')), o AS MATERIALIZED (SELECT 1) SELECT * FROM r, o;
CREATE VIEW v_join AS SELECT a.id, b.s, l.n FROM t a LEFT JOIN t b USING (id) CROSS JOIN LATERAL (SELECT a.i + -(1) AS n) l LEFT JOIN (SELECT 1) z ON true FULL JOIN t y ON y.id = a.id AND (y.i > 1 AND y.i < 5) JOIN pt ON pt.i = a.i;
ALTER TABLE pt ADD COLUMN later int;
CREATE VIEW v_window AS SELECT sum(i) FILTER (WHERE s IN ('a', 'b') AND i BETWEEN 1 AND 2) OVER w AS a, rank() OVER (PARTITION BY s ORDER BY i DESC NULLS LAST ROWS BETWEEN 1 PRECEDING AND UNBOUNDED FOLLOWING EXCLUDE TIES) AS b, percentile_cont(ARRAY[0.5, 0.9]) WITHIN GROUP (ORDER BY f) AS c FROM t GROUP BY i, s WINDOW w AS (ORDER BY i RANGE BETWEEN 2 PRECEDING AND CURRENT ROW);
CREATE VIEW v_group AS SELECT s, i, count(*), grouping(s) FROM t GROUP BY GROUPING SETS ((s, i), CUBE (s), ()) HAVING count(*) BETWEEN 1 AND 5 AND bool_or(s IN ('a', 'b')) ORDER BY 1, 2 USING > LIMIT 3 OFFSET 1;
CREATE VIEW v_more AS SELECT DISTINCT ON (s) s, x::varchar(3) AS y, j #>> ARRAY['a', 'b'] AS z, row_to_json(t) AS r, (SELECT max(u.i) FROM t u WHERE u.s = t.s AND u.i IN (1, 2)) AS sub, t.s IN (SELECT k FROM t) AS isin, EXISTS (SELECT 1 FROM t e WHERE e.id = t.id) AS ex, make_interval(hours => -(3)) AS named, concat_ws(',', VARIADIC ARRAY['a', 'b']) AS var, (at AT TIME ZONE 'UTC')::date AS day, ROW(1, s)::text AS rw, s || 'x' AS cat, (a)[1:2] AS part FROM ONLY t TABLESAMPLE system (10) WHERE o IS NOT FALSE ORDER BY s, i DESC;
CREATE VIEW v_locked AS SELECT id FROM t WHERE s IN ('a', 'b') ORDER BY id FETCH FIRST 3 ROWS ONLY FOR NO KEY UPDATE OF t SKIP LOCKED;
CREATE VIEW v_functions AS SELECT * FROM ROWS FROM (generate_series(4.0, -(1.5), -(2.2)), unnest(ARRAY['a', 'b']::varchar[])) WITH ORDINALITY AS q(a, b, c), json_to_record('{}') AS jr(e int, h varchar);
CREATE MATERIALIZED VIEW mv AS SELECT s, count(*) AS n FROM t WHERE s IN ('a', 'b') AND i BETWEEN 1 AND 2 GROUP BY s WITH NO DATA;
