-- The registry stands names that cross, hierarchies that are too deep and a session that quotes every name.
SET client_min_messages = warning;
\pset format unaligned
\set SHOW_CONTEXT never
CREATE ROLE regress_rx_a;
CREATE ROLE regress_rx_b;
CREATE SCHEMA rx;
CREATE TABLE rx.person (id integer PRIMARY KEY, a text, b text);
CREATE TABLE rx.other (id integer PRIMARY KEY, a text);
CREATE TABLE rx.txt (id text PRIMARY KEY, a text);
SELECT personalize.define_kind('rx', 'bigint');
SELECT personalize.define_kind('rx_text', 'text');
SELECT personalize.define_category('rx_a', 'for tests');
SELECT personalize.define_category('rx_b', 'for tests');
SELECT personalize.define_purpose('rx_use', 'for tests', categories => '{rx_a,rx_b}');
SELECT personalize.define_purpose('rx_only_a', 'for tests', categories => '{rx_a}');
SELECT personalize.protect('rx.person', 'id', kind => 'rx', columns => '{"a":"rx_a","b":"rx_b"}');
SELECT personalize.protect('rx.other', 'id', kind => 'rx', columns => '{"a":"rx_b"}');
SELECT personalize.protect('rx.txt', 'id', kind => 'rx_text', columns => '{"a":"rx_b"}');
SELECT personalize.grant_purpose('rx_use', 'regress_rx_a', may_copy => true);
SELECT personalize.grant_purpose('rx_use', 'regress_rx_b');
SELECT personalize.grant_purpose('rx_only_a', 'regress_rx_b');
SELECT personalize.assign_duty('regress_rx_a', 'app');
SELECT personalize.assign_duty('regress_rx_a', 'officer');
SELECT personalize.assign_duty('regress_rx_b', 'app');
CREATE VIEW pg_temp.held AS
	SELECT g.role_name, g.role_oid = g.role_name::text::regrole AS fits, p.name AS what, g.may_copy
		FROM personalize.registry_grant AS g JOIN personalize.registry_purpose AS p USING (purpose_id) WHERE p.name LIKE 'rx%'
	UNION ALL
	SELECT d.role_name, d.role_oid = d.role_name::text::regrole, d.duty, NULL FROM personalize.registry_duty AS d WHERE d.role_name ~ '^regress_rx'
	ORDER BY 1, 3;
SELECT * FROM pg_temp.held;
/* roles that swap their names where nobody looks (as from a database without the extension) */
BEGIN;
SET LOCAL session_replication_role = replica;
UPDATE pg_authid SET rolname = 'regress_rx_c' WHERE rolname = 'regress_rx_a';
UPDATE pg_authid SET rolname = 'regress_rx_a' WHERE rolname = 'regress_rx_b';
UPDATE pg_authid SET rolname = 'regress_rx_b' WHERE rolname = 'regress_rx_c';
COMMIT;
ALTER TABLE rx.other ADD c text;
ALTER TABLE rx.other DROP c;
SELECT * FROM pg_temp.held;
/* columns, relations and schemas that swap theirs */
BEGIN;
ALTER TABLE rx.person RENAME a TO c;
ALTER TABLE rx.person RENAME b TO a;
ALTER TABLE rx.person RENAME c TO b;
ALTER TABLE rx.person RENAME TO third;
ALTER TABLE rx.other RENAME TO person;
ALTER TABLE rx.third RENAME TO other;
COMMIT;
SELECT relation, "column", category FROM personalize.protected_columns WHERE relation IN ('rx.person'::regclass, 'rx.other'::regclass) ORDER BY 1, 2;
SELECT relation, relation_name FROM personalize.protected_relations WHERE relation IN ('rx.person'::regclass, 'rx.other'::regclass) ORDER BY 1;
/* what is printed is compared as it is printed without quotes */
SELECT check_name, detail FROM personalize.status() WHERE NOT ok AND detail ~ '\mrx\M' ORDER BY 2;
SET quote_all_identifiers = on;
SELECT check_name, detail FROM personalize.status() WHERE NOT ok AND detail ~ '\mrx\M' ORDER BY 2;
ALTER TABLE rx.person RENAME a TO "A b";
SELECT personalize.classify('rx.person', 'A b', 'rx_a');
RESET quote_all_identifiers;
SELECT relation, "column", category FROM personalize.protected_columns WHERE relation = 'rx.person'::regclass ORDER BY 2;

/* as many levels as a decision goes through, counted up and down */
SELECT personalize.define_purpose('rx_0', 'for tests', 'legitimate_interest');
SELECT personalize.define_purpose('rx_' || i, 'for tests', 'legitimate_interest', parents => ARRAY['rx_' || i - 1]) FROM generate_series(1, 32) AS i;
SELECT personalize.define_purpose('rx_33', 'for tests', 'legitimate_interest', parents => '{rx_32}');
SELECT personalize.define_purpose('rx_33', 'for tests', 'legitimate_interest', parents => '{rx_0,rx_31}');
SELECT personalize.define_purpose('rx_top', 'for tests', 'legitimate_interest');
SELECT personalize.define_purpose('rx_0', 'for tests', 'legitimate_interest', parents => '{rx_top}');
SELECT personalize.define_purpose('rx_1', 'for tests', 'legitimate_interest', parents => '{rx_0,rx_top}');
SELECT personalize.grant_consent(1, 'rx_use', kind => 'rx') > 0 AS ok;
SELECT personalize.object_to(2, 'rx_0', kind => 'rx') > 0 AS ok;
SELECT s, personalize.permitted(s, 'rx_32', kind => 'rx') FROM generate_series(1, 2) AS s;
/* a registry that is deeper than it can be: what cannot be reached counts as a no */
INSERT INTO personalize.registry_purpose_parent SELECT c.purpose_id, p.purpose_id
	FROM personalize.registry_purpose AS c, personalize.registry_purpose AS p WHERE c.name = 'rx_0' AND p.name = 'rx_top';
SELECT personalize.object_to(3, 'rx_top', kind => 'rx') > 0 AS ok;
SELECT s, personalize.permitted(s, 'rx_32', kind => 'rx') AS from_32, personalize.permitted(s, 'rx_31', kind => 'rx') AS from_31
	FROM generate_series(1, 4) AS s;
DELETE FROM personalize.registry_purpose_parent AS x USING personalize.registry_purpose AS p WHERE p.purpose_id = x.purpose_id AND p.name ~ '^rx_[0-9]';
DROP VIEW pg_temp.held;
DROP SCHEMA rx CASCADE;
DROP OWNED BY regress_rx_a, regress_rx_b;
DROP ROLE regress_rx_a, regress_rx_b;
SELECT personalize.registry_sync_internal();
