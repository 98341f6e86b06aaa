-- TRUNCATE takes away no row that the role may not see; only the owner and privacy officers make triggers.
SET client_min_messages = warning;
\pset format unaligned
CREATE ROLE regress_tab_owner;
CREATE ROLE regress_tab_app;
CREATE ROLE regress_tab_officer;
CREATE SCHEMA tab AUTHORIZATION regress_tab_owner;
GRANT USAGE ON SCHEMA tab TO PUBLIC;
SET ROLE regress_tab_owner;
CREATE TABLE tab.person (id integer PRIMARY KEY, name text);
INSERT INTO tab.person SELECT i, 'name' || i FROM generate_series(1, 3) AS i;
CREATE TABLE tab.free (id integer PRIMARY KEY);
CREATE TABLE tab.refers (id integer REFERENCES tab.free, person integer);
CREATE TABLE tab.top (id integer);
CREATE TABLE tab.child () INHERITS (tab.top);
INSERT INTO tab.refers (person) VALUES (1);
INSERT INTO tab.child VALUES (1);
GRANT ALL ON ALL TABLES IN SCHEMA tab TO regress_tab_app, regress_tab_officer;
CREATE FUNCTION tab.peek() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
RESET ROLE;
SELECT personalize.assign_duty('regress_tab_officer', 'officer');
DO $$
BEGIN
	PERFORM personalize.define_kind('enforce_table', 'bigint');
	PERFORM personalize.define_category('tab_general', 'for tests');
	PERFORM personalize.define_purpose('tab_ads', 'for tests', categories => '{tab_general}');
	PERFORM personalize.protect('tab.person', 'id', kind => 'enforce_table', columns => '{"*":"tab_general"}');
	PERFORM personalize.protect('tab.refers', 'person', kind => 'enforce_table', columns => '{"*":"tab_general"}');
	PERFORM personalize.protect('tab.child', 'id', kind => 'enforce_table', columns => '{"*":"tab_general"}');
	PERFORM personalize.grant_purpose(p, 'regress_tab_app') FROM unnest('{tab_ads}'::text[]) AS p;
END
$$;
\set VERBOSITY terse
SET ROLE regress_tab_app;
TRUNCATE tab.person;
\echo :LAST_ERROR_SQLSTATE
BEGIN; SET LOCAL personalize.purpose = 'tab_ads'; TRUNCATE tab.person; ROLLBACK;
/* not granted, so it does not help */
BEGIN; SET LOCAL personalize.purpose = 'break_glass'; TRUNCATE tab.person; ROLLBACK;
TRUNCATE tab.free CASCADE;
TRUNCATE tab.top;
TRUNCATE ONLY tab.top;
SET ROLE regress_tab_owner;
TRUNCATE tab.free, tab.person;
RESET ROLE;
TRUNCATE tab.person;
BEGIN; SET LOCAL personalize.purpose = 'break_glass'; TRUNCATE tab.person; SELECT count(*) FROM tab.person; ROLLBACK;
SET ROLE regress_tab_app;
CREATE TRIGGER peek BEFORE UPDATE ON tab.person FOR EACH ROW EXECUTE FUNCTION tab.peek();
\echo :LAST_ERROR_SQLSTATE
CREATE CONSTRAINT TRIGGER peek AFTER UPDATE ON tab.person FOR EACH ROW EXECUTE FUNCTION tab.peek();
CREATE TRIGGER peek BEFORE UPDATE ON tab.free FOR EACH ROW EXECUTE FUNCTION tab.peek();
SET ROLE regress_tab_officer;
CREATE TRIGGER peek_officer BEFORE UPDATE ON tab.person FOR EACH ROW EXECUTE FUNCTION tab.peek();
SET ROLE regress_tab_owner;
CREATE TRIGGER peek_owner BEFORE UPDATE ON tab.person FOR EACH ROW EXECUTE FUNCTION tab.peek();
RESET ROLE;
SELECT tgrelid::regclass, tgname FROM pg_trigger WHERE tgname LIKE 'peek%' ORDER BY tgname COLLATE "C";
DROP SCHEMA tab CASCADE;
SELECT personalize.revoke_duty('regress_tab_officer', 'officer');
DROP OWNED BY regress_tab_owner, regress_tab_app, regress_tab_officer;
DROP ROLE regress_tab_owner, regress_tab_app, regress_tab_officer;
