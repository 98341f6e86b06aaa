-- What applications do, run by test/deep/discard.sh with caches as they are and
-- with caches that are emptied at every chance (:discard); both must print the
-- same.  What comes before is done with caches, since that takes hours without.
\set VERBOSITY terse
\pset format unaligned
SET client_min_messages = warning;
CREATE EXTENSION personalize;
CREATE ROLE owner;
CREATE ROLE app;
CREATE SCHEMA d AUTHORIZATION owner;
GRANT USAGE ON SCHEMA d TO app;
SET ROLE owner;
CREATE TABLE d.person (id bigint PRIMARY KEY, name text, illness text);
CREATE TABLE d.purchase (no integer PRIMARY KEY, person bigint REFERENCES d.person ON DELETE CASCADE ON UPDATE CASCADE, what text);
CREATE TABLE d.item (no integer REFERENCES d.purchase ON DELETE CASCADE, line integer, price integer);
CREATE TABLE d.part (id bigint, v text) PARTITION BY RANGE (id);
CREATE TABLE d.part_low PARTITION OF d.part FOR VALUES FROM (1) TO (5);
CREATE TABLE d.part_high PARTITION OF d.part FOR VALUES FROM (5) TO (50);
INSERT INTO d.person SELECT i, 'name' || i, 'ill' || i FROM generate_series(1, 8) AS i;
INSERT INTO d.purchase SELECT i, i, 'what' || i FROM generate_series(1, 8) AS i;
INSERT INTO d.item SELECT i, j, i * j FROM generate_series(1, 8) AS i, generate_series(1, 2) AS j;
INSERT INTO d.part SELECT i, 'v' || i FROM generate_series(1, 8) AS i;
GRANT ALL ON ALL TABLES IN SCHEMA d TO app;
RESET ROLE;
ALTER TABLE d.part ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON d.part USING (v <> 'v2');
DO $$
BEGIN
	PERFORM personalize.define_category('general', 'for tests');
	PERFORM personalize.define_category('health', 'for tests', special => true);
	PERFORM personalize.define_purpose('mail', 'for tests', categories => '{general,health}');
	PERFORM personalize.define_purpose('ship', 'for tests', 'contract', categories => '{general}');
	PERFORM personalize.protect('d.person', 'id', columns => '{"illness":"health","*":"general"}');
	PERFORM personalize.protect('d.purchase', via => 'person', columns => '{"*":"general"}');
	PERFORM personalize.protect('d.item', via => 'no', columns => '{"*":"general"}');
	PERFORM personalize.protect('d.part', 'id', columns => '{"*":"general"}');
	PERFORM personalize.grant_purpose(p, r) FROM unnest('{mail,ship}'::text[]) AS p, unnest('{app,owner}'::regrole[]) AS r;
	PERFORM personalize.grant_consent(i, 'mail', explicit => i < 3) FROM generate_series(1, 4) AS i;
	PERFORM personalize.create_view(relation => 'd.person', purpose => 'mail');
	PERFORM personalize.audit_sync();
END
$$;
GRANT USAGE ON SCHEMA mail TO app;
GRANT SELECT ON mail.person TO app;
SET personalize.purpose_scope = 'session';
SET debug_discard_caches = :discard;
SET ROLE app;
SELECT count(*) FROM d.person;
SET personalize.purpose = 'mail';
SELECT * FROM d.person ORDER BY id;
PREPARE q AS SELECT name, illness FROM d.person WHERE id = $1;
EXECUTE q (2);
EXECUTE q (7);
SELECT p.name, i.price FROM d.person AS p JOIN d.purchase AS u ON u.person = p.id JOIN d.item AS i USING (no) WHERE i.line = 1 ORDER BY 1;
BEGIN;
DECLARE c CURSOR FOR SELECT name FROM d.person ORDER BY id;
FETCH 1 FROM c;
FETCH ALL FROM c;
COMMIT;
SELECT v, count(*) FROM d.part GROUP BY v ORDER BY v;
INSERT INTO d.person VALUES (1, 'again'), (7, 'again') ON CONFLICT (id) DO UPDATE SET name = EXCLUDED.name RETURNING name;
UPDATE d.person SET name = upper(name) WHERE id > 1 RETURNING id, name;
DELETE FROM d.person WHERE id IN (4, 8) RETURNING id;
SELECT count(most_common_vals) FROM pg_stats WHERE schemaname = 'd';
SET personalize.purpose = 'ship';
SELECT illness FROM d.person;
RESET personalize.purpose;
SELECT name FROM mail.person ORDER BY 1;
RESET ROLE;
RESET debug_discard_caches;
SELECT personalize.audit_sync();
SELECT count(*) AS refusals FROM personalize.refusals;
SELECT relation_name, purpose, count(*) FROM personalize.usage GROUP BY 1, 2 ORDER BY 1, 2;
