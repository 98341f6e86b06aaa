-- The ledger of consent and what else is append-only can be added to, and not changed, by nobody.
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
	PERFORM personalize.define_kind('enforce_ledger', 'bigint');
	PERFORM personalize.define_category('enf_general', 'for tests');
	PERFORM personalize.define_purpose('enf_ads', 'for tests', categories => '{enf_general}');
	PERFORM personalize.define_purpose('enf_mail', 'for tests', categories => '{enf_general}');
	PERFORM personalize.protect('enf.customer', 'id', kind => 'enforce_ledger', columns => '{"*":"enf_general"}');
	PERFORM personalize.grant_purpose('enf_ads', 'regress_enf_app');
	PERFORM personalize.grant_purpose('enf_ads', 'regress_enf_owner');
	PERFORM personalize.grant_purpose('enf_mail', 'regress_enf_app');
	PERFORM personalize.grant_consent(i, 'enf_ads', kind => 'enforce_ledger') FROM generate_series(1, 2) AS i;
	PERFORM personalize.grant_consent(i, 'enf_mail', kind => 'enforce_ledger') FROM generate_series(1, 4) AS i;
END
$$;
\set VERBOSITY terse
CREATE FUNCTION enf.refused(query text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE query;
	RAISE EXCEPTION 'not refused';		/* and undone */
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
SELECT max(event_id) AS event FROM personalize.consent_event \gset
/* by the superuser */
SELECT enf.refused('UPDATE personalize.consent_event SET action = ''withdrawn''');
SELECT enf.refused('UPDATE personalize.consent_event SET action = ''withdrawn'' WHERE false');
SELECT enf.refused('DELETE FROM personalize.consent_event');
SELECT enf.refused('DELETE FROM personalize.consent_event WHERE event_id = 0');
SELECT enf.refused('TRUNCATE personalize.consent_event');
SELECT enf.refused('TRUNCATE enf.customer, personalize.consent_event CASCADE');
SELECT enf.refused('MERGE INTO personalize.consent_event AS e USING (SELECT 1) AS x ON true WHEN MATCHED THEN DELETE');
SELECT enf.refused('MERGE INTO personalize.consent_event AS e USING (SELECT 1) AS x ON true WHEN MATCHED THEN UPDATE SET action = ''withdrawn''');
SELECT enf.refused('INSERT INTO personalize.consent_event SELECT * FROM personalize.consent_event ON CONFLICT (event_id) DO UPDATE SET action = ''withdrawn''');
SELECT enf.refused('WITH d AS (DELETE FROM personalize.consent_event RETURNING *) SELECT count(*) FROM d');
SELECT enf.refused('WITH u AS (UPDATE personalize.consent_event SET action = ''withdrawn'' RETURNING *) INSERT INTO enf.customer (id) SELECT event_id FROM u');
CREATE TABLE enf.scratch (i integer);
SELECT enf.refused('WITH i AS (INSERT INTO enf.scratch VALUES (1)) MERGE INTO personalize.consent_event AS e USING (SELECT 1) AS x ON true WHEN MATCHED THEN DELETE');
SELECT enf.refused('WITH i AS (INSERT INTO enf.scratch VALUES (1)) MERGE INTO personalize.consent_event AS e USING (VALUES (' || :event || '), (-1)) AS x (k) ON e.event_id = x.k
	WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT (event_id, subject_no, purpose_id, action, recorded_by, recorded_as) VALUES (x.k, 1, 1, ''given'', ''x'', ''x'')');
SELECT enf.refused('WITH i AS (INSERT INTO enf.scratch VALUES (1)) DELETE FROM personalize.consent_event');
SELECT enf.refused('UPDATE personalize.subject SET key = ''x''');
SELECT enf.refused('DELETE FROM personalize.subject');
SELECT enf.refused('DELETE FROM personalize.tombstone');
SELECT enf.refused('DELETE FROM personalize.erasure');
SELECT enf.refused('TRUNCATE personalize.subject');
CREATE VIEW enf.ledger AS SELECT * FROM personalize.consent_event;
SELECT enf.refused('UPDATE enf.ledger SET action = ''withdrawn''');
SELECT enf.refused('DELETE FROM enf.ledger');
CREATE RULE ledger AS ON DELETE TO enf.scratch DO INSTEAD DELETE FROM personalize.consent_event;
SELECT enf.refused('DELETE FROM enf.scratch');
PREPARE change AS UPDATE personalize.consent_event SET action = 'withdrawn';
SELECT enf.refused('EXECUTE change');
DEALLOCATE change;
SET session_replication_role = replica;
SELECT enf.refused('DELETE FROM personalize.consent_event');
RESET session_replication_role;
/* all of it is still there */
SELECT count(*) FROM personalize.consent_event AS e JOIN personalize.subject AS s USING (subject_no)
	JOIN personalize.registry_kind AS k USING (kind_id) WHERE k.name = 'enforce_ledger' AND e.action = 'given';
/* the tables cannot be dropped either */
SELECT enf.refused('DROP TABLE personalize.consent_event');
/* with every duty a role can have it cannot be written to but by the functions */
DO $$
BEGIN
	PERFORM personalize.assign_duty('regress_enf_app', d) FROM unnest('{app,officer,auditor}'::text[]) AS d;
END
$$;
GRANT USAGE ON SCHEMA enf TO regress_enf_app;
SET ROLE regress_enf_app;
SELECT enf.refused('UPDATE personalize.consent_event SET action = ''withdrawn''');
SELECT enf.refused('DELETE FROM personalize.consent_event');
SELECT enf.refused('TRUNCATE personalize.consent_event');
SELECT enf.refused('INSERT INTO personalize.consent_event (subject_no, purpose_id, action, recorded_by, recorded_as) VALUES (1, 1, ''given'', ''x'', ''x'')');
SELECT enf.refused('UPDATE personalize.registry_purpose SET legal_basis = ''contract''');
SELECT enf.refused('INSERT INTO personalize.registry_grant VALUES (1, 0, ''regress_enf_app'', true)');
SELECT enf.refused('SELECT personalize.ledger_unlock_internal(true)');
RESET ROLE;
DROP SCHEMA enf CASCADE;
DROP OWNED BY regress_enf_owner, regress_enf_app;
DROP ROLE regress_enf_owner, regress_enf_app;
