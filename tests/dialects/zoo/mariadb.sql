-- One of each kind that a snapshot of MariaDB knows.
CREATE TABLE team (id int AUTO_INCREMENT PRIMARY KEY, name varchar(40) CHARACTER SET latin1 NOT NULL COMMENT 'what it is called', UNIQUE KEY team_name (name)) COMMENT='teams' ROW_FORMAT=COMPRESSED;
CREATE TABLE person (
  id bigint unsigned NOT NULL AUTO_INCREMENT, team_id int, grade enum('new','old') DEFAULT 'new', age int DEFAULT 3, bio text, more json, empty varchar(3) DEFAULT '', born timestamp NOT NULL DEFAULT '2020-01-01 00:00:00',
  at datetime DEFAULT current_timestamp() ON UPDATE current_timestamp(), twice int GENERATED ALWAYS AS (age * 2) VIRTUAL, kept int GENERATED ALWAYS AS (age + 1) STORED, hidden int INVISIBLE,
  PRIMARY KEY (id), KEY person_bio (bio(20), age DESC), FULLTEXT KEY person_words (bio), KEY person_old (age) IGNORED,
  CONSTRAINT age_fits CHECK (age between 1 and 150 and grade in ('new','old')), CONSTRAINT person_team FOREIGN KEY (team_id) REFERENCES team (id) ON DELETE SET NULL ON UPDATE CASCADE);
CREATE TABLE plain (a int, b int, c int) ENGINE=MyISAM CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE TABLE event (id int NOT NULL, at int NOT NULL, PRIMARY KEY (id, at)) PARTITION BY RANGE (at) (PARTITION p0 VALUES LESS THAN (10), PARTITION p1 VALUES LESS THAN MAXVALUE);
CREATE TABLE aged (id int PRIMARY KEY) WITH SYSTEM VERSIONING;
CREATE SEQUENCE numbers START WITH 5 INCREMENT BY 2 CACHE 10;
CREATE VIEW people AS SELECT p.id, p.grade, concat('z1.', '`z1`.`x`') AS c FROM person p JOIN team t ON t.id = p.team_id WHERE p.age > 1 AND (p.age < 9 AND p.grade IN ('new'));
CREATE SQL SECURITY INVOKER VIEW young AS SELECT * FROM people WHERE id < 9 WITH CASCADED CHECK OPTION;
CREATE TRIGGER touch BEFORE UPDATE ON person FOR EACH ROW SET new.bio = concat(new.bio, '  x');
CREATE FUNCTION one_more(x int) RETURNS int DETERMINISTIC RETURN x + 1;
CREATE PROCEDURE tidy(IN a int, OUT b int) MODIFIES SQL DATA COMMENT 'x' DELETE FROM plain;
CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY STARTS '2027-01-01 00:00:00' DO DELETE FROM plain;
INSERT INTO team (name) VALUES ('a'),('b');
