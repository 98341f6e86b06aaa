-- Relations, columns, roles, schemas and purposes work under whatever names they have.
SET client_min_messages = error;
\pset format unaligned
\pset tuples_only on
/* names that need care wherever a statement is put together; the last has 63 bytes */
CREATE TABLE nm_name (no integer PRIMARY KEY, name text);
INSERT INTO nm_name VALUES (1, 'Upper Case'), (2, 'it''s'), (3, 'say "x"'), (4, 'back\slash'), (5, '%I %s %L %'), (6, 'sem;colon--'), (7, 'select'), (8, 'ünï çödé'),
	(9, '$1 $$x$$'), (10, '{"a":1}'), (11, 'a.b.c'), (12, '*'), (13, E'new\nline'), (14, repeat('é', 30) || 'abc');
CREATE FUNCTION nm_try(nm text, i integer) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	role name := left('regress_nm ' || nm, 40)::name;
	rel regclass;
	col text := left(nm, 50);
	purpose text := replace(nm, E'\n', ' ');
	told text[];
	x text;
	id bigint;
BEGIN
	EXECUTE format('CREATE SCHEMA %I', nm || '');
	EXECUTE format('CREATE ROLE %I', role);
	EXECUTE format('CREATE TABLE %I.%I (%I text PRIMARY KEY, %I text)', nm, nm, nm, CASE WHEN nm = col THEN 'x' || left(nm, 45) ELSE col END);
	EXECUTE format('CREATE TABLE %I.part (%I text, d integer) PARTITION BY LIST (d)', nm, nm);
	EXECUTE format('CREATE TABLE %I.%I PARTITION OF %I.part DEFAULT', nm, 'p' || left(nm, 40), nm);
	EXECUTE format('INSERT INTO %I.%I VALUES (%L, %L), (%L, %L)', nm, nm, 'me', 'seen', nm, 'too');
	EXECUTE format('INSERT INTO %I.%I VALUES (%L, %L)', nm, nm, 'other', 'hidden');
	EXECUTE format('INSERT INTO %I.part VALUES (%L, 1), (%L, 2)', nm, 'me', 'other');
	EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I; GRANT ALL ON ALL TABLES IN SCHEMA %I TO %I', nm, role, nm, role);
	rel := format('%I.%I', nm, nm)::regclass;
	PERFORM personalize.define_kind('k' || i, 'text');
	PERFORM personalize.define_category('c' || i, nm);
	PERFORM personalize.define_purpose(purpose, nm, categories => ARRAY['c' || i], recipients => ARRAY[nm]);
	PERFORM personalize.protect(rel, nm::name, kind => 'k' || i, columns => jsonb_build_object('*', 'c' || i));
	PERFORM personalize.protect(format('%I.part', nm)::regclass, nm::name, kind => 'k' || i, columns => jsonb_build_object('*', 'c' || i));
	PERFORM personalize.classify(rel, (SELECT attname FROM pg_attribute WHERE attrelid = rel AND attnum = 2), 'c' || i, nm);
	PERFORM personalize.grant_purpose(purpose, format('%I', role)::regrole);
	PERFORM personalize.assign_duty(format('%I', role)::regrole, 'app');
	PERFORM personalize.grant_consent(u.k, purpose, notice => nm, method => nm, evidence => jsonb_build_object(nm, nm), kind => 'k' || i) FROM unnest(ARRAY['me', nm]) AS u (k);
	told := told || (SELECT string_agg(check_name || ' ' || detail, ', ') FROM personalize.status() WHERE NOT ok AND detail LIKE '%' || quote_ident(nm) || '%');
	EXECUTE format('SET LOCAL ROLE %I', role);
	PERFORM personalize.set_purpose(purpose);
	EXECUTE format('SELECT count(*) FROM %I.%I', nm, nm) INTO x;
	told := told || x;
	EXECUTE format('SELECT count(*) FROM %I.part', nm) INTO x;
	told := told || x;
	EXECUTE format('SELECT count(*) FROM %I.%I WHERE %I = %L', nm, nm, nm, nm) INTO x;
	told := told || x;
	told := told || personalize.consent_state(nm, purpose, kind => 'k' || i);
	RESET ROLE;
	told := told || personalize.create_view(purpose, rel, ('v' || left(nm, 50))::name)::text;
	/* bound to the purpose: no setting is needed */
	PERFORM set_config('personalize.purpose', '', true);
	EXECUTE format('SELECT count(*) FROM %I.%I', 'v' || left(nm, 50), nm) INTO x;
	told := told || x;
	EXECUTE format('ALTER TABLE %I.%I RENAME TO %I', nm, nm, 'r' || left(nm, 50));
	PERFORM personalize.define_category('c' || i, 'again');
	told := told || (SELECT string_agg(relation_name, ' ' ORDER BY relation_name COLLATE "C") FROM personalize.protected_relations WHERE kind = 'k' || i);
	told := told || (SELECT string_agg((r ->> 'rows'), ',') FROM jsonb_array_elements(personalize.erase_subject('me', kind => 'k' || i) -> 'relations') AS r);
	PERFORM personalize.withdraw_consent(nm, purpose, kind => 'k' || i);
	PERFORM personalize.revoke_duty(format('%I', role)::regrole, 'app');
	PERFORM personalize.revoke_purpose(purpose, format('%I', role)::regrole);
	PERFORM personalize.unprotect(rel);
	PERFORM personalize.unprotect(format('%I.part', nm)::regclass);
	EXECUTE format('SELECT count(*) FROM %s', rel) INTO x;
	told := told || x;
	EXECUTE format('DROP SCHEMA %I CASCADE; DROP SCHEMA %I CASCADE; DROP ROLE %I', nm, 'v' || left(nm, 50), role);
	RETURN array_to_string(told, ' | ');
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ' ' || SQLERRM;
END
$$;
\set ECHO none
SELECT format(E'SELECT ''%s: '' || nm_try(name, no) FROM nm_name WHERE no = %s', no, no) FROM nm_name ORDER BY no \gexec
\set ECHO all
DROP FUNCTION nm_try(text, integer);
DROP TABLE nm_name;
