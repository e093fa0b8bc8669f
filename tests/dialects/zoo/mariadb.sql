-- One of each kind that a snapshot of MariaDB knows, for a client that keeps comments.
CREATE TABLE team (id int AUTO_INCREMENT PRIMARY KEY, name varchar(40) CHARACTER SET latin1 NOT NULL COMMENT 'what it is called', UNIQUE KEY team_name (name)) COMMENT='teams' ROW_FORMAT=COMPRESSED;
CREATE TABLE person (
  id bigint unsigned NOT NULL AUTO_INCREMENT, team_id int, grade enum('new','old') DEFAULT 'new', age int DEFAULT 3, bio text, more json, empty varchar(3) DEFAULT '', born timestamp NOT NULL DEFAULT '2020-01-01 00:00:00',
  at datetime DEFAULT current_timestamp() ON UPDATE current_timestamp(), twice int GENERATED ALWAYS AS (age * 2) VIRTUAL, kept int GENERATED ALWAYS AS (age + 1) STORED, hidden int INVISIBLE,
  PRIMARY KEY (id), KEY person_bio (bio(20), age DESC), FULLTEXT KEY person_words (bio), KEY person_old (age) IGNORED,
  CONSTRAINT age_fits CHECK (age between 1 and 150 and grade in ('new','old')), CONSTRAINT person_team FOREIGN KEY (team_id) REFERENCES team (id) ON DELETE SET NULL ON UPDATE CASCADE);
CREATE TABLE plain (a int, b int, c int) ENGINE=MyISAM CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE TABLE event (id int NOT NULL, at int NOT NULL, PRIMARY KEY (id, at)) PARTITION BY RANGE (at) (PARTITION p0 VALUES LESS THAN (10) COMMENT 'old', PARTITION p1 VALUES LESS THAN MAXVALUE);
CREATE TABLE sale (id int, day date, shop varchar(9)) PARTITION BY LIST COLUMNS (shop) SUBPARTITION BY HASH (id) SUBPARTITIONS 2 (PARTITION north VALUES IN ('a', 'it''s'), PARTITION other DEFAULT);
CREATE TABLE place (spot point NOT NULL, area varchar(20) DEFAULT (concat('a', '`b`')), code bit(3) DEFAULT b'101', price decimal(7,2) unsigned zerofill CHECK (price < 99.5), SPATIAL KEY place_spot (spot)) ENGINE=Aria TRANSACTIONAL=0 MAX_ROWS=100;
CREATE TABLE stay (room int, arrives date, leaves date, PERIOD FOR nights (arrives, leaves), UNIQUE KEY stay_once (room, nights WITHOUT OVERLAPS));
CREATE TABLE `odd ``name` (`select` int, `two words` int, KEY `odd ``key` (`two words`));
CREATE TABLE aged (id int PRIMARY KEY) WITH SYSTEM VERSIONING;
CREATE SEQUENCE numbers START WITH 5 INCREMENT BY 2 CACHE 10 COMMENT='odd ones';
CREATE SEQUENCE `100% :odd \"` MAXVALUE 9;
CREATE VIEW people AS SELECT p.id, p.grade, concat('z1.', '`z1`.`x`') AS c FROM person p JOIN team t ON t.id = p.team_id WHERE p.age > 1 AND (p.age < 9 AND p.grade IN ('new'));
CREATE SQL SECURITY INVOKER VIEW young AS SELECT * FROM people WHERE id < 9 WITH CASCADED CHECK OPTION;
CREATE ALGORITHM=TEMPTABLE VIEW pairs AS SELECT p.id, t.name FROM person p, team t, (SELECT 1 AS one) o WHERE EXISTS (SELECT 1 FROM plain, event e LEFT JOIN aged g ON g.id = e.id) AND NOT (p.age BETWEEN 3 AND 4 OR p.bio LIKE 'x!%' ESCAPE '!') GROUP BY p.id, t.name WITH ROLLUP;
CREATE VIEW ranked AS WITH old AS (SELECT id, age FROM person WHERE age > 40) SELECT id, row_number() OVER (PARTITION BY age ORDER BY id DESC) AS place, CASE age WHEN 41 THEN 'x' ELSE NULL END AS said FROM old UNION ALL SELECT 1, 2, NULL ORDER BY 1 LIMIT 3;
CREATE TRIGGER touch BEFORE UPDATE ON person FOR EACH ROW SET new.bio = concat(new.bio, '  x');
CREATE TRIGGER touch_too BEFORE UPDATE ON person FOR EACH ROW SET new.age = new.age;
CREATE FUNCTION one_more(x int) RETURNS int DETERMINISTIC RETURN x + 1;
CREATE FUNCTION shout(x varchar(9) CHARACTER SET latin1) RETURNS varchar(9) CHARSET latin1 NO SQL SQL SECURITY INVOKER RETURN upper(x);
CREATE PROCEDURE tidy(IN a int, OUT b int) MODIFIES SQL DATA COMMENT 'x' DELETE FROM plain;
CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY STARTS '2027-01-01 00:00:00' DO DELETE FROM plain;
CREATE EVENT once ON SCHEDULE AT '2037-01-01 00:00:00' ON COMPLETION PRESERVE DISABLE COMMENT 'late' DO DELETE FROM plain;
DELIMITER //
CREATE AGGREGATE FUNCTION total(x int) RETURNS int
BEGIN
  DECLARE sum int DEFAULT 0; -- it's so far
  DECLARE CONTINUE HANDLER FOR NOT FOUND RETURN sum; /* the end */
  LOOP FETCH GROUP NEXT ROW; SET sum = sum + x; # and on
  END LOOP;
END //
SET sql_mode = 'ORACLE' //
CREATE PACKAGE kit AS FUNCTION two RETURN int; END //
CREATE PACKAGE BODY kit AS FUNCTION two RETURN int AS BEGIN RETURN 2; END; END //
DELIMITER ;
SET sql_mode = DEFAULT;
INSERT INTO team (name) VALUES ('a'),('b');
