-- create_view() gives an officer no rights over schemas: it uses those it made and those where the officer may make things.
SET client_min_messages = warning;
\pset format unaligned
\set SHOW_CONTEXT never
CREATE ROLE regress_vs_owner;
CREATE ROLE regress_vs_app;
CREATE ROLE regress_vs_officer;
CREATE SCHEMA vs AUTHORIZATION regress_vs_owner;
CREATE SCHEMA vs_vault;
CREATE SCHEMA vs_lent;
CREATE SCHEMA vs_open;
CREATE SCHEMA vs_mine AUTHORIZATION regress_vs_officer;
CREATE SCHEMA vs_owners AUTHORIZATION regress_vs_owner;
GRANT USAGE ON SCHEMA vs TO regress_vs_app, regress_vs_officer;
GRANT CREATE ON SCHEMA vs_lent, vs_open TO regress_vs_officer;
GRANT USAGE ON SCHEMA vs_open TO PUBLIC;
CREATE TABLE vs.person (id integer PRIMARY KEY, name text);
ALTER TABLE vs.person OWNER TO regress_vs_owner;
GRANT SELECT ON vs.person TO regress_vs_app;
SELECT personalize.assign_duty('regress_vs_officer', 'officer');
SELECT personalize.define_kind('vs', 'bigint');
SELECT personalize.define_category('vs_general', 'for tests');
SELECT personalize.define_purpose(p, 'for tests', categories => '{vs_general}') FROM unnest('{vs_ads,vs_mail,regress_vs_app}'::text[]) AS p;
SELECT personalize.protect('vs.person', 'id', kind => 'vs', columns => '{"*":"vs_general"}');
SELECT personalize.grant_purpose(p, 'regress_vs_app') FROM unnest('{vs_ads,vs_mail,regress_vs_app}'::text[]) AS p;
CREATE VIEW pg_temp.rights AS
	SELECT n.nspname AS schema, pg_get_userbyid(n.nspowner) AS owner, has_schema_privilege('regress_vs_app', n.oid, 'USAGE') AS app_may_use,
		to_regclass(quote_ident(n.nspname) || '.person') IS NOT NULL AS has_view
	FROM pg_namespace AS n WHERE n.nspname ~ '^(vs|regress_vs)' ORDER BY n.nspname COLLATE "C";
SET ROLE regress_vs_officer;
/* schemas of others, those of the relation's owner among them */
SELECT personalize.create_view('vs_ads', 'vs.person', schema => 'vs_vault');
SELECT personalize.create_view('vs_ads', 'vs.person', schema => 'vs_owners');
/* one that would come first in somebody's search path */
SELECT personalize.create_view('vs_ads', 'vs.person', schema => 'regress_vs_app');
SELECT personalize.create_view('regress_vs_app', 'vs.person');
SELECT personalize.create_view('regress_vs_app', 'vs.person', schema => 'vs_for_app');
/* where the officer may make things, but not let others in */
SELECT personalize.create_view('vs_ads', 'vs.person', schema => 'vs_lent');
SELECT personalize.create_view('vs_ads', 'vs.person', schema => 'vs_open');
/* its own */
SELECT personalize.create_view('vs_ads', 'vs.person', schema => 'vs_mine');
/* those it made before, again and for another purpose */
SELECT personalize.create_view('vs_ads', 'vs.person');
SELECT personalize.create_view('vs_ads', 'vs.person');
SELECT personalize.create_view('vs_mail', 'vs.person', schema => 'vs_ads');
RESET ROLE;
SELECT * FROM pg_temp.rights;
/* "public" would be found by most */
BEGIN;
ALTER SCHEMA public RENAME TO vs_public;
SET LOCAL ROLE regress_vs_officer;
SELECT personalize.create_view('vs_ads', 'vs.person', schema => 'public');
ROLLBACK;
/* a view of somebody else is not replaced by right of making views beside it */
CREATE VIEW vs_open.twin AS SELECT id FROM vs.person WHERE personalize.for_purpose('vs_ads');
CREATE TABLE vs.twin (id integer PRIMARY KEY);
ALTER TABLE vs.twin OWNER TO regress_vs_owner;
SELECT personalize.protect('vs.twin', 'id', kind => 'vs');
SET ROLE regress_vs_officer;
SELECT personalize.create_view('vs_ads', 'vs.twin', schema => 'vs_open');
RESET ROLE;
SELECT personalize.create_view('vs_ads', 'vs.twin', schema => 'vs_open');
/* its mark is the comment, which only the owner of a schema can write */
SET ROLE regress_vs_officer;
COMMENT ON SCHEMA vs_vault IS 'Views for purpose x, made by personalize.create_view()';
SET ROLE regress_vs_owner;
COMMENT ON SCHEMA vs_owners IS 'Views for purpose x, made by personalize.create_view()';
SET ROLE regress_vs_officer;
SELECT personalize.create_view('vs_ads', 'vs.person', schema => 'vs_owners');
RESET ROLE;
SELECT * FROM pg_temp.rights WHERE schema = 'vs_owners';
DROP VIEW pg_temp.rights;
DROP SCHEMA vs, vs_vault, vs_lent, vs_open, vs_mine, vs_owners, vs_ads, vs_for_app CASCADE;
SELECT personalize.revoke_duty('regress_vs_officer', 'officer');
DROP OWNED BY regress_vs_owner, regress_vs_app, regress_vs_officer;
DROP ROLE regress_vs_owner, regress_vs_app, regress_vs_officer;
