-- The registry keeps what it is told, follows renames and drops, and gives back what it took.
SET client_min_messages = warning;
\set SHOW_CONTEXT never
\pset format unaligned
CREATE SCHEMA reg;
CREATE ROLE regress_reg_app;
CREATE ROLE regress_reg_officer;
CREATE DOMAIN reg.customer_id AS integer CHECK (value > 0);
CREATE TABLE reg.customer (id reg.customer_id PRIMARY KEY, email text, "Odd name" integer, born date, note varchar(5));
CREATE TABLE reg.own (id uuid, x text);
ALTER TABLE reg.own ENABLE ROW LEVEL SECURITY;
CREATE POLICY mine ON reg.own USING (x = current_user);
CREATE TABLE reg.parted (id bigint, d integer, x text) PARTITION BY RANGE (d);
CREATE TABLE reg.part1 PARTITION OF reg.parted FOR VALUES FROM (0) TO (10);
CREATE TABLE reg.part2 PARTITION OF reg.parted FOR VALUES FROM (10) TO (20);
ALTER TABLE reg.part2 ENABLE ROW LEVEL SECURITY;

/* categories and purposes: again with the same name changes them, the number stays */
SELECT personalize.define_kind('reg_int', 'integer');
SELECT personalize.define_kind('reg_int', 'smallint');
SELECT personalize.define_kind('reg_uuid', 'uuid');
SELECT personalize.define_category('reg_contact', 'first');
SELECT personalize.define_category('reg_contact', 'how to reach somebody', iri => 'https://w3id.org/dpv/pd#Contact');
SELECT personalize.define_category('reg_general', 'the rest');
SELECT personalize.define_category('reg_health', 'health', special => true);
SELECT * FROM personalize.categories WHERE name LIKE 'reg\_%' OR builtin ORDER BY name COLLATE "C";
SELECT personalize.define_purpose('reg_marketing', 'Marketing', categories => '{reg_contact}');
SELECT purpose_id AS before FROM personalize.registry_purpose WHERE name = 'reg_marketing' \gset
SELECT personalize.define_purpose('reg_marketing', 'All marketing', 'consent', '{reg_general,reg_contact,reg_contact}',
	'a discount', '{ACME}', '2 years', iri => 'https://w3id.org/dpv#Marketing', automated => true);
SELECT purpose_id = :before AS same_number FROM personalize.registry_purpose WHERE name = 'reg_marketing';
SELECT personalize.define_purpose('reg_email', 'Mail', 'legitimate_interest', '{reg_contact}', parents => '{reg_marketing}');
SELECT personalize.define_purpose('reg_old', 'Old');
SELECT personalize.retire_purpose('reg_old');
SELECT personalize.retire_purpose('reg_old');
SELECT personalize.grant_purpose('reg_marketing', 'regress_reg_app');
SELECT personalize.grant_purpose('reg_email', 'regress_reg_app', may_copy => true);
SELECT personalize.grant_purpose('reg_email', 'regress_reg_officer');
SELECT name, description, legal_basis, categories, parents, value_exchange, recipients, retention, iri, automated,
	retired_at IS NOT NULL AS retired, granted_to, may_copy
	FROM personalize.purposes WHERE name LIKE 'reg\_%' ORDER BY name COLLATE "C";
SELECT name, builtin, granted_to FROM personalize.purposes WHERE builtin ORDER BY name COLLATE "C";
SELECT personalize.revoke_purpose('reg_email', 'regress_reg_officer');
SELECT personalize.revoke_purpose('reg_email', 'regress_reg_officer');
SELECT granted_to FROM personalize.purposes WHERE name = 'reg_email';

/* protect: columns by name, the rest by "*", the subject column is not personal by itself */
SELECT personalize.protect('reg.customer', 'id', kind => 'reg_int', columns => '{"email":"reg_contact","born":"reg_health"}');
SELECT personalize.protect('reg.own', 'id', kind => 'reg_uuid', columns => '{"*":"reg_general"}', null_subject => 'visible');
SELECT personalize.protect('reg.parted', 'id', kind => 'reg_int', columns => '{"*":"reg_general","id":"reg_contact"}');
SELECT relation, relation_name, subject, kind, ownership, null_subject, mode, hard, unclassified
	FROM personalize.protected_relations WHERE relation_name LIKE 'reg.%' ORDER BY relation_name COLLATE "C";
SELECT * FROM personalize.protected_columns WHERE relation::text LIKE 'reg.%' ORDER BY relation::text COLLATE "C", "column" COLLATE "C";
SELECT personalize.classify('reg.customer', 'Odd name', 'reg_general', '0');
SELECT personalize.classify('reg.customer', 'note', 'reg_contact', 'abc');
SELECT personalize.classify('reg.customer', 'note', 'reg_general', '');
SELECT * FROM personalize.protected_columns WHERE relation = 'reg.customer'::regclass ORDER BY "column" COLLATE "C";
/* row security: on and forced everywhere, a net only where it was off before */
SELECT c.oid::regclass AS relation, c.relrowsecurity, c.relforcerowsecurity,
		ARRAY(SELECT regexp_replace(p.polname, '[0-9]+', 'N') || CASE WHEN p.polpermissive THEN ' permissive' ELSE ' restrictive' END
			FROM pg_policy p WHERE p.polrelid = c.oid ORDER BY p.polname) AS policies
	FROM pg_class c WHERE c.relnamespace = 'reg'::regnamespace AND c.relkind IN ('r', 'p') ORDER BY c.relname COLLATE "C";
