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
-- More of tables, columns, constraints and indexes.
CREATE TABLE half_typed OF point3 (x WITH OPTIONS DEFAULT 3 NOT NULL);
CREATE TABLE box (
  id int, shelf int NOT NULL, label text COLLATE "POSIX", size numeric(6, 2), note varchar(9), payload jsonb, parent int,
  CONSTRAINT box_pk PRIMARY KEY (id) INCLUDE (label) WITH (fillfactor = 80), CONSTRAINT box_label UNIQUE NULLS NOT DISTINCT (label) DEFERRABLE,
  CONSTRAINT box_size CHECK (size > -1 AND size < 100) NO INHERIT,
  CONSTRAINT box_parent FOREIGN KEY (parent) REFERENCES box MATCH FULL ON UPDATE CASCADE ON DELETE SET NULL (parent));
ALTER TABLE box ADD CONSTRAINT box_shelf FOREIGN KEY (shelf) REFERENCES team NOT VALID;
ALTER TABLE box ALTER note SET COMPRESSION pglz, SET (autovacuum_enabled = off, toast.autovacuum_enabled = off), ENABLE ROW LEVEL SECURITY;
CREATE INDEX box_note ON box (note varchar_pattern_ops DESC NULLS LAST, label COLLATE "C" NULLS FIRST) WITH (fillfactor = 90);
CREATE INDEX box_payload ON box USING gin (payload jsonb_path_ops);
CREATE INDEX box_brin ON box USING brin (size) WITH (pages_per_range = 16);
CREATE INDEX box_half ON box ((size / 2)); ALTER INDEX box_half ALTER COLUMN 1 SET STATISTICS 321;
CREATE UNIQUE INDEX box_kept ON box (shelf, id); ALTER TABLE box REPLICA IDENTITY USING INDEX box_kept; ALTER TABLE box CLUSTER ON box_pk;
CREATE STATISTICS stock.box_some (ndistinct, mcv) ON (size / 2), label FROM box; ALTER STATISTICS stock.box_some SET STATISTICS 50;
CREATE TABLE parted (kind text, n int) PARTITION BY LIST (kind);
CREATE TABLE parted_a PARTITION OF parted FOR VALUES IN ('a', 'b') PARTITION BY HASH (n);
CREATE TABLE parted_a0 PARTITION OF parted_a FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE parted_a1 PARTITION OF parted_a FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE INDEX parted_n ON parted (n); ALTER TABLE parted_a1 ALTER n SET DEFAULT 7;
CREATE TRIGGER parted_each AFTER INSERT ON parted FOR EACH ROW EXECUTE FUNCTION stamp(); ALTER TABLE parted_a0 DISABLE TRIGGER parted_each;
CREATE UNLOGGED SEQUENCE dice MINVALUE 1 MAXVALUE 6 START 3 CYCLE;
CREATE VIEW guarded WITH (security_barrier = true) AS SELECT id, label FROM box WHERE id > 0 WITH LOCAL CHECK OPTION;
ALTER VIEW guarded ALTER label SET DEFAULT 'none';
ALTER MATERIALIZED VIEW ages ALTER n SET STATISTICS 44; COMMENT ON COLUMN ages.n IS 'how many';
ALTER TABLE team ENABLE REPLICA RULE no_more; CREATE VIEW doors AS SELECT 1 AS n; CREATE RULE knock AS ON INSERT TO doors DO INSTEAD INSERT INTO scratch VALUES (new.n);
-- Types, functions and what is made of them.
CREATE TYPE half; CREATE FUNCTION half_in(cstring) RETURNS half LANGUAGE internal IMMUTABLE STRICT AS 'int4in'; CREATE FUNCTION half_out(half) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'int4out';
CREATE TYPE half (INPUT = half_in, OUTPUT = half_out, LIKE = int4, CATEGORY = 'N', DEFAULT = '5'); CREATE TYPE coming;
CREATE FUNCTION rated(colour) RETURNS int LANGUAGE sql IMMUTABLE RETURN CASE $1 WHEN 'red' THEN 1 ELSE -1 END;
CREATE FUNCTION listed(VARIADIC names text[] DEFAULT ARRAY['a', 'b']::varchar[], OUT n int, OUT name text) RETURNS SETOF record LANGUAGE plpgsql STABLE STRICT LEAKPROOF SECURITY DEFINER PARALLEL SAFE COST 7 ROWS 8 SET search_path = stock, pg_temp SET work_mem = '8MB' AS $body$ BEGIN  RETURN; END $body$;
CREATE FUNCTION span_sub(a float8, b float8) RETURNS float8 LANGUAGE sql IMMUTABLE AS 'SELECT a - b';
CREATE TYPE named_span AS RANGE (SUBTYPE = text, SUBTYPE_OPCLASS = text_pattern_ops, COLLATION = "C", MULTIRANGE_TYPE_NAME = many_spans);
CREATE AGGREGATE fancy(float8 ORDER BY anyelement) (SFUNC = ordered_set_transition, STYPE = internal, FINALFUNC = percentile_disc_final, FINALFUNC_EXTRA);
CREATE AGGREGATE running(int) (SFUNC = int4pl, STYPE = int, SSPACE = 8, COMBINEFUNC = int4pl, INITCOND = '0', MSFUNC = int4pl, MINVFUNC = int4mi, MSTYPE = int, MINITCOND = '1', PARALLEL = SAFE);
CREATE CAST (colour AS int) WITH FUNCTION rated(colour) AS ASSIGNMENT; CREATE CAST (half AS int) WITHOUT FUNCTION;
CREATE CONVERSION stock.turned FOR 'UTF8' TO 'LATIN1' FROM utf8_to_iso8859_1;
CREATE OPERATOR |<| (LEFTARG = int, RIGHTARG = int, FUNCTION = int4lt, COMMUTATOR = |>|, NEGATOR = |>=|, RESTRICT = scalarltsel, JOIN = scalarltjoinsel);
CREATE OPERATOR FAMILY backwards USING btree; CREATE OPERATOR CLASS int_backwards FOR TYPE int USING btree FAMILY backwards AS OPERATOR 1 >, OPERATOR 2 >=, OPERATOR 3 =, OPERATOR 4 <=, OPERATOR 5 <, FUNCTION 1 btint4cmp(int, int);
CREATE ACCESS METHOD heap_too TYPE TABLE HANDLER heap_tableam_handler; CREATE TABLE kept_elsewhere (n int) USING heap_too;
CREATE FUNCTION odd_handler() RETURNS language_handler LANGUAGE c AS '$libdir/plpgsql', 'plpgsql_call_handler'; CREATE TRUSTED LANGUAGE odd HANDLER odd_handler; GRANT USAGE ON LANGUAGE odd TO zoo_clerk;
CREATE TRANSFORM FOR int LANGUAGE sql (FROM SQL WITH FUNCTION prsd_lextype(internal), TO SQL WITH FUNCTION int4recv(internal));
CREATE TEXT SEARCH TEMPLATE stock.plainly (LEXIZE = dsimple_lexize, INIT = dsimple_init); CREATE TEXT SEARCH PARSER stock.reader (START = prsd_start, GETTOKEN = prsd_nexttoken, END = prsd_end, LEXTYPES = prsd_lextype, HEADLINE = prsd_headline);
CREATE TEXT SEARCH DICTIONARY stock.words (TEMPLATE = stock.plainly, accept = false); CREATE TEXT SEARCH CONFIGURATION stock.reading (PARSER = stock.reader); ALTER TEXT SEARCH CONFIGURATION stock.reading ADD MAPPING FOR asciiword, email WITH stock.words, simple;
-- Elsewhere.
CREATE FOREIGN DATA WRAPPER far OPTIONS (debug 'on', secret_key 'pa55-wrapper'); CREATE SERVER depot TYPE 'cold' VERSION '7' FOREIGN DATA WRAPPER far OPTIONS (host 'h', port '5', password 'pa55-server', dbname 'postgres://u:pa55-url@h');
CREATE USER MAPPING FOR zoo_clerk SERVER depot OPTIONS (user 'u', password 'pa55-mapping'); CREATE USER MAPPING FOR PUBLIC SERVER depot;
CREATE FOREIGN TABLE stock.remote (a int OPTIONS (column_name 'b') NOT NULL, c text OPTIONS (api_key 'pa55-column') CHECK (c IN ('x', 'y'))) SERVER depot OPTIONS (table_name 't', sas_token 'pa55-table');
CREATE PUBLICATION chosen FOR TABLE box (id, label, shelf) WHERE (shelf IN (1, 2) AND (label = 'a' AND id > 0)), team WITH (publish = 'insert, update');
CREATE PUBLICATION of_schemas FOR TABLES IN SCHEMA stock WITH (publish_via_partition_root = true);
ALTER EVENT TRIGGER watch ENABLE ALWAYS; COMMENT ON EVENT TRIGGER watch IS 'w'; COMMENT ON PUBLICATION chosen IS 'p'; COMMENT ON SERVER depot IS 's'; COMMENT ON INDEX box_pk IS 'backing'; COMMENT ON COLUMN point3.x IS 'across'; COMMENT ON TEXT SEARCH DICTIONARY stock.words IS 'd'; COMMENT ON OPERATOR === (int, int) IS 'same'; COMMENT ON CAST (colour AS int) IS 'c'; COMMENT ON POLICY own ON person IS 'o'; COMMENT ON STATISTICS person_both IS 'b'; COMMENT ON CONSTRAINT short_known ON DOMAIN short IS 'k'; COMMENT ON SCHEMA public IS 'ours';
GRANT USAGE ON FOREIGN DATA WRAPPER far TO zoo_clerk; GRANT USAGE ON FOREIGN SERVER depot TO zoo_auditor WITH GRANT OPTION; REVOKE USAGE ON TYPE colour FROM PUBLIC; GRANT USAGE ON DOMAIN short TO zoo_clerk;
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC; ALTER DEFAULT PRIVILEGES FOR ROLE zoo_clerk GRANT USAGE ON SEQUENCES TO zoo_auditor;
