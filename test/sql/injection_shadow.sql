-- Objects that an attacker puts first into the search path are never called, by no function of the extension and by nobody it runs as.
SET client_min_messages = error;
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
CREATE ROLE regress_sh_user;
CREATE SCHEMA sh;
CREATE SCHEMA evil;
GRANT USAGE ON SCHEMA sh TO PUBLIC;
GRANT USAGE, CREATE ON SCHEMA evil TO PUBLIC;
CREATE TABLE sh.ran (what text);
GRANT INSERT ON sh.ran TO PUBLIC;
CREATE TABLE sh.person (id bigint PRIMARY KEY, name text);
INSERT INTO sh.person VALUES (1, 'one'), (2, 'two'), (3, 'three');
GRANT SELECT, UPDATE, DELETE ON sh.person TO regress_sh_user;
DO $$
BEGIN
	PERFORM personalize.define_kind('shadow', 'bigint');
	PERFORM personalize.define_category('sh_cat', 'for tests');
	PERFORM personalize.define_purpose('sh_ads', 'for tests', categories => '{sh_cat}');
	PERFORM personalize.protect('sh.person', 'id', kind => 'shadow', columns => '{"*":"sh_cat"}');
	PERFORM personalize.grant_purpose('sh_ads', 'regress_sh_user');
	PERFORM personalize.assign_duty('regress_sh_user', d) FROM unnest('{app,officer,auditor}'::text[]) AS d;
