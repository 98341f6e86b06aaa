-- Questions beyond the single use: the scope of a breach, refusals, uses by day.
SET client_min_messages = warning;
\pset format unaligned
\set VERBOSITY terse
CREATE ROLE regress_ans_app;
CREATE ROLE regress_ans_other;
CREATE ROLE regress_ans_auditor;
CREATE SCHEMA ans;
GRANT USAGE ON SCHEMA ans TO PUBLIC;
CREATE TABLE ans.customer (id integer PRIMARY KEY, name text, mail text);
INSERT INTO ans.customer SELECT i, 'name' || i, 'mail' || i FROM generate_series(1, 200) AS i;
CREATE TABLE ans.orders (order_id integer PRIMARY KEY, customer_id integer, item text);
INSERT INTO ans.orders SELECT i, 1 + i % 5, 'item' || i FROM generate_series(1, 20) AS i;
GRANT ALL ON ans.customer, ans.orders TO regress_ans_app, regress_ans_other;
DO $$
BEGIN
	PERFORM personalize.define_kind('ans_person', 'integer');
	PERFORM personalize.define_category('ans_general', 'for tests');
	PERFORM personalize.define_category('ans, "contact"', 'for tests');
	PERFORM personalize.define_purpose('ans_ship', 'for tests', 'contract', categories => ARRAY['ans_general', 'ans, "contact"']);
	PERFORM personalize.define_purpose('ans_bill', 'for tests', 'contract', categories => '{ans_general}');
	PERFORM personalize.protect('ans.customer', 'id', kind => 'ans_person', columns => '{"mail":"ans, \"contact\"","*":"ans_general"}');
	PERFORM personalize.protect('ans.orders', 'customer_id', kind => 'ans_person', columns => '{"*":"ans_general"}');
	PERFORM personalize.grant_purpose(p, r) FROM unnest('{ans_ship,ans_bill}'::text[]) AS p, unnest('{regress_ans_app,regress_ans_other}'::regrole[]) AS r;
	PERFORM personalize.assign_duty('regress_ans_auditor', 'auditor');