SELECT regexp_replace(pg_get_expr(p.polqual, p.polrelid), '[0-9]{2,}', 'N') AS qual, pg_get_expr(p.polwithcheck, p.polrelid) AS with_check,
		obj_description(p.oid, 'pg_policy') IS NOT NULL AS has_comment
	FROM pg_policy p WHERE p.polrelid = 'reg.customer'::regclass AND NOT p.polpermissive;
SELECT check_name, ok, detail FROM personalize.status() WHERE detail LIKE '%reg.%' ORDER BY detail COLLATE "C";

/* status() finds what somebody broke and what came later */
ALTER TABLE reg.customer NO FORCE ROW LEVEL SECURITY;
ALTER TABLE reg.customer ADD COLUMN later text;
CREATE TABLE reg.part3 PARTITION OF reg.parted FOR VALUES FROM (20) TO (30);
SET client_min_messages = error;
CREATE PUBLICATION regress_reg_pub FOR TABLE reg.own;
SET client_min_messages = warning;
SELECT check_name, ok, regexp_replace(detail, '_[0-9]+', '_N') AS detail FROM personalize.status() WHERE detail LIKE '%reg.%' ORDER BY detail COLLATE "C";
DROP PUBLICATION regress_reg_pub;
ALTER TABLE reg.customer FORCE ROW LEVEL SECURITY;

/* names follow renames, entries go with what is dropped */
ALTER TABLE reg.customer RENAME TO people;
ALTER TABLE reg.people RENAME COLUMN id TO person;
ALTER TABLE reg.people RENAME COLUMN email TO mail;
ALTER TABLE reg.people DROP COLUMN born;
ALTER ROLE regress_reg_app RENAME TO regress_reg_application;
SELECT personalize.define_category('reg_general', 'the rest');
SELECT relation_name, subject, unclassified FROM personalize.protected_relations WHERE relation = 'reg.people'::regclass;
SELECT "column", category FROM personalize.protected_columns WHERE relation = 'reg.people'::regclass ORDER BY "column" COLLATE "C";
SELECT granted_to, may_copy FROM personalize.purposes WHERE name = 'reg_email';
/* nothing changed: nothing is written */
SELECT xmin AS row_version FROM personalize.registry_relation WHERE relation_name = 'people' \gset
SELECT personalize.registry_sync_internal();
SELECT xmin = :'row_version'::xid AS untouched FROM personalize.registry_relation WHERE relation_name = 'people';

/* the numbers are of another database: the names count */
BEGIN;
UPDATE personalize.registry_anchor SET system_identifier = 1;
UPDATE personalize.registry_relation SET relid = relid::bigint + 1000000000 WHERE schema_name = 'reg';
UPDATE personalize.registry_path SET relid = relid::bigint + 1000000000 WHERE relid::regclass::text LIKE 'reg.%';
UPDATE personalize.registry_column SET relid = relid::bigint + 1000000000, attnum = attnum + 100 WHERE relid::regclass::text LIKE 'reg.%';
UPDATE personalize.registry_child SET relid = relid::bigint + 1000000000, child_relid = child_relid::bigint + 1000000000;
UPDATE personalize.registry_grant SET role_oid = role_oid::bigint + 1000000000;
UPDATE personalize.registry_relation SET relation_name = 'never_restored' WHERE relation_name = 'own';
SELECT check_name, ok, detail FROM personalize.status() WHERE check_name IN ('registry', 'relation') ORDER BY detail COLLATE "C";
SELECT personalize.define_category('reg_general', 'the rest');
SELECT relation, relation_name, subject, unclassified FROM personalize.protected_relations WHERE relation_name LIKE 'reg.%' ORDER BY relation_name COLLATE "C";
SELECT * FROM personalize.protected_columns WHERE relation::text LIKE 'reg.%' ORDER BY relation::text COLLATE "C", "column" COLLATE "C";
SELECT child_relid::regclass FROM personalize.registry_child WHERE schema_name = 'reg' ORDER BY 1;
SELECT role_oid::regrole, role_name FROM personalize.registry_grant WHERE role_name LIKE 'regress\_reg\_%' ORDER BY purpose_id;
SELECT check_name, ok, detail FROM personalize.status() WHERE check_name IN ('registry', 'relation') ORDER BY detail COLLATE "C";
ROLLBACK;

