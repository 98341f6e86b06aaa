-- Frequency caps: whoever has been reached often enough is withheld by the row filter, until it is long enough ago.
SET client_min_messages = warning;
\pset format unaligned
\set SHOW_CONTEXT never
CREATE SCHEMA cap;
CREATE ROLE regress_cap_app;
GRANT USAGE ON SCHEMA cap TO regress_cap_app;
CREATE TABLE cap.customer (id bigint PRIMARY KEY, name text);
INSERT INTO cap.customer SELECT i, 'n' || i FROM generate_series(1, 5) AS i;
GRANT SELECT ON cap.customer TO regress_cap_app;
DO $$
BEGIN
	PERFORM personalize.define_kind('cap', 'bigint');
	PERFORM personalize.define_kind('cap_cookie', 'text');
	PERFORM personalize.define_category('cap_c', 'for tests');
	PERFORM personalize.define_purpose('cap_ads', 'Suggestions of what others bought', categories => '{cap_c}', value_exchange => 'fewer clicks to what you like');
	PERFORM personalize.define_purpose('cap_other', 'for tests', categories => '{cap_c}');
	PERFORM personalize.protect('cap.customer', 'id', kind => 'cap', columns => '{"*":"cap_c"}');
	PERFORM personalize.grant_purpose('cap_ads', 'regress_cap_app');
	PERFORM personalize.grant_purpose('cap_other', 'regress_cap_app');
	PERFORM personalize.assign_duty('regress_cap_app', 'app');
	PERFORM personalize.grant_consent(i, p, kind => 'cap') FROM generate_series(1, 4) AS i, unnest('{cap_ads,cap_other}'::text[]) AS p;
