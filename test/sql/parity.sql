-- Groups of people, and people who said no, against the others: rates, the four-fifths rule and intervals by hand; the group is read through the row filter and is on record.
SET client_min_messages = warning;
\pset format unaligned
\set SHOW_CONTEXT never
CREATE SCHEMA par;
CREATE ROLE regress_par_officer;
CREATE ROLE regress_par_auditor;
GRANT USAGE ON SCHEMA par TO PUBLIC;
CREATE TYPE par.region AS ENUM ('north', 'south');
CREATE DOMAIN par.word AS text;
CREATE TYPE par.pair AS (a integer, b integer);
CREATE TABLE par.person (id bigint PRIMARY KEY, side par.word, region par.region, faith text, odd boolean, pair par.pair);
INSERT INTO par.person SELECT i, CASE WHEN i <= 40 THEN 'a' WHEN i <= 80 THEN 'b' WHEN i <= 83 THEN 'c' END, CASE WHEN i % 4 = 0 THEN 'north' ELSE 'south' END::par.region,
	CASE WHEN i % 2 = 0 THEN 'x' ELSE 'y' END, i % 2 = 1 FROM generate_series(1, 100) AS i;
GRANT SELECT ON par.person TO regress_par_officer, regress_par_auditor;
DO $$
BEGIN
	PERFORM personalize.define_kind('par', 'bigint');
	PERFORM personalize.define_category('par_c', 'for tests');
	PERFORM personalize.define_category('par_special', 'for tests', special => true);
	PERFORM personalize.define_purpose('par_ads', 'for tests', categories => '{par_c}');
	PERFORM personalize.define_purpose('par_fair', 'for tests', 'legitimate_interest', categories => '{par_c,par_special}');
	PERFORM personalize.define_purpose('par_serve', 'for tests', 'contract');
	PERFORM personalize.protect('par.person', 'id', kind => 'par', columns => '{"*":"par_c","faith":"par_special"}');
	PERFORM personalize.assign_duty('regress_par_officer', 'officer');
	PERFORM personalize.assign_duty('regress_par_auditor', 'auditor');
	PERFORM personalize.grant_purpose('par_ads', 'regress_par_officer');
	PERFORM personalize.define_metric('par_buys', 'par_ads', 'purchase');
	PERFORM personalize.define_metric('par_price', 'par_serve', 'other');
	/* of a and b 20 each agree, all of the others; two with their faith */
	PERFORM personalize.grant_consent(i, 'par_ads', kind => 'par') FROM generate_series(1, 100) AS i WHERE i % 2 = 0 OR i > 80;
	PERFORM personalize.grant_consent(i, 'par_fair', kind => 'par', explicit => true) FROM generate_series(1, 20) AS i;
	/* shown to 20 of a and 15 of b; bought by 10 and 8 */
	PERFORM personalize.record_exposure(i, 'par_ads', kind => 'par') FROM generate_series(2, 70, 2) AS i;
	PERFORM personalize.record_outcome(i, 'par_buys', at => clock_timestamp(), kind => 'par') FROM generate_series(1, 100) AS i WHERE i <= 20 OR i BETWEEN 41 AND 56;
