-- One of each kind that a snapshot of PostgreSQL knows, and what makes the server print a definition in two ways.
CREATE SCHEMA stock;
CREATE EXTENSION pg_trgm;
CREATE TYPE colour AS ENUM ('red', 'blue'); ALTER TYPE colour ADD VALUE 'green' BEFORE 'blue';
CREATE DOMAIN short AS varchar(8) DEFAULT 'x' NOT NULL CONSTRAINT short_known CHECK (VALUE IN ('x', 'y'));
CREATE TYPE span AS RANGE (SUBTYPE = float8, SUBTYPE_DIFF = float8mi);
CREATE TYPE point3 AS (x int, y int, label varchar(5) COLLATE "C");
CREATE TABLE team (id int GENERATED ALWAYS AS IDENTITY (START WITH 5) PRIMARY KEY, gone int, name text COLLATE "C" NOT NULL, "Odd name" point3);
ALTER TABLE team DROP COLUMN gone;
CREATE TABLE person (
  id bigserial PRIMARY KEY, team_id int REFERENCES team ON DELETE SET NULL DEFERRABLE INITIALLY DEFERRED, grade varchar(10) DEFAULT 'new',
  age int CONSTRAINT age_fits CHECK (age BETWEEN 1 AND 150 AND (age <> 13 AND age <> 14)), wants colour[] DEFAULT '{red}', short short,
  full_age int GENERATED ALWAYS AS (age * 2) STORED, joined timestamptz DEFAULT now(), tags text[] DEFAULT ARRAY['a', 'b']::varchar[], during tstzrange,
  CONSTRAINT grade_known CHECK (grade IN ('new', 'old')), CONSTRAINT not_empty CHECK (grade IS NOT NULL),
  CONSTRAINT once UNIQUE (team_id, grade), CONSTRAINT apart EXCLUDE USING gist (during WITH &&));