END
$$;
SELECT personalize.set_frequency_cap('cap_ads', 2, '1 day') AS reached;
CREATE FUNCTION cap.seen(p text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE ids text;
BEGIN
	PERFORM personalize.set_purpose(p);
	SELECT string_agg(id::text, ',' ORDER BY id) INTO ids FROM cap.customer;
	RETURN ids;
END $$;
SET ROLE regress_cap_app;
SELECT cap.seen('cap_ads'), cap.seen('cap_other');
SELECT personalize.record_exposure(1, 'cap_ads', 'thing 1', 'because others bought it', kind => 'cap') > 0 AS shown;
SELECT personalize.permitted(1, 'cap_ads', 'cap');
SELECT personalize.record_exposure(1, 'cap_ads', 'thing 2', kind => 'cap') > 0 AS shown;
/* at the cap: withheld, for this purpose alone, with a reason; nothing is recorded any more */
SELECT cap.seen('cap_ads'), cap.seen('cap_other');
SELECT permitted, reason FROM personalize.decide(1, 'cap_ads', 'cap');
SELECT personalize.consent_state(1, 'cap_ads', kind => 'cap');
SELECT personalize.record_exposure(1, 'cap_ads', 'thing 3', kind => 'cap') IS NULL AS not_shown;
/* who did not agree is not shown anything, and gets no number */
SELECT personalize.record_exposure(5, 'cap_ads', 'thing 1', kind => 'cap') IS NULL AS not_shown;
RESET ROLE;
SELECT count(*) FROM personalize.exposure AS e JOIN personalize.subject AS s USING (subject_no) JOIN personalize.registry_kind AS k USING (kind_id) WHERE k.name = 'cap';
SELECT purpose, max_uses, per, reached FROM personalize.frequency_caps;
/* rolled back it never happened */
BEGIN;
SELECT personalize.record_exposure(2, 'cap_ads', kind => 'cap') > 0, personalize.record_exposure(2, 'cap_ads', kind => 'cap') > 0 AS shown;
SELECT personalize.permitted(2, 'cap_ads', 'cap');
ROLLBACK;
SELECT personalize.permitted(2, 'cap_ads', 'cap');
/* a second cap; a cap that is changed looks at what was */
SELECT personalize.record_exposure(3, 'cap_ads', kind => 'cap') > 0 AS shown;
SELECT personalize.set_frequency_cap('cap_ads', 1, '1 hour') AS reached;
SELECT cap.seen('cap_ads');
SELECT personalize.set_frequency_cap('cap_ads', 9, '1 hour') AS reached, personalize.set_frequency_cap('cap_ads', 3, '1 day') AS reached;
SELECT cap.seen('cap_ads');
SELECT personalize.set_frequency_cap('cap_ads', 2, '1 day') AS reached;
/* identities of a person are capped together */
SELECT personalize.grant_consent('c', 'cap_ads', kind => 'cap_cookie') > 0;
SELECT personalize.link_subject('c', '4', to_kind => 'cap', kind => 'cap_cookie') >= 0;
SELECT personalize.record_exposure('c', 'cap_ads', kind => 'cap_cookie') > 0 AS shown;
SELECT personalize.record_exposure(4, 'cap_ads', kind => 'cap') > 0 AS shown;
SELECT personalize.record_exposure('c', 'cap_ads', kind => 'cap_cookie') IS NULL AS not_shown, personalize.permitted(4, 'cap_ads', 'cap');
/* why something was shown does not change when the cap is reached */
SELECT DISTINCT left(because, 4) AS because FROM personalize.why(4, kind => 'cap');
/* until it is long enough ago: the set and the ledger agree on it */
SELECT cap.seen('cap_ads');
SELECT personalize.set_frequency_cap('cap_ads', NULL, '1 hour'), personalize.set_frequency_cap('cap_ads', NULL, '1 day');
SELECT personalize.set_frequency_cap('cap_ads', 2, '2 seconds') >= 0;
SELECT personalize.record_exposure(2, 'cap_ads', kind => 'cap') > 0, personalize.record_exposure(2, 'cap_ads', kind => 'cap') > 0 AS shown;
SELECT personalize.permitted(2, 'cap_ads', 'cap');
DO $$ BEGIN WHILE NOT personalize.permitted(2, 'cap_ads', 'cap') LOOP COMMIT; PERFORM pg_sleep(0.05); /* lint: poll interval */ END LOOP; END $$;
SELECT cap.seen('cap_ads');
SELECT wrong FROM personalize.consent_set_check_internal(NULL);
/* why */
SET ROLE regress_cap_app;
SELECT purpose, item, explanation, description, legal_basis, categories, regexp_replace(because, '\d{4}-\d\d-\d\d', 'DAY'), gets, how_to_object FROM personalize.why(1, kind => 'cap');
RESET ROLE;
/* what cannot be */
SELECT personalize.set_frequency_cap('cap_ads', 0, '1 day');
SELECT personalize.set_frequency_cap('cap_ads', 1, '-1 day');
SELECT personalize.set_frequency_cap('nonesuch', 1, '1 day');
SELECT personalize.set_frequency_cap('backup', 1, '1 day');
SELECT personalize.record_exposure(1, 'nonesuch', kind => 'cap');
SELECT personalize.record_exposure(NULL::bigint, 'cap_ads', kind => 'cap');
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT personalize.record_exposure(1, 'cap_ads', kind => 'cap');
ROLLBACK;
SET ROLE regress_cap_app;
SELECT personalize.set_frequency_cap('cap_ads', 1, '1 day');
RESET ROLE;
SELECT personalize.set_frequency_cap('cap_ads', NULL, '2 seconds');
SELECT personalize.unprotect('cap.customer');
SELECT personalize.revoke_duty('regress_cap_app', 'app'), personalize.revoke_purpose(p.name, 'regress_cap_app'), personalize.retire_purpose(p.name) FROM personalize.purposes AS p WHERE p.name LIKE 'cap%';
DROP SCHEMA cap CASCADE;
DROP OWNED BY regress_cap_app;
DROP ROLE regress_cap_app;