END
$$;
\set round 'measure, group_value, persons, with_it, round(rate::numeric, 4) AS rate, round(ratio::numeric, 4) AS ratio, four_fifths, round(difference::numeric, 4) AS difference, round(low::numeric, 4) AS low, round(high::numeric, 4) AS high, suppressed'
SET ROLE regress_par_officer;
SELECT :round FROM personalize.parity('par_buys', 'par.person', 'side', 'par_ads');
SELECT :round FROM personalize.parity(NULL, 'par.person', 'region', 'par_ads', k => 20);
SELECT :round FROM personalize.parity(NULL, 'par.person', 'odd', 'par_ads');
/* read for another purpose: only who holds it, and what it lets through; cells that are kept back make no group */
SELECT :round FROM personalize.parity('par_buys', 'par.person', 'side', 'par_ads', 'par_fair');
RESET ROLE;
SELECT personalize.grant_purpose('par_fair', 'regress_par_officer');
SET ROLE regress_par_officer;
SELECT :round FROM personalize.parity('par_buys', 'par.person', 'side', 'par_ads', 'par_fair');
SELECT :round FROM personalize.parity(NULL, 'par.person', 'faith', 'par_ads', 'par_fair');
SELECT :round FROM personalize.parity(NULL, 'par.person', 'faith', 'par_ads');
RESET ROLE;
/* a cap holds for those who were reached most: they count all the same */
SELECT personalize.set_frequency_cap('par_ads', 1, '1 day');
SET ROLE regress_par_officer;
SELECT personalize.parity(NULL, 'par.person', 'side', 'par_ads');
SELECT :round FROM personalize.parity(NULL, 'par.person', 'side', 'par_ads', 'par_fair') WHERE group_value <= 'b';
RESET ROLE;
SELECT personalize.set_frequency_cap('par_ads', NULL, '1 day');
/* it is on record, by whom and for what */
SELECT personalize.audit_sync();
SELECT purpose, columns, status, subjects_used, precision FROM personalize.usage WHERE relation_name = 'par.person' AND db_role = 'regress_par_officer' ORDER BY usage_id;
/* somebody in rows of two groups is in none */
CREATE TABLE par.visit (person bigint, place text);
INSERT INTO par.visit SELECT i, CASE WHEN i <= 10 THEN 'x' ELSE 'y' END FROM generate_series(2, 40, 2) AS i UNION ALL SELECT i, 'y' FROM generate_series(2, 6, 2) AS i UNION ALL SELECT NULL, 'z';
GRANT SELECT ON par.visit TO regress_par_officer;
SELECT personalize.protect('par.visit', 'person', kind => 'par', columns => '{"*":"par_c"}');
SET personalize.least_group = 1;
SET ROLE regress_par_officer;
SELECT :round FROM personalize.parity(NULL, 'par.visit', 'place', 'par_ads');
RESET ROLE;
RESET personalize.least_group;
/* names are names */
CREATE TABLE par."we'ird ""one""" ("i d" bigint PRIMARY KEY, "a'b ""c"" %s" text);
INSERT INTO par."we'ird ""one""" SELECT i, 'it''s' FROM generate_series(1, 20) AS i;
GRANT SELECT ON par."we'ird ""one""" TO regress_par_officer;
SELECT personalize.protect('par."we''ird ""one"""', 'i d', kind => 'par', columns => '{"*":"par_c"}');
SET ROLE regress_par_officer;
SELECT :round FROM personalize.parity(NULL, 'par."we''ird ""one"""', 'a''b "c" %s', 'par_ads');
RESET ROLE;
/* what cannot be */
SET ROLE regress_par_officer;
SELECT personalize.parity(NULL, 'par.person', 'pair', 'par_ads');
SELECT personalize.parity(NULL, 'par.person', 'nonesuch', 'par_ads');
SELECT personalize.parity(NULL, 'pg_class', 'relname', 'par_ads');
SELECT personalize.parity('nonesuch', 'par.person', 'side', 'par_ads');
SELECT personalize.parity(NULL, 'par.person', 'side', 'nonesuch');
SELECT personalize.parity(NULL, 'par.person', 'side', NULL);
RESET ROLE;
SET ROLE regress_par_auditor;
SELECT personalize.parity(NULL, 'par.person', 'side', 'par_ads');
RESET ROLE;

/* who said no pays 12 and 14, who said yes 10 and 12, and who said nothing 10; one said no in the middle */
SELECT count(personalize.refuse_consent(i, 'par_ads', kind => 'par')) FROM generate_series(1, 11, 2) AS i;
SELECT count(personalize.record_outcome(i, 'par_price', CASE WHEN i > 12 THEN 10 WHEN i % 2 = 0 THEN 10 + i % 4 ELSE 11 + i % 4 END, clock_timestamp(), 'par')) FROM generate_series(1, 18) AS i WHERE i <= 12 OR i % 2 = 1;
SELECT personalize.withdraw_consent(2, 'par_ads', kind => 'par') > 0, personalize.record_outcome(2, 'par_price', 14, clock_timestamp(), 'par') > 0;
\set round 'measure, said, persons, round(value::numeric, 4) AS value, yes_persons, round(yes_value::numeric, 4) AS yes_value, round(ratio::numeric, 4) AS ratio, four_fifths, round(difference::numeric, 4) AS difference, round(low::numeric, 4) AS low, round(high::numeric, 4) AS high, method, suppressed'
SET ROLE regress_par_auditor;
SELECT :round FROM personalize.opt_out_parity('par_price', 'par_ads');
SELECT :round FROM personalize.opt_out_parity('par_price', 'par_ads', k => 8);
SELECT personalize.opt_out_parity('par_buys', 'par_ads');
SELECT personalize.opt_out_parity('par_price', 'nonesuch');
RESET ROLE;
/* the yes of the one who changed sides counts as a yes, and the no as a no */
SELECT m.name, count(*) FROM personalize.outcome AS o JOIN personalize.metric AS m USING (metric_id) JOIN personalize.subject AS s USING (subject_no) WHERE s.key = '2' GROUP BY 1 ORDER BY 1;
SELECT personalize.unprotect(r) FROM unnest('{par.person,par.visit}'::regclass[]) AS r;
SELECT personalize.unprotect('par."we''ird ""one"""');
SELECT personalize.revoke_purpose(p, 'regress_par_officer') FROM unnest('{par_ads,par_fair}'::text[]) AS p;
SELECT personalize.revoke_duty('regress_par_officer', 'officer'), personalize.revoke_duty('regress_par_auditor', 'auditor');
SELECT personalize.retire_purpose(p.name) FROM personalize.purposes AS p WHERE p.name LIKE 'par%';
DROP SCHEMA par CASCADE;
DROP OWNED BY regress_par_officer, regress_par_auditor;
DROP ROLE regress_par_officer, regress_par_auditor;
