-- Views are filtered by the query's purpose and the role that runs it, whoever owns them.
SET client_min_messages = warning;
\pset format unaligned
CREATE ROLE regress_enf_owner;
CREATE ROLE regress_enf_app;
CREATE SCHEMA enf AUTHORIZATION regress_enf_owner;
GRANT USAGE ON SCHEMA enf TO PUBLIC;
SET ROLE regress_enf_owner;
CREATE TABLE enf.customer (id integer PRIMARY KEY, name text, note text);
INSERT INTO enf.customer SELECT i, 'name' || i, 'note' || i FROM generate_series(1, 5) AS i;
GRANT ALL ON enf.customer TO regress_enf_app;
RESET ROLE;
/* ads: 1 and 2 agreed; mail: 1 to 4; 5 to nothing */
DO $$
BEGIN
	PERFORM personalize.define_kind('enforce_view', 'bigint');
	PERFORM personalize.define_category('enf_general', 'for tests');
	PERFORM personalize.define_purpose('enf_ads', 'for tests', categories => '{enf_general}');
	PERFORM personalize.define_purpose('enf_mail', 'for tests', categories => '{enf_general}');
	PERFORM personalize.protect('enf.customer', 'id', kind => 'enforce_view', columns => '{"*":"enf_general"}');
	PERFORM personalize.grant_purpose('enf_ads', 'regress_enf_app');
	PERFORM personalize.grant_purpose('enf_ads', 'regress_enf_owner');
	PERFORM personalize.grant_purpose('enf_mail', 'regress_enf_app');
	PERFORM personalize.grant_consent(i, 'enf_ads', kind => 'enforce_view') FROM generate_series(1, 2) AS i;
	PERFORM personalize.grant_consent(i, 'enf_mail', kind => 'enforce_view') FROM generate_series(1, 4) AS i;
END
$$;
\set VERBOSITY terse
CREATE ROLE regress_enf_bypass BYPASSRLS;
GRANT SELECT ON enf.customer TO regress_enf_bypass;
CREATE VIEW enf.v_super AS SELECT id, name FROM enf.customer;
CREATE VIEW enf.v_barrier WITH (security_barrier) AS SELECT id, name FROM enf.customer WHERE id > 0;
CREATE VIEW enf.v_nested AS SELECT id FROM enf.v_barrier;
CREATE VIEW enf.v_count AS SELECT count(*) AS n FROM enf.customer;
CREATE VIEW enf.v_owner AS SELECT id, name FROM enf.customer;
ALTER VIEW enf.v_owner OWNER TO regress_enf_owner;
GRANT CREATE ON SCHEMA enf TO regress_enf_bypass;
CREATE VIEW enf.v_bypass AS SELECT id, name FROM enf.customer;
ALTER VIEW enf.v_bypass OWNER TO regress_enf_bypass;
CREATE VIEW enf.v_update AS SELECT id, note FROM enf.customer;
CREATE VIEW enf.v_check AS SELECT id, note FROM enf.customer WHERE id < 100 WITH CHECK OPTION;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA enf TO regress_enf_app;
/* security_invoker is of 15 and later, as are we */
CREATE VIEW enf.v_invoker WITH (security_invoker) AS SELECT id, name FROM enf.customer;
GRANT SELECT ON enf.v_invoker TO regress_enf_app, regress_enf_owner;
SET ROLE regress_enf_app;
SELECT id FROM enf.v_super;
SELECT n FROM enf.v_count;
SELECT id FROM enf.v_nested LIMIT 0;
BEGIN;
SET LOCAL personalize.purpose = 'enf_ads';
SELECT id FROM enf.v_super ORDER BY id;
SELECT id FROM enf.v_barrier ORDER BY id;
SELECT id FROM enf.v_nested ORDER BY id;
SELECT n FROM enf.v_count;
SELECT id FROM enf.v_owner ORDER BY id;
SELECT id FROM enf.v_bypass ORDER BY id;
SELECT id FROM enf.v_invoker ORDER BY id;
SELECT v.id FROM enf.v_super AS v JOIN enf.v_owner AS w USING (id) ORDER BY id;
/* through a view only permitted rows change */
UPDATE enf.v_update SET note = 'changed' RETURNING id;
DELETE FROM enf.v_update WHERE id >= 2 RETURNING id;
UPDATE enf.v_update SET id = 100 WHERE id = 1;
ROLLBACK;
BEGIN;
SET LOCAL personalize.purpose = 'enf_ads';
INSERT INTO enf.v_update VALUES (50, 'new') RETURNING id, note;
INSERT INTO enf.v_check VALUES (150, 'new');
ROLLBACK;
/* the purpose is granted to the one who asks, not to the view's owner */
RESET ROLE;
DO $$ BEGIN PERFORM personalize.revoke_purpose('enf_ads', 'regress_enf_app'); END $$;
SET ROLE regress_enf_app;
BEGIN;
SET LOCAL personalize.purpose = 'enf_ads';
SELECT id FROM enf.v_super ORDER BY id;
ROLLBACK;
/* who holds it needs no privilege on the table below */
RESET ROLE;
CREATE ROLE regress_enf_reader;
GRANT SELECT ON enf.v_owner, enf.v_invoker TO regress_enf_reader;
DO $$ BEGIN PERFORM personalize.grant_purpose('enf_mail', 'regress_enf_reader'); END $$;
SET ROLE regress_enf_reader;
BEGIN;
SET LOCAL personalize.purpose = 'enf_mail';
SELECT id FROM enf.v_owner ORDER BY id;
SELECT id FROM enf.v_invoker ORDER BY id;
ROLLBACK;
/* rules */
RESET ROLE;
CREATE TABLE enf.trace (id integer, note text);
ALTER TABLE enf.trace OWNER TO regress_enf_owner;
CREATE RULE trace AS ON UPDATE TO enf.customer DO ALSO INSERT INTO enf.trace SELECT old.id, old.note;
DO $$ BEGIN PERFORM personalize.grant_purpose('enf_mail', 'regress_enf_app', may_copy => true); END $$;
SET ROLE regress_enf_app;
BEGIN;
SET LOCAL personalize.purpose = 'enf_mail';
UPDATE enf.customer SET note = 'ruled' WHERE id IN (3, 5);
RESET ROLE;
SELECT * FROM enf.trace ORDER BY 1;
ROLLBACK;
RESET ROLE;
DROP RULE trace ON enf.customer;
RESET ROLE;
DROP SCHEMA enf CASCADE;
DROP OWNED BY regress_enf_owner, regress_enf_app;
DROP ROLE regress_enf_owner, regress_enf_app;
DROP OWNED BY regress_enf_bypass, regress_enf_reader;
DROP ROLE regress_enf_bypass, regress_enf_reader;
