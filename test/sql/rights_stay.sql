-- Rows that stay, and what refers to them: holds and rules for one relation of a chain of foreign keys. The dry run says what the run does.
SET client_min_messages = warning;
\pset format unaligned
\pset tuples_only on
\set SHOW_CONTEXT never
CREATE SCHEMA stay;
CREATE TABLE stay.customer (id bigint PRIMARY KEY, name text, email text DEFAULT 'e');
CREATE TABLE stay.orders (id bigint PRIMARY KEY, customer_id bigint REFERENCES stay.customer);
CREATE TABLE stay.item (id bigint PRIMARY KEY, order_id bigint NOT NULL REFERENCES stay.orders, what text);
CREATE TABLE stay.note (id bigint PRIMARY KEY, item_id bigint REFERENCES stay.item ON DELETE RESTRICT, what text);
INSERT INTO stay.customer SELECT 6100 + i, 'n' FROM generate_series(1, 9) AS i;
INSERT INTO stay.orders SELECT i, 6100 + i FROM generate_series(1, 9) AS i;
INSERT INTO stay.item SELECT i, i, 'x' FROM generate_series(1, 9) AS i;
INSERT INTO stay.note SELECT i, i, 'x' FROM generate_series(1, 9) AS i;
DO $$
BEGIN
	PERFORM personalize.define_kind('stay', 'bigint');
	PERFORM personalize.define_category('stay_c', 'for tests');
	PERFORM personalize.protect('stay.customer', 'id', kind => 'stay', columns => '{"*":"stay_c"}');
	PERFORM personalize.protect('stay.orders', 'customer_id', kind => 'stay', columns => '{"*":"stay_c"}');
	PERFORM personalize.protect('stay.item', via => 'order_id', columns => '{"*":"stay_c"}');
	PERFORM personalize.protect('stay.note', via => 'item_id', columns => '{"*":"stay_c"}');
END
$$;

/* what a certificate, or a dry run of it, says of relations, without the moment */
CREATE FUNCTION stay.relations(certificate jsonb) RETURNS SETOF text LANGUAGE sql AS $$
	SELECT concat_ws(' ', e ->> 'action', e ->> 'relation', e ->> 'rows', e -> 'anonymized') FROM jsonb_array_elements(certificate -> 'relations') AS e
$$;
/* what is there of a person, in all four */
CREATE FUNCTION stay.left(person int) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('personalize.purpose', 'backup', true);
	RETURN (SELECT count(*) FROM stay.customer AS x WHERE x.id = 6100 + person) || ' ' || (SELECT count(*) FROM stay.orders AS x WHERE x.id = person) || ' '
		|| (SELECT count(*) FROM stay.item AS x WHERE x.id = person) || ' ' || (SELECT count(*) FROM stay.note AS x WHERE x.id = person);
END
$$;
CREATE FUNCTION stay.as_the_dry_run_says(person bigint) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	foreseen text[] := ARRAY(SELECT stay.relations(personalize.erase_subject(person, kind => 'stay', dry_run => true)));
	done text[] := ARRAY(SELECT stay.relations(personalize.erase_subject(person, kind => 'stay')));
BEGIN
	IF foreseen IS DISTINCT FROM done THEN
		RAISE EXCEPTION 'foreseen: %, done: %', foreseen, done;
	END IF;
	RETURN QUERY SELECT * FROM unnest(done);
END
$$;

\echo a hold on items: what they refer to is held, what refers to them goes
SELECT personalize.hold_subject(6101, 'court', 'stay.item', 'stay') IS NOT NULL;
SELECT * FROM stay.as_the_dry_run_says(6101);
SELECT stay.left(1);
\echo a hold on the last of the chain holds all of it; released, all goes
SELECT personalize.hold_subject(6102, 'court', 'stay.note', 'stay') AS held \gset
SELECT * FROM stay.as_the_dry_run_says(6102);
SELECT stay.left(2);
SELECT stay.relations(personalize.release_hold(:'held'));
SELECT stay.left(2);
\echo the same for who asks for it, and the worker does it
SELECT personalize.hold_subject(6103, 'court', 'stay.orders', 'stay') AS held \gset
SELECT personalize.request_erasure(6103, kind => 'stay') IS NOT NULL;
DO $$ BEGIN FOR i IN 1 .. 20 LOOP EXIT WHEN NOT personalize.erasure_batch_internal(1000); END LOOP; END $$;
SELECT stay.left(3);
SELECT stay.relations(personalize.release_hold(:'held'));
SELECT stay.left(3);
\echo retention of a row keeps what it refers to from being deleted: both runs say so
SELECT personalize.set_erasure('stay.item', 'retain', reason => 'tax', keep_for => '10 years');
SELECT personalize.erase_subject(6104, kind => 'stay', dry_run => true);
SELECT personalize.erase_subject(6104, kind => 'stay');
SELECT stay.left(4);
\echo so does a foreign key RESTRICT
SELECT personalize.set_erasure('stay.item', 'delete');
SELECT personalize.set_erasure('stay.note', 'retain', reason => 'tax', keep_for => '10 years');
SELECT personalize.erase_subject(6104, kind => 'stay', dry_run => true);
SELECT personalize.erase_subject(6104, kind => 'stay');
\echo orders that are cut off from the customer do not
SELECT personalize.set_erasure('stay.note', 'delete');
SELECT personalize.set_erasure('stay.orders', 'anonymize', '{"customer_id": null}');
SELECT * FROM stay.as_the_dry_run_says(6104);
SELECT stay.left(4);
\echo retained all the way: the key of the customer cannot become another, but the name can go
SELECT personalize.set_erasure(r::regclass, 'retain', reason => 'tax', keep_for => '10 years') FROM unnest('{stay.note,stay.item,stay.orders}'::text[]) AS r;
SELECT personalize.set_erasure('stay.customer', 'anonymize', '{"name": null}');
SELECT personalize.erase_subject(6105, kind => 'stay', dry_run => true);
SELECT personalize.erase_subject(6105, kind => 'stay');
SELECT stay.left(5);
SELECT personalize.set_erasure('stay.customer', 'retain', '{"id": null}', 'tax', '10 years');
SELECT personalize.set_erasure('stay.customer', 'retain', '{"name": null, "email": {"pseudonym": true}}', 'tax', '10 years');
SELECT * FROM stay.as_the_dry_run_says(6105);
SELECT stay.left(5);
BEGIN;
SET LOCAL personalize.purpose = 'backup';
SELECT id, name, email LIKE 'erased-%' FROM stay.customer WHERE id = 6105;
COMMIT;
\echo what is held is not anonymized
SELECT personalize.hold_subject(6106, 'court', 'stay.customer', 'stay') AS held \gset
SELECT * FROM stay.as_the_dry_run_says(6106);
BEGIN;
SET LOCAL personalize.purpose = 'backup';
SELECT * FROM stay.customer WHERE id = 6106;
COMMIT;
SELECT stay.relations(personalize.release_hold(:'held'));
BEGIN;
SET LOCAL personalize.purpose = 'backup';
SELECT id, name, email LIKE 'erased-%' FROM stay.customer WHERE id = 6106;
\echo the others are as they were
SELECT count(*), count(name), count(email) FROM stay.customer WHERE id > 6106;
COMMIT;
DROP SCHEMA stay CASCADE;