END
$$;
SELECT clock_timestamp() AS before \gset
SET ROLE regress_ans_app;
BEGIN; SET LOCAL personalize.purpose = 'ans_ship'; SELECT mail FROM ans.customer WHERE id IN (1, 2); COMMIT;
BEGIN; SET LOCAL personalize.purpose = 'ans_bill'; SELECT item FROM ans.orders WHERE customer_id = 2 AND order_id < 10; COMMIT;
SELECT clock_timestamp() AS between \gset
SET ROLE regress_ans_other;
/* many: stored as a packed set */
BEGIN; SET LOCAL personalize.purpose = 'ans_bill'; SELECT count(name) FROM ans.customer; COMMIT;
/* refused: nobody's data */
SELECT count(*) FROM ans.customer;
BEGIN; SET LOCAL personalize.purpose = 'ans_none'; SELECT count(*) FROM ans.orders; ROLLBACK;
/* commands that are refused are on record, too */
TRUNCATE ans.orders;
BEGIN; SET LOCAL personalize.purpose = 'ans_bill'; TRUNCATE ans.customer, ans.orders; ROLLBACK;
CREATE TRIGGER t BEFORE UPDATE ON ans.customer FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger();
RESET ROLE;
CREATE ROLE regress_ans_owner;
GRANT USAGE, CREATE ON SCHEMA ans TO regress_ans_owner;
ALTER TABLE ans.orders OWNER TO regress_ans_owner;
SET ROLE regress_ans_owner;
ALTER TABLE ans.orders DISABLE ROW LEVEL SECURITY;
ALTER TABLE ans.orders ALTER item TYPE text USING customer_id::text;
RESET ROLE;
/* a person who gets a number of the ledger afterwards is one person */
SELECT personalize.object_to(2, 'ans_bill', kind => 'ans_person') > 0 AS event;
SELECT personalize.audit_sync();
SET ROLE regress_ans_auditor;
SELECT kind, subject, categories, relations, purposes, uses, first_access BETWEEN :'before' AND last_access AS times
FROM personalize.breach_scope(:'before', :'between');
SELECT count(*), sum(uses), array_agg(DISTINCT categories) FROM personalize.breach_scope(:'between', 'infinity', 'ans.customer');
SELECT subject, categories, relations, purposes, uses FROM personalize.breach_scope(:'before', NULL) WHERE kind = 'ans_person' AND subject IN ('1', '2', '3') ORDER BY 1;
/* by relation and role; before anything happened */
SELECT subject, uses FROM personalize.breach_scope(NULL, NULL, 'ans.orders');
SELECT count(*), max(uses) FROM personalize.breach_scope(NULL, NULL, role => 'regress_ans_app');
SELECT count(*) FROM personalize.breach_scope(NULL, NULL, role => 'regress_ans_nobody');
SELECT count(*) FROM personalize.breach_scope('-infinity', :'before', 'ans.customer');
RESET ROLE;
/* of a partition: what was used through the whole, too */
CREATE TABLE ans.visit (customer_id integer, day integer, page text) PARTITION BY LIST (day);
CREATE TABLE ans.visit_1 PARTITION OF ans.visit FOR VALUES IN (1);
CREATE TABLE ans.visit_2 PARTITION OF ans.visit FOR VALUES IN (2);
INSERT INTO ans.visit SELECT i, 1 + i % 2, 'page' FROM generate_series(1, 6) AS i;
SELECT personalize.protect('ans.visit', 'customer_id', kind => 'ans_person', columns => '{"*":"ans_general"}');
GRANT ALL ON ans.visit, ans.visit_1, ans.visit_2 TO regress_ans_app;
SET ROLE regress_ans_app;
BEGIN; SET LOCAL personalize.purpose = 'ans_bill'; SELECT count(page) FROM ans.visit; SELECT count(page) FROM ans.visit_1; COMMIT;
RESET ROLE;
SELECT personalize.audit_sync();
SET ROLE regress_ans_auditor;
SELECT r AS relation, count(*), sum(b.uses) FROM unnest('{ans.visit,ans.visit_1,ans.visit_2}'::regclass[]) AS r, personalize.breach_scope(NULL, NULL, r) AS b GROUP BY r ORDER BY r::text;
SELECT relation_name, purpose, reason, refusals FROM personalize.refusals WHERE db_role IN ('regress_ans_other', 'regress_ans_owner') ORDER BY 1, 2, 3;
SELECT purpose, relation_name, sum(uses) AS uses, sum(not_ended) AS not_ended, sum(rows_used) AS rows_used FROM personalize.uses_by_day
WHERE purpose LIKE 'ans%' GROUP BY 1, 2 ORDER BY 1, 2;
SET ROLE regress_ans_app;
SELECT count(*) FROM personalize.breach_scope(NULL, NULL);
SELECT count(*) FROM personalize.refusals;
RESET ROLE;
/* a person who was erased still counts */
SELECT personalize.erase_subject(1, kind => 'ans_person') IS NOT NULL AS erased;
SELECT personalize.audit_sync();
SELECT count(*), count(subject) FROM personalize.breach_scope(:'before', :'between');
SELECT personalize.unprotect('ans.orders'), personalize.unprotect('ans.customer'), personalize.unprotect('ans.visit');
DROP SCHEMA ans CASCADE;
SELECT personalize.revoke_duty('regress_ans_auditor', 'auditor');
SELECT personalize.revoke_purpose(p, r) FROM unnest('{ans_ship,ans_bill}'::text[]) AS p, unnest('{regress_ans_app,regress_ans_other}'::regrole[]) AS r;
DROP ROLE regress_ans_app, regress_ans_other, regress_ans_auditor, regress_ans_owner;
