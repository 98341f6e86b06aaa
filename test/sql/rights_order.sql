-- Erasure where relations refer to themselves, in a circle, or to those of another kind of person: nobody else's rows go, and nothing is left out.
SET client_min_messages = warning;
\pset format unaligned
\set SHOW_CONTEXT never
CREATE SCHEMA ord;
/* whoever leads others, whoever brought others; who goes is taken out of the rows of those */
CREATE TABLE ord.employee (id bigint PRIMARY KEY, manager_id bigint REFERENCES ord.employee, brought_by bigint REFERENCES ord.employee ON DELETE SET NULL,
	praise text, badge jsonb NOT NULL);
CREATE TABLE ord.customer (id text PRIMARY KEY, adviser bigint NOT NULL REFERENCES ord.employee ON DELETE CASCADE, note text);
INSERT INTO ord.employee VALUES (701, NULL, NULL, NULL, '{"no": 1}'), (702, 701, 701, 'says 701', '{"no": 2}'), (703, 702, 701, 'says 701', '{"no": 3}'), (704, 702, 703, 'says 703', '{"no": 4}');
INSERT INTO ord.customer VALUES ('a', 703, 'of nobody else'), ('b', 704, 'x');
DO $$
BEGIN
	PERFORM personalize.define_kind('ord', 'bigint');
	PERFORM personalize.define_kind('ord_customer', 'text');
	PERFORM personalize.define_category('ord_c', 'for tests');
	PERFORM personalize.protect('ord.employee', 'id', kind => 'ord', columns => '{"*":"ord_c"}');
	PERFORM personalize.add_subject_path('ord.employee', '{manager_id}', 'access', 'ord');
	PERFORM personalize.add_subject_path('ord.employee', '{brought_by}', 'access', 'ord');
	PERFORM personalize.set_erasure('ord.employee', 'anonymize', '{"praise": "(removed)", "badge": "{}"}', subject => 'brought_by');
END
$$;
SELECT e.value AS step FROM jsonb_array_elements(personalize.erase_subject(701, dry_run => true, kind => 'ord') -> 'relations') AS e;
SELECT e.value AS step FROM jsonb_array_elements(personalize.erase_subject(701, kind => 'ord') -> 'relations') AS e;
BEGIN;
SET LOCAL personalize.purpose = 'backup';
SELECT * FROM ord.employee ORDER BY id;
COMMIT;
/* a key that becomes a pseudonym: whoever refers to it first */
BEGIN;
SELECT personalize.set_erasure('ord.employee', 'anonymize', '{"badge": "{\"no\": 0}"}', subject => 'id');
SELECT e.value AS step FROM jsonb_array_elements(personalize.erase_subject(702, kind => 'ord') -> 'relations') AS e;
SET LOCAL personalize.purpose = 'backup';
SELECT CASE WHEN id < 0 THEN 'pseudonym' ELSE id::text END AS id, manager_id, brought_by, praise, badge FROM ord.employee ORDER BY 1;
ROLLBACK;
/* a relation that persons of another kind own */
SELECT personalize.protect('ord.customer', 'id', kind => 'ord_customer', columns => '{"*":"ord_c"}');
SELECT personalize.erase_subject(703, dry_run => true, kind => 'ord');
SELECT personalize.erase_subject(703, kind => 'ord');
SELECT personalize.erase_subject('a'::text, kind => 'ord_customer') -> 'subjects' AS erased;
SELECT personalize.erase_subject(703, kind => 'ord') -> 'subjects' AS erased;
BEGIN;
SET LOCAL personalize.purpose = 'backup';
SELECT * FROM ord.employee ORDER BY id;
SELECT * FROM ord.customer ORDER BY id;
COMMIT;
/* a circle: what leads to the person counts for more in the order than what only refers */
CREATE TABLE ord.account (id bigint PRIMARY KEY, last_order int);
CREATE TABLE ord.orders (id int PRIMARY KEY, account_id bigint REFERENCES ord.account ON DELETE CASCADE, agent_id bigint, note text, last_parcel int);
CREATE TABLE ord.parcel (id int PRIMARY KEY, account_id bigint REFERENCES ord.account ON DELETE SET NULL, words text);
ALTER TABLE ord.account ADD FOREIGN KEY (last_order) REFERENCES ord.orders ON DELETE SET NULL;
ALTER TABLE ord.orders ADD FOREIGN KEY (last_parcel) REFERENCES ord.parcel ON DELETE CASCADE;
INSERT INTO ord.account VALUES (711), (712);
INSERT INTO ord.parcel VALUES (1, 711, 'for 711'), (2, 712, 'for 712');
INSERT INTO ord.orders VALUES (1, 711, NULL, 'hers'), (2, 711, 712, 'of both'), (3, 712, NULL, 'his'), (4, 712, NULL, 'with her parcel');
UPDATE ord.account SET last_order = id - 709;
DO $$
BEGIN
	PERFORM personalize.define_kind('ord_account', 'bigint');
	PERFORM personalize.protect('ord.account', 'id', kind => 'ord_account', columns => '{"*":"ord_c"}');
	PERFORM personalize.protect('ord.orders', 'account_id', kind => 'ord_account', columns => '{"*":"ord_c"}');
	PERFORM personalize.add_subject_path('ord.orders', '{agent_id}', 'owner', 'ord_account');
	PERFORM personalize.protect('ord.parcel', 'account_id', kind => 'ord_account', columns => '{"*":"ord_c"}');
	PERFORM personalize.set_erasure('ord.parcel', 'anonymize', '{"words": null}');
