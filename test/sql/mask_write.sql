-- A cell that is masked for the purpose cannot be written to, by any statement; the rest of its row can.
SET client_min_messages = warning;
\pset format unaligned
CREATE ROLE regress_mask_owner;
CREATE ROLE regress_mask_app;
CREATE SCHEMA msk AUTHORIZATION regress_mask_owner;
GRANT USAGE ON SCHEMA msk TO PUBLIC;
SET ROLE regress_mask_owner;
CREATE TABLE msk.person (id integer PRIMARY KEY, name text, email text DEFAULT 'none', tags text[]);
INSERT INTO msk.person SELECT i, 'name' || i, 'mail' || i, ARRAY['t' || i] FROM generate_series(1, 4) AS i;
CREATE TABLE msk.part (id integer, region text, email text) PARTITION BY LIST (region);
CREATE TABLE msk.part_a PARTITION OF msk.part FOR VALUES IN ('a');
/* another order of columns in the partition */
CREATE TABLE msk.part_b (email text, id integer, region text);
ALTER TABLE msk.part ATTACH PARTITION msk.part_b FOR VALUES IN ('b');
INSERT INTO msk.part SELECT i, CASE i % 2 WHEN 0 THEN 'a' ELSE 'b' END, 'mail' || i FROM generate_series(1, 4) AS i;
GRANT ALL ON ALL TABLES IN SCHEMA msk TO regress_mask_app;
CREATE TABLE msk.source (id integer, email text);
INSERT INTO msk.source SELECT i, 'new' || i FROM generate_series(1, 5) AS i;
GRANT ALL ON msk.source TO PUBLIC;
RESET ROLE;
DO $$
BEGIN
	PERFORM personalize.define_kind('mask_write', 'bigint');
	PERFORM personalize.define_category('maskw_general', 'for tests');
	PERFORM personalize.define_category('maskw_contact', 'for tests');
	PERFORM personalize.define_purpose('maskw_care', 'for tests', categories => '{maskw_general,maskw_contact}');
	PERFORM personalize.protect('msk.person', 'id', kind => 'mask_write', columns => '{"email":"maskw_contact","*":"maskw_general"}');
	PERFORM personalize.protect('msk.part', 'id', kind => 'mask_write', columns => '{"email":"maskw_contact","*":"maskw_general"}');
	PERFORM personalize.grant_purpose('maskw_care', r, may_copy => true) FROM unnest('{regress_mask_app,regress_mask_owner}'::regrole[]) AS r;
	/* 1: all; 2: not the address; 3: nothing but the address; 4: nothing */
	PERFORM personalize.grant_consent(1, 'maskw_care', kind => 'mask_write');
	PERFORM personalize.grant_consent(2, 'maskw_care', categories => '{maskw_general}', kind => 'mask_write');
	PERFORM personalize.grant_consent(3, 'maskw_care', categories => '{maskw_contact}', kind => 'mask_write');
