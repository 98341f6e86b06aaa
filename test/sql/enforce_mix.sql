-- What is put into a protected relation under another person, or into a column of another category, is a copy.
SET client_min_messages = warning;
\pset format unaligned
CREATE ROLE regress_mix_app;
CREATE SCHEMA mix;
GRANT USAGE ON SCHEMA mix TO PUBLIC;
CREATE TABLE mix.person (id integer PRIMARY KEY, name text, other text, diag text);
CREATE TABLE mix.score (id bigint, value text, diag text, n integer GENERATED ALWAYS AS IDENTITY);
CREATE TABLE mix.loose (id integer, value text);
CREATE TABLE mix.parted (id integer, name text, diag text) PARTITION BY LIST (id);
CREATE TABLE mix.parted_1 PARTITION OF mix.parted FOR VALUES IN (1, 2);
CREATE TABLE mix.parted_2 PARTITION OF mix.parted DEFAULT;
CREATE TABLE mix.plain (id integer, value text);
INSERT INTO mix.person SELECT i, 'name' || i, 'other' || i, 'diag' || i FROM generate_series(1, 4) AS i;
INSERT INTO mix.parted SELECT i, 'name' || i, 'diag' || i FROM generate_series(1, 4) AS i;
INSERT INTO mix.plain VALUES (1, 'plain1'), (2, 'plain2');
GRANT ALL ON ALL TABLES IN SCHEMA mix TO regress_mix_app;
DO $$
DECLARE
	t text;
BEGIN
	PERFORM personalize.define_kind('mix', 'bigint');
	PERFORM personalize.define_category('mix_general', 'for tests');
	PERFORM personalize.define_category('mix_health', 'for tests', special => true);
	PERFORM personalize.define_purpose('mix_care', 'for tests', categories => '{mix_general,mix_health}');
	FOREACH t IN ARRAY '{mix.person,mix.parted}'::text[] LOOP
		PERFORM personalize.protect(t, 'id', kind => 'mix', columns => '{"*":"mix_general","diag":"mix_health"}');
	END LOOP;
	PERFORM personalize.protect('mix.score', 'id', kind => 'mix', columns => '{"*":"mix_general","diag":"mix_health"}');
	PERFORM personalize.protect('mix.loose', 'id', kind => 'mix', columns => '{"*":"mix_general"}', null_subject => 'visible');
	PERFORM personalize.grant_purpose('mix_care', 'regress_mix_app');
	PERFORM personalize.grant_consent(i, 'mix_care', explicit => true, kind => 'mix') FROM generate_series(1, 3) AS i;
