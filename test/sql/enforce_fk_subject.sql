-- An action of a foreign key does not make a row be about somebody else, unless an officer sets it off.
SET client_min_messages = warning;
\pset format unaligned
CREATE ROLE regress_fks_app;
CREATE SCHEMA fks;
GRANT USAGE ON SCHEMA fks TO regress_fks_app;
CREATE TABLE fks.acct (id integer PRIMARY KEY, note text);
INSERT INTO fks.acct SELECT i, 'note' || i FROM generate_series(1, 5) AS i;
/* who is nobody is seen by all, or hidden from all; who was deleted becomes 1; a domain; two columns, one of them the subject */
CREATE TABLE fks.open (no integer, cust integer REFERENCES fks.acct ON DELETE SET NULL ON UPDATE CASCADE);
CREATE TABLE fks.closed (no integer, cust integer REFERENCES fks.acct ON DELETE SET NULL ON UPDATE SET NULL);
CREATE TABLE fks.defaulted (no integer, cust integer DEFAULT 1 REFERENCES fks.acct ON DELETE SET DEFAULT ON UPDATE SET DEFAULT);
CREATE DOMAIN fks.number AS integer;
CREATE TABLE fks.domained (no integer, cust fks.number REFERENCES fks.acct ON DELETE SET NULL ON UPDATE CASCADE);
CREATE TABLE fks.gone (no integer, cust integer REFERENCES fks.acct ON DELETE CASCADE);
CREATE TABLE fks.pair (id integer, kind integer, PRIMARY KEY (id, kind));
INSERT INTO fks.pair SELECT i, 1 FROM generate_series(1, 5) AS i;
CREATE TABLE fks.paired (no integer, cust integer, kind integer,
	FOREIGN KEY (cust, kind) REFERENCES fks.pair ON DELETE SET NULL (kind) ON UPDATE CASCADE) PARTITION BY LIST (no);
CREATE TABLE fks.paired5 PARTITION OF fks.paired FOR VALUES IN (50);
INSERT INTO fks.paired VALUES (50, 5, 1);
GRANT ALL ON ALL TABLES IN SCHEMA fks TO regress_fks_app;
DO $$
DECLARE
	t text;
BEGIN
	PERFORM personalize.define_kind('enforce_fk_subject', 'bigint');
	PERFORM personalize.define_category('fks_general', 'for tests');
	PERFORM personalize.define_purpose('fks_care', 'for tests', categories => '{fks_general}');
	PERFORM personalize.grant_purpose('fks_care', 'regress_fks_app');
	PERFORM personalize.grant_consent(1, 'fks_care', kind => 'enforce_fk_subject');
	FOREACH t IN ARRAY '{open,closed,defaulted,domained,gone}'::text[] LOOP
		EXECUTE format('INSERT INTO fks.%I (no, cust) VALUES (50, 5)', t);
		PERFORM personalize.protect(('fks.' || t)::regclass, 'cust', kind => 'enforce_fk_subject', columns => '{"*":"fks_general"}',
			null_subject => CASE t WHEN 'open' THEN 'visible' ELSE 'hidden' END);
	END LOOP;
	PERFORM personalize.protect('fks.paired', 'cust', kind => 'enforce_fk_subject', columns => '{"*":"fks_general"}');
