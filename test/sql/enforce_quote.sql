-- What a constraint, an index or a command computes from cells that nobody may see is quoted by no error and no notice.
\set SHOW_CONTEXT never
\pset format unaligned
CREATE ROLE regress_quo_owner;
CREATE ROLE regress_quo_app;
CREATE SCHEMA quo AUTHORIZATION regress_quo_owner;
GRANT USAGE ON SCHEMA quo TO PUBLIC;
SET ROLE regress_quo_owner;
CREATE TABLE quo.patient (id integer PRIMARY KEY, name text, diagnosis text, unlisted text);
INSERT INTO quo.patient SELECT i, 'name' || i, 'secret' || i, 'hidden' || i FROM generate_series(1, 3) AS i;
GRANT ALL ON quo.patient TO regress_quo_app;
RESET ROLE;
DO $$
BEGIN
	PERFORM personalize.define_kind('quo_person', 'integer');
	PERFORM personalize.define_category('quo_general', 'for tests');
	PERFORM personalize.define_category('quo_health', 'for tests', special => true);
	PERFORM personalize.define_category('quo_other', 'for tests');
	PERFORM personalize.define_purpose('quo_care', 'for tests', categories => '{quo_general,quo_health}');
	PERFORM personalize.protect('quo.patient', 'id', kind => 'quo_person', columns => '{"diagnosis":"quo_health","unlisted":"quo_other","*":"quo_general"}');
	PERFORM personalize.grant_purpose('quo_care', 'regress_quo_app');
	PERFORM personalize.grant_consent(1, 'quo_care', kind => 'quo_person');