END
$$;
\set VERBOSITY terse
SET ROLE regress_mask_app;
\set ON_ERROR_ROLLBACK on
BEGIN;
SET LOCAL personalize.purpose = 'maskw_care';
UPDATE msk.person SET name = 'x' || id WHERE id IN (1, 2) RETURNING *;
UPDATE msk.person SET email = 'x' WHERE id = 2;
\echo :LAST_ERROR_SQLSTATE
/* what an ORM does that writes all columns back as it has read them */
UPDATE msk.person SET name = 'y', email = NULL, tags = tags WHERE id = 2;
UPDATE msk.person SET email = email WHERE id = 2;
UPDATE msk.person SET email = DEFAULT WHERE id = 2;
UPDATE msk.person SET tags[1] = 'z' WHERE id = 3;
UPDATE msk.person SET (name, email) = (SELECT 'a', 'b') WHERE id = 3;
/* one masked cell refuses the whole statement */
UPDATE msk.person SET email = 'all';
SELECT * FROM msk.person ORDER BY id;
/* into an open column goes the mask, not the cell */
UPDATE msk.person SET name = email WHERE id = 2 RETURNING *;
UPDATE msk.person AS a SET name = (SELECT b.email FROM msk.person AS b WHERE b.id = 2) WHERE id = 1 RETURNING *;
UPDATE msk.person AS a SET name = b.email FROM msk.person AS b WHERE a.id = 1 AND b.id = 2 RETURNING a.*, b.email;
/* rows that nobody may see are not touched */
UPDATE msk.person SET name = 'seen' WHERE id = 4;
DELETE FROM msk.person WHERE email = 'mail2';
DELETE FROM msk.person WHERE email IS NULL RETURNING *;
ROLLBACK;
BEGIN;
SET LOCAL personalize.purpose = 'maskw_care';
INSERT INTO msk.person (id, email) VALUES (1, 'up') ON CONFLICT (id) DO UPDATE SET email = EXCLUDED.email RETURNING *;
INSERT INTO msk.person (id, email) VALUES (2, 'up') ON CONFLICT (id) DO UPDATE SET email = EXCLUDED.email RETURNING *;
INSERT INTO msk.person (id, name) VALUES (2, 'up') ON CONFLICT (id) DO UPDATE SET name = EXCLUDED.name || coalesce(person.email, '-') RETURNING *;
INSERT INTO msk.person (id, name) VALUES (2, 'up') ON CONFLICT (id) DO UPDATE SET name = 'w' WHERE person.email = 'mail2' RETURNING *;
INSERT INTO msk.person (id, name) VALUES (4, 'up') ON CONFLICT (id) DO UPDATE SET name = 'w' RETURNING *;
INSERT INTO msk.person (id, name) VALUES (4, 'up') ON CONFLICT DO NOTHING RETURNING *;
/* the row just inserted comes back as it was sent */
INSERT INTO msk.person VALUES (7, 'seven', 'mail7') RETURNING *;
WITH i AS (INSERT INTO msk.person VALUES (8, 'eight', 'mail8') RETURNING *) SELECT i.email, count(p.email) FROM i, msk.person AS p GROUP BY 1;
MERGE INTO msk.person AS p USING msk.source AS s ON p.id = s.id AND s.id = 1
	WHEN MATCHED THEN UPDATE SET email = s.email;
SELECT id, email FROM msk.person WHERE id = 1;
MERGE INTO msk.person AS p USING msk.source AS s ON p.id = s.id AND s.id = 2
	WHEN MATCHED AND p.email IS NOT NULL THEN UPDATE SET name = 'leak'
	WHEN MATCHED THEN UPDATE SET email = s.email;
MERGE INTO msk.person AS p USING msk.source AS s ON p.id = s.id AND s.id IN (2, 3)
	WHEN MATCHED AND p.email = 'mail2' THEN DELETE
	WHEN MATCHED AND p.name IS NULL THEN UPDATE SET email = 'matched'
	WHEN MATCHED THEN UPDATE SET name = 'no mail';
SELECT * FROM msk.person ORDER BY id;
ROLLBACK;
/* partitions, by the parent and directly, and moved from one to the other */
BEGIN;
SET LOCAL personalize.purpose = 'maskw_care';
SELECT * FROM msk.part ORDER BY id;
UPDATE msk.part SET email = 'x' WHERE id = 2;
UPDATE msk.part_a SET email = 'x' WHERE id = 2;
UPDATE msk.part SET region = 'b' WHERE id = 2 RETURNING *, tableoid::regclass;
UPDATE msk.part_b SET email = 'x' WHERE id = 1 RETURNING *;
UPDATE msk.part SET email = 'y' WHERE id = 3 RETURNING *;
SELECT * FROM msk.part_b ORDER BY id;
ROLLBACK;
/* copies hold masks */
CREATE TEMP TABLE mask_copy (id integer, email text);
BEGIN;
SET LOCAL personalize.purpose = 'maskw_care';
INSERT INTO mask_copy SELECT id, email FROM msk.person;
CREATE TEMP TABLE mask_ctas AS SELECT id, email FROM msk.person;
COMMIT;
SELECT * FROM mask_copy ORDER BY id;
SELECT * FROM mask_ctas ORDER BY id;
/* with break_glass every cell can be written */
RESET ROLE;
BEGIN;
SET LOCAL personalize.purpose = 'break_glass';
UPDATE msk.person SET email = 'mended' WHERE id IN (2, 4) RETURNING id, email;
ROLLBACK;
/* nothing of it was changed */
BEGIN; SET LOCAL personalize.purpose = 'break_glass'; SELECT * FROM msk.person ORDER BY id; ROLLBACK;
\set ON_ERROR_ROLLBACK off
DROP TABLE mask_copy, mask_ctas;
DROP SCHEMA msk CASCADE;
DROP OWNED BY regress_mask_owner, regress_mask_app;
DROP ROLE regress_mask_owner, regress_mask_app;