END
$$;
/* everything there is, and what the purpose sees; the rest of the tables is emptied, so that only one refers */
CREATE FUNCTION fks.only(keep text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	t text;
BEGIN
	PERFORM set_config('personalize.purpose', 'backup', true);
	FOREACH t IN ARRAY '{open,closed,defaulted,domained,gone,paired}'::text[] LOOP
		IF t <> keep THEN
			EXECUTE format('DELETE FROM fks.%I', t);
		END IF;
	END LOOP;
	PERFORM set_config('personalize.purpose', '', true);
END $$;
CREATE FUNCTION fks.show(t text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	PERFORM set_config('personalize.purpose', 'backup', true);
	EXECUTE format('SELECT string_agg(x::text, '' '') FROM fks.%I AS x', t) INTO result;
	PERFORM set_config('personalize.purpose', '', true);
	RETURN t || ': ' || coalesce(result, 'none');
END $$;
CREATE FUNCTION fks.try(t text, command text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	PERFORM fks.only(t);
	BEGIN
		SET LOCAL ROLE regress_fks_app;
		EXECUTE command;
		RESET ROLE;
		result := 'done, ' || fks.show(t);
		RAISE EXCEPTION USING ERRCODE = 'FKS01';
	EXCEPTION
		WHEN SQLSTATE 'FKS01' THEN
			RETURN result;
		WHEN insufficient_privilege THEN
			RESET ROLE;
			RETURN 'refused, ' || fks.show(t);
	END;
END $$;
BEGIN;
SET LOCAL ROLE regress_fks_app;
UPDATE fks.acct SET id = 100 WHERE id = 5;
ROLLBACK;
BEGIN;
SELECT fks.try('open', 'UPDATE fks.acct SET id = 100 WHERE id = 5');
SELECT fks.try('open', 'DELETE FROM fks.acct WHERE id = 5');
ROLLBACK;
BEGIN;
SELECT fks.try('closed', 'UPDATE fks.acct SET id = 100 WHERE id = 5');
SELECT fks.try('closed', 'DELETE FROM fks.acct WHERE id = 5');
ROLLBACK;
BEGIN;
SELECT fks.try('defaulted', 'UPDATE fks.acct SET id = 100 WHERE id = 5');
SELECT fks.try('defaulted', 'DELETE FROM fks.acct WHERE id = 5');
ROLLBACK;
BEGIN;
SELECT fks.try('domained', 'UPDATE fks.acct SET id = 100 WHERE id = 5');
SELECT fks.try('domained', 'DELETE FROM fks.acct WHERE id = 5');
ROLLBACK;
BEGIN;
SELECT fks.try('gone', 'DELETE FROM fks.acct WHERE id = 5');
ROLLBACK;
/* the action changes the other column only: the subject stays */
BEGIN;
SELECT fks.try('paired', 'UPDATE fks.pair SET kind = 2 WHERE id = 5');
SELECT fks.try('paired', 'DELETE FROM fks.pair WHERE id = 5');
SELECT fks.try('paired', 'UPDATE fks.pair SET id = 100 WHERE id = 5');
ROLLBACK;
/* a key that nobody refers to, one that is not changed, another column */
BEGIN;
SELECT fks.try('open', 'UPDATE fks.acct SET id = 100 WHERE id = 3');
SELECT fks.try('open', 'UPDATE fks.acct SET id = id, note = note');
SELECT fks.try('open', 'DELETE FROM fks.acct WHERE id = 3');
ROLLBACK;
/* an officer may, as by a statement of its own */
BEGIN;
SELECT fks.only('open');
UPDATE fks.acct SET id = 100 WHERE id = 5;
SELECT fks.show('open');
DELETE FROM fks.acct WHERE id = 100;
SELECT fks.show('open');
ROLLBACK;

/* a generated column changes with another one */
CREATE TABLE fks.computed (base integer, cust integer GENERATED ALWAYS AS (base) STORED, other integer);
\set VERBOSITY terse
SELECT personalize.protect('fks.computed', 'cust', kind => 'enforce_fk_subject', columns => '{"*":"fks_general"}');
SELECT personalize.protect('fks.computed', 'other', kind => 'enforce_fk_subject', columns => '{"*":"fks_general"}');
SELECT personalize.add_subject_path('fks.computed', '{cust}', kind => 'enforce_fk_subject');
/* nor is it one in a child; from PostgreSQL 16 on that refuses it itself */
CREATE FUNCTION fks.refused(command text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE command;
	RETURN false;
EXCEPTION WHEN feature_not_supported OR datatype_mismatch THEN
	RETURN true;
END $$;
CREATE TABLE fks.plain (no integer, cust integer) PARTITION BY LIST (no);
CREATE TABLE fks.part (no integer, cust integer GENERATED ALWAYS AS (no) STORED);
CREATE TABLE fks.above (no integer, cust integer);
SELECT personalize.protect('fks.plain', 'cust', kind => 'enforce_fk_subject', columns => '{"*":"fks_general"}');
SELECT fks.refused('ALTER TABLE fks.plain ATTACH PARTITION fks.part FOR VALUES IN (1)');
SELECT fks.refused('ALTER TABLE fks.part INHERIT fks.above; SELECT personalize.protect(''fks.above'', ''cust'', kind => ''enforce_fk_subject'')');
DROP SCHEMA fks CASCADE;
DROP OWNED BY regress_fks_app;
DROP ROLE regress_fks_app;
