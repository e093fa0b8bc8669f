-- One of each kind that a snapshot of SQLite knows, and what makes its texts differ.
CREATE TABLE team (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT COLLATE NOCASE NOT NULL UNIQUE);
CREATE TABLE "Odd ""name" ("select" VARCHAR(8) DEFAULT ('it''s, (a) "b"') NOT NULL, [two words] INT);
CREATE TABLE person (
  id INTEGER NOT NULL,
  team_id INT CONSTRAINT fk_team REFERENCES team ON DELETE SET NULL DEFERRABLE INITIALLY DEFERRED,
  grade VARCHAR(10) DEFAULT 'new' CHECK (grade IN ('new', 'old')), -- a comment, with a comma
  age NUMERIC(5, 2) DEFAULT -1 CONSTRAINT ck_age CHECK (age > 0 AND (age < 150)),
  born DATETIME DEFAULT CURRENT_TIMESTAMP, /* ) */
  twice INT GENERATED ALWAYS AS (age * 2) STORED,
  half INT AS (age / 2),
  CONSTRAINT pk_person PRIMARY KEY (id),
  CONSTRAINT uq_person UNIQUE (team_id, grade) ON CONFLICT REPLACE,
  FOREIGN KEY (grade, age) REFERENCES grade (name, age) ON UPDATE CASCADE
);
CREATE TABLE grade (name TEXT, age INT, PRIMARY KEY (name, age)) WITHOUT ROWID, STRICT;
CREATE UNIQUE INDEX ix_person ON person (age DESC, lower(grade)) WHERE age > 5;
CREATE INDEX ix_team ON team (name COLLATE BINARY);
CREATE VIEW people AS SELECT p.id, 'A  b' AS "Said" FROM person p JOIN team t ON t.id = p.team_id WHERE p.grade = 'New';
CREATE TRIGGER touched AFTER UPDATE OF name ON team FOR EACH ROW WHEN new.id > 1
BEGIN
  SELECT RAISE(ABORT, 'No;') WHERE new.name = 'x';
  UPDATE team SET name = 'q' WHERE id = 1;
END;
CREATE TRIGGER taken INSTEAD OF INSERT ON people BEGIN INSERT INTO team (name) VALUES (new.id); END;
CREATE VIEW named (one, "Two words") AS WITH x AS (SELECT 1 AS n) SELECT n, 2 FROM x UNION ALL SELECT 3, 'It''s' ORDER BY 1;
CREATE TABLE words_stat (n INT);
CREATE VIRTUAL TABLE words USING fts5(word, meaning);
INSERT INTO team (name) VALUES ('a'), ('b');
INSERT INTO words VALUES ('snapshot', 'a picture');
