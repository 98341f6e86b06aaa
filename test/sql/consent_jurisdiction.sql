-- Where the law is opt-out, silence is enough and on record as such; never over a word of the person's, for special categories or for minors.
SET client_min_messages = warning;
\pset format unaligned
\set SHOW_CONTEXT never
CREATE ROLE regress_jur_app;
CREATE ROLE regress_jur_officer;
CREATE SCHEMA jur;
GRANT USAGE ON SCHEMA jur TO PUBLIC;
CREATE TABLE jur.customer (id bigint PRIMARY KEY, name text, illness text);
INSERT INTO jur.customer SELECT i, 'n' || i, 'i' || i FROM generate_series(1, 20) AS i;
GRANT SELECT ON jur.customer TO regress_jur_app;
DO $$
BEGIN
	PERFORM personalize.define_kind('jur', 'bigint');
	PERFORM personalize.define_category('jur_a', 'for tests');
	PERFORM personalize.define_category('jur_b', 'for tests');
	PERFORM personalize.define_category('jur_ill', 'for tests', special => true);
	PERFORM personalize.define_purpose('jur_marketing', 'for tests', categories => '{jur_a}');
	PERFORM personalize.define_purpose('jur_sale', 'for tests', categories => '{jur_a,jur_ill}', parents => '{jur_marketing}',
		iri => 'https://w3id.org/dpv#SellDataToThirdParties');
	PERFORM personalize.define_purpose('jur_below', 'for tests', categories => '{jur_a}', parents => '{jur_sale}');
	PERFORM personalize.define_purpose('jur_explicit', 'for tests', 'explicit_consent', categories => '{jur_a}');
	PERFORM personalize.define_purpose('jur_health', 'for tests', categories => '{jur_ill}', special_basis => 'for tests');
	PERFORM personalize.protect('jur.customer', 'id', kind => 'jur', columns => '{"*":"jur_a","illness":"jur_ill"}');
	PERFORM personalize.grant_purpose(p, 'regress_jur_app') FROM unnest('{jur_marketing,jur_sale,jur_below,jur_explicit,jur_health}'::text[]) AS p;
	PERFORM personalize.assign_duty('regress_jur_app', 'app');
	PERFORM personalize.assign_duty('regress_jur_officer', 'officer');
END
$$;
CREATE VIEW pg_temp.line AS
	SELECT CASE WHEN s.key ~ '^[0-9]+$' THEN s.key::integer END AS who, p.name AS purpose, e.action, e.explicit, e.method, e.reason, (SELECT string_agg(coalesce(c.name, 'row'), ',' ORDER BY u.id)
			FROM unnest(e.categories) AS u (id) LEFT JOIN personalize.registry_category AS c ON c.category_id = u.id) AS categories
	FROM personalize.consent_event AS e JOIN personalize.subject AS s USING (subject_no) JOIN personalize.registry_kind AS k USING (kind_id)
		JOIN personalize.registry_purpose AS p USING (purpose_id)
	WHERE k.name = 'jur' ORDER BY e.event_id;
CREATE FUNCTION pg_temp.state(who bigint) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(p || ' ' || personalize.consent_state(who, 'jur_' || p, kind => 'jur') || CASE WHEN personalize.permitted(who, 'jur_' || p, kind => 'jur') THEN '!' ELSE '' END, ', ' ORDER BY n)
	FROM unnest('{marketing,sale,below,explicit,health}'::text[]) WITH ORDINALITY AS u (p, n)