/* a second subject of a row */
SELECT personalize.add_subject_path('reg.people', '{"Odd name"}', 'access', 'reg_int');
SELECT subject, ownership FROM personalize.protected_relations WHERE relation = 'reg.people'::regclass ORDER BY ownership COLLATE "C";
SELECT count(*) FROM pg_policy WHERE polrelid = 'reg.people'::regclass;

/* what leads to a subject may be used, although nobody has classified it */
BEGIN;
CREATE TABLE reg.unclassified (id integer, tag text);
SELECT personalize.protect('reg.unclassified');
SELECT personalize.add_subject_path('reg.unclassified', '{id}', kind => 'reg_int');
SELECT subject, unclassified FROM personalize.protected_relations WHERE relation = 'reg.unclassified'::regclass;
SELECT detail FROM personalize.status() WHERE check_name = 'columns' AND detail LIKE '%reg.unclassified%';
ROLLBACK;

/* duties: what they may call and nothing else, also where two of them overlap */
SELECT personalize.assign_duty('regress_reg_officer', 'officer');
SELECT personalize.assign_duty('regress_reg_officer', 'auditor');
SELECT personalize.assign_duty('regress_reg_application', 'app');
SELECT personalize.revoke_duty('regress_reg_officer', 'auditor');
SELECT has_function_privilege('regress_reg_officer', 'personalize.status()', 'EXECUTE') AS officer_status,
	has_function_privilege('regress_reg_officer', 'personalize.erase_subject(uuid,text,boolean,text)', 'EXECUTE') AS officer_erase,
	has_function_privilege('regress_reg_application', 'personalize.permitted(bigint,text,text)', 'EXECUTE') AS app_asks,
	has_function_privilege('regress_reg_application', 'personalize.status()', 'EXECUTE') AS app_status,
	has_table_privilege('regress_reg_officer', 'personalize.consent_event', 'SELECT') AS officer_ledger,
	has_table_privilege('regress_reg_application', 'personalize.consent', 'SELECT') AS app_consent;
SET ROLE regress_reg_officer;
SELECT personalize.define_category('reg_more', 'by the officer');
SELECT personalize.grant_consent(1, 'reg_marketing', kind => 'reg_int');
SET ROLE regress_reg_application;
SELECT personalize.grant_consent(1, 'reg_marketing', kind => 'reg_int') > 0 AS recorded;
SELECT kind, subject, purpose, state, permitted, categories FROM personalize.consent WHERE kind = 'reg_int';
SELECT personalize.define_category('reg_more', 'by the application');
RESET ROLE;
SELECT personalize.revoke_duty('regress_reg_officer', 'officer');
SELECT personalize.revoke_duty('regress_reg_application', 'app');
SELECT p.oid::regprocedure FROM pg_proc p WHERE p.pronamespace = 'personalize'::regnamespace
	AND EXISTS (SELECT FROM aclexplode(p.proacl) a WHERE a.grantee IN ('regress_reg_officer'::regrole, 'regress_reg_application'::regrole));

/* unprotect gives back what it took */
DO $$
BEGIN
	PERFORM personalize.unprotect('reg.people');
	PERFORM personalize.unprotect('reg.own');
	PERFORM personalize.unprotect('reg.parted');
END
$$;
SELECT c.oid::regclass AS relation, c.relrowsecurity, c.relforcerowsecurity,
		ARRAY(SELECT p.polname FROM pg_policy p WHERE p.polrelid = c.oid ORDER BY p.polname) AS policies
	FROM pg_class c WHERE c.relnamespace = 'reg'::regnamespace AND c.relkind IN ('r', 'p') ORDER BY c.relname COLLATE "C";
SELECT count(*) FROM personalize.protected_columns WHERE relation::text LIKE 'reg.%';

/* a protected relation that is dropped leaves the registry */
CREATE TABLE reg.short (id integer);
SELECT personalize.protect('reg.short', 'id', kind => 'reg_int');
DROP TABLE reg.short;
SELECT personalize.define_category('reg_general', 'the rest');
SELECT count(*) FROM personalize.registry_relation WHERE relation_name = 'short';
SELECT count(*) FROM personalize.registry_path p WHERE NOT EXISTS (SELECT FROM personalize.registry_relation r WHERE r.relid = p.relid);

/* every object has a comment */
SELECT p.oid::regprocedure FROM pg_proc p WHERE p.pronamespace = 'personalize'::regnamespace AND obj_description(p.oid, 'pg_proc') IS NULL ORDER BY 1;
SELECT c.oid::regclass FROM pg_class c WHERE c.relnamespace = 'personalize'::regnamespace AND c.relkind IN ('r', 'v', 'p', 'S') AND obj_description(c.oid, 'pg_class') IS NULL ORDER BY 1;

DROP SCHEMA reg CASCADE;
SELECT personalize.revoke_purpose('reg_email', 'regress_reg_application');
SELECT personalize.revoke_purpose('reg_marketing', 'regress_reg_application');
DROP ROLE regress_reg_application;
DROP ROLE regress_reg_officer;