END
$$;
/* the attacker: functions, operators, tables, types and a cast named like what a function could use unqualified */
SET ROLE regress_sh_user;
CREATE FUNCTION evil.note(what text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'INSERT INTO sh.ran VALUES ($1)' USING what; RETURN NULL; END $$;
DO $$
DECLARE
	f record;
	t text;
	o text;
BEGIN
	/* every builtin of one or two arguments of such types that the SQL half calls, with the same arguments and with exact types that would win */
	FOR f IN SELECT DISTINCT p.proname, pg_get_function_identity_arguments(p.oid) AS args, format_type(p.prorettype, NULL) AS result
		FROM pg_proc AS p
		WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.prokind = 'f' AND NOT p.proretset AND p.provariadic = 0 AND p.pronargs <= 3
			AND p.proname IN ('format', 'quote_ident', 'quote_literal', 'lower', 'upper', 'btrim', 'length', 'octet_length', 'strpos', 'replace', 'regexp_replace', 'left', 'right', 'current_setting', 'set_config',
				'to_regclass', 'pg_get_userbyid', 'format_type', 'clock_timestamp', 'now', 'jsonb_typeof', 'array_position', 'array_append', 'array_to_string', 'cardinality', 'int8', 'text', 'pg_backend_pid',
				'has_table_privilege', 'pg_has_role', 'obj_description', 'col_description', 'array_fill', 'nextval', 'current_database', 'array_ndims', 'pg_is_in_recovery', 'gen_random_uuid', 'regclass', 'pg_control_system')
			AND NOT EXISTS (SELECT FROM unnest(p.proargtypes) AS a (oid) JOIN pg_type AS y USING (oid) WHERE y.typtype = 'p')
			AND NOT p.prorettype IN (SELECT oid FROM pg_type WHERE typtype = 'p')
	LOOP
		EXECUTE format('CREATE FUNCTION evil.%I(%s) RETURNS %s LANGUAGE plpgsql AS %L', f.proname, f.args, f.result,
			format('BEGIN PERFORM evil.note(%L); RETURN NULL; END', 'function ' || f.proname));
	END LOOP;
	FOREACH t IN ARRAY '{text,bigint,integer,oid,name,boolean,uuid,"text[]","bigint[]","oid[]",timestamptz,jsonb,regclass,smallint,bytea}'::text[] LOOP
		FOREACH o IN ARRAY '{=,<>,<,>,<=,>=}'::text[] LOOP
			EXECUTE format('CREATE FUNCTION evil.%I(%s, %s) RETURNS boolean LANGUAGE plpgsql AS %L', 'op_' || md5(o || t), t, t, format('BEGIN PERFORM evil.note(%L); RETURN true; END', 'operator ' || o || ' ' || t));
			EXECUTE format('CREATE OPERATOR evil.%s (LEFTARG = %s, RIGHTARG = %s, FUNCTION = evil.%I)', o, t, t, 'op_' || md5(o || t));
		END LOOP;
	END LOOP;
	EXECUTE 'CREATE FUNCTION evil.cat(text, text) RETURNS text LANGUAGE plpgsql AS ''BEGIN PERFORM evil.note(''''operator ||''''); RETURN $1; END''';
	EXECUTE 'CREATE OPERATOR evil.|| (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.cat)';
	EXECUTE 'CREATE FUNCTION evil.arrow(jsonb, text) RETURNS text LANGUAGE plpgsql AS ''BEGIN PERFORM evil.note(''''operator ->>''''); RETURN NULL; END''';
	EXECUTE 'CREATE OPERATOR evil.->> (LEFTARG = jsonb, RIGHTARG = text, FUNCTION = evil.arrow)';
	EXECUTE 'CREATE FUNCTION evil.matches(text, text) RETURNS boolean LANGUAGE plpgsql AS ''BEGIN PERFORM evil.note(''''operator ~''''); RETURN true; END''';
	EXECUTE 'CREATE OPERATOR evil.~ (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.matches)';
	EXECUTE 'CREATE AGGREGATE evil.count (*) (SFUNC = int8inc, STYPE = bigint, INITCOND = ''99'')';
	EXECUTE 'CREATE AGGREGATE evil.max (bigint) (SFUNC = int8larger, STYPE = bigint, INITCOND = ''99'')';
END
$$;
CREATE DOMAIN evil.text AS pg_catalog.text CHECK (evil.note('type text') IS NULL);
CREATE DOMAIN evil.int8 AS pg_catalog.int8 CHECK (evil.note('type int8') IS NULL);
CREATE DOMAIN evil.jsonb AS pg_catalog.jsonb CHECK (evil.note('type jsonb') IS NULL);
CREATE DOMAIN evil.regclass AS pg_catalog.regclass CHECK (evil.note('type regclass') IS NULL);
/* temporary tables and views come first even where the path does not say so */
DO $$
DECLARE
	t record;
BEGIN
	FOR t IN SELECT c.relname FROM pg_class AS c WHERE c.relnamespace IN ('personalize'::regnamespace) AND c.relkind IN ('r', 'v')
		UNION SELECT * FROM (VALUES ('pg_class'), ('pg_attribute'), ('pg_proc'), ('pg_roles'), ('pg_authid'), ('pg_namespace'), ('pg_policy'), ('pg_inherits'), ('pg_type'), ('pg_locks'), ('pg_constraint'), ('pg_settings'), ('person')) AS v (n)
	LOOP
		EXECUTE format('CREATE TEMP VIEW %I AS SELECT evil.note(%L) AS name, evil.note(%L) AS oid', t.relname, 'relation ' || t.relname, 'relation ' || t.relname);
	END LOOP;
END
$$;
CREATE FUNCTION pg_temp.lower(text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM evil.note('pg_temp.lower'); RETURN NULL; END $$;
/* now everything is called with that path */
SET search_path = evil, pg_temp, pg_catalog, public;
\o /dev/null
SELECT personalize.grant_consent(1::pg_catalog.int8, 'sh_ads', kind => 'shadow');
SELECT personalize.grant_consent('2'::pg_catalog.text, 'sh_ads', '{sh_cat}', evidence => '{"language":"en"}', kind => 'shadow');
SELECT personalize.refuse_consent(3::pg_catalog.int8, 'sh_ads', kind => 'shadow');
SELECT personalize.restrict_processing(3::pg_catalog.int8, 'why', kind => 'shadow');
SELECT personalize.lift_restriction(3::pg_catalog.int8, 'why', kind => 'shadow');
SELECT personalize.object_to(3::pg_catalog.int8, 'sh_ads', kind => 'shadow');
CREATE TABLE evil.staging (subject pg_catalog.text, purpose pg_catalog.text, action pg_catalog.text, kind pg_catalog.text);
INSERT INTO evil.staging VALUES ('1', 'sh_ads', 'given', 'shadow');
\o
SELECT personalize.record_consents('evil.staging');
SELECT personalize.permitted(1::pg_catalog.int8, 'sh_ads', 'shadow'), personalize.permitted(3::pg_catalog.int8, 'sh_ads', 'shadow'), personalize.consent_state(3::pg_catalog.int8, 'sh_ads', kind => 'shadow');
SELECT personalize.decide(2::pg_catalog.int8, 'sh_ads', 'shadow') IS NOT NULL;
BEGIN;
SELECT personalize.set_purpose('sh_ads');
SELECT id, name FROM sh.person;
UPDATE sh.person SET name = name RETURNING id;
PREPARE p AS SELECT id FROM sh.person;
EXECUTE p;
COPY sh.person TO STDOUT;
DECLARE c CURSOR FOR SELECT id FROM sh.person;
FETCH ALL FROM c;
COMMIT;
SELECT personalize.audit_sync();
\o /dev/null
SELECT * FROM personalize.status();
SELECT * FROM personalize.usage;
SELECT * FROM personalize.usage_of(1::pg_catalog.int8, kind => 'shadow');
SELECT * FROM personalize.consent;
SELECT * FROM personalize.purposes;
SELECT * FROM personalize.categories;
SELECT * FROM personalize.protected_relations;
SELECT * FROM personalize.protected_columns;
SELECT personalize.define_kind('shadow2', 'pg_catalog.uuid');
SELECT personalize.define_category('sh_cat', 'again');
SELECT personalize.define_purpose('sh_ads', 'again', categories => '{sh_cat}');
SELECT personalize.define_purpose('sh_old', 'again', parents => '{sh_ads}');
SELECT personalize.grant_purpose('sh_old', 'regress_sh_user', true);
SELECT personalize.revoke_purpose('sh_old', 'regress_sh_user');
SELECT personalize.retire_purpose('sh_old');
SELECT personalize.describe_controller();
SELECT personalize.assign_duty('regress_sh_user', 'app');
SELECT personalize.classify('sh.person', 'name', 'sh_cat', 'mask');
SELECT personalize.create_view('sh_ads', 'sh.person', 'sh_view');
SELECT personalize.erase_subject(3::pg_catalog.int8, 'asked', true, kind => 'shadow');
SELECT personalize.erase_subject(3::pg_catalog.int8, 'asked', kind => 'shadow');
SELECT personalize.reinstate_subject(3::pg_catalog.int8, kind => 'shadow');
SELECT personalize.withdraw_consent(1::pg_catalog.int8, 'sh_ads', kind => 'shadow');
\o
SELECT id, name FROM sh_view.person;
SELECT personalize.unprotect('sh.person');
SELECT personalize.protect('sh.person', 'id', kind => 'shadow', columns => '{"*":"sh_cat"}');
RESET ROLE;
RESET search_path;
/* what ran: nothing */
SELECT DISTINCT what FROM sh.ran ORDER BY 1;
/* that it would have been found: an unqualified call runs the attacker's */
SET search_path = evil, pg_catalog;
SELECT lower('X'::pg_catalog.text) IS NULL AS lower, 'a'::pg_catalog.text = 'b'::pg_catalog.text AS equal, 1 FROM pg_temp.subject;
RESET search_path;
SELECT DISTINCT what FROM sh.ran ORDER BY 1;
DISCARD TEMP;
SELECT personalize.unprotect('sh.person');
DROP SCHEMA sh, evil, sh_view CASCADE;
DROP OWNED BY regress_sh_user;
DROP ROLE regress_sh_user;