$$;
/* who may say so */
SET ROLE regress_jur_app;
SELECT personalize.set_purpose_jurisdiction('jur_sale', 'US-CA', 'opt_out');
SELECT personalize.set_jurisdiction(1, 'US-CA', kind => 'jur');
SELECT personalize.set_jurisdiction(2, 'US-NY', kind => 'jur');
SELECT personalize.set_jurisdiction(3, 'DE', kind => 'jur');
/* these have said something before: to the purpose, to a broader one, or a browser for them */
SELECT personalize.refuse_consent(4, 'jur_sale', kind => 'jur') > 0 AS ok;
SELECT personalize.refuse_consent(5, 'jur_marketing', kind => 'jur') > 0 AS ok;
SELECT 'jur_sale' = ANY (personalize.record_gpc(6, kind => 'jur')) AS ok;
SELECT personalize.grant_consent(7, 'jur_marketing', kind => 'jur') > 0 AS ok;
SELECT count(personalize.set_jurisdiction(i, 'US-CA', kind => 'jur')) FROM generate_series(4, 8) AS i;
/* refusals */
SELECT personalize.set_jurisdiction(1, 'california', kind => 'jur');
SELECT personalize.set_jurisdiction(1, 'US-CA', kind => 'nobody');
SELECT personalize.set_jurisdiction(NULL::bigint, 'US-CA', kind => 'jur');
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT personalize.set_jurisdiction(1, 'US-CA', kind => 'jur');
ROLLBACK;
RESET ROLE;
SET ROLE regress_jur_officer;
SELECT personalize.set_purpose_jurisdiction('jur_sale', 'usa', 'opt_out');
SELECT personalize.set_purpose_jurisdiction('jur_sale', NULL, 'opt_out');
SELECT personalize.set_purpose_jurisdiction('jur_sale', 'US-CA', 'opt');
SELECT personalize.set_purpose_jurisdiction('jur_explicit', 'US-CA', 'opt_out');
SELECT personalize.set_purpose_jurisdiction('backup', 'US-CA', 'opt_out');
SELECT personalize.set_purpose_jurisdiction('nobody_knows', 'US-CA', 'opt_out');
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT personalize.set_purpose_jurisdiction('jur_sale', 'US-CA', 'opt_out');
ROLLBACK;
SELECT pg_temp.state(1);
/* opt-out in one state: for those who live there and said nothing, and for that purpose only */
SELECT personalize.set_purpose_jurisdiction('jur_sale', 'US-CA', 'opt_out') AS changed;
SELECT personalize.set_purpose_jurisdiction('jur_health', 'US-CA', 'opt_out') AS changed;
SELECT purpose, jurisdiction, model, set_by FROM personalize.purpose_jurisdictions WHERE purpose LIKE 'jur%' ORDER BY 1, 2;
RESET ROLE;
SELECT * FROM pg_temp.line WHERE action = 'presumed';
SELECT i, pg_temp.state(i) FROM generate_series(1, 8) AS i;
/* rows, not cells of a special category */
SET ROLE regress_jur_app;
BEGIN;
SELECT personalize.set_purpose('jur_sale');
SELECT * FROM jur.customer ORDER BY id;
COMMIT;
SELECT regexp_replace(d.reason, '[0-9-]{10}', 'DAY', 'g') AS reason, d.permitted FROM personalize.decide(1, 'jur_sale', kind => 'jur') AS d;
RESET ROLE;
SELECT subject, state, permitted, categories, explicit, method FROM personalize.consent WHERE kind = 'jur' AND purpose = 'jur_sale' ORDER BY CASE WHEN subject ~ '^[0-9]+$' THEN subject::integer END;
SELECT r -> 'dpv:hasConsentStatus' -> 0 ->> '@type' AS status, r -> 'dpv:hasConsentStatus' -> 0 ->> 'dct:description' AS why,
		r -> 'dpv:hasConsentStatus' -> 0 ? 'dpv:isIndicatedBy' AS by_the_person, r -> 'dpv:hasConsentStatus' -> 0 ? 'dpv:hasConsentType' AS is_consent
	FROM jsonb_array_elements(personalize.consent_receipt(1, 'jur_sale', kind => 'jur') -> 'dpv:hasRecord') AS r;