END
$$;
SELECT e.value AS step FROM jsonb_array_elements(personalize.erase_subject(711, kind => 'ord_account') -> 'relations') AS e;
BEGIN;
SET LOCAL personalize.purpose = 'backup';
SELECT * FROM ord.account ORDER BY id;
SELECT * FROM ord.orders ORDER BY id;
SELECT * FROM ord.parcel ORDER BY id;
COMMIT;
/* what refers to rows that go counts, by whatever path these are the person's; what refers to rows that stay does not */
CREATE TABLE ord.message (id int PRIMARY KEY, sender bigint, recipient bigint);
CREATE TABLE ord.reaction (message_id int REFERENCES ord.message ON DELETE CASCADE, person bigint, what text);
INSERT INTO ord.message VALUES (1, 721, 722), (2, 721, NULL), (3, NULL, 721);
INSERT INTO ord.reaction VALUES (1, 722, 'on what stays'), (2, 721, 'hers'), (3, 722, 'on what goes');
DO $$
BEGIN
	PERFORM personalize.define_kind('ord_writer', 'bigint');
	PERFORM personalize.protect('ord.message', 'sender', kind => 'ord_writer', columns => '{"*":"ord_c"}');
	PERFORM personalize.add_subject_path('ord.message', '{recipient}', kind => 'ord_writer');
	PERFORM personalize.protect('ord.reaction', 'person', kind => 'ord_writer', columns => '{"*":"ord_c"}');
END
$$;
SELECT personalize.erase_subject(721, kind => 'ord_writer');
BEGIN;
SET LOCAL personalize.purpose = 'backup';
DELETE FROM ord.reaction WHERE message_id = 3;
COMMIT;
SELECT personalize.erase_subject(721, kind => 'ord_writer') -> 'relations' AS steps;
BEGIN;
SET LOCAL personalize.purpose = 'backup';
SELECT * FROM ord.message ORDER BY id;
SELECT * FROM ord.reaction ORDER BY message_id;
COMMIT;
/* what leads to the person by rows that are retained, and belongs to somebody else, too: nothing to take away, and nobody has come back */
CREATE TABLE ord.contract (id int PRIMARY KEY, seller bigint, buyer bigint);
CREATE TABLE ord.clause (contract_id int REFERENCES ord.contract, words text);
INSERT INTO ord.contract VALUES (1, 731, 732), (2, 731, NULL);
INSERT INTO ord.clause VALUES (1, 'of both'), (2, 'of one');
DO $$
BEGIN
	PERFORM personalize.define_kind('ord_party', 'bigint');
	PERFORM personalize.protect('ord.contract', 'seller', kind => 'ord_party', columns => '{"*":"ord_c"}');
	PERFORM personalize.add_subject_path('ord.contract', '{buyer}', kind => 'ord_party');
	PERFORM personalize.protect('ord.clause', via => 'contract_id', columns => '{"*":"ord_c"}');
	PERFORM personalize.set_erasure('ord.contract', 'retain', reason => 'commercial law', subject => 'seller');
END
$$;
SELECT personalize.erase_subject(731, kind => 'ord_party') AS certificate \gset
SELECT :'certificate'::jsonb -> 'relations' AS steps;
SELECT * FROM personalize.verify_erasure((:'certificate'::jsonb ->> 'certificate_id')::uuid);
SELECT personalize.reapply_erasures();
INSERT INTO ord.clause VALUES (2, 'imported');
SELECT * FROM personalize.verify_erasure((:'certificate'::jsonb ->> 'certificate_id')::uuid);
SELECT jsonb_array_length(personalize.reapply_erasures()) AS again;
BEGIN;
SET LOCAL personalize.purpose = 'backup';
SELECT * FROM ord.contract ORDER BY id;
SELECT * FROM ord.clause ORDER BY contract_id;
COMMIT;
DO $$
BEGIN
	PERFORM personalize.unprotect(t::regclass) FROM unnest('{ord.clause,ord.contract,ord.reaction,ord.message,ord.account,ord.orders,ord.parcel,ord.customer,ord.employee}'::text[]) AS t;
END
$$;
DROP SCHEMA ord CASCADE;