ALTER TABLE person ADD CONSTRAINT later CHECK (age IN (1, 2, 3)) NOT VALID;
ALTER TABLE person ALTER tags SET STORAGE external, ALTER age SET STATISTICS 200, ALTER age SET (n_distinct = 5), SET (fillfactor = 70);
ALTER TABLE person REPLICA IDENTITY FULL;
CREATE INDEX person_grade ON person (lower(grade), age DESC) INCLUDE (team_id) WHERE grade IN ('new', 'old') AND age > 1;
CREATE STATISTICS person_both ON age, team_id FROM person;
CREATE UNLOGGED TABLE scratch (i int);
CREATE TABLE event (id int NOT NULL, at date NOT NULL, team_id int REFERENCES team, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE event_2026 PARTITION OF event FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE TABLE event_rest PARTITION OF event DEFAULT;
CREATE TABLE event_2025 (id int NOT NULL, at date NOT NULL, team_id int); ALTER TABLE event ATTACH PARTITION event_2025 FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE INDEX ON event (team_id);
CREATE TABLE attendance (event_id int, event_at date, FOREIGN KEY (event_id, event_at) REFERENCES event);
CREATE TABLE manager (level int) INHERITS (person);
CREATE SEQUENCE stock.numbers AS int INCREMENT 2 CACHE 5 CYCLE;
CREATE TABLE stock.item (n int DEFAULT nextval('stock.numbers'), other int, q int NOT NULL);
ALTER TABLE stock.item RENAME COLUMN q TO r; ALTER TABLE stock.item RENAME TO thing;
CREATE VIEW people AS SELECT p.*, 1 AS one FROM person p WHERE grade IN ('new', 'old') AND age BETWEEN 2 AND 9;
ALTER TABLE person ADD COLUMN extra int; ALTER TABLE person RENAME COLUMN extra TO more;
CREATE VIEW totals AS SELECT t.name, count(*) FILTER (WHERE age BETWEEN 1 AND 5 AND grade IN ('new')) AS n, sum(age) OVER (PARTITION BY t.name ORDER BY age ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS w
  FROM person JOIN team t ON t.id = team_id AND (age > 1 AND age < 90) GROUP BY t.name, age HAVING count(*) > 1 UNION ALL SELECT 'x', 1, 2 ORDER BY 1 LIMIT 3;
CREATE VIEW joined AS SELECT * FROM person LEFT JOIN attendance ON id = event_id WHERE grade LIKE 'a%';
CREATE MATERIALIZED VIEW ages AS SELECT age, count(*) AS n FROM person GROUP BY age; CREATE UNIQUE INDEX ages_age ON ages (age);
CREATE MATERIALIZED VIEW later_ages AS SELECT age FROM person WITH NO DATA;
CREATE FUNCTION one_more(x int, OUT y int) LANGUAGE sql IMMUTABLE AS $$ SELECT x + 1 $$;
CREATE FUNCTION parsed(x varchar) RETURNS boolean LANGUAGE sql BEGIN ATOMIC SELECT x IN ('a', 'b') AND (length(x) > 1 AND length(x) < 5); END;
CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN new; END $$;
CREATE PROCEDURE tidy() LANGUAGE sql AS 'DELETE FROM scratch';
CREATE AGGREGATE product(int) (SFUNC = int4mul, STYPE = int, INITCOND = '1');
CREATE TRIGGER touch BEFORE UPDATE ON person FOR EACH ROW WHEN (new.grade IN ('new', 'old') AND (new.age > 1 AND new.age < 9)) EXECUTE FUNCTION stamp();
CREATE CONSTRAINT TRIGGER checked AFTER INSERT ON team DEFERRABLE FOR EACH ROW EXECUTE FUNCTION stamp();
CREATE TRIGGER each_event AFTER INSERT ON event FOR EACH ROW EXECUTE FUNCTION stamp();
ALTER TABLE team DISABLE TRIGGER checked;
CREATE RULE no_more AS ON DELETE TO team WHERE old.id BETWEEN 1 AND 2 AND (old.id > 5 AND old.id < 7) DO INSTEAD NOTHING;
CREATE FUNCTION watched() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN END $$;
CREATE EVENT TRIGGER watch ON ddl_command_end WHEN TAG IN ('DROP RULE') EXECUTE FUNCTION watched();
ALTER TABLE person ENABLE ROW LEVEL SECURITY; ALTER TABLE person FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON person FOR SELECT TO zoo_clerk, zoo_auditor USING (grade IN ('new', 'old') AND age > 0);
CREATE POLICY all_of ON person AS RESTRICTIVE WITH CHECK (age IN (1, 2));
CREATE OPERATOR === (LEFTARG = int, RIGHTARG = int, FUNCTION = int4eq);
CREATE COLLATION plain (LOCALE = 'C');
CREATE PUBLICATION outward FOR TABLE team;
COMMENT ON TABLE person IS 'people'; COMMENT ON COLUMN person.age IS 'in years'; COMMENT ON FUNCTION one_more(int) IS 'adds'; COMMENT ON INDEX person_grade IS 'by grade'; COMMENT ON CONSTRAINT age_fits ON person IS 'sane'; COMMENT ON TYPE colour IS 'shade'; COMMENT ON SCHEMA stock IS 'goods'; COMMENT ON TRIGGER touch ON person IS 't'; COMMENT ON COLUMN people.one IS '1';
GRANT SELECT ON person TO zoo_clerk; GRANT INSERT ON person TO PUBLIC; GRANT UPDATE (age) ON person TO zoo_clerk WITH GRANT OPTION;
GRANT SELECT ON team TO zoo_clerk; REVOKE SELECT ON team FROM zoo_clerk;
GRANT INSERT ON attendance TO PUBLIC; GRANT SELECT ON attendance TO zoo_clerk;
REVOKE EXECUTE ON FUNCTION one_more(int) FROM PUBLIC; REVOKE EXECUTE ON PROCEDURE tidy() FROM PUBLIC; GRANT EXECUTE ON PROCEDURE tidy() TO PUBLIC;
GRANT USAGE ON SCHEMA stock TO zoo_clerk; GRANT USAGE ON SEQUENCE stock.numbers TO zoo_clerk; REVOKE ALL ON ages FROM CURRENT_USER;
ALTER DEFAULT PRIVILEGES IN SCHEMA stock GRANT SELECT ON TABLES TO zoo_clerk;
INSERT INTO team (name) VALUES ('a'), ('b'); INSERT INTO person (team_id, age, grade) SELECT 5, 2, 'new'; REFRESH MATERIALIZED VIEW ages;