/* again: nothing changes; who comes later; the nearer law counts */
SELECT personalize.set_purpose_jurisdiction('jur_sale', 'US-CA', 'opt_out') AS changed;
SELECT personalize.set_jurisdiction(1, 'US-CA', kind => 'jur') AS changed, personalize.set_jurisdiction(9, 'US-CA', kind => 'jur') AS changed;
SELECT personalize.set_purpose_jurisdiction('jur_sale', 'US', 'opt_out') AS changed;
SELECT * FROM pg_temp.line WHERE action = 'presumed' AND who IN (2, 9);
SELECT personalize.set_purpose_jurisdiction('jur_sale', 'US-NY', 'opt_in') AS changed;
SELECT * FROM pg_temp.line WHERE who = 2;
SELECT pg_temp.state(2);
SELECT personalize.set_purpose_jurisdiction('jur_sale', 'US-NY', NULL) AS changed;
SELECT pg_temp.state(2);
/* any word takes its place: no, and no to a broader purpose, a browser's signal, yes to a broader one, no to a part */
SET ROLE regress_jur_app;
SELECT personalize.set_jurisdiction(i, 'US-CA', kind => 'jur') FROM generate_series(10, 15) AS i;
SELECT personalize.object_to(10, 'jur_sale', kind => 'jur') > 0 AS ok;
SELECT personalize.refuse_consent(11, 'jur_marketing', kind => 'jur') > 0 AS ok;
SELECT 'jur_sale' = ANY (personalize.record_gpc(12, kind => 'jur')) AS ok;
SELECT personalize.grant_consent(13, 'jur_marketing', expires_at => '2999-01-01', kind => 'jur') > 0 AS ok;
SELECT personalize.refuse_consent(14, 'jur_sale', categories => '{jur_ill}', kind => 'jur') > 0 AS ok;
SELECT personalize.restrict_processing(15, kind => 'jur') > 0 AS ok;
SELECT i, pg_temp.state(i) FROM generate_series(10, 15) AS i;
BEGIN;
SELECT personalize.refuse_consent(14, 'jur_marketing', kind => 'jur') > 0 AS ok;
SELECT pg_temp.state(14);
ROLLBACK;
SELECT personalize.consent_state(13, 'jur_sale', '2999-01-02', kind => 'jur') AS after_its_end;
SELECT personalize.lift_restriction(15, kind => 'jur') > 0 AS ok;
SELECT pg_temp.state(15);
/* nothing newer is ever put above these, in whatever order it stands in the ledger */
SELECT personalize.set_jurisdiction(i, 'DE', kind => 'jur') AS changed FROM generate_series(10, 15) AS i;
SELECT i, pg_temp.state(i) FROM generate_series(10, 15) AS i;
SELECT personalize.set_jurisdiction(i, 'US-CA', kind => 'jur') AS changed FROM generate_series(10, 15) AS i;
SELECT i, pg_temp.state(i) FROM generate_series(10, 15) AS i;
RESET ROLE;
BEGIN;
INSERT INTO personalize.consent_event (subject_no, purpose_id, action, recorded_by, recorded_as)
	SELECT s.subject_no, p.purpose_id, 'presumed', 'x', 'x' FROM personalize.subject AS s JOIN personalize.registry_kind AS k USING (kind_id), personalize.registry_purpose AS p
	WHERE k.name = 'jur' AND s.key IN ('10', '11', '12') AND p.name LIKE 'jur\_%';
SELECT i, pg_temp.state(i) FROM generate_series(10, 12) AS i;
ROLLBACK;
/* a signal of the browser is not about one purpose: nothing new is presumed after it */
BEGIN;
SELECT personalize.define_purpose('jur_share', 'for tests', categories => '{jur_a}');
SELECT personalize.set_purpose_jurisdiction('jur_share', 'US-CA', 'opt_out') > 0 AS changed;
SELECT personalize.consent_state(i, 'jur_share', kind => 'jur') FROM unnest('{6,10,12}'::integer[]) AS i;
ROLLBACK;
/* moving away ends what was presumed, not what was said */
SELECT personalize.grant_consent(16, 'jur_marketing', kind => 'jur') > 0 AS ok;
SELECT personalize.set_jurisdiction(1, 'FR', kind => 'jur') AS changed, personalize.set_jurisdiction(7, NULL, kind => 'jur') AS changed;
SELECT i, pg_temp.state(i) FROM unnest('{1,7,16}'::integer[]) AS i;
SELECT * FROM pg_temp.line WHERE who = 1;
/* as of then */
SELECT personalize.consent_state(1, 'jur_sale', e.recorded_at, kind => 'jur') FROM personalize.consent_event AS e JOIN personalize.subject AS s USING (subject_no)
	JOIN personalize.registry_kind AS k USING (kind_id) WHERE k.name = 'jur' AND s.key = '1' ORDER BY e.event_id;
