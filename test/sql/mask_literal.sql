-- Checking the literal of a mask runs the type's input function only: no cast and no constraint, which may belong to the officer.
SET client_min_messages = warning;
\pset format unaligned
\set SHOW_CONTEXT never
CREATE ROLE regress_ml_officer;
SELECT personalize.assign_duty('regress_ml_officer', 'officer');
CREATE SCHEMA ml AUTHORIZATION regress_ml_officer;
SET ROLE regress_ml_officer;
CREATE FUNCTION ml.seize() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	ALTER ROLE regress_ml_officer SUPERUSER;
	RETURN true;
END $$;
/* types of the officer: a cast, a domain, and what could hide one */
CREATE TYPE ml.mood AS ENUM ('sad', 'glad');
CREATE FUNCTION ml.mood_text(ml.mood) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM ml.seize();
	RETURN 'x';
END $$;
CREATE CAST (ml.mood AS text) WITH FUNCTION ml.mood_text(ml.mood);
CREATE FUNCTION ml.mood_check(ml.mood) RETURNS boolean LANGUAGE sql AS 'SELECT ml.seize()';
CREATE DOMAIN ml.moody AS ml.mood CHECK (ml.mood_check(VALUE));
CREATE TYPE ml.pair AS (a ml.moody);
CREATE TABLE ml.feeling (id bigint, a ml.mood, b ml.moody, c ml.mood[], d ml.pair, e ml.moody[], f varchar(3), g numeric(4,1), h char(2));
RESET ROLE;
SELECT personalize.define_kind('ml', 'bigint');
SELECT personalize.define_category('ml_general', 'for tests');
SELECT personalize.define_purpose('ml_use', 'for tests', categories => '{ml_general}');
SET ROLE regress_ml_officer;
SELECT personalize.protect('ml.feeling', 'id', kind => 'ml', columns => '{"*":"ml_general"}');
SELECT personalize.classify('ml.feeling', 'a', 'ml_general', mask => 'sad');
SELECT personalize.classify('ml.feeling', 'a', 'ml_general', mask => 'furious');
SELECT personalize.classify('ml.feeling', 'b', 'ml_general', mask => 'sad');
SELECT personalize.classify('ml.feeling', 'c', 'ml_general', mask => '{sad,glad}');
SELECT personalize.classify('ml.feeling', 'c', 'ml_general', mask => '{sad,furious}');
SELECT personalize.classify('ml.feeling', 'd', 'ml_general', mask => '(sad)');
SELECT personalize.classify('ml.feeling', 'e', 'ml_general', mask => '{sad}');
SELECT personalize.classify('ml.feeling', 'f', 'ml_general', mask => 'abc');
SELECT personalize.classify('ml.feeling', 'f', 'ml_general', mask => 'abcd');
SELECT personalize.classify('ml.feeling', 'g', 'ml_general', mask => '12.3');
SELECT personalize.classify('ml.feeling', 'g', 'ml_general', mask => 'twelve');
SELECT personalize.classify('ml.feeling', 'g', 'ml_general', mask => '12345');
SELECT personalize.classify('ml.feeling', 'h', 'ml_general', mask => 'abc');
SELECT "column", mask FROM personalize.protected_columns WHERE relation = 'ml.feeling'::regclass AND mask IS NOT NULL ORDER BY 1;
RESET ROLE;
SELECT rolsuper FROM pg_roles WHERE rolname = 'regress_ml_officer';

SELECT personalize.unprotect('ml.feeling');
SELECT personalize.revoke_duty('regress_ml_officer', 'officer');
DROP SCHEMA ml CASCADE;
DROP OWNED BY regress_ml_officer;
DROP ROLE regress_ml_officer;