END
$$;
CREATE FUNCTION mix.try(query text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE query;
	RETURN 'done';
EXCEPTION WHEN insufficient_privilege THEN
	RETURN SQLERRM;
END $$;
SET ROLE regress_mix_app;
BEGIN;
SET LOCAL personalize.purpose = 'mix_care';
/* each under the person, in the category */
SELECT mix.try('INSERT INTO mix.score (id, value, diag) SELECT id, name, diag FROM mix.person');
SELECT mix.try('INSERT INTO mix.score (id, value) SELECT id, name || other FROM mix.person ORDER BY name LIMIT 2');
SELECT mix.try('INSERT INTO mix.score (id, value) SELECT s.id, s.name FROM (SELECT id, max(name) AS name FROM mix.person GROUP BY id) AS s');
SELECT mix.try('INSERT INTO mix.score (id, value) SELECT p.id, x.value FROM mix.person AS p JOIN mix.plain AS x USING (id)');
SELECT mix.try('INSERT INTO mix.parted SELECT id, name, diag FROM mix.person WHERE id < 3');
SELECT mix.try('INSERT INTO mix.person (id) SELECT id + 100 FROM mix.plain');
SELECT mix.try('UPDATE mix.person SET name = other || name, diag = upper(diag)');
SELECT mix.try('UPDATE mix.person AS p SET name = x.value FROM mix.plain AS x WHERE x.id = p.id');
SELECT mix.try('UPDATE mix.person AS p SET name = (SELECT x.value FROM mix.plain AS x WHERE x.id = p.id)');
SELECT mix.try('UPDATE mix.parted SET name = name || $$x$$');
SELECT mix.try('MERGE INTO mix.person AS p USING mix.plain AS x ON x.id = p.id WHEN MATCHED THEN UPDATE SET name = x.value WHEN NOT MATCHED THEN INSERT (id) VALUES (x.id)');
SELECT mix.try('INSERT INTO mix.person (id, name) VALUES (1, $$x$$) ON CONFLICT (id) DO UPDATE SET name = EXCLUDED.name || mix.person.other');
SELECT mix.try('INSERT INTO mix.score (id, value) SELECT a.id, b.name FROM mix.person AS a, mix.person AS b');
SELECT mix.try('UPDATE mix.person AS p SET name = q.name FROM mix.person AS q WHERE q.id = p.id + 1');
SELECT mix.try('MERGE INTO mix.score AS s USING mix.person AS p ON p.id = s.id WHEN MATCHED THEN UPDATE SET value = p.name');
SELECT mix.try('MERGE INTO mix.score AS s USING mix.person AS p ON p.id = s.id + 1000 WHEN NOT MATCHED THEN INSERT (id, value) VALUES (p.id, p.name)');
SELECT mix.try('INSERT INTO mix.score (id, value) SELECT id, lag(name) OVER (ORDER BY id) FROM mix.person');
SELECT mix.try('WITH c AS MATERIALIZED (SELECT id, diag FROM mix.person) INSERT INTO mix.score (id, diag) SELECT id, diag FROM c');
/* nobody's, somebody else's, another's category */
SELECT mix.try('INSERT INTO mix.loose SELECT NULL, name FROM mix.person');
SELECT mix.try('INSERT INTO mix.score (id, value) SELECT 99, name FROM mix.person');
SELECT mix.try('INSERT INTO mix.score (id, value) SELECT id + 1, name FROM mix.person');
SELECT mix.try('INSERT INTO mix.score (id, value) SELECT max(id), string_agg(name, $$,$$) FROM mix.person');
SELECT mix.try('INSERT INTO mix.score (id, value) SELECT id, (SELECT max(b.name) FROM mix.person AS b) FROM mix.person AS a');
SELECT mix.try('INSERT INTO mix.score (id, value) SELECT x.id, p.name FROM mix.plain AS x, mix.person AS p');
SELECT mix.try('INSERT INTO mix.score (id, value) SELECT id, diag FROM mix.person');
SELECT mix.try('INSERT INTO mix.score (id, value) SELECT id, p::text FROM mix.person AS p');
SELECT mix.try('INSERT INTO mix.score (id, value) SELECT id, name FROM mix.person UNION ALL SELECT 1, name FROM mix.person');
SELECT mix.try('INSERT INTO mix.parted SELECT 5, name, NULL FROM mix.parted');
SELECT mix.try('WITH c AS MATERIALIZED (SELECT id, name FROM mix.person) INSERT INTO mix.score (id, value) SELECT 7, name FROM c');
SELECT mix.try('MERGE INTO mix.score AS s USING mix.person AS p ON p.id = s.id + 1000 WHEN NOT MATCHED THEN INSERT (id, value) VALUES (77, p.name)');
SELECT mix.try('WITH c AS MATERIALIZED (SELECT id, diag FROM mix.person) INSERT INTO mix.score (id, value) SELECT id, diag FROM c');
SELECT mix.try('UPDATE mix.person SET name = diag');
SELECT mix.try('UPDATE mix.parted SET name = diag');
SELECT mix.try('UPDATE mix.person SET name = (SELECT person.diag || x.value FROM mix.plain AS x LIMIT 1)');
SELECT mix.try('UPDATE mix.person AS p SET name = (SELECT max(q.name) FROM mix.person AS q)');
SELECT mix.try('INSERT INTO mix.person (id, name) VALUES (1, $$x$$) ON CONFLICT (id) DO UPDATE SET name = mix.person.diag');
SELECT mix.try('MERGE INTO mix.person AS p USING mix.plain AS x ON x.id = p.id WHEN MATCHED THEN UPDATE SET name = p.diag');
ROLLBACK;
/* whoever may copy may, and it is written down */
RESET ROLE;
DO $$ BEGIN PERFORM personalize.grant_purpose('mix_care', 'regress_mix_app', may_copy => true); END $$;
SET ROLE regress_mix_app;
BEGIN;
SET LOCAL personalize.purpose = 'mix_care';
INSERT INTO mix.loose SELECT NULL, name FROM mix.person;
UPDATE mix.person SET name = diag;
COMMIT;
RESET ROLE;
SELECT source, copy FROM personalize.copies WHERE source::text LIKE 'mix.%' ORDER BY 1, 2;
DROP SCHEMA mix CASCADE;
DROP OWNED BY regress_mix_app;
DROP ROLE regress_mix_app;