END
$$;
/* what built-in functions make of a cell, and the codes of their errors; none may show a cell */
CREATE TABLE quo.quoting (no integer PRIMARY KEY, expression text);
INSERT INTO quo.quoting VALUES
	(1, '%I::integer > 0'), (2, 'xpath(''/a'', query_to_xml(''SELECT '' || quote_ident(%I), true, true, '''')) IS NOT NULL'),
	(3, 'cursor_to_xml(%I::refcursor, 1, true, true, '''') IS NOT NULL'), (4, 'table_to_xml(%I::regclass, true, true, '''') IS NOT NULL'),
	(5, '%I::regtype IS NOT NULL'), (6, 'query_to_xml(''SELECT 1 AS a FROM '' || quote_ident(%I) || '' AS x, pg_class AS x'', true, true, '''') IS NOT NULL'),
	(7, 'query_to_xml(''EXECUTE '' || quote_ident(%I), true, true, '''') IS NOT NULL'), (8, 'current_setting(%I) IS NOT NULL'),
	(9, 'query_to_xml(''SELECT $1 AS '' || quote_ident(%I), true, true, '''') IS NOT NULL'),
	(10, 'query_to_xml(''WITH '' || quote_ident(%I) || '' AS (SELECT 1), '' || quote_ident(%I) || '' AS (SELECT 1) SELECT 1'', true, true, '''') IS NOT NULL'),
	(11, 'query_to_xml(''SELECT a.'' || quote_ident(%I) || '' FROM (SELECT 1 AS b) AS a'', true, true, '''') IS NOT NULL'),
	(12, 'to_char(now(), ''YYYY'')::date > %I::date'), (13, 'currval(%I::regclass) > 0'), (14, '%I::regcollation IS NOT NULL'), (15, '%I::regrole IS NOT NULL'),
	(16, '%I::regprocedure IS NOT NULL'), (17, '(%I || ''(1)'')::regoperator IS NOT NULL'), (18, 'pg_input_is_valid(%I, %I)'),
	(19, 'has_table_privilege(%I, ''select'')'), (20, 'has_database_privilege(%I, ''connect'')'), (21, 'has_schema_privilege(%I, ''usage'')'), (22, 'has_language_privilege(%I, ''usage'')'),
	(23, 'set_config(%I, ''x'', true) IS NOT NULL'), (24, 'pg_get_serial_sequence(''quo.patient'', %I) IS NOT NULL'), (25, 'to_tsvector(%I::regconfig, ''x'') IS NOT NULL'),
	(26, 'pg_char_to_encoding(%I) > 0 OR convert_to(''x'', %I) IS NOT NULL'), (27, 'now() AT TIME ZONE %I > ''2000-01-01'''), (28, 'digest_of(%I)'), (29, 'sha256(%I::bytea)::text::integer > 0'),
	(30, 'date_trunc(%I, now()) IS NOT NULL'), (31, 'pg_size_bytes(%I) > 0'), (32, 'jsonb_path_exists(''1'', %I::jsonpath)'), (33, 'to_tsquery(%I || '' & & '' || %I) IS NOT NULL'), (34, '''x'' ~ (%I || ''('')'),
	(35, 'query_to_xml(''SELECT '''''' || %I || ''''''::xml'', true, true, '''') IS NOT NULL'), (36, 'xmlparse(document ''<a xmlns="'' || %I || ''"/>'') IS DOCUMENT'),
	(45, 'lo_unlink((''x'' || encode(convert_to(right(%I, 4), ''UTF8''), ''hex''))::bit(32)::int8::oid) = 1'), (46, 'brin_summarize_new_values((''quo.'' || %I)::regclass) = 1'),
	(39, 'pg_get_object_address(''trigger'', ARRAY[''quo'', ''patient'', %I], ''{}'') IS NOT NULL'), (40, 'pg_get_object_address(''table constraint'', ARRAY[''quo'', ''patient'', %I], ''{}'') IS NOT NULL'),
	(41, '(%I || '' of lung'')::regtype IS NOT NULL'), (42, '(%I || '' of lung(a b'')::regprocedure IS NOT NULL'), (43, 'ts_rewrite(''a''::tsquery, ''SELECT '' || quote_ident(%I)) IS NOT NULL'), (44, 'query_to_xml(''SELECT pg_terminate_backend(999999) AS '' || %I, true, true, '''') IS NOT NULL'),
	(37, 'query_to_xml(''DECLARE c CURSOR FOR TABLE '' || quote_ident(%I), true, true, '''') IS NOT NULL'), (38, 'pg_notification_queue_usage() > 0 OR pg_notify(%I || repeat(''x'', 70), '''') IS NOT NULL');
GRANT SELECT ON quo.quoting TO PUBLIC;
/* of somebody else, named as a cell is */
CREATE INDEX secret1 ON quo.quoting (no);
CREATE INDEX hidden1 ON quo.quoting (no);
/* runs a command and tells how it ended; every word that it could have from a cell is reported */
CREATE FUNCTION quo.told(command text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	message text; detail text; hint text; context text;
BEGIN
	EXECUTE command;
	RETURN 'done';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT, context = PG_EXCEPTION_CONTEXT;
	IF concat(message, detail, hint, replace(context, command, '')) ~ '(secret|hidden)[0-9]|large object' THEN
		RETURN sqlstate || ' QUOTES: ' || concat_ws(' | ', message, detail, hint, context);
	END IF;
	RETURN sqlstate || ' ' || message;
END
$$;
CREATE FUNCTION quo.add_check(no integer, expression text, "column" name, valid boolean) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	RETURN quo.told(format('ALTER TABLE quo.patient ADD CONSTRAINT c%s CHECK (%s)%s', no, replace(expression, '%I', quote_ident("column")), CASE WHEN valid THEN '' ELSE ' NOT VALID' END));
END
$$;
SET client_min_messages = error;
\echo commands of the owner
SET ROLE regress_quo_owner;
SELECT count(*) > 30, count(*) FILTER (WHERE t LIKE '% QUOTES: %') AS quoting, string_agg(t, E'\n') FILTER (WHERE t LIKE '% QUOTES: %')
	FROM (SELECT quo.add_check(no, expression, 'diagnosis', true) AS t FROM quo.quoting ORDER BY no) AS x;
SELECT count(*) > 5, count(*) FILTER (WHERE t LIKE '% QUOTES: %') AS quoting, string_agg(t, E'\n') FILTER (WHERE t LIKE '% QUOTES: %')
	FROM (SELECT quo.told(format('ALTER TABLE quo.patient ALTER name TYPE text USING (CASE WHEN %s THEN name END)', replace(expression, '%I', 'diagnosis'))) AS t FROM quo.quoting ORDER BY no) AS x;
\echo ... whose own mistakes are shown
SELECT quo.told(c) FROM unnest('{"ALTER TABLE quo.patient ADD CHECK (nobody > 0)","ALTER TABLE quo.patient ALTER nobody TYPE text","ALTER TABLE quo.patient ADD name text","ALTER TABLE quo.patient ADD x nosuchtype",
	"ALTER TABLE quo.patient DROP CONSTRAINT nobody","CREATE INDEX patient_pkey ON quo.patient (name)","CREATE INDEX ON quo.patient (nobody)","CREATE INDEX ON quo.patient USING nosuch (name)"}'::text[]) AS c;
ALTER TABLE quo.patient ADD CHECK (nobody > 0);
ALTER TABLE quo.patient ADD FOREIGN KEY (id) REFERENCES quo.nothing;
\echo conversions in constraints that are not validated, met by a writer who may not see the cells
RESET ROLE;
/* one after the other is the only one */
CREATE FUNCTION quo.each() RETURNS TABLE (name text, told text) LANGUAGE plpgsql AS $$
DECLARE
	c record;
BEGIN
	FOR c IN SELECT 100 * n + no AS no, replace(expression, '%I', col) AS expression FROM quo.quoting, unnest('{diagnosis,unlisted}'::text[]) WITH ORDINALITY AS u (col, n) ORDER BY 1 LOOP
		BEGIN
			SET LOCAL ROLE regress_quo_owner;
			IF quo.told(format('ALTER TABLE quo.patient ADD CONSTRAINT one CHECK (%s) NOT VALID', c.expression)) <> 'done' THEN
				CONTINUE;
			END IF;
			SET LOCAL ROLE regress_quo_app;
			name := c.no;
			told := quo.told('UPDATE quo.patient SET name = ''new'' WHERE id = 1');
			RETURN NEXT;
			RAISE EXCEPTION 'undo';
		EXCEPTION WHEN raise_exception THEN
			NULL;
		END;
	END LOOP;
END
$$;
BEGIN;
SET LOCAL personalize.purpose = 'quo_care';
SELECT count(*) > 60, count(*) FILTER (WHERE told <> 'done') > 50 AS failed, count(*) FILTER (WHERE told LIKE '% QUOTES: %') AS quoting, string_agg(name || ' ' || told, E'\n') FILTER (WHERE told LIKE '% QUOTES: %')
	FROM quo.each();
ROLLBACK;
\echo notices, too: libxml warns of a namespace that is relative
SET client_min_messages = notice;
SET ROLE regress_quo_owner;
ALTER TABLE quo.patient ADD CONSTRAINT warns CHECK (xpath('/*', ('<a xmlns="' || diagnosis || '"/>')::xml) IS NOT NULL);
ALTER TABLE quo.patient ADD CONSTRAINT also CHECK (query_to_xml('SELECT xpath(''/*'', ''<a xmlns="' || diagnosis || '"/>'')', true, true, '') IS NOT NULL);
ALTER TABLE quo.patient DROP CONSTRAINT IF EXISTS warns;
RESET ROLE;
\echo what a trigger of the application says passes
CREATE FUNCTION quo.no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'the shop is open'; RAISE EXCEPTION 'not on a Sunday' USING HINT = 'Come again.'; END $$;
CREATE TRIGGER no BEFORE UPDATE ON quo.patient FOR EACH ROW EXECUTE FUNCTION quo.no();
SET ROLE regress_quo_app;
BEGIN;
SET LOCAL personalize.purpose = 'quo_care';
UPDATE quo.patient SET name = 'new' WHERE id = 1;
ROLLBACK;
RESET ROLE;
SET client_min_messages = warning;
SELECT personalize.unprotect('quo.patient');
DROP SCHEMA quo CASCADE;
SELECT personalize.revoke_purpose('quo_care', 'regress_quo_app');
DROP ROLE regress_quo_owner, regress_quo_app;
