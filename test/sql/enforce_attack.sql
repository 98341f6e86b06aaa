-- Ways to get a condition evaluated before the check, or a view rebound, that once worked: each shows or tells nothing now.
SET client_min_messages = warning;
\pset format unaligned
CREATE ROLE regress_atk_app;
CREATE ROLE regress_atk_other;
CREATE SCHEMA atk;
CREATE SCHEMA atk_app AUTHORIZATION regress_atk_app;
GRANT USAGE ON SCHEMA atk TO PUBLIC;
CREATE TABLE atk.person (id integer PRIMARY KEY, name text, email text, j json[]);
INSERT INTO atk.person SELECT i, 'name' || i, 'mail' || i, array_fill('2'::json, ARRAY[i]) FROM generate_series(1, 6) AS i;
GRANT ALL ON atk.person TO regress_atk_app;
DO $$
BEGIN
	PERFORM personalize.define_kind('enforce_attack', 'bigint');
	PERFORM personalize.define_category('atk_general', 'for tests');
	PERFORM personalize.define_category('atk_contact', 'for tests');
	PERFORM personalize.define_purpose('atk_care', 'for tests', categories => '{atk_general,atk_contact}');
	PERFORM personalize.define_purpose('atk_bill', 'for tests', 'contract', '{atk_general,atk_contact}');
	PERFORM personalize.protect('atk.person', 'id', kind => 'enforce_attack', columns => '{"email":"atk_contact","*":"atk_general"}');
	PERFORM personalize.grant_purpose(p, 'regress_atk_app') FROM unnest('{atk_care,atk_bill}'::text[]) AS p;
	/* 1 and 2: all; 3: not the address; 4 to 6: nothing */
	PERFORM personalize.grant_consent(i, 'atk_care', kind => 'enforce_attack') FROM generate_series(1, 2) AS i;
	PERFORM personalize.grant_consent(3, 'atk_care', categories => '{atk_general}', kind => 'enforce_attack');
	PERFORM personalize.create_view('atk_care', 'atk.person');
END
$$;
CREATE POLICY other ON atk.person AS RESTRICTIVE TO regress_atk_other USING (email LIKE 'mail3%');
\set VERBOSITY terse
SET ROLE regress_atk_app;
CREATE FUNCTION atk_app.evil(text, text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE COST 0.0001 AS 'BEGIN RAISE WARNING ''saw %'', $1; RETURN true; END';
CREATE OPERATOR atk_app.!== (LEFTARG = text, RIGHTARG = text, FUNCTION = atk_app.evil, NEGATOR = OPERATOR(atk_app.===));
CREATE OPERATOR atk_app.=== (LEFTARG = text, RIGHTARG = text, FUNCTION = pg_catalog.textlike, NEGATOR = OPERATOR(atk_app.!==));
CREATE COLLATION atk_app.nd (provider = icu, locale = 'und', deterministic = false);
CREATE VIEW atk_app.rebound WITH (security_barrier) AS SELECT * FROM atk_care.person WHERE personalize.for_purpose('atk_bill');
CREATE VIEW atk_app.rebound_open AS SELECT * FROM atk_care.person WHERE personalize.for_purpose('atk_bill');
CREATE VIEW atk_app.as_policy WITH (security_barrier, security_invoker) AS SELECT id, name, email FROM atk.person WHERE email LIKE 'mail3%';
\set ON_ERROR_ROLLBACK on
BEGIN;
SET LOCAL personalize.purpose = 'atk_care';
/* an operator of one's own over a harmless function, whose negator is not */
SELECT id FROM atk.person WHERE NOT (name OPERATOR(atk_app.===) 'x%') ORDER BY id;
SELECT id FROM atk.person WHERE NOT (email OPERATOR(atk_app.===) 'x%') ORDER BY id;
/* an error in the arm that is reached if a withheld row matches */
SELECT id FROM atk.person WHERE (name LIKE 'name6%' AND isfinite(to_date('xx', 'YYYY'))) OR name LIKE 'zzz';
/* ... the mask is null, so the other side is looked at whatever is under it */
SELECT id FROM atk.person WHERE id = 3 AND ((email LIKE 'mail3%' AND isfinite(to_date('xx', 'YYYY'))) OR email LIKE 'zzz');
SELECT id FROM atk.person WHERE id = 3 AND ((email LIKE 'mail7%' AND isfinite(to_date('xx', 'YYYY'))) OR email LIKE 'zzz');
SELECT id FROM atk.person WHERE (name LIKE 'name6%' AND name COLLATE atk_app.nd LIKE 'x%') OR name LIKE 'zzz';
SELECT id FROM atk.person WHERE (name LIKE 'name6%' AND lower(name COLLATE atk_app.nd) = 'x') OR name LIKE 'zzz';
SELECT id FROM atk.person WHERE j = ARRAY['2', '2', '2', '2', '2', '2']::json[];
SELECT id FROM atk.person WHERE j <> ARRAY['2', '2', '2', '2', '2', '2']::json[] OR id = 1 ORDER BY id;
/* a view over a purpose view keeps the purpose of the inner one, or is refused */
SELECT id FROM atk_app.rebound ORDER BY id;
UPDATE atk_app.rebound SET name = name RETURNING id;
DELETE FROM atk_app.rebound RETURNING id;
INSERT INTO atk_app.rebound (id, name) VALUES (6, 'x') ON CONFLICT (id) DO UPDATE SET name = 'y' RETURNING id;
UPDATE atk_app.rebound_open SET name = name RETURNING id;
/* a condition like the policy of somebody else */
SELECT id FROM atk_app.as_policy;
UPDATE atk_app.as_policy SET name = name RETURNING id, email;
/* a binding that would be folded away */
SELECT count(*) FROM atk.person WHERE personalize.for_purpose('atk_bill') OR true;
SELECT personalize.for_purpose('atk_bill');
ROLLBACK;
\set ON_ERROR_ROLLBACK off
RESET ROLE;
DROP SCHEMA atk, atk_app, atk_care CASCADE;
DROP OWNED BY regress_atk_app, regress_atk_other;
DROP ROLE regress_atk_app, regress_atk_other;