/* a category that becomes special is not presumed; a purpose that is widened does not widen it, until it is said again */
BEGIN;
SELECT personalize.define_category('jur_a', 'for tests', special => true);
SELECT pg_temp.state(9);
ROLLBACK;
BEGIN;
SELECT personalize.define_purpose('jur_sale', 'for tests', categories => '{jur_a,jur_b}');
SELECT categories FROM personalize.consent WHERE kind = 'jur' AND purpose = 'jur_sale' AND subject = '9';
SELECT personalize.set_jurisdiction(9, 'US-CA', kind => 'jur') AS changed;
SELECT categories FROM personalize.consent WHERE kind = 'jur' AND purpose = 'jur_sale' AND subject = '9';
/* explicit consent is not presumed; what rests on something else needs no consent */
SELECT personalize.define_purpose('jur_sale', 'for tests', 'explicit_consent', categories => '{jur_a,jur_b}');
SELECT pg_temp.state(9);
SELECT finding, object FROM personalize.lint() WHERE object ~ '^jur_sale' AND finding ~ 'opt-out' ORDER BY 1, 2;
SELECT personalize.set_jurisdiction(9, 'US-CA', kind => 'jur') AS changed;
ROLLBACK;
/* minors: never */
SELECT personalize.set_minor(17, '2999-01-01', kind => 'jur') AS ended;
SELECT personalize.set_jurisdiction(17, 'US-CA', kind => 'jur') AS changed;
SELECT personalize.set_minor(9, '2999-01-01', kind => 'jur') AS ended;
SELECT i, pg_temp.state(i) FROM unnest('{9,17}'::integer[]) AS i;
SELECT * FROM pg_temp.line WHERE who IN (9, 17);
SELECT personalize.set_minor(17, '2001-01-01', kind => 'jur') AS ended;
SELECT pg_temp.state(17);
/* several identities: a word of one is a word of all, and the stricter law counts */
BEGIN;
SELECT personalize.set_jurisdiction(i, 'US-CA', kind => 'jur') FROM generate_series(30, 33) AS i;
SELECT personalize.refuse_consent(41, 'jur_sale', kind => 'jur') > 0 AS ok, personalize.set_jurisdiction(42, 'DE', kind => 'jur') AS changed, personalize.set_jurisdiction(43, 'US-NY', kind => 'jur') AS changed;
SELECT personalize.link_subject(i, i + 10, kind => 'jur') >= 0 AS ok FROM generate_series(30, 33) AS i;
SELECT i, personalize.consent_state(i, 'jur_sale', kind => 'jur') AS one, personalize.consent_state(i + 10, 'jur_sale', kind => 'jur') AS other FROM generate_series(30, 33) AS i;
SELECT personalize.set_jurisdiction(42, 'US', kind => 'jur') AS changed, personalize.set_jurisdiction(43, 'FR', kind => 'jur') AS changed;
SELECT i, personalize.consent_state(i, 'jur_sale', kind => 'jur') AS one, personalize.consent_state(i + 10, 'jur_sale', kind => 'jur') AS other FROM generate_series(30, 33) AS i;
ROLLBACK;
/* erased: nothing is recorded about nobody */
SELECT personalize.erase_subject(17, kind => 'jur') ->> 'subjects' AS erased;
SELECT personalize.set_jurisdiction(17, 'US-CA', kind => 'jur');
SELECT pg_temp.state(17);
/* the person is shown all of it */
SELECT (SELECT jsonb_agg(j -> 'jurisdiction') FROM jsonb_array_elements(x -> 'jurisdictions') AS j) AS jurisdictions,
		(SELECT jsonb_agg(c - '{record_id,recorded_at,categories}'::text[]) FROM jsonb_array_elements(x -> 'consents') AS c) AS consents
	FROM personalize.export_subject(1, kind => 'jur') AS x;
DELETE FROM personalize.subject_jurisdiction;
DROP SCHEMA jur CASCADE;
SELECT count(personalize.set_purpose_jurisdiction(purpose, jurisdiction, NULL)) FROM personalize.purpose_jurisdictions WHERE purpose LIKE 'jur%';
SELECT personalize.retire_purpose(p) FROM unnest('{jur_marketing,jur_sale,jur_below,jur_explicit,jur_health}'::text[]) AS p;
SELECT personalize.revoke_purpose(p, 'regress_jur_app') FROM unnest('{jur_marketing,jur_sale,jur_below,jur_explicit,jur_health}'::text[]) AS p;
SELECT personalize.revoke_duty('regress_jur_app', 'app');
SELECT personalize.revoke_duty('regress_jur_officer', 'officer');
DROP ROLE regress_jur_app, regress_jur_officer;
