-- What PostgreSQL 16, 17 and 18 have on top.
CREATE EXTENSION btree_gist;
CREATE TABLE newer (
  id int, during tstzrange, twice int GENERATED ALWAYS AS (id * 2) VIRTUAL, n int CONSTRAINT n_set NOT NULL NO INHERIT, m int, owner int,
  CONSTRAINT newer_pk PRIMARY KEY (id, during WITHOUT OVERLAPS), CONSTRAINT hoped CHECK (n > 0) NOT ENFORCED);
ALTER TABLE newer ADD CONSTRAINT m_set NOT NULL m NOT VALID, ADD CONSTRAINT own FOREIGN KEY (owner) REFERENCES team NOT ENFORCED;
CREATE TABLE newer_part (id int, during tstzrange, FOREIGN KEY (id, PERIOD during) REFERENCES newer (id, PERIOD during));
CREATE COLLATION plain_utf8 (PROVIDER = builtin, LOCALE = 'C.UTF-8'); CREATE PUBLICATION with_made FOR TABLE newer WITH (publish_generated_columns = stored);
CREATE VIEW made AS SELECT JSON_OBJECT('a': n, 'b': (m IS JSON)) AS o FROM (SELECT n, m::text AS m FROM newer) t; CREATE FUNCTION now_is() RETURNS text LANGUAGE sql RETURN (SELECT JSON_ARRAYAGG(n ORDER BY n) FROM newer);
CREATE VIEW merged AS SELECT * FROM newer WHERE id BETWEEN 1 AND 5 AND m IN (1, 2);
